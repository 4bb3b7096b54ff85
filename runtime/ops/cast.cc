// Cast and CastLike. Floats become integers by truncation with saturation, anything a boolean by comparison with zero.
#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_cast(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  return one_result(node, onnx_type(node, node.integer("to"), "attribute 'to'"), node.input(0).shape);
}

std::vector<ResultType> infer_cast_like(const NodeInfo& node) {
  require_inputs(node, 2, 2);
  return one_result(node, node.input(1).type, node.input(0).shape);
}

void build_cast(const NodeInfo&, Builder& b) {
  const auto axes = b.axes(b.shape(b.output()));
  b.map(b.output(), axes, cast(b.type(b.output()), b.at(b.input(0), jit::variables(axes))));
}

}  // namespace

const Implementation kCast = {infer_cast, build_cast};
const Implementation kCastLike = {infer_cast_like, build_cast};

}  // namespace altrt::ops
