// Convolutions whose vectors run along the output channels: register tiles over pixels and channels.
#include <algorithm>
#include <numeric>
#include <set>

#include "jit/compile/image_loops.h"
#include "jit/compile/templates.h"

namespace altrt::jit {

int64_t outputs_per_group(const Computation& c) {
  const Stage& stage = c.stages[c.anchor.stage];
  return c.tensors[stage.outputs[0]].shape[1].bound / c.anchor.groups;
}

bool is_depthwise(const Computation& c) {
  if (c.anchor.kind != AnchorKind::conv || c.anchor.groups == 1) return false;
  return c.tensors[c.anchor.data].shape[1].bound == c.anchor.groups;
}

bool groups_share_vector(const Computation& c, int64_t block) {
  constexpr int64_t kFewOutputs = 2;  // from 3 on a vector of one group alone is as fast
  if (c.anchor.kind != AnchorKind::conv || c.anchor.groups == 1) return false;
  const int64_t outputs = outputs_per_group(c);
  const int64_t inputs = c.tensors[c.anchor.data].shape[1].bound / c.anchor.groups;
  return outputs <= kFewOutputs && block % outputs == 0 && inputs <= outputs && block % (block / outputs * inputs) == 0;
}

int64_t group_block(int64_t outputs, const Target& target) {
  constexpr int64_t kMost = 16;
  // Half of a long vector is computed as fast as two of them side by side.
  const int64_t unit = std::min<int64_t>(target.lanes, 8);
  int64_t best = 1;
  double best_cost = -1;
  for (int64_t block = 1; block <= std::min(outputs, kMost); ++block) {
    if (outputs % block != 0) continue;
    const double cost = static_cast<double>(round_up_to(block, unit)) / static_cast<double>(block);
    if (best_cost < 0 || cost <= best_cost) {
      best_cost = cost;
      best = block;
    }
  }
  return best;
}

bool is_dense_conv(const Computation& c) {
  if (c.anchor.kind == AnchorKind::conv_transpose) return c.anchor.groups == 1 && c.algorithm == "phases";
  return c.anchor.kind == AnchorKind::conv && !is_depthwise(c);
}

bool has_image_template(const Computation& c, const Layouts& layouts) {
  if (c.anchor.stage < 0 || c.anchor.data < 0) return false;
  const bool is_image = is_dense_conv(c) || c.anchor.kind == AnchorKind::conv || c.anchor.kind == AnchorKind::pool;
  return is_image && has_channel_vectors(c, c.stages[static_cast<size_t>(c.anchor.stage)], layouts);
}

std::vector<int> anchor_stages(const Computation& c) {
  if (c.anchor.stage < 0) return {};
  if (c.algorithm != "phases") return {c.anchor.stage};
  return c.writers(c.stages[c.anchor.stage].outputs[0]);
}

namespace {

/// Cuts the channels of a vector loop so that each vector lies in one group of the convolution.
void keep_groups_apart(const Computation& c, ImageLoops& loops, StageSchedule& s) {
  if (c.anchor.groups == 1 || groups_share_vector(c, loops.vector.extent)) return;
  const int64_t part = std::gcd(outputs_per_group(c), loops.vector.extent);
  if (part == loops.vector.extent) return;
  s.split(loops.vector.name, part, Tail::peel);
  loops.channels.push_back({loops.vector.name + ".0", loops.vector.extent / part, false, false});
  loops.vector = {loops.vector.name + ".1", part, false, false};
}

/// The reduction's loops, each part outermost first.
struct ReductionLoops {
  std::string chunk;               // over chunks whose sums are kept in memory; "" = none
  std::string block;               // over blocks of the data's channels; "" if they are not split
  std::vector<std::string> inner;  // channels within a block; the last is unrolled
  std::vector<std::string> taps;
};

/// Splits the input channels to match the data's blocks, then for unrolling.
void split_inputs(const Computation& c, const Layouts& layouts, const LoopInfo& axis, const ConvParameters& p,
                  StageSchedule& s, ReductionLoops& loops) {
  const int64_t block = channel_block(layout_of(c, c.anchor.data, layouts));
  std::string inner = axis.name;
  int64_t extent = axis.extent;
  if (p.chunk > 0 && p.chunk < extent) {
    s.split(inner, p.chunk, Tail::peel);
    loops.chunk = inner + ".0";
    inner += ".1";
    extent = p.chunk;
  }
  // A part of a block that divides the channels keeps one body for all steps; without one, indices divide by the block.
  const int64_t step = std::gcd(block, extent);
  if (block > 1 && extent > block && step >= 4) {
    s.split(inner, step, Tail::peel);
    loops.block = inner + ".0";
    inner += ".1";
    extent = step;
  }
  if (extent > p.unroll) {
    s.split(inner, p.unroll, Tail::peel);
    loops.inner.push_back(inner + ".0");
    inner += ".1";
  }
  s.unroll(inner);
  loops.inner.push_back(inner);
}

ReductionLoops split_reduction(const Computation& c, const Stage& stage, const Layouts& layouts,
                               const std::vector<LoopInfo>& reduce, const ConvParameters& p, StageSchedule& s) {
  ReductionLoops loops;
  for (const LoopInfo& axis : reduce) {
    if (is_channel_axis(c, stage, axis.name)) {
      split_inputs(c, layouts, axis, p, s, loops);
    } else {
      loops.taps.push_back(axis.name);
    }
  }
  if (p.unroll_taps && !loops.taps.empty() && loops.inner.size() < 2) s.unroll(loops.taps.back());
  return loops;
}

/// Loops outside the pixels of a row, by part; each outermost first.
struct OuterLoops {
  std::string batch;
  std::vector<std::string> channels, tiles, rows;
  std::string channel_cache, channel_part, row_cache, row_part;  // of the innermost channel and row loop, where cut
  std::set<std::string> varying;                                 // not every block has as many iterations

