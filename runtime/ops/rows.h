// Normalisations and reductions over some dimensions of a tensor: rows of elements that share the other dimensions'
// indices.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/ops/common.h"

namespace altrt::ops {

class Rows {
 public:
  /// `axes` are the dimensions of `shape` that make a row, distinct and non-negative.
  Rows(Shape shape, const std::vector<int64_t>& axes);

  const Shape& shape() const { return shape_; }
  bool reduced(size_t d) const { return reduced_[d]; }
  /// The other dimensions' extents: one element a row.
  const Shape& kept() const { return kept_; }
  /// Elements in a row.
  int64_t length() const;
  /// The row's index of an element.
  Exprs row_of(const Exprs& element) const;
  /// A value of an element as a function of its full index.
  using Body = std::function<Expr(const Exprs&)>;
  using State = jit::StateValue (*)(const Expr&);
  /// A stage row[kept...] = finalise(reduction of body over the row). The names of axes are d0... and r0.... Returns
  /// the stage number or -1.
  int reduce(Builder& b, int row, const Body& body, State state, const Expr& finalise = {}) const;
  /// An intermediate with one element a row and the stage that reduces into it.
  int reduce_to(Builder& b, const std::string& name, DataType type, const Body& body, State state,
                const Expr& finalise = {}) const;
  /// A stage tensor[element] = body.
  void map(Builder& b, int tensor, const Body& body) const;

 private:
  Shape shape_, kept_;
  std::vector<bool> reduced_;
};

}  // namespace altrt::ops
