// A shape as numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "jit/expr/computation.h"

namespace altrt::jit {

/// The extents, symbolic ones at their bound.
inline std::vector<int64_t> bound_shape(const std::vector<Extent>& shape) {
  std::vector<int64_t> bounds;
  for (const Extent& extent : shape) bounds.push_back(extent.bound);
  return bounds;
}

}  // namespace altrt::jit
