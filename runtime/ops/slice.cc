// Slice with any steps. Bounds are attributes before opset 10, inputs since.
#include <algorithm>
#include <limits>

#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

struct Slices {
  std::vector<int64_t> starts, steps, extents;  // one per dimension of the input
};

std::vector<int64_t> optional_input(const NodeInfo& node, int i, const char* name,
                                    const std::vector<int64_t>& otherwise) {
  return node.has_input(i) ? node.constant_input(i, name) : otherwise;
}

/// Where a bound lies in an extent: from the end if negative, then clamped into [low, high].
int64_t clamped(int64_t bound, int64_t extent, int64_t low, int64_t high) {
  return std::clamp(bound < 0 ? bound + extent : bound, low, high);
}

Slices slices(const NodeInfo& node) {
  const Shape& shape = node.input(0).shape;
  std::vector<int64_t> starts, ends, axes, steps;
  if (node.opset < 10) {
    starts = node.integers("starts");
    ends = node.integers("ends");
  } else {
    starts = node.constant_input(1, "starts");
    ends = node.constant_input(2, "ends");
  }
  for (size_t d = 0; d < starts.size(); ++d) axes.push_back(static_cast<int64_t>(d));
  axes = node.opset < 10 ? node.integers("axes", axes) : optional_input(node, 3, "axes", axes);
  steps.assign(starts.size(), 1);
  if (node.opset >= 10) steps = optional_input(node, 4, "steps", steps);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
    node.fail("'starts', 'ends', 'axes' and 'steps' differ in length");
  }
  axes = distinct_axes(node, axes, shape.size());
  Slices s;
  s.starts.assign(shape.size(), 0);
  s.steps.assign(shape.size(), 1);
  s.extents = shape;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t d = axes[i], extent = shape[d];
    const int64_t step = std::max(steps[i], -std::numeric_limits<int64_t>::max());
    if (step == 0) node.fail("'steps' holds 0");
    if (extent == 0) continue;
    const bool forward = step > 0;
    const int64_t start = clamped(starts[i], extent, 0, forward ? extent : extent - 1);
    const int64_t end = clamped(ends[i], extent, forward ? 0 : -1, forward ? extent : extent - 1);
    const int64_t distance = forward ? end - start : start - end, stride = forward ? step : -step;
    s.extents[d] = distance <= 0 ? 0 : (distance - 1) / stride + 1;
    s.starts[d] = start;
    s.steps[d] = s.extents[d] <= 1 ? 1 : step;
  }
  return s;
}

std::vector<ResultType> infer_slice(const NodeInfo& node) {
  require_inputs(node, node.opset < 10 ? 1 : 3, node.opset < 10 ? 1 : 5);
  const Operand& x = require_input(node, 0, "data", kAnyType);
  return one_result(node, x.type, slices(node).extents);
}

void build_slice(const NodeInfo& node, Builder& b) {
  const Slices s = slices(node);
  const auto axes = b.axes(b.shape(b.output()));
  Exprs index;
  for (size_t d = 0; d < axes.size(); ++d) index.push_back(jit::variable(axes[d].name) * s.steps[d] + s.starts[d]);
  b.map(b.output(), axes, b.at(b.input(0), index));
}

}  // namespace

const Implementation kSlice = {infer_slice, build_slice};

}  // namespace altrt::ops
