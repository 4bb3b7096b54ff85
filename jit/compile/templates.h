// Heuristic defaults, one function per kind of stage, for search spaces and layout propagation too; default_schedule
// and default_layouts dispatch here.
#pragma once

#include <cstdint>
#include <optional>

#include "jit/compile/decisions.h"
#include "jit/compile/image_layout.h"
#include "jit/compile/stage_loops.h"
#include "jit/compile/tile.h"

namespace altrt::jit {

/// Parameters of the templates: what a search varies. Every default_* picks them by a machine model.

/// Convolution whose innermost output dimension belongs to the channels: in blocks, last, or tiled as in ALT's
/// template.
///
/// The register tile is height x width points of the image (of one of the layout's tiles) by `columns` channels, or by
/// `blocks` whole blocks of them. Loops, outermost first: batch; blocks of channels; the layout's tiles; rows; then
/// columns of pixels, input channels, taps, the tile.
struct ConvParameters {
  int64_t height = 1, width = 1;  // output points of the register tile
  int64_t blocks = 1;             // channel blocks (or groups of `columns`) side by side in the tile
  int64_t unroll = 4;             // input channels unrolled
  bool taps_inside = false;       // kernel taps inside the channels of a block instead of outside
  bool rows_first = false;        // rows of the image outside the output channels
  int64_t columns = 0;         // output channels of one vector loop; 0 = a whole block (all of them, where channels are
                               // last)
  bool tiles_first = false;    // the layout's tiles outside the output channels
  bool unroll_taps = false;    // the innermost taps unrolled too
  int64_t cache_channels = 0;  // so many tiles of output channels at a time for all rows; 0 = as the order says
  int64_t cache_rows = 0;      // so many rows of tiles at a time for all output channels
  int64_t chunk = 0;           // input channels summed up at a time for a whole row of tiles, partial sums in memory;
                               // 0 = all of them for one tile
  int64_t parallel = 0;        // outermost loops that are tasks; 0 = all outside the pixels of a row, or of a tile

  bool operator==(const ConvParameters&) const = default;
};
/// Depthwise convolution or pool, for the same layouts: `width` points side by side by `columns` channels.
struct WindowParameters {
  int64_t width = 4;
  bool unroll_taps = true;
  int64_t columns = 0;      // channels of one vector loop; 0 = a whole block
  int64_t height = 1;       // rows side by side
  bool rows_first = false;  // rows of the image outside the channels

  bool operator==(const WindowParameters&) const = default;
};
/// Convolution or pool over images one after the other, [N, C, spatial...]: vectors run along the rows.
///
/// The register tile is `channels` output channels by `height` rows of `vectors` vectors; what lies behind the end of a
/// row is masked. Loops, outermost first: batch; channels; rows; columns of tiles; input channels and taps; the tile.
struct PixelParameters {
  int64_t channels = 1;             // of one group
  int64_t height = 1, vectors = 1;  // joined rows (joins_rows) count as one
  int64_t unroll = 1;               // input channels unrolled
  bool unroll_taps = false;
  bool taps_inside = true;  // taps inside the input channels
  bool rows_first = false;  // columns of tiles outside the output channels
  bool pack = false;        // what a column of tiles reads is copied side by side first

  bool operator==(const PixelParameters&) const = default;
};
/// Matrix product: rows of m, columns of n (a multiple of the lanes).
struct MatmulParameters {
  int64_t rows = 1;
  int64_t columns = 16;
  int64_t unroll = 4;       // of k
  bool rows_first = false;  // rows outside columns
  int64_t blocks = 1;       // the layout's tiles of columns side by side, where one is no longer than `columns`
  int64_t cache_rows = 0;   // so many tiles of rows at a time for all columns; 0 = as the order says
  int64_t cache_columns = 0;
  int64_t chunk = 0;  // of k, summed up for all tiles inside `cache_rows` or `cache_columns`, sums in memory

  bool operator==(const MatmulParameters&) const = default;
};

/// Winograd convolution in two or more dimensions.
struct WinogradParameters {
  int64_t blocks = 1;       // output channel blocks side by side in the products' tile
  int64_t unroll = 4;       // input channels unrolled
  bool by_rows = false;     // everything for one row of tiles at a time; else one block of output channels at a time
  bool rows_apart = false;  // by blocks of output channels: each row of tiles is a task of its own; 2-D only
  int64_t lead = 0;         // outputs of the first dimension before the rows (depth) at a time; 0 = all

  bool operator==(const WinogradParameters&) const = default;
};

/// Matrix product by Strassen's algorithm: the register tile of the products, and what is made at a time.
struct StrassenParameters {
  int64_t rows = 1, columns = 16, unroll = 4;  // register tile (columns: a multiple of the lanes), k unrolled
  int64_t row_tiles = 1, column_tiles = 1;     // tiles a block of products
  int64_t depth = 16;                          // of k side by side in the sums of the first factor, where it divides k
  bool by_rows = false;  // sums of the first factor for one block of rows at a time; else all of them first

