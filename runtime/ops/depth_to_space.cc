// DepthToSpace and SpaceToDepth: blocks of channels become blocks of pixels and back.
#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

/// X's shape, after it was checked to be [N, C, H, W]; `block` is the attribute 'blocksize'.
Shape image_shape(const NodeInfo& node, int64_t& block) {
  require_inputs(node, 1, 1);
  const Operand& x = require_input(node, 0, "input", kAnyType);
  if (x.shape.size() != 4) node.fail("input 'input' has shape " + to_string(x.shape) + ", expected four dimensions");
  block = node.integer("blocksize");
  require_range(node, {block}, 1, "attribute 'blocksize'");
  return x.shape;
}

std::vector<ResultType> infer_depth_to_space(const NodeInfo& node) {
  int64_t block;
  const Shape x = image_shape(node, block);
  const std::string mode = node.text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") node.fail("attribute 'mode' is '" + mode + "'");
  if (x[1] % (block * block) != 0) node.fail("the channels of " + to_string(x) + " do not divide by the block");
  return one_result(
      node, node.input(0).type,
      {x[0], x[1] / (block * block), checked_product(node, x[2], block), checked_product(node, x[3], block)});
}

void build_depth_to_space(const NodeInfo& node, Builder& b) {
  const int64_t block = node.integer("blocksize");
  const Shape shape = b.shape(b.output());
  const auto axes = b.axes(shape, {"n", "c", "h", "w"});
  const Exprs p = jit::variables(axes);
  const Expr inner = floor_mod(p[2], block) * block + floor_mod(p[3], block);
  const Expr channel = node.text("mode", "DCR") == "DCR" ? inner * shape[1] + p[1] : p[1] * (block * block) + inner;
  b.map(b.output(), axes, b.at(b.input(0), {p[0], channel, floor_div(p[2], block), floor_div(p[3], block)}));
}

std::vector<ResultType> infer_space_to_depth(const NodeInfo& node) {
  int64_t block;
  const Shape x = image_shape(node, block);
  if (x[2] % block != 0 || x[3] % block != 0)
    node.fail("the image of " + to_string(x) + " does not divide by the block");
  const int64_t channels = checked_product(node, x[1], block * block);
  return one_result(node, node.input(0).type, {x[0], channels, x[2] / block, x[3] / block});
}

void build_space_to_depth(const NodeInfo& node, Builder& b) {
  const int64_t block = node.integer("blocksize"), channels = node.input(0).shape[1];
  const auto axes = b.axes(b.shape(b.output()), {"n", "c", "h", "w"});
  const Exprs p = jit::variables(axes);
  const Expr inner = floor_div(p[1], channels);
  b.map(b.output(), axes,
        b.at(b.input(0), {p[0], floor_mod(p[1], channels), p[2] * block + floor_div(inner, block),
                          p[3] * block + floor_mod(inner, block)}));
}

}  // namespace

const Implementation kDepthToSpace = {infer_depth_to_space, build_depth_to_space};
const Implementation kSpaceToDepth = {infer_space_to_depth, build_space_to_depth};

}  // namespace altrt::ops
