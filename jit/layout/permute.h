// Native packing: moves a tensor between two layouts with strided copies, without compiling anything. Used for weights at load, the session's
// edge, conversions that are not worth a kernel, and folded moves.
#pragma once

#include <cstdint>
#include <vector>

#include "jit/layout/layout.h"

namespace altrt::jit {

/// A prepared copy between two layouts of one logical shape; immutable, usable from many threads.
class Permute {
 public:
  /// Error(invalid_argument) if a layout does not fit the shape.
  Permute(DataType type, const std::vector<int64_t>& shape, const Layout& from, const Layout& to);
  /// Copies slices [first, last) of tasks(); disjoint ranges may run in parallel. Filled padding of `to` is written, undefined padding is written as 0.
  void run(const void* from, void* to, int64_t first, int64_t last) const;
  int64_t tasks() const { return tasks_; }
  int64_t bytes_to() const { return bytes_to_; }

 private:
  struct Dim {
    int64_t extent, from_stride, to_stride;
  };
  DataType type_;
  std::vector<Dim> dims_;  // the fast path: a pure strided copy, outermost first
  int64_t tasks_ = 1;
  int64_t bytes_to_ = 0;
  std::vector<int64_t> table_;  // the general path: source element of each destination element, -1 - k for fill value k
  std::vector<double> fills_;
};

/// Writes every filled padding position of a tensor in `layout` (and 0 to undefined padding).
void fill_padding(DataType type, const std::vector<int64_t>& shape, const Layout& layout, void* data);

}  // namespace altrt::jit
