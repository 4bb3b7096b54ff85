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
  int64_t kernel = 1, stride = 1, dilation = 1;  // of the window: a transposed convolution's has stride 1
  int64_t outputs = 1;                           // of a tile, for each remainder
  int64_t before = 0;                            // the window begins so far before the output's place in the data
  /// Of outputs by a transposed convolution's stride; each has taps of its own in a common window of the data.
  int64_t remainders = 1;
  bool transposed = false;
  int64_t last_tap = 0;  // of the kernel, for the window's first one and remainder 0

  /// Images that the stride makes of one.
  int64_t phases() const { return std::min(stride, kernel); }
  /// Of one phase's kernel, at most.
  int64_t taps() const { return (kernel + stride - 1) / stride; }
  /// Of one remainder.
  int64_t points() const { return outputs + taps() - 1; }
  /// Outputs from one tile of an image to the next one.
  int64_t across() const { return outputs * dilation * remainders; }
  /// The kernel's tap for which a window's tap (of a phase, for a remainder) stands, if there is such a one: numbers or
  /// expressions.
  template <typename T>
  T kernel_tap(const T& tap, const T& phase, const T& remainder) const {
    return transposed ? remainder + last_tap - tap * remainders : tap * stride + phase;
  }
  /// Over so many outputs.
  int64_t tiles(int64_t extent) const { return (extent + across() - 1) / across() * dilation; }
};

/// `from_end`: 1 = the last dimension, 2 = the one before. A tile has `outputs_per_tile` outputs, or as many as six
/// points allow. The anchor is a convolution, or a transposed one that is not dilated.
WinogradDimension winograd_dimension(const Anchor& anchor, size_t from_end, int outputs_per_tile);

}  // namespace altrt::jit
