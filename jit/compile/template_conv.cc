// Convolutions and pools whose output channels are blocked: loops n, o.0, [d,] [h,] w, o.1.
#include <algorithm>
#include <numeric>

#include "jit/compile/templates.h"

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

bool groups_share_vector(const Computation& c, int64_t block) {
  constexpr int64_t kFewOutputs = 2;  // from 4 on a vector of one group alone is as fast
  if (c.anchor.kind != AnchorKind::conv || c.anchor.groups == 1) return false;
  const int64_t outputs = outputs_per_group(c);
  const int64_t inputs = c.tensors[c.anchor.data].shape[1].bound / c.anchor.groups;
  return outputs <= kFewOutputs && block % outputs == 0 && inputs <= outputs && block % (block / outputs * inputs) == 0;
}

bool is_dense_conv(const Computation& c) {
  if (c.anchor.kind == AnchorKind::conv_transpose) return c.anchor.groups == 1 && c.algorithm == "phases";
  return c.anchor.kind == AnchorKind::conv && !is_depthwise(c);
}

std::vector<int> anchor_stages(const Computation& c) {
  if (c.anchor.stage < 0) return {};
  if (c.algorithm != "phases") return {c.anchor.stage};
  return c.writers(c.stages[c.anchor.stage].outputs[0]);
}

namespace {

// i, o, taps -> o.0, i.0, taps, [i.1,] o.1
Layout transposed_weights(const std::vector<Extent>& shape, int64_t block, int64_t input_block) {
  Layout layout;
  const int64_t rest = round_up_to(shape[1].bound, block) - shape[1].bound;
  if (rest) layout.pad(1, 0, rest, 0.0);
  layout.split(1, {0, block});
  const bool split_inputs = input_block > 1 && shape[0].bound > input_block;
  if (split_inputs) {
    const int64_t more = round_up_to(shape[0].bound, input_block) - shape[0].bound;
    if (more) layout.pad(0, 0, more, 0.0);
    layout.split(0, {0, input_block});
  }
  const int64_t outputs = split_inputs ? 2 : 1;
  std::vector<int64_t> order{outputs, 0};
  for (int64_t i = 0; i + 2 < static_cast<int64_t>(shape.size()); ++i) order.push_back(outputs + 2 + i);
  if (split_inputs) order.push_back(1);
  order.push_back(outputs + 1);
  layout.reorder(order);
  return layout;
}

}  // namespace

Layout conv_weights(const Computation& c, int64_t block, int64_t input_block) {
  const std::vector<Extent>& shape = c.tensors[c.anchor.weights].shape;
  if (c.anchor.kind == AnchorKind::conv_transpose) return transposed_weights(shape, block, input_block);
  const int64_t taps = static_cast<int64_t>(shape.size()) - 2;
  Layout layout;
  const int64_t rest = round_up_to(shape[0].bound, block) - shape[0].bound;
  if (rest) layout.pad(0, 0, rest, 0.0);
  layout.split(0, {0, block});
  const bool split_inputs = input_block > 1 && shape[1].bound > input_block;
  if (split_inputs) {
    const int64_t more = round_up_to(shape[1].bound, input_block) - shape[1].bound;
    if (more) layout.pad(2, 0, more, 0.0);
    layout.split(2, {0, input_block});
  }
  // o.0, o.1, i.0, [i.1,] taps -> o.0, i.0, taps, [i.1,] o.1
  std::vector<int64_t> order{0, 2};
  for (int64_t i = 0; i < taps; ++i) order.push_back((split_inputs ? 4 : 3) + i);
  if (split_inputs) order.push_back(3);
  order.push_back(1);
  layout.reorder(order);
  return layout;
}

