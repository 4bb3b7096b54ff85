// Layouts of images [N, C, spatial...] and of what convolutions read beside them: the families that layout search,
// layout propagation and tests choose from. The templates (templates.h) serve all of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jit/expr/computation.h"
#include "jit/layout/layout.h"

namespace altrt::jit {

/// What lies round an image, per spatial dimension: so many elements before its first and behind its last.
struct Borders {
  std::vector<int64_t> lo, hi;  // empty = none
  double fill = 0;

  bool operator==(const Borders&) const = default;
};

/// The borders that the anchor (a convolution, a transposed one, a pool) reads beyond its data, filled with what it
/// takes them to hold. `tile`: for an output whose spatial dimensions are rounded up to multiples of it (0 = are not).
Borders read_borders(const Computation& c, const std::vector<int64_t>& tile = {});

/// [N, spatial..., C]; `padding` undefined channels behind the last.
Layout channels_last(const std::vector<Extent>& shape, const Borders& borders = {}, int64_t padding = 0);
/// [N, C/block, spatial..., block]; row-major for blocks of 1.
Layout blocked(const std::vector<Extent>& shape, int64_t block, const Borders& borders = {});
/// The output of ALT's template: [N, H/t, W/t, C/block, t, t, block] for two spatial dimensions. A dimension with tile
/// 0 (or one that covers it) isn't cut: [N, H/t, C/block, t, W, block]; block 0: nor are the channels. What the factors
/// don't divide is padded, undefined.
Layout tiled(const std::vector<Extent>& shape, const std::vector<int64_t>& tile, int64_t block);
/// The input of ALT's template for an output tiled(..., tile, ...): tiles that overlap, each with all that the anchor
/// reads for one tile of the output: [N, H/t, W/t, C/block, B, B, block]. Error(invalid_argument) where the windows of
/// a transposed convolution don't repeat with the tile.
Layout unfolded(const Computation& c, const std::vector<int64_t>& tile, int64_t block);
/// The operands of ALT's template for matrix products, on the last two dimensions: [..., R/rows, C/columns, rows,
/// columns]; 0 = the dimension isn't cut. Padding holds `fill` (constant operands: 0).
Layout tiled_matrix(const std::vector<Extent>& shape, int64_t rows, int64_t columns,
                    std::optional<double> fill = std::nullopt);

/// `given` with the anchor's data and output laid out so, and what is read point by point beside the output (a
/// residual) as the output. Layouts of weights are left to default_layouts.
std::map<std::string, Layout> anchor_layouts(const Computation& c, const Layout& data, const Layout& output,
                                             std::map<std::string, Layout> given = {});

/// A convolution's weights as [kernel..., I, O].
Layout plain_weights(const Computation& c);
/// A convolution's weights in the order in which the templates walk them: [O/block, I/input_block, kernel...,
/// input_block, block]; input_block 0 or of all channels: [O/block, kernel..., I, block]. Transposed by phases: the
/// taps of a phase lie together, [O/block, phases..., I/input_block, taps..., input_block, block].
Layout conv_weights(const Computation& c, int64_t block, int64_t input_block);

/// The borders of a blocked or channels_last layout of `shape`; none if `layout` is of another form.
Borders borders_of(const Layout& layout, const std::vector<Extent>& shape);
/// Factor of the innermost split of the channels in a layout of [N, C, ...]; 1 if channels are not split.
int64_t channel_block(const Layout& layout);
/// blocked(shape, ...) with another block and the same borders; absent if `layout` is not of that form.
std::optional<Layout> with_channel_block(const Layout& layout, const std::vector<Extent>& shape, int64_t block);

}  // namespace altrt::jit
