// Heuristic defaults, one function per kind of stage. Internal to jit/compile; default_schedule and default_layouts
// dispatch here.
#pragma once

#include <cstdint>

#include "jit/compile/decisions.h"
#include "jit/compile/stage_loops.h"
#include "jit/compile/tile.h"

namespace altrt::jit {

/// A matrix product's tile: rows of m, columns of n (a multiple of the lanes).
struct MatmulTile {
  int64_t rows = 1;
  int64_t columns = 16;
};
MatmulTile matmul_tile(const Target& target, int64_t m, int64_t n);

/// A convolution's tile for channel-blocked output: rows = height x width points, `blocks` channel blocks side by side.
struct ConvTile {
  int64_t height = 1;
  int64_t width = 1;
  int64_t blocks = 1;
};
/// `block`: channels per block; `usable_blocks`: channel blocks that share their input channels.
ConvTile conv_tile(const Target& target, int64_t height, int64_t width, int64_t block, int64_t usable_blocks);

/// Factor of the channel split in a layout of [N, C, ...]; 1 if channels are not split.
int64_t channel_block(const Layout& layout);

/// Dimension numbers of a matrix product's second operand.
struct MatmulOperand {
  int k = -1, n = -1;  // -1: not indexed by it
};
MatmulOperand matmul_operand(const Computation& c, const Stage& stage);

bool is_depthwise(const Computation& c);
/// Output channels per group of an anchor convolution.
int64_t outputs_per_group(const Computation& c);

StageSchedule schedule_conv(const Computation& c, const Stage& stage, const Layouts& layouts, const Target& target);
StageSchedule schedule_window(const Computation& c, const Stage& stage, const Layouts& layouts, const Target& target);
StageSchedule schedule_matmul(const Computation& c, const Stage& stage, const Layouts& layouts, const Target& target);
StageSchedule schedule_map(const Computation& c, const Stage& stage, const Layouts& layouts, const Target& target);
StageSchedule schedule_reduction(const Computation& c, const Stage& stage, const Layouts& layouts,
                                 const Target& target);
/// All stages of a softmax- or normalisation-like group at one row loop; false if the group is not of that form.
bool schedule_rows(const Computation& c, const Layouts& layouts, const Target& target, Schedule& schedule);

}  // namespace altrt::jit