namespace {

/// The loops of the anchor stage by their part in the templates.
struct ImageLoops {
  LoopInfo batch, blocks, height, width, vector;
  std::vector<LoopInfo> lead;  // spatial dimensions before height
  std::vector<LoopInfo> reduce;
  bool has_height = false;
};

ImageLoops image_loops(const Computation& c, const Stage& stage, const Layouts& layouts) {
  std::vector<LoopInfo> spatial;
  ImageLoops loops;
  for (const LoopInfo& loop : stage_loops(c, stage, layouts)) {
    (loop.reduce ? loops.reduce : spatial).push_back(loop);
  }
  loops.batch = spatial[0];
  loops.blocks = spatial[1];
  loops.vector = spatial.back();
  loops.width = spatial[spatial.size() - 2];
  loops.has_height = spatial.size() >= 5;
  if (loops.has_height) loops.height = spatial[spatial.size() - 3];
  for (size_t i = 2; i + 3 < spatial.size(); ++i) loops.lead.push_back(spatial[i]);
  return loops;
}

// Cost of one reduction step over a row of the image, cut into balanced tiles.
double row_cost(int64_t height_tile, int64_t width, int64_t width_tile, int64_t vectors) {
  const int64_t blocks = ceil_div(width, width_tile);
  const int64_t small = width / blocks, large_blocks = width % blocks;
  const auto tile = [&](int64_t points) { return tile_cost({height_tile * points, vectors}, height_tile * points); };
  return (large_blocks ? static_cast<double>(large_blocks) * tile(small + 1) : 0) +
         static_cast<double>(blocks - large_blocks) * tile(small);
}

// Whether reduction axis `axis` runs over input channels (and not over kernel taps).
bool is_channel_axis(const Computation& c, const Stage& stage, const std::string& axis) {
  const size_t channels = c.anchor.kind == AnchorKind::conv_transpose ? 0 : 1;
  for (const Expr& e : stage_accesses(stage)) {
    if (e->id == c.anchor.weights && e->args.size() > 1) return uses_variable(e->args[channels], axis);
  }
  return false;
}

/// Splits the input channels to match the data's blocks, then for unrolling. Loops outermost first.
struct ChannelLoops {
  std::string block;               // over blocks; "" if channels are not split
  std::vector<std::string> inner;  // within a block; the last is unrolled
};

ChannelLoops split_channels(const Computation& c, const Layouts& layouts, const LoopInfo& axis, int64_t unroll,
                            StageSchedule& s) {
  const int64_t block = channel_block(layout_of(c, c.anchor.data, layouts));
  ChannelLoops loops;
  std::string inner = axis.name;
  int64_t extent = axis.extent;
  // A part of a block that divides the channels keeps one body for all steps; without one, indices divide by the block.
  const int64_t step = std::gcd(block, extent);
  if (block > 1 && extent > block && step >= 4) {
    s.split(inner, step, Tail::peel);
    loops.block = inner + ".0";
    inner += ".1";
    extent = step;
  }
  if (extent > unroll) {
    s.split(inner, unroll, Tail::peel);
    loops.inner.push_back(inner + ".0");
    inner += ".1";
  }
  s.unroll(inner);
  loops.inner.push_back(inner);
  return loops;
}

// Splits a loop of the register tile; returns the outer loop ("" if the tile covers it) and the tile's loop.
std::pair<std::string, std::string> split_tile(const LoopInfo& loop, int64_t factor, Tail tail, StageSchedule& s) {
  if (factor >= loop.extent) return {"", loop.name};
  s.split(loop.name, factor, tail);
  return {loop.name + ".0", loop.name + ".1"};
}

}  // namespace

ConvParameters default_conv(const Computation& c, const Layouts& layouts, const Target& target) {
  const ImageLoops loops = image_loops(c, c.stages[c.anchor.stage], layouts);
  const int64_t block = loops.vector.extent, height = loops.has_height ? loops.height.extent : 1;
  const int64_t usable =
      c.anchor.groups == 1 ? loops.blocks.extent : std::max<int64_t>(1, outputs_per_group(c) / block);
  ConvParameters best;
  // What lanes pick from a vector is known only if all channels of a group are unrolled.
  const bool shared = groups_share_vector(c, block);
  const int64_t inputs = c.tensors[c.anchor.data].shape[1].bound / c.anchor.groups;
  constexpr int64_t kMostUnrolled = 256;  // vector instructions
  double best_cost = -1;
  for (int64_t blocks = 1; blocks <= std::min<int64_t>(usable, 4); ++blocks) {
    if (usable % blocks != 0) continue;
    const int64_t vectors = blocks * ceil_div(block, target.lanes);
    const int64_t limit = accumulator_limit(target, vectors) / vectors;
    for (int64_t h = 1; h <= std::min(height, limit); ++h) {
      if (height % h != 0) continue;
      for (int64_t w = 1; w <= loops.width.extent && h * w <= limit; ++w) {
        if (shared && h * w * vectors * inputs > kMostUnrolled) break;
        const double cost = row_cost(h, loops.width.extent, w, vectors) *
                            (static_cast<double>(height) / static_cast<double>(h)) / static_cast<double>(blocks);
        if (best_cost < 0 || cost < best_cost * 0.995) {
          best_cost = cost;
          best.height = h, best.width = w, best.blocks = blocks;
        }
      }
    }
  }
  const int64_t accumulators = best.height * best.width * best.blocks * ceil_div(block, target.lanes);
  best.unroll = std::clamp<int64_t>(128 / std::max<int64_t>(accumulators, 1), 1, 8);
  if (shared) best.unroll = inputs;
  return best;
}

