// Accesses under layouts; the public <altrt/layout.h> has the layouts.
#pragma once

#include <string>
#include <vector>

#include <altrt/layout.h>

#include "jit/expr/computation.h"
#include "jit/expr/simplify.h"

namespace altrt::jit {

using altrt::Layout;
using altrt::LayoutKind;
using altrt::LayoutStep;

using altrt::hash;
using altrt::inverse;
using altrt::parse_layout;
using altrt::physical_elements;
using altrt::physical_names;
using altrt::physical_shape;
using altrt::to_string;
using altrt::verify;

/// Where logical element `index` lies: one physical index per physical dimension, simplified under `ranges`. With an
/// unfold, the tile is chosen by the part of the index that doesn't depend on `window` variables (the reduction axes of
/// a sliding window) where tile and offset are then provably inside: tile size V*(h - 1) + M' and stride V*h for
/// windows of M' elements, V apart. Otherwise, and without window variables, t = min(floor(e / S), tiles - 1), b = e -
/// t*S. An index outside the shape gives an index of no meaning (it must be guarded by a condition).
Exprs to_physical(const Layout& layout, const std::vector<Extent>& shape, const Exprs& index, const Ranges& ranges,
                  const std::vector<std::string>& window = {});

/// Which logical element a physical position holds, and when it holds one at all. Every copy of an unfolded element is
/// a position of its own. Digits of fused dimensions take a division only if the physical index isn't made of digits.
struct LogicalIndex {
  Exprs index;
  Expr valid;  // true where the position is an element (not padding, not past the end of an unfolded axis)
};
LogicalIndex to_logical(const Layout& layout, const std::vector<Extent>& shape, const Exprs& physical,
                        const Ranges& ranges);

}  // namespace altrt::jit
