// Clip: limits are attributes before opset 11, optional inputs since. NaN stays.
#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_clip(const NodeInfo& node) {
  require_inputs(node, 1, node.opset < 11 ? 1 : 3);
  const Operand& x = require_input(node, 0, "input", kNumbers);
  for (int i = 1; i < 3; ++i) {
    if (!node.has_input(i)) continue;
    require_same_type(node, i, 0);
    if (element_count(node.input(i).shape) != 1) {
      node.fail(std::string("input '") + (i == 1 ? "min" : "max") + "' is not a scalar");
    }
  }
  return one_result(node, x.type, x.shape);
}

void build_clip(const NodeInfo& node, Builder& b) {
  const auto axes = b.axes(b.shape(b.output()));
  Expr value = b.at(b.input(0), jit::variables(axes));
  if (node.opset < 11) {
    if (node.has_attribute("min")) value = max(value, constant_like(value, node.real("min", 0)));
    if (node.has_attribute("max")) value = min(value, constant_like(value, node.real("max", 0)));
  }
  if (node.has_input(1)) value = max(value, input_at(node, b, 1, {}));
  if (node.has_input(2)) value = min(value, input_at(node, b, 2, {}));
  b.map(b.output(), axes, value);
}

}  // namespace

const Implementation kClip = {infer_clip, build_clip};

}  // namespace altrt::ops
