// Sliding windows of convolutions and pools: attributes, padding, output extents.
#pragma once

#include <string>
#include <vector>

#include "runtime/ops/common.h"

namespace altrt::ops {

/// One entry per spatial dimension.
struct Window {
  std::vector<int64_t> kernel, strides, dilations;
  std::vector<int64_t> begins, ends;   // padding before and after
  std::vector<int64_t> input, output;  // extents

  size_t rank() const { return kernel.size(); }
  /// Extent that the dilated kernel covers.
  int64_t reach(size_t d) const { return (kernel[d] - 1) * dilations[d] + 1; }
  /// begins, then ends.
  std::vector<int64_t> pads() const;
};

/// Reads strides, dilations, pads and auto_pad of a node for the spatial extents `input`, and computes the output's.
/// `ceil` rounds the number of windows up, but no window starts in the padding after the end.
Window sliding_window(const NodeInfo& node, const Shape& input, const std::vector<int64_t>& kernel, bool ceil = false);
/// Reads strides and dilations, with defaults, into a window without padding.
Window plain_window(const NodeInfo& node, const Shape& input, const std::vector<int64_t>& kernel);
/// The attribute 'pads' checked for `rank` spatial dimensions, zeros if absent.
std::vector<int64_t> padding_attribute(const NodeInfo& node, size_t rank);
/// X's extents after batch and channels; fails unless there are one to three.
Shape spatial_extents(const NodeInfo& node, const Operand& x);

/// "d" "h" "w", the last `rank` of them, and the same for reductions: "kd" "kh" "kw".
std::vector<std::string> spatial_names(size_t rank);
std::vector<std::string> kernel_names(size_t rank);

/// Where a window's tap reads, and the condition that it is not padding (absent if it never is).
struct Tap {
  Exprs index;
  Expr valid;
};
Tap window_tap(const Window& window, const Exprs& output, const Exprs& kernel);

}  // namespace altrt::ops
