// Expand: broadcasting with a shape.
#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_expand(const NodeInfo& node) {
  require_inputs(node, 2, 2);
  const Operand& x = require_input(node, 0, "input", kAnyType);
  const std::vector<int64_t> wanted = node.constant_input(1, "shape");
  require_range(node, wanted, 0, "input 'shape'");
  return one_result(node, x.type, broadcast(node, x.shape, wanted));
}

void build_expand(const NodeInfo&, Builder& b) {
  const auto axes = b.axes(b.shape(b.output()));
  b.map(b.output(), axes, b.broadcast_at(b.input(0), jit::variables(axes)));
}

}  // namespace

const Implementation kExpand = {infer_expand, build_expand};

}  // namespace altrt::ops
