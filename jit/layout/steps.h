// What the parts of this module share: one layout step's effect on shapes and names, and the shapes along a layout.
#pragma once

#include <string>
#include <vector>

#include "jit/layout/layout.h"

namespace altrt::jit {

/// The shape after `step`. Error(invalid_argument) with the reason alone if a precondition fails.
std::vector<Extent> apply_step(const LayoutStep& step, const std::vector<Extent>& shape);

/// shapes[i] is the shape before step i; the last entry is the physical shape. Throws as verify does.
std::vector<std::vector<Extent>> shapes_along(const Layout& layout, const std::vector<Extent>& shape);

/// Tiles of `tile` elements, `stride` apart, that cover `extent` elements: ceil((extent - tile) / stride) + 1, at least
/// one.
int64_t tile_count(int64_t extent, int64_t tile, int64_t stride);

/// The factors of a split with F_1 = 0 replaced by extent / (F_2 ... F_m). The step must have been verified.
std::vector<int64_t> split_factors(const LayoutStep& step, int64_t extent);

}  // namespace altrt::jit