  void add(const std::vector<LoopInfo>& loops, std::vector<std::string>& to) {
    for (const LoopInfo& loop : loops) {
      if (loop.name.empty()) continue;
      to.push_back(loop.name);
      if (loop.varies) varying.insert(loop.name);
    }
  }

  void cut(std::vector<std::string>& from, const LoopInfo& loop, int64_t factor, std::string& outer, std::string& inner,
           StageSchedule& s) {
    if (factor <= 0 || factor >= loop.extent || from.empty()) return;
    s.split(loop.name, factor, Tail::peel);
    from.pop_back();
    outer = loop.name + ".0";
    inner = loop.name + ".1";
    if (loop.varies) varying.insert(outer);
    if (loop.varies || loop.extent % factor) varying.insert(inner);
  }
};

std::vector<std::string> outer_order(const OuterLoops& o, const ConvParameters& p) {
  std::vector<std::string> order{o.batch}, channels = o.channels;
  append_one(channels, o.channel_part);
  append_one(order, o.channel_cache);
  if (!p.rows_first && !p.tiles_first) append(order, channels);
  append(order, o.tiles);
  append_one(order, o.row_cache);
  if (p.tiles_first) append(order, channels);
  append(order, o.rows);
  if (!p.tiles_first && p.rows_first) append(order, channels);
  return order;
}

}  // namespace

StageSchedule schedule_conv(const Computation& c, const Stage& stage, const Layouts& layouts, const ConvParameters& p) {
  StageSchedule s;
  ImageLoops loops = image_loops(c, stage, layouts, s);
  keep_groups_apart(c, loops, s);
  cut_columns(c, stage, layouts, p.columns, loops, s);
  OuterLoops outer;
  outer.batch = loops.batch.name;
  outer.add(loops.channels, outer.channels);
  outer.add(loops.tiles, outer.tiles);
  outer.add(loops.lead, outer.rows);
  std::vector<std::string> tile;
  std::string block_tile;
  if (!loops.channels.empty()) {
    LoopInfo& last = loops.channels.back();
    if (p.blocks > 1) {
      const auto [block_outer, inside] = split_tile(last, p.blocks, Tail::peel, s);
      block_tile = inside;
      outer.channels.pop_back();
      append_one(outer.channels, block_outer);
      last = {block_outer, ceil_div(last.extent, p.blocks), false, false};
    }
    if (!last.name.empty())
      outer.cut(outer.channels, last, p.cache_channels, outer.channel_cache, outer.channel_part, s);
  }
  int64_t tasks = loops.batch.extent * points(loops.channels) * points(loops.tiles) * points(loops.lead);
  if (loops.has_height) {
    LoopInfo row = loops.height;
    if (p.height > 1) {
      const auto [height_outer, height_tile] = split_tile(loops.height, p.height, Tail::balance, s);
      row = {height_outer, ceil_div(loops.height.extent, p.height), false, false, loops.height.varies};
      tile.push_back(height_tile);
    }
    outer.add({row}, outer.rows);
    tasks *= points({row});
    if (!row.name.empty()) outer.cut(outer.rows, row, p.cache_rows, outer.row_cache, outer.row_part, s);
  }
  const auto [width_outer, width_tile] = split_tile(loops.width, p.width, Tail::balance, s);
  tile.push_back(width_tile);
  // Innermost, so that a broadcast is used for all blocks at once and need not stay in a register.
  append_one(tile, block_tile);

  const ReductionLoops reduction = split_reduction(c, stage, layouts, loops.reduce, p, s);
  std::vector<std::string> order = outer_order(outer, p), parallel;
  for (const std::string& loop : order) {
    if (outer.varying.count(loop) || (p.parallel > 0 && static_cast<int64_t>(parallel.size()) >= p.parallel)) break;
    parallel.push_back(loop);
  }
  // Where there are few tasks, columns of pixels are some too: threads end together.
  constexpr int64_t kEnoughTasks = 16;
  const bool ends = reduction.chunk.empty() && outer.row_part.empty() && !loops.width.varies;
  if (p.parallel == 0 && parallel.size() == order.size() && ends && !width_outer.empty() && tasks < kEnoughTasks)
    parallel.push_back(width_outer);
  const bool taps_inside = p.taps_inside && reduction.inner.size() == 2;
  append(order, {reduction.chunk, outer.row_part, width_outer, reduction.block});
  if (taps_inside) order.push_back(reduction.inner[0]);
  append(order, reduction.taps);
  order.insert(order.end(), reduction.inner.begin() + (taps_inside ? 1 : 0), reduction.inner.end());
  append(order, tile);
  order.push_back(loops.vector.name);
  s.reorder(order);
  for (const std::string& loop : tile) s.unroll(loop);
  s.vectorize(loops.vector.name);
  for (const std::string& tap : reduction.taps) s.skip(tap);
  for (const std::string& loop : parallel) s.parallel(loop);
  return s;
}

Layout packed_weights(const Computation& c, const Layouts& layouts, const ConvParameters& p) {
  const Stage& stage = c.stages[static_cast<size_t>(c.anchor.stage)];
  StageSchedule s;
  ImageLoops loops = image_loops(c, stage, layouts, s);
  keep_groups_apart(c, loops, s);
  const int64_t columns = p.columns > 0 && p.columns < loops.vector.extent ? p.columns : loops.vector.extent;
  return conv_weights(c, columns, channel_block(layout_of(c, c.anchor.data, layouts)));
}

}  // namespace altrt::jit
