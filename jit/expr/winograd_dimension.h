// How Winograd's algorithm sees one dimension of a convolution; jit/expr/winograd.cc has the formulas.
#pragma once

#include <algorithm>
#include <cstdint>

#include "jit/expr/computation.h"

namespace altrt::jit {

/// One of the last two spatial dimensions, which are cut into tiles. Rows that a convolution in one dimension does not
/// have, and a kernel of one tap, have tiles of one point.
struct WinogradDimension {
  bool exists = true;
  int64_t kernel = 1, stride = 1, dilation = 1;
  int64_t outputs = 1;  // of a tile

  /// Images that the stride makes of one.
  int64_t phases() const { return std::min(stride, kernel); }
  /// Of one phase's kernel, at most.
  int64_t taps() const { return (kernel + stride - 1) / stride; }
  int64_t points() const { return outputs + taps() - 1; }
  /// Over so many outputs.
  int64_t tiles(int64_t extent) const {
    const int64_t across = outputs * dilation;
    return (extent + across - 1) / across * dilation;
  }
};

/// `from_end`: 1 = the last dimension, 2 = the one before. A tile has `outputs_per_tile` outputs, or as many as six
/// points allow.
WinogradDimension winograd_dimension(const Anchor& anchor, size_t from_end, int outputs_per_tile);

}  // namespace altrt::jit