  bool operator==(const StrassenParameters&) const = default;
};

/// Attention: so many rows of the scores at a time, and the register tiles of both products within such a block (rows,
/// columns, unroll and rows_first).
struct AttentionParameters {
  int64_t block = 16;
  bool apart = false;  // all scores before everything else, in memory
  MatmulParameters scores, values;

  bool operator==(const AttentionParameters&) const = default;
};

ConvParameters default_conv(const Computation& c, const Layouts& layouts, const Target& target);
WindowParameters default_window(const Computation& c, const Layouts& layouts, const Target& target);
MatmulParameters default_matmul(const Target& target, int64_t m, int64_t n);
MatmulParameters default_matmul(const Computation& c, const Layouts& layouts, const Target& target);

/// Dimension numbers of a matrix product's second operand.
struct MatmulOperand {
  int k = -1, n = -1;  // -1: not indexed by it
};
MatmulOperand matmul_operand(const Computation& c, const Stage& stage);

/// An anchor convolution with one input channel a group.
bool is_depthwise(const Computation& c);
/// Whether schedule_conv knows how to walk the anchor (given has_image_template): a convolution that is not depthwise,
/// or a transposed one without groups by its phases.
bool is_dense_conv(const Computation& c);
/// The stages that are scheduled as the anchor: the anchor's own, or all phases of a transposed convolution.
std::vector<int> anchor_stages(const Computation& c);
/// Whether a block of output channels of a grouped convolution holds several whole groups whose input channels lie in
/// one block, so that each lane picks its own from it.
bool groups_share_vector(const Computation& c, int64_t block);
/// Output channels per group of an anchor convolution.
int64_t outputs_per_group(const Computation& c);

/// Whether schedule_conv (a dense convolution) or schedule_window (a depthwise one, a pool) applies: the innermost
/// dimension of the output belongs to the channels.
bool has_image_template(const Computation& c, const Layouts& layouts);
/// What the tile of a convolution or a window may be cut from, under the layouts.
struct ImageExtents {
  int64_t channels = 1;           // of the vector loop before it is cut into columns
  int64_t blocks = 1;             // of whole channels that may stand side by side
  int64_t height = 1, width = 1;  // of one of the layout's tiles, or the image
  int64_t tiles = 1, lead = 1;    // of the layout, over the image; points of batch and of dimensions before height
  int64_t inputs = 1;             // channels of a group
};
ImageExtents image_extents(const Computation& c, const Layouts& layouts);

/// Whether schedule_pixels applies: input and output as images one after the other, with borders or not.
bool has_pixel_template(const Computation& c, const Layouts& layouts);
/// Whether all rows of an image count as one: the window is a single point, and no borders lie between the rows.
bool joins_rows(const Computation& c, const Layouts& layouts);
/// What the tile of schedule_pixels may be cut from.
struct PixelExtents {
  int64_t channels = 1, height = 1, width = 1;  // channels of one group
  int64_t inputs = 1, taps = 1;                 // of the sum
  int64_t planes = 1;                           // groups, images and points of dimensions before height
};
PixelExtents pixel_extents(const Computation& c, const Layouts& layouts);
/// Cycles for one step of the reduction over a whole plane, by a machine model.
double pixel_cost(const Computation& c, const PixelExtents& extents, const PixelParameters& parameters,
                  const Target& target);
PixelParameters default_pixels(const Computation& c, const Layouts& layouts, const Target& target);

/// Weights packed in the order in which the template walks them.
Layout packed_weights(const Computation& c, const Layouts& layouts, const ConvParameters& parameters);
Layout packed_weights(const Computation& c, const Layouts& layouts, const WindowParameters& parameters);
Layout packed_weights(const Computation& c, const PixelParameters& parameters);
/// Output channels a block that fill vectors best without any block crossing two groups, and 16 at most where groups
/// are as long.
int64_t group_block(int64_t outputs_per_group, const Target& target);
Layout matmul_weights(const Computation& c, int64_t columns);
struct BiasAtWeights {
  std::optional<Layouts> layouts;
  std::string refusal;  // why there are none
};
/// The layouts with every constant vector of as many elements as there are output channels (biases, scales) stored at
/// the anchor's weights, whose other dimensions are fused to one; the vectors' own layouts are replaced. Pure; applied
/// to its result it changes nothing. Schedules for the given layouts fit the result. Refused where the anchor has no
/// constant weights, where only stages that run at load read them (winograd, gemm), where there is no such vector,
/// where the weights' layout mixes output channels with other dimensions or keeps the others apart, and whatever
/// resolve_store_at refuses.
BiasAtWeights with_bias_at_weights(const Computation& c, const Layouts& layouts);
/// Extents of m (1 if there is none) and n of a matrix product's stage; k is its reduction.
struct MatmulExtents {
  int64_t m = 1, n = 1, k = 1;
  bool has_rows = false;
};
MatmulExtents matmul_extents(const Computation& c, const Stage& stage);
/// What the tile of a matrix product may be cut from, under the layouts: one tile of the output's layout, or all of it.
struct MatmulTile {
  int64_t rows = 1, columns = 1;
  int64_t row_tiles = 1, column_tiles = 1;
};
MatmulTile matmul_tile(const Computation& c, const Layouts& layouts);
/// Whether schedule_matmul applies: one reduction axis; n is the output's innermost dimension.
bool has_matmul_template(const Computation& c, const Layouts& layouts);
/// The same with row-major output (rows may be padded at their ends).
bool is_row_major_matmul(const Computation& c, const Layouts& layouts);
/// Elements by which the rows of the first operand should be padded so that those of one register tile don't fall into
/// the same few sets of the first-level cache; 0 where they don't, or where the operand is not rows of k.
int64_t matmul_row_padding(const Computation& c, const Target& target);
/// Plain, or with padding behind the ends of the rows.
bool pads_rows_only(const Layout& layout, size_t rank);
/// `shape`'s rows (last dimension) with so many elements of undefined padding behind them.
Layout padded_rows(const std::vector<Extent>& shape, int64_t padding);

/// `stage`: one of anchor_stages.
StageSchedule schedule_conv(const Computation& c, const Stage& stage, const Layouts& layouts,
                            const ConvParameters& parameters);
StageSchedule schedule_window(const Computation& c, const Layouts& layouts, const WindowParameters& parameters);
StageSchedule schedule_pixels(const Computation& c, const Layouts& layouts, const PixelParameters& parameters,
                              const Target& target);
StageSchedule schedule_matmul(const Computation& c, const Layouts& layouts, const MatmulParameters& parameters);
StageSchedule schedule_map(const Computation& c, const Stage& stage, const Layouts& layouts, const Target& target);
StageSchedule schedule_reduction(const Computation& c, const Stage& stage, const Layouts& layouts,
                                 const Target& target);
/// A Computation made by winograd().
bool is_winograd(const Computation& c);
/// Whether schedule_winograd applies: channels in blocks, none of which belongs to two groups of the convolution.
bool has_winograd_template(const Computation& c, const Layouts& layouts);
WinogradParameters default_winograd(const Computation& c, const Layouts& layouts, const Target& target);
/// Layouts of the transformed tensors; the output's must be channel-blocked.
void layout_winograd(const Computation& c, const WinogradParameters& parameters, Layouts& layouts);
Schedule schedule_winograd(const Computation& c, const Layouts& layouts, const Target& target,
                           const WinogradParameters& parameters);

/// A Computation made by strassen() whose output is row-major.
bool has_strassen_template(const Computation& c, const Layouts& layouts);
/// Rows, columns and depth of one of the seven products, points of the batch.
struct StrassenHalves {
  int64_t m = 1, n = 1, k = 1, batch = 1;
};
StrassenHalves strassen_halves(const Computation& c);
/// Whether the multiplications that are saved may be worth the sums, by a machine model.
bool strassen_may_pay(const Computation& c);
StrassenParameters default_strassen(const Computation& c, const Target& target);
/// Layouts of the sums.
void layout_strassen(const Computation& c, const StrassenParameters& parameters, Layouts& layouts);
Schedule schedule_strassen(const Computation& c, const StrassenParameters& parameters);

/// Whether schedule_attention applies: an attention (attention_of) of more than one row, its output row-major (rows may
/// be padded at their ends).
bool has_attention_template(const Computation& c, const Layouts& layouts);
/// Scores are [batch, rows, length], sums over `depth`; the output has so many columns.
struct AttentionExtents {
  int64_t batch = 1, rows = 1, length = 1, depth = 1, columns = 1;
};
AttentionExtents attention_extents(const Computation& c);
/// The best register tiles, by a machine model, for blocks of at most so many rows.
AttentionParameters attention_of_block(const Computation& c, int64_t block, const Target& target);
/// Vector instructions of both products' tiles, a kernel's most code: a limit on them keeps the compiler fast.
int64_t attention_code(const AttentionExtents& extents, const AttentionParameters& parameters, const Target& target);
inline constexpr int64_t kMostAttentionCode = 1900;
AttentionParameters default_attention(const Computation& c, const Target& target);
Schedule schedule_attention(const Computation& c, const AttentionParameters& parameters, const Target& target);

/// A stage over rows that others share: vectors along the row, several side by side.
StageSchedule schedule_row(const Computation& c, const Stage& stage, const Layouts& layouts, const Target& target);
/// How many of the last stage's outermost axes every other stage is computed once for each point of, as in a softmax or
/// a normalisation; 0 if the group is not of that form.
size_t row_axes(const Computation& c, const Layouts& layouts);
/// All stages of such a group at one row loop; false if the group is not of that form.
bool schedule_rows(const Computation& c, const Layouts& layouts, const Target& target, Schedule& schedule);

}  // namespace altrt::jit
