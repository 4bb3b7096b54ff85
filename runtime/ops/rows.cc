#include "runtime/ops/rows.h"

namespace altrt::ops {

Rows::Rows(Shape shape, const std::vector<int64_t>& axes) : shape_(std::move(shape)), reduced_(shape_.size(), false) {
  for (int64_t axis : axes) reduced_[axis] = true;
  for (size_t d = 0; d < shape_.size(); ++d) {
    if (!reduced_[d]) kept_.push_back(shape_[d]);
  }
}

int64_t Rows::length() const {
  Shape row;
  for (size_t d = 0; d < shape_.size(); ++d) {
    if (reduced_[d]) row.push_back(shape_[d]);
  }
  return element_count(row);
}

Exprs Rows::row_of(const Exprs& element) const {
  Exprs row;
  for (size_t d = 0; d < shape_.size(); ++d) {
    if (!reduced_[d]) row.push_back(element[d]);
  }
  return row;
}

int Rows::reduce(Builder& b, int row, const Body& body, State state, const Expr& finalise) const {
  const auto axes = b.axes(kept_);
  Shape extents;
  std::vector<std::string> names;
  for (size_t d = 0; d < shape_.size(); ++d) {
    if (!reduced_[d]) continue;
    names.push_back("r" + std::to_string(extents.size()));
    extents.push_back(shape_[d]);
  }
  const auto reduction = b.axes(extents, names);
  Exprs element;
  size_t next_axis = 0, next_reduction = 0;
  for (size_t d = 0; d < shape_.size(); ++d) {
    element.push_back(jit::variable(reduced_[d] ? reduction[next_reduction++].name : axes[next_axis++].name));
  }
  return b.reduce(row, axes, reduction, state(body(element)), finalise);
}

int Rows::reduce_to(Builder& b, const std::string& name, DataType type, const Body& body, State state,
                    const Expr& finalise) const {
  const int row = b.intermediate(name, type, kept_);
  reduce(b, row, body, state, finalise);
  return row;
}

void Rows::map(Builder& b, int tensor, const Body& body) const {
  const auto axes = b.axes(shape_);
  b.map(tensor, axes, body(jit::variables(axes)));
}

}  // namespace altrt::ops
