// Convolutions and pools whose output channels are blocked: [N, C/b, spatial..., b].
#include <algorithm>

#include "jit/compile/defaults.h"

namespace altrt::jit {

int64_t channel_block(const Layout& layout) {
  for (const LayoutStep& step : layout.steps) {
    if (step.kind == LayoutKind::split && step.dim == 1) return step.factors.back();
  }
  return 1;
}

int64_t outputs_per_group(const Computation& c) {
  const Stage& stage = c.stages[c.anchor.stage];
  return c.tensors[stage.outputs[0]].shape[1].bound / c.anchor.groups;
}

bool is_depthwise(const Computation& c) {
  if (c.anchor.kind != AnchorKind::conv || c.anchor.groups == 1) return false;
  return c.tensors[c.anchor.data].shape[1].bound == c.anchor.groups;
}

namespace {

double row_cost(int64_t height_tile, int64_t width, int64_t width_tile, int64_t vectors) {
  const int64_t blocks = ceil_div(width, width_tile);
  const int64_t small = width / blocks, large_blocks = width % blocks;
  double cost = 0;
  if (large_blocks) {
    const int64_t rows = height_tile * (small + 1);
    cost += static_cast<double>(large_blocks) * tile_cost({rows, vectors}, rows);
  }
  const int64_t rows = height_tile * small;
  return cost + static_cast<double>(blocks - large_blocks) * tile_cost({rows, vectors}, rows);
}

struct Loops {
  std::vector<LoopInfo> all;
  const LoopInfo* find(const std::string& name) const {
    for (const LoopInfo& loop : all) {
      if (loop.name == name) return &loop;
    }
    return nullptr;
  }
};

// Splits an input channel axis to match the data's blocks, then for unrolling; returns the loops outermost first.
std::vector<std::string> split_channels(const Computation& c, const Layouts& layouts, const LoopInfo& axis,
                                        StageSchedule& s, int64_t unroll) {
  const int64_t block = channel_block(layout_of(c, c.anchor.data, layouts));
  std::vector<std::string> outer;
  std::string inner = axis.name;
  int64_t extent = axis.extent;
  if (block > 1 && extent > block) {
    s.split(inner, block, Tail::peel);
    outer.push_back(inner + ".0");
    inner += ".1";
    extent = block;
  }
  if (extent > unroll) {
    s.split(inner, unroll, Tail::peel);
    outer.push_back(inner + ".0");
    inner += ".1";
  }
  s.unroll(inner);
  outer.push_back(inner);
  return outer;
}

void parallel_outer(StageSchedule& s, const std::vector<std::string>& loops) {
  for (const std::string& loop : loops) s.parallel(loop);
}

}  // namespace

ConvTile conv_tile(const Target& target, int64_t height, int64_t width, int64_t block, int64_t usable_blocks) {
  ConvTile best;
  double best_cost = -1;
  const int64_t vectors_a_block = ceil_div(block, target.lanes);
  for (int64_t blocks = 1; blocks <= std::min<int64_t>(usable_blocks, 4); ++blocks) {
    if (usable_blocks % blocks != 0) continue;
    const int64_t vectors = blocks * vectors_a_block;
    const int64_t limit = accumulator_limit(target, vectors) / vectors;
    for (int64_t h = 1; h <= std::min(height, limit); ++h) {
      if (height % h != 0) continue;
      for (int64_t w = 1; w <= width && h * w <= limit; ++w) {
        const double cost = row_cost(h, width, w, vectors) * static_cast<double>(height / h) / blocks;
        if (best_cost < 0 || cost < best_cost * 0.995) {
          best_cost = cost;
          best = {h, w, blocks};
        }
      }
    }
  }
  return best;
}

StageSchedule schedule_conv(const Computation& c, const Stage& stage, const Layouts& layouts, const Target& target) {
  StageSchedule s;
  const Loops loops{stage_loops(c, stage, layouts)};
  std::vector<LoopInfo> spatial, reduce;
  for (const LoopInfo& loop : loops.all) (loop.reduce ? reduce : spatial).push_back(loop);
  // n, o.0, [d,] [h,] w, o.1
  const LoopInfo vector = spatial.back(), width = spatial[spatial.size() - 2], blocks = spatial[1];
  const bool has_height = spatial.size() >= 5;
  const LoopInfo height = has_height ? spatial[spatial.size() - 3] : LoopInfo{};
  const int64_t usable = std::max<int64_t>(1, std::min(blocks.extent, outputs_per_group(c) / vector.extent));
  const ConvTile tile = conv_tile(target, has_height ? height.extent : 1, width.extent, vector.extent,
                                  c.anchor.groups == 1 ? blocks.extent : usable);
  std::vector<std::string> outer{spatial[0].name}, tile_loops;
  outer.push_back(blocks.name);
  if (tile.blocks > 1) {
    s.split(blocks.name, tile.blocks);
    outer.back() = blocks.name + ".0";
  }
  for (size_t i = 2; i + 3 < spatial.size(); ++i) outer.push_back(spatial[i].name);
  if (has_height) {
    if (tile.height > 1) {
      s.split(height.name, tile.height);
      tile_loops.push_back(height.name + ".1");
    }
    outer.push_back(tile.height > 1 ? height.name + ".0" : height.name);
  }
  if (tile.blocks > 1) tile_loops.push_back(blocks.name + ".1");
  std::string outer_width;
  if (tile.width < width.extent) {
    s.split(width.name, tile.width, Tail::balance);
    outer_width = width.name + ".0";
    tile_loops.push_back(width.name + ".1");
  } else {
    tile_loops.push_back(width.name);
  }
  std::vector<std::string> order = outer;
  if (!outer_width.empty()) order.push_back(outer_width);
  const int64_t accumulators = tile.height * tile.width * tile.blocks * ceil_div(vector.extent, target.lanes);
  const int64_t unroll = std::clamp<int64_t>(128 / std::max<int64_t>(accumulators, 1), 1, 8);
  std::vector<std::string> kernel_loops, channel_loops;
  for (const LoopInfo& axis : reduce) {
    if (axis.name == stage.reduce[0].name && axis.name.find('k') == std::string::npos) {
      channel_loops = split_channels(c, layouts, axis, s, unroll);
    } else {
      kernel_loops.push_back(axis.name);
    }
  }
  // Channel blocks outermost, then the taps, then the channels within a block.
  const bool blocked_input = channel_loops.size() == 3;
  if (blocked_input) order.push_back(channel_loops[0]);
  if (!blocked_input && channel_loops.size() == 2) order.push_back(channel_loops[0]);
  for (const std::string& loop : kernel_loops) order.push_back(loop);
  if (blocked_input) order.push_back(channel_loops[1]);
  if (!channel_loops.empty()) order.push_back(channel_loops.back());
  for (const std::string& loop : tile_loops) order.push_back(loop);
  order.push_back(vector.name);
  s.reorder(order);
  for (const std::string& loop : tile_loops) s.unroll(loop);
  s.vectorize(vector.name);
  parallel_outer(s, outer);
  return s;
}

StageSchedule schedule_window(const Computation& c, const Stage& stage, const Layouts& layouts, const Target& target) {
  StageSchedule s;
  std::vector<LoopInfo> spatial, reduce;
  for (const LoopInfo& loop : stage_loops(c, stage, layouts)) (loop.reduce ? reduce : spatial).push_back(loop);
  const LoopInfo vector = spatial.back(), width = spatial[spatial.size() - 2];
  int64_t taps = 1;
  for (const LoopInfo& axis : reduce) taps *= axis.extent;
  const int64_t vectors = ceil_div(vector.extent, target.lanes);
  const int64_t inner_taps = reduce.empty() ? 1 : reduce.back().extent;
  const bool unroll_all = taps <= 9, unroll_last = inner_taps <= 9;
  const int64_t unrolled_taps = unroll_all ? taps : unroll_last ? inner_taps : 1;
  const int64_t rows = std::clamp<int64_t>(160 / (unrolled_taps * vectors * 2), 1, 8);
  std::vector<std::string> order, tile_loops, outer;
  for (size_t i = 0; i + 2 < spatial.size(); ++i) outer.push_back(spatial[i].name);
  order = outer;
  if (width.extent > rows) {
    s.split(width.name, rows, Tail::balance);
    order.push_back(width.name + ".0");
    tile_loops.push_back(width.name + ".1");
  } else {
    tile_loops.push_back(width.name);
  }
  for (const LoopInfo& axis : reduce) order.push_back(axis.name);
  for (const std::string& loop : tile_loops) order.push_back(loop);
  order.push_back(vector.name);
  s.reorder(order);
  for (size_t i = 0; i < reduce.size(); ++i) {
    if (unroll_all || (unroll_last && i + 1 == reduce.size())) s.unroll(reduce[i].name);
  }
  for (const std::string& loop : tile_loops) s.unroll(loop);
  s.vectorize(vector.name);
  parallel_outer(s, outer);
  return s;
}

}  // namespace altrt::jit
