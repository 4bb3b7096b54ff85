// Dropout as inference has it: the identity, with a mask of ones.
#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_dropout(const NodeInfo& node) {
  require_inputs(node, 1, 3);
  require_outputs(node, 2);
  const Operand& x = require_input(node, 0, "data", kAnyType);
  if (node.has_input(2)) {
    const Operand& training = require_input(node, 2, "training_mode", kBooleans);
    const bool drops = !node.has_input(1) || scalar_value(node, 1, "ratio") != 0;
    if (!training.data) node.fail("input 'training_mode' is not known at load", ErrorCode::unsupported);
    if (drops && scalar_value(node, 2, "training_mode") != 0) {
      node.fail("input 'training_mode' is true", ErrorCode::unsupported);
    }
  }
  check_size(node, x.shape);
  const DataType mask = node.opset < 10 ? x.type : DataType::boolean;
  std::vector<ResultType> results = {{x.type, x.shape}, {mask, x.shape}};
  results.resize(node.outputs);
  return results;
}

void build_dropout(const NodeInfo&, Builder& b) {
  if (b.output(0) >= 0) {
    const auto axes = b.axes(b.shape(b.output()));
    b.map(b.output(), axes, b.at(b.input(0), jit::variables(axes)));
  }
  if (b.output(1) >= 0) {
    const auto axes = b.axes(b.shape(b.output(1)));
    b.map(b.output(1), axes, jit::constant(b.type(b.output(1)), 1));
  }
}

}  // namespace

const Implementation kDropout = {infer_dropout, build_dropout};

}  // namespace altrt::ops