StageSchedule schedule_conv(const Computation& c, const Stage& stage, const Layouts& layouts, const ConvParameters& p) {
  StageSchedule s;
  const ImageLoops loops = image_loops(c, stage, layouts);
  std::vector<std::string> outer, tile;
  const auto [block_outer, block_tile] =
      p.blocks > 1 ? split_tile(loops.blocks, p.blocks, Tail::peel, s) : std::pair(loops.blocks.name, std::string());
  std::string row;
  if (loops.has_height) {
    if (p.height > 1) {
      const auto [height_outer, height_tile] = split_tile(loops.height, p.height, Tail::balance, s);
      row = height_outer;
      tile.push_back(height_tile);
    } else {
      row = loops.height.name;
    }
  }
  const auto [width_outer, width_tile] = split_tile(loops.width, p.width, Tail::balance, s);
  tile.push_back(width_tile);
  // Innermost, so that a broadcast is used for all blocks at once and need not stay in a register.
  if (!block_tile.empty()) tile.push_back(block_tile);

  outer.push_back(loops.batch.name);
  if (!p.rows_first && !block_outer.empty()) outer.push_back(block_outer);
  for (const LoopInfo& lead : loops.lead) outer.push_back(lead.name);
  if (!row.empty()) outer.push_back(row);
  if (p.rows_first && !block_outer.empty()) outer.push_back(block_outer);
  ChannelLoops channels;
  std::vector<std::string> taps;
  for (const LoopInfo& axis : loops.reduce) {
    if (is_channel_axis(c, stage, axis.name)) {
      channels = split_channels(c, layouts, axis, p.unroll, s);
    } else {
      taps.push_back(axis.name);
    }
  }
  std::vector<std::string> order = outer;
  if (!width_outer.empty()) order.push_back(width_outer);
  if (!channels.block.empty()) order.push_back(channels.block);
  const bool taps_inside = p.taps_inside && channels.inner.size() == 2;
  if (taps_inside) order.push_back(channels.inner[0]);
  order.insert(order.end(), taps.begin(), taps.end());
  order.insert(order.end(), channels.inner.begin() + (taps_inside ? 1 : 0), channels.inner.end());
  order.insert(order.end(), tile.begin(), tile.end());
  order.push_back(loops.vector.name);
  s.reorder(order);
  for (const std::string& loop : tile) s.unroll(loop);
  s.vectorize(loops.vector.name);
  for (const std::string& loop : outer) s.parallel(loop);
  return s;
}

WindowParameters default_window(const Computation& c, const Layouts& layouts, const Target& target) {
  const ImageLoops loops = image_loops(c, c.stages[c.anchor.stage], layouts);
  int64_t taps = 1;
  for (const LoopInfo& axis : loops.reduce) taps *= axis.extent;
  WindowParameters p;
  p.unroll_taps = taps <= 9;
  const int64_t inner_taps = loops.reduce.empty() ? 1 : loops.reduce.back().extent;
  const int64_t unrolled = p.unroll_taps ? taps : inner_taps <= 9 ? inner_taps : 1;
  p.width = std::clamp<int64_t>(80 / (unrolled * ceil_div(loops.vector.extent, target.lanes)), 1, 8);
  return p;
}

StageSchedule schedule_window(const Computation& c, const Layouts& layouts, const WindowParameters& p) {
  StageSchedule s;
  const ImageLoops loops = image_loops(c, c.stages[c.anchor.stage], layouts);
  std::vector<std::string> outer{loops.batch.name, loops.blocks.name};
  for (const LoopInfo& lead : loops.lead) outer.push_back(lead.name);
  if (loops.has_height) outer.push_back(loops.height.name);
  const auto [width_outer, width_tile] = split_tile(loops.width, p.width, Tail::balance, s);
  std::vector<std::string> order = outer;
  if (!width_outer.empty()) order.push_back(width_outer);
  for (const LoopInfo& axis : loops.reduce) order.push_back(axis.name);
  order.push_back(width_tile);
  order.push_back(loops.vector.name);
  s.reorder(order);
  for (size_t i = 0; i < loops.reduce.size(); ++i) {
    const bool last = i + 1 == loops.reduce.size();
    if (p.unroll_taps || (last && loops.reduce[i].extent <= 9)) s.unroll(loops.reduce[i].name);
  }
  s.unroll(width_tile);
  s.vectorize(loops.vector.name);
  for (const std::string& loop : outer) s.parallel(loop);
  return s;
}

}  // namespace altrt::jit
