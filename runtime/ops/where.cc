#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_where(const NodeInfo& node) {
  require_inputs(node, 3, 3);
  const Operand& condition = require_input(node, 0, "condition", kBooleans);
  const Operand& x = require_input(node, 1, "X", kAnyType);
  require_same_type(node, 2, 1);
  return one_result(node, x.type, broadcast(node, broadcast(node, condition.shape, x.shape), node.input(2).shape));
}

void build_where(const NodeInfo& node, Builder& b) {
  const auto axes = b.axes(b.shape(b.output()));
  const Exprs point = jit::variables(axes);
  b.map(b.output(), axes,
        select(input_at(node, b, 0, point), input_at(node, b, 1, point), input_at(node, b, 2, point)));
}

}  // namespace

const Implementation kWhere = {infer_where, build_where};

}  // namespace altrt::ops
