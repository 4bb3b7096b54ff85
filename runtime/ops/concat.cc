// Concat: one stage per input, each writing its slice of the output.
#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_concat(const NodeInfo& node) {
  if (node.inputs.empty()) node.fail("has no input");
  const Operand& first = require_input(node, 0, "inputs", kAnyType);
  const int64_t axis = node.axis(node.integer("axis"), first.shape.size());
  Shape shape = first.shape;
  for (int i = 1; i < static_cast<int>(node.inputs.size()); ++i) {
    require_same_type(node, i, 0);
    Shape other = node.input(i).shape;
    if (other.size() != shape.size()) {
      node.fail("inputs of shapes " + to_string(first.shape) + " and " + to_string(other) + " do not join");
    }
    const int64_t extent = other[axis];
    other[axis] = shape[axis];
    if (other != shape) {
      node.fail("inputs of shapes " + to_string(first.shape) + " and " + to_string(node.input(i).shape) +
                " do not join along axis " + std::to_string(axis));
    }
    shape[axis] += extent;
  }
  return one_result(node, first.type, shape);
}

void build_concat(const NodeInfo& node, Builder& b) {
  const int64_t axis = node.axis(node.integer("axis"), node.input(0).shape.size());
  int64_t offset = 0;
  for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) {
    const Shape& shape = node.input(i).shape;
    const auto axes = b.axes(shape);
    const Exprs point = jit::variables(axes);
    Exprs store = point;
    store[axis] = store[axis] + offset;
    b.map(b.output(), axes, b.at(b.input(i), point), store);
    offset += shape[axis];
  }
}

}  // namespace

const Implementation kConcat = {infer_concat, build_concat};

}  // namespace altrt::ops
