// Pad: constant, edge, reflect and wrap; negative padding crops. Amounts are attributes before opset 11, inputs since.
#include <algorithm>
#include <limits>

#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

struct Padding {
  std::vector<int64_t> begins, ends;  // one per dimension
};

Padding padding(const NodeInfo& node) {
  const size_t rank = node.input(0).shape.size();
  const std::vector<int64_t> pads = node.opset < 11 ? node.integers("pads") : node.constant_input(1, "pads");
  std::vector<int64_t> axes;
  for (size_t d = 0; d < rank; ++d) axes.push_back(static_cast<int64_t>(d));
  if (node.opset >= 18 && node.has_input(3)) axes = distinct_axes(node, node.constant_input(3, "axes"), rank);
  if (pads.size() != 2 * axes.size()) {
    node.fail("'pads' has " + std::to_string(pads.size()) + " values, expected " + std::to_string(2 * axes.size()));
  }
  require_range(node, pads, -std::numeric_limits<int32_t>::max(), "'pads'");
  Padding p;
  p.begins.assign(rank, 0);
  p.ends.assign(rank, 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    p.begins[axes[i]] = pads[i];
    p.ends[axes[i]] = pads[i + axes.size()];
  }
  return p;
}

std::vector<ResultType> infer_pad(const NodeInfo& node) {
  require_inputs(node, node.opset < 11 ? 1 : 2, node.opset < 11 ? 1 : 4);
  const Operand& x = require_input(node, 0, "data", kAnyType);
  const std::string mode = node.text("mode", "constant");
  if (mode != "constant" && mode != "edge" && mode != "reflect" && mode != "wrap") {
    node.fail("attribute 'mode' is '" + mode + "'");
  }
  if (node.has_input(2)) {
    require_same_type(node, 2, 0);
    if (element_count(node.input(2).shape) != 1) node.fail("input 'constant_value' is not a scalar");
  }
  const Padding p = padding(node);
  Shape shape = x.shape;
  for (size_t d = 0; d < shape.size(); ++d) {
    const int64_t widest = std::max(p.begins[d], p.ends[d]);
    shape[d] += p.begins[d] + p.ends[d];
    if (mode == "constant" || widest <= 0) continue;
    if (x.shape[d] == 0 || (mode == "reflect" && widest >= x.shape[d])) {
      node.fail("dimension " + std::to_string(d) + " of shape " + to_string(x.shape) + " is too small for '" + mode +
                    "' padding of " + std::to_string(widest),
                ErrorCode::unsupported);
    }
  }
  return one_result(node, x.type, shape);
}

/// The source of position `index` (relative to the input's first element) of an extent.
Expr source(const std::string& mode, const Expr& index, int64_t extent) {
  if (mode == "wrap") return floor_mod(index, extent);
  Expr reflected = index;
  if (mode == "reflect") {
    const Expr mirrored = unary(ExprKind::abs, index);
    reflected = min(mirrored, Expr(2 * (extent - 1)) - mirrored);
  }
  return max(min(reflected, Expr(extent - 1)), Expr(0));
}

void build_pad(const NodeInfo& node, Builder& b) {
  const Padding p = padding(node);
  const std::string mode = node.text("mode", "constant");
  const Shape from = b.shape(b.input(0)), to = b.shape(b.output());
  const auto axes = b.axes(to);
  const DataType type = b.type(b.input(0));
  Exprs index;
  Expr valid;
  for (size_t d = 0; d < axes.size(); ++d) {
    const Expr shifted = jit::variable(axes[d].name) - p.begins[d];
    const int64_t least = -p.begins[d], greatest = to[d] - 1 - p.begins[d];
    if (mode == "constant") {
      valid = inside(valid, shifted, least, greatest, from[d]);
      index.push_back(shifted);
    } else {
      index.push_back(least < 0 || greatest >= from[d] ? source(mode, shifted, from[d]) : shifted);
    }
  }
  Expr fill = is_float(type) ? jit::constant(type, node.real("value", 0)) : jit::constant(type, 0);
  if (node.has_input(2)) fill = input_at(node, b, 2, {});
  // An empty input has no element to read: only the padding is left.
  const Expr value = element_count(from) == 0 ? fill : select_if(valid, b.at(b.input(0), index), fill);
  b.map(b.output(), axes, value);
}

}  // namespace

const Implementation kPad = {infer_pad, build_pad};

}  // namespace altrt::ops
