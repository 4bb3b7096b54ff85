// Reshape, Flatten, Squeeze, Unsqueeze: the same elements in the same order under another shape.
#include <algorithm>

#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

/// Digits of `linear` in the mixed radix of the extents [first, last) of `shape`, written to `index`.
void split_digits(const Expr& linear, const Shape& shape, size_t first, size_t last, Exprs& index) {
  int64_t stride = product(shape, first, last);
  for (size_t d = first; d < last; ++d) {
    if (shape[d] == 1) continue;
    const bool outermost = stride == product(shape, first, last);
    stride /= shape[d];
    const Expr quotient = floor_div(linear, stride);
    index[d] = outermost ? quotient : floor_mod(quotient, shape[d]);
  }
}

/// Index into shape `from` of the element at `point` of shape `to`. The shapes are cut into the shortest runs of
/// dimensions with equal products, so that dimensions that stay, split or merge keep simple indices. No extent is zero.
Exprs reshaped_index(const Shape& from, const Shape& to, const Exprs& point) {
  Exprs index(from.size(), Expr(0));
  size_t i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    const size_t first_i = i;
    int64_t extent_i = i < from.size() ? from[i++] : 1;
    int64_t extent_j = 1;
    Expr linear(0);
    const auto take = [&] {
      linear = linear * to[j] + (to[j] == 1 ? Expr(0) : point[j]);
      extent_j *= to[j++];
    };
    if (j < to.size()) take();
    while (extent_i != extent_j) {
      if (extent_i < extent_j) {
        extent_i *= from[i++];
      } else {
        take();
      }
    }
    split_digits(linear, from, first_i, i, index);
  }
  return index;
}

void build_reshape(const NodeInfo&, Builder& b) {
  const Shape shape = b.shape(b.output());
  if (element_count(shape) == 0) return;
  const auto axes = b.axes(shape);
  b.map(b.output(), axes, b.at(b.input(0), reshaped_index(b.shape(b.input(0)), shape, jit::variables(axes))));
}

std::vector<ResultType> infer_reshape(const NodeInfo& node) {
  require_inputs(node, 2, 2);
  const Operand& x = require_input(node, 0, "data", kAnyType);
  const std::vector<int64_t> wanted = node.constant_input(1, "shape");
  if (wanted.size() > kMostDimensions) {
    node.fail("input 'shape' has " + std::to_string(wanted.size()) + " values", ErrorCode::unsupported);
  }
  const bool allow_zero = node.integer("allowzero", 0) != 0;
  const auto refuse = [&] { node.fail("shape " + to_string(x.shape) + " can't become " + to_string(wanted)); };
  Shape shape;
  int64_t known = 1;
  int inferred = -1;
  for (size_t d = 0; d < wanted.size(); ++d) {
    int64_t extent = wanted[d];
    if (extent == 0 && !allow_zero) {
      if (d >= x.shape.size()) refuse();
      extent = x.shape[d];
    }
    if (extent < -1 || (extent == -1 && inferred >= 0)) refuse();
    if (extent == -1) {
      inferred = static_cast<int>(d);
    } else {
      known = checked_product(node, known, extent);
    }
    shape.push_back(extent);
  }
  const int64_t count = element_count(x.shape);
  if (inferred >= 0) {
    if (known == 0 || count % known != 0) refuse();
    shape[inferred] = count / known;
  } else if (known != count) {
    refuse();
  }
  return one_result(node, x.type, shape);
}

std::vector<ResultType> infer_flatten(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  const Operand& x = require_input(node, 0, "input", kAnyType);
  const int64_t given = node.integer("axis", 1), rank = static_cast<int64_t>(x.shape.size());
  const int64_t axis = given == rank ? rank : node.axis(given, x.shape.size());
  return one_result(node, x.type, {product(x.shape, 0, axis), product(x.shape, axis, x.shape.size())});
}

/// The attribute (before opset 13) or input 'axes'; absent only if neither is there.
std::optional<std::vector<int64_t>> axes_argument(const NodeInfo& node) {
  if (node.has_input(1)) return node.constant_input(1, "axes");
  if (node.has_attribute("axes")) return node.integers("axes");
  return std::nullopt;
}

std::vector<ResultType> infer_squeeze(const NodeInfo& node) {
  require_inputs(node, 1, 2);
  const Operand& x = require_input(node, 0, "data", kAnyType);
  std::vector<bool> drop(x.shape.size());
  if (const auto axes = axes_argument(node)) {
    for (int64_t axis : distinct_axes(node, *axes, x.shape.size())) {
      if (x.shape[axis] != 1) node.fail("axis " + std::to_string(axis) + " of " + to_string(x.shape) + " is not 1");
      drop[axis] = true;
    }
  } else {
    std::transform(x.shape.begin(), x.shape.end(), drop.begin(), [](int64_t extent) { return extent == 1; });
  }
  Shape shape;
  for (size_t d = 0; d < x.shape.size(); ++d) {
    if (!drop[d]) shape.push_back(x.shape[d]);
  }
  return one_result(node, x.type, shape);
}

std::vector<ResultType> infer_unsqueeze(const NodeInfo& node) {
  require_inputs(node, 1, 2);
  const Operand& x = require_input(node, 0, "data", kAnyType);
  const auto given = axes_argument(node);
  if (!given) node.fail("'axes' is missing");
  const size_t rank = x.shape.size() + given->size();
  if (rank > kMostDimensions)
    node.fail("'axes' has " + std::to_string(given->size()) + " values", ErrorCode::unsupported);
  const std::vector<int64_t> axes = distinct_axes(node, *given, rank);
  Shape shape(rank, 0);
  for (int64_t axis : axes) shape[axis] = 1;
  size_t next = 0;
  for (size_t d = 0; d < rank; ++d) {
    if (std::find(axes.begin(), axes.end(), static_cast<int64_t>(d)) == axes.end()) shape[d] = x.shape[next++];
  }
  return one_result(node, x.type, shape);
}

}  // namespace

const Implementation kReshape = {infer_reshape, build_reshape};
const Implementation kFlatten = {infer_flatten, build_reshape};
const Implementation kSqueeze = {infer_squeeze, build_reshape};
const Implementation kUnsqueeze = {infer_unsqueeze, build_reshape};

}  // namespace altrt::ops
