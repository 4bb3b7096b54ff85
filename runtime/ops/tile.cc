#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_tile(const NodeInfo& node) {
  require_inputs(node, 2, 2);
  const Operand& x = require_input(node, 0, "input", kAnyType);
  const std::vector<int64_t> repeats = node.constant_input(1, "repeats");
  if (repeats.size() != x.shape.size()) {
    node.fail("input 'repeats' has " + std::to_string(repeats.size()) + " values for shape " + to_string(x.shape));
  }
  require_range(node, repeats, 0, "input 'repeats'");
  Shape shape = x.shape;
  for (size_t d = 0; d < shape.size(); ++d) shape[d] = checked_product(node, shape[d], repeats[d]);
  return one_result(node, x.type, shape);
}

void build_tile(const NodeInfo&, Builder& b) {
  const Shape from = b.shape(b.input(0)), to = b.shape(b.output());
  const auto axes = b.axes(to);
  if (element_count(to) == 0) return;
  Exprs index = jit::variables(axes);
  for (size_t d = 0; d < from.size(); ++d) {
    if (from[d] != to[d]) index[d] = floor_mod(index[d], from[d]);
  }
  b.map(b.output(), axes, b.at(b.input(0), index));
}

}  // namespace

const Implementation kTile = {infer_tile, build_tile};

}  // namespace altrt::ops
