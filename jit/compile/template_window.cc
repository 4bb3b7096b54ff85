// Depthwise convolutions and pools: vectors of channels, several points of the image side by side.
#include <algorithm>

#include "jit/compile/image_loops.h"
#include "jit/compile/templates.h"

namespace altrt::jit {

WindowParameters default_window(const Computation& c, const Layouts& layouts, const Target& target) {
  StageSchedule s;
  const ImageLoops loops = image_loops(c, c.stages[static_cast<size_t>(c.anchor.stage)], layouts, s);
  int64_t taps = 1;
  for (const LoopInfo& axis : loops.reduce) taps *= axis.extent;
  WindowParameters p;
  // Channels that lie side by side: two vectors at a time use up whole cache lines.
  constexpr int64_t kMostVectors = 2;
  const int64_t most = kMostVectors * target.lanes;
  if (loops.vector.extent > most) p.columns = most;
  // Where all channels of a point lie side by side, rows outside of them read lines of memory in order.
  p.rows_first = loops.channels.empty();
  const int64_t vector = p.columns > 0 ? p.columns : loops.vector.extent;
  p.unroll_taps = taps <= 9;
  const int64_t inner_taps = loops.reduce.empty() ? 1 : loops.reduce.back().extent;
  const int64_t unrolled = p.unroll_taps ? taps : inner_taps <= 9 ? inner_taps : 1;
  p.width = std::clamp<int64_t>(80 / (unrolled * ceil_div(vector, target.lanes)), 1, 8);
  return p;
}

StageSchedule schedule_window(const Computation& c, const Layouts& layouts, const WindowParameters& p) {
  StageSchedule s;
  const Stage& stage = c.stages[static_cast<size_t>(c.anchor.stage)];
  ImageLoops loops = image_loops(c, stage, layouts, s);
  cut_columns(c, stage, layouts, p.columns, loops, s);
  std::vector<std::string> outer{loops.batch.name}, channels, rows, tile;
  for (const LoopInfo& loop : loops.channels) channels.push_back(loop.name);
  for (const LoopInfo& loop : loops.tiles) rows.push_back(loop.name);
  for (const LoopInfo& loop : loops.lead) rows.push_back(loop.name);
  if (loops.has_height && p.height > 1) {
    const auto [height_outer, height_tile] = split_tile(loops.height, p.height, Tail::balance, s);
    append_one(rows, height_outer);
    tile.push_back(height_tile);
  } else if (loops.has_height) {
    rows.push_back(loops.height.name);
  }
  const auto [width_outer, width_tile] = split_tile(loops.width, p.width, Tail::balance, s);
  tile.push_back(width_tile);
  append(outer, p.rows_first ? rows : channels);
  append(outer, p.rows_first ? channels : rows);
  std::vector<std::string> order = outer;
  append_one(order, width_outer);
  for (const LoopInfo& axis : loops.reduce) order.push_back(axis.name);
  order.insert(order.end(), tile.begin(), tile.end());
  order.push_back(loops.vector.name);
  s.reorder(order);
  for (size_t i = 0; i < loops.reduce.size(); ++i) {
    const bool last = i + 1 == loops.reduce.size();
    if (p.unroll_taps || (last && loops.reduce[i].extent <= 9)) s.unroll(loops.reduce[i].name);
  }
  for (const std::string& loop : tile) s.unroll(loop);
  s.vectorize(loops.vector.name);
  for (const std::string& loop : outer) s.parallel(loop);
  return s;
}

Layout packed_weights(const Computation& c, const Layouts& layouts, const WindowParameters& p) {
  StageSchedule s;
  const ImageLoops loops = image_loops(c, c.stages[static_cast<size_t>(c.anchor.stage)], layouts, s);
  const int64_t columns = p.columns > 0 && p.columns < loops.vector.extent ? p.columns : loops.vector.extent;
  return conv_weights(c, columns, 0);
}

}  // namespace altrt::jit
