// OneHot: a new axis of `depth` elements, on at the index and off elsewhere (also where the index is out of range).
#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_one_hot(const NodeInfo& node) {
  require_inputs(node, 3, 3);
  const Operand& indices = require_input(node, 0, "indices", kNumbers);
  const Operand& values = require_input(node, 2, "values", kAnyType);
  if (values.shape != Shape{2}) node.fail("input 'values' has shape " + to_string(values.shape) + ", expected [2]");
  const double depth = scalar_value(node, 1, "depth");
  if (!(depth >= 1 && depth <= 1e9)) node.fail("input 'depth' is " + std::to_string(depth));
  Shape shape = indices.shape;
  const int64_t axis = node.axis(node.integer("axis", -1), shape.size() + 1);
  shape.insert(shape.begin() + axis, static_cast<int64_t>(depth));
  return one_result(node, values.type, shape);
}

void build_one_hot(const NodeInfo& node, Builder& b) {
  const Shape shape = b.shape(b.output());
  const int64_t axis = node.axis(node.integer("axis", -1), shape.size());
  const auto axes = b.axes(shape);
  Exprs where = jit::variables(axes);
  const Expr column = where[axis];
  where.erase(where.begin() + axis);
  const Expr index = cast(DataType::i64, input_at(node, b, 0, where));
  const Expr positive = select(lt(index, Expr(0)), index + shape[axis], index);
  b.map(b.output(), axes, select(eq(positive, column), b.at(b.input(2), {Expr(1)}), b.at(b.input(2), {Expr(0)})));
}

}  // namespace

const Implementation kOneHot = {infer_one_hot, build_one_hot};

}  // namespace altrt::ops
