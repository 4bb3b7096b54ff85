// Winograd convolutions whose output channels are blocked (jit/expr/winograd.cc names the stages and axes). Two ways to
// cut them:
//   by rows:     everything for one row of tiles at a time, rows in parallel; for large images with weights that stay
//   in cache by channels: the transformed data as a kernel of its own, then products and output for one block of output
//   channels
//                at a time, blocks in parallel; for small images with many channels
#include <algorithm>
#include <numeric>

#include "jit/compile/templates.h"

namespace altrt::jit {

namespace {

struct Sizes {
  int64_t points, outputs;  // tile size in the transformed domain, and outputs a tile
  int64_t tiles_h, tiles_w;
  int64_t in, out;  // channels
};

int64_t extent_of(const Stage& stage, const std::string& axis) {
  for (const Axis& a : stage.axes) {
    if (a.name == axis) return a.extent.bound;
  }
  return 1;
}

Sizes sizes_of(const Computation& c) {
  const Stage& z = c.stages[c.find_stage("winograd_z")];
  const Stage& s = c.stages[c.find_stage("winograd_s")];
  return {extent_of(z, "z.x"), extent_of(s, "s.a"),      extent_of(z, "z.p"),
          extent_of(z, "z.q"), z.reduce[0].extent.bound, extent_of(z, "z.o")};
}

const Stage& output_stage(const Computation& c) { return c.stages[c.readers(c.find_tensor("winograd_s"))[0]]; }

// [x, y, n, channels, p, q] with channels in blocks behind everything else.
Layout tiled(int64_t channels, int64_t block) {
  Layout layout;
  const int64_t rest = round_up_to(channels, block) - channels;
  if (rest) layout.pad(3, 0, rest, std::nullopt);
  return layout.split(3, {0, block}).reorder({0, 1, 2, 3, 5, 6, 4});
}

struct Tile {
  int64_t p = 1, q = 1;
};

// Tiles side by side in registers.
Tile product_tile(const Target& target, int64_t tiles_h, int64_t tiles_w, int64_t vectors) {
  Tile best;
  double best_cost = -1;
  const int64_t limit = accumulator_limit(target, vectors) / vectors;
  for (int64_t p = 1; p <= std::min(tiles_h, limit); ++p) {
    for (int64_t q = 1; q <= tiles_w && p * q <= limit; ++q) {
      const double cost =
          static_cast<double>(ceil_div(tiles_h, p) * ceil_div(tiles_w, q)) * tile_cost({p * q, vectors}, p * q);
      if (best_cost < 0 || cost < best_cost) {
        best_cost = cost;
        best = {p, q};
      }
    }
  }
  return best;
}

StageSchedule schedule_products(const Target& target, const Sizes& sizes, int64_t block, const WinogradParameters& w) {
  StageSchedule s;
  const int64_t vectors = w.blocks * ceil_div(block, target.lanes);
  const Tile tile = product_tile(target, w.by_rows ? 1 : sizes.tiles_h, sizes.tiles_w, vectors);
  std::vector<std::string> order{"z.n"}, inner;
  const int64_t rows = w.by_rows ? 1 : sizes.tiles_h;
  std::string p_outer, q_outer;
  if (tile.p > 1 && tile.p < rows) {
    s.split("z.p", tile.p, Tail::balance);
    p_outer = "z.p.0";
    inner.push_back("z.p.1");
  } else {
    (tile.p > 1 ? inner : order).push_back("z.p");
  }
  if (tile.q < sizes.tiles_w) {
    s.split("z.q", tile.q, Tail::balance);
    q_outer = "z.q.0";
    inner.push_back("z.q.1");
  } else {
    inner.push_back("z.q");
  }
  std::string blocks = "z.o.0";
  if (w.blocks > 1) {
    s.split("z.o.0", w.blocks);
    blocks = "z.o.0.0";
    inner.push_back("z.o.0.1");
  }
  order.push_back(blocks);
  order.insert(order.end(), {"z.x", "z.y"});
  for (const std::string& loop : {p_outer, q_outer}) {
    if (!loop.empty()) order.push_back(loop);
  }
  const int64_t common = std::gcd(block, sizes.in), step = sizes.in % block ? common : block;
  std::string channel = "z.i";
  if (sizes.in > step && step >= 4) {
    s.split(channel, step);
    order.push_back(channel + ".0");
    channel += ".1";
  }
  if (step > w.unroll) {
    s.split(channel, w.unroll, Tail::peel);
    order.push_back(channel + ".0");
    channel += ".1";
  }
  order.push_back(channel);
  order.insert(order.end(), inner.begin(), inner.end());
  order.push_back("z.o.1");
  s.reorder(order).unroll(channel);
  for (const std::string& loop : inner) s.unroll(loop);
  return s.vectorize("z.o.1");
}

}  // namespace

bool is_winograd(const Computation& c) {
  return c.find_stage("winograd_z") >= 0 && c.find_stage("winograd_s") >= 0 && c.anchor.kernel.size() == 2;
}

WinogradParameters default_winograd(const Computation& c, const Layouts& layouts, const Target& target) {
  const Sizes sizes = sizes_of(c);
  const int64_t block = channel_block(layout_of(c, output_stage(c).outputs[0], layouts));
  WinogradParameters w;
  const int64_t out_blocks = ceil_div(sizes.out, block);
  w.blocks = target.lanes >= block && out_blocks % 2 == 0 ? 2 : 1;
  w.unroll = 4;
  const int64_t weight_bytes = sizes.points * sizes.points * sizes.in * sizes.out * 4;
  w.by_rows = sizes.tiles_h >= 8 && weight_bytes <= target.l2_bytes;
  return w;
}

void layout_winograd(const Computation& c, const WinogradParameters& w, Layouts& layouts) {
  const Sizes sizes = sizes_of(c);
  const int64_t block = channel_block(layout_of(c, output_stage(c).outputs[0], layouts));
  const int64_t wide = block * w.blocks, rest = round_up_to(sizes.out, wide) - sizes.out;
  Layout u;
  if (rest) u.pad(2, 0, rest, std::nullopt);
  layouts["winograd_u"] = u.split(2, {0, wide}).reorder({0, 1, 2, 4, 3});
  layouts["winograd_v"] = tiled(sizes.in, block);
  layouts["winograd_z"] = tiled(sizes.out, block);
  layouts["winograd_t"] = layouts["winograd_s"] = Layout().reorder({0, 2, 3, 4, 5, 1});
}

Schedule schedule_winograd(const Computation& c, const Layouts& layouts, const Target& target,
                           const WinogradParameters& w) {
  Schedule schedule;
  const Sizes sizes = sizes_of(c);
  const Stage& out = output_stage(c);
  const int64_t block = channel_block(layout_of(c, out.outputs[0], layouts));
  const std::string n = out.axes[0].name, o = out.axes[1].name, h = out.axes[2].name, x = out.axes[3].name;
  const std::string tap = out.reduce[0].name;
  schedule["winograd_u"].unroll("u.r").unroll("u.s").parallel("u.x").parallel("u.y").parallel("u.o.0");
  schedule["winograd_t"]
      .reorder({"t.n", "t.p", "t.q", "t.j", "t.r", "t.x", "t.i"})
      .unroll("t.x")
      .unroll("t.r")
      .vectorize("t.i")
      .compute_at("winograd_v", "v.q");
  StageSchedule& v = schedule["winograd_v"];
  v.reorder({"v.n", "v.i.0", "v.p", "v.q", "v.x", "v.j", "v.y", "v.i.1"});
  v.unroll("v.y").unroll("v.j").vectorize("v.i.1");
  schedule["winograd_z"] = schedule_products(target, sizes, block, w);
  schedule["winograd_s"]
      .reorder({"s.n", "s.p", "s.q", "s.y", "s.x", "s.a", "s.o"})
      .unroll("s.a")
      .unroll("s.x")
      .vectorize("s.o")
      .compute_at(out.name, x + ".0");
  StageSchedule& y = schedule[out.name];
  y.split(h, sizes.outputs, out.axes[2].extent.bound % sizes.outputs ? Tail::mask : Tail::peel);
  y.split(x, sizes.outputs, out.axes[3].extent.bound % sizes.outputs ? Tail::mask : Tail::peel);
  std::vector<std::string> order{n}, parallel{n};
  if (w.by_rows) {
    order.insert(order.end(), {h + ".0", o + ".0"});
    parallel.push_back(h + ".0");
    v.compute_at(out.name, h + ".0");
    schedule["winograd_z"].compute_at(out.name, h + ".0");
  } else {
    std::string blocks = o + ".0";
    if (w.blocks > 1) {
      y.split(blocks, w.blocks);
      order.insert(order.end(), {blocks + ".0", blocks + ".1"});
      blocks += ".0";
    } else {
      order.push_back(blocks);
    }
    order.push_back(h + ".0");
    parallel.push_back(blocks);
    v.parallel("v.n").parallel("v.i.0").parallel("v.p");
    schedule["winograd_z"].compute_at(out.name, blocks);
  }
  order.insert(order.end(), {x + ".0", h + ".1", tap, x + ".1", o + ".1"});
  y.reorder(order).unroll(tap).unroll(x + ".1").vectorize(o + ".1");
  for (const std::string& loop : parallel) y.parallel(loop);
  return schedule;
}

}  // namespace altrt::jit
