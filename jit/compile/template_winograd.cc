// Winograd convolutions whose output channels are blocked (jit/expr/winograd.cc names the stages and axes). Two ways to
// cut them:
//   by rows:     everything for one row of tiles at a time, rows in parallel; for large images with weights that stay
//                in cache
//   by channels: the transformed data as a kernel of its own, then products and output for one block of output channels
//                at a time, blocks in parallel, or blocks and rows of tiles; for small images with many channels
// Dimensions before the rows (depth) are cut into blocks, whose halo by rows is transformed once more; their taps that
// lie in padding are skipped.
#include <algorithm>
#include <numeric>

#include "jit/compile/templates.h"
#include "jit/expr/winograd_dimension.h"

namespace altrt::jit {

namespace {

struct Sizes {
  int64_t points_h = 1, points_w = 1;    // of a tile in the transformed domain
  int64_t points = 1;                    // all of them
  int64_t products = 1;                  // of a tile and a pair of channels
  int64_t outputs_h = 1, outputs_w = 1;  // of a tile
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t tiles_h = 1, tiles_w = 1;
  int64_t in = 1, group_in = 1, out = 1;  // channels
  std::vector<int64_t> lead;              // outputs in the dimensions before the rows
  bool has_rows = true;

  /// Whether rows of tiles may be tasks beside blocks of output channels.
  bool rows_come_apart() const { return has_rows && lead.empty(); }
};

// Tiles of the only row of one dimension that are made at a time.
int64_t strip_of(const Sizes& sizes) {
  constexpr int64_t kTiles = 28;
  return std::min(sizes.tiles_w, round_up_to(kTiles, sizes.dilation_w));
}

std::string lead_axis(const std::string& stage, size_t i) { return stage + ".d" + std::to_string(i); }

int64_t extent_of(const Stage& stage, const std::string& axis) {
  for (const Axis& a : stage.axes) {
    if (a.name == axis) return a.extent.bound;
  }
  return 1;
}

Sizes sizes_of(const Computation& c) {
  const Stage &z = c.stages[c.find_stage("winograd_z")], &v = c.stages[c.find_stage("winograd_v")];
  const int outputs_per_tile = winograd_outputs(c.algorithm);
  const WinogradDimension rows = winograd_dimension(c.anchor, 2, outputs_per_tile),
                          columns = winograd_dimension(c.anchor, 1, outputs_per_tile);
  Sizes sizes;
  sizes.has_rows = rows.exists;
  sizes.points_h = rows.points();
  sizes.points_w = columns.points();
  sizes.points = sizes.points_h * sizes.points_w;
  sizes.products = sizes.points * rows.remainders * columns.remainders;
  sizes.outputs_h = rows.outputs * rows.remainders;
  sizes.outputs_w = columns.outputs * columns.remainders;
  sizes.dilation_h = rows.dilation;
  sizes.dilation_w = columns.dilation;
  sizes.tiles_h = extent_of(z, "z.p");
  sizes.tiles_w = extent_of(z, "z.q");
  sizes.in = extent_of(v, "v.i");
  sizes.group_in = z.reduce[0].extent.bound;
  sizes.out = extent_of(z, "z.o");
  for (size_t i = 0; i + 2 < c.anchor.kernel.size(); ++i) sizes.lead.push_back(extent_of(z, lead_axis("z", i)));
  return sizes;
}

const Stage& output_stage(const Computation& c) { return c.stages[c.readers(c.find_tensor("winograd_s"))[0]]; }

// The dimensions of a tensor of `rank` with number `from` behind all others.
std::vector<int64_t> moved_last(int64_t rank, int64_t from) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < rank; ++i)
    if (i != from) order.push_back(i);
  order.push_back(from);
  return order;
}

// [x, y, n, channels, d.., p, q] with the channels' blocks as vectors; with `rows_first`, a row of tiles lies in one
// piece: workers that share the rows touch no line of each other's.
Layout tiled(int64_t channels, int64_t block, size_t lead, bool rows_first) {
  Layout layout;
  const int64_t rest = round_up_to(channels, block) - channels;
  if (rest) layout.pad(3, 0, rest, std::nullopt);
  const auto rank = 7 + static_cast<int64_t>(lead);
  std::vector<int64_t> order = moved_last(rank, 4);
  if (rows_first) {
    std::erase(order, rank - 2);
    order.insert(order.begin(), rank - 2);
  }
  return layout.split(3, {0, block}).reorder(order);
}

struct Tile {
  int64_t p = 1, q = 1;
  double cost = -1;  // of all tiles
};

// Tiles side by side in registers.
Tile product_tile(const Target& target, int64_t tiles_h, int64_t tiles_w, int64_t vectors) {
  Tile best;
  const int64_t limit = accumulator_limit(target, vectors) / vectors;
  for (int64_t p = 1; p <= std::min(tiles_h, limit); ++p) {
    for (int64_t q = 1; q <= tiles_w && p * q <= limit; ++q) {
      const double cost =
          static_cast<double>(ceil_div(tiles_h, p) * ceil_div(tiles_w, q)) * tile_cost({p * q, vectors}, p * q);
      if (best.cost < 0 || cost < best.cost) best = {p, q, cost};
    }
  }
  return best;
}

// `rows` x `columns` tiles at a time.
StageSchedule schedule_products(const Target& target, const Sizes& sizes, int64_t rows, int64_t columns, int64_t block,
                                const WinogradParameters& w) {
  StageSchedule s;
  const int64_t vectors = w.blocks * ceil_div(block, target.lanes);
  const Tile tile = product_tile(target, rows, columns, vectors);
  std::vector<std::string> order{"z.n"}, inner;
  std::string p_outer, q_outer;
  if (tile.p > 1 && tile.p < rows) {
    s.split("z.p", tile.p, Tail::balance);
    p_outer = "z.p.0";
    inner.push_back("z.p.1");
  } else {
    (tile.p > 1 ? inner : order).push_back("z.p");
  }
  if (tile.q < columns) {
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
  for (size_t i = 0; i < sizes.lead.size(); ++i) order.push_back(lead_axis("z", i));
  for (const std::string& loop : {p_outer, q_outer}) {
    if (!loop.empty()) order.push_back(loop);
  }
  for (size_t i = 0; i < sizes.lead.size(); ++i) {
    order.push_back("z.k" + std::to_string(i));
    s.skip(order.back());
  }
  const int64_t common = std::gcd(block, sizes.group_in), step = sizes.group_in % block ? common : block;
  std::string channel = "z.i";
  if (sizes.group_in > step && step >= 4) {
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

bool is_winograd(const Computation& c) { return c.find_stage("winograd_z") >= 0 && c.find_stage("winograd_s") >= 0; }

bool has_winograd_template(const Computation& c, const Layouts& layouts) {
  if (!is_winograd(c)) return false;
  const int64_t block = channel_block(layout_of(c, output_stage(c).outputs[0], layouts));
  const Sizes sizes = sizes_of(c);
  const int64_t groups = sizes.in / sizes.group_in;
  return block > 1 && (groups == 1 || (sizes.group_in % block == 0 && sizes.out / groups % block == 0));
}

WinogradParameters default_winograd(const Computation& c, const Layouts& layouts, const Target& target) {
  const Sizes sizes = sizes_of(c);
  const int64_t block = channel_block(layout_of(c, output_stage(c).outputs[0], layouts));
  WinogradParameters w;
  const int64_t out_blocks = ceil_div(sizes.out, block);
  w.blocks = target.lanes >= block && out_blocks % 2 == 0 ? 2 : 1;
  w.unroll = 4;
  int64_t taps = 1;
  for (size_t i = 0; i < sizes.lead.size(); ++i) taps *= c.anchor.kernel[i];
  const int64_t weight_bytes = sizes.products * taps * sizes.group_in * sizes.out * 4;
  const int64_t rows = sizes.has_rows ? sizes.tiles_h : ceil_div(sizes.tiles_w, strip_of(sizes));
  // By channels all transformed data lie in memory at once.
  int64_t data_bytes = sizes.points * sizes.tiles_h * sizes.tiles_w * sizes.in * 4;
  for (const int64_t extent : sizes.lead) data_bytes *= extent;
  // Rows of tiles as tasks leave each row's data with one worker, unless few tiles lie in a row.
  const int64_t vectors = w.blocks * ceil_div(block, target.lanes);
  const double together = product_tile(target, sizes.tiles_h, sizes.tiles_w, vectors).cost;
  const double apart = static_cast<double>(sizes.tiles_h) * product_tile(target, 1, sizes.tiles_w, vectors).cost;
  w.rows_apart = sizes.rows_come_apart() && apart <= 1.05 * together;
  w.by_rows = rows >= 8 && (weight_bytes <= target.l2_bytes * taps || data_bytes > target.l3_bytes / 4);
  return w;
}

void layout_winograd(const Computation& c, const WinogradParameters& w, Layouts& layouts) {
  const Sizes sizes = sizes_of(c);
  const int64_t block = channel_block(layout_of(c, output_stage(c).outputs[0], layouts));
  const int64_t wide = block * w.blocks, rest = round_up_to(sizes.out, wide) - sizes.out;
  Layout u;
  if (rest) u.pad(2, 0, rest, std::nullopt);
  // [x, y, blocks of o, taps.., i, o]
  const auto lead = static_cast<int64_t>(sizes.lead.size());
  std::vector<int64_t> order{0, 1, 2};
  for (int64_t i = 0; i < lead; ++i) order.push_back(5 + i);
  order.insert(order.end(), {4, 3});
  layouts["winograd_u"] = u.split(2, {0, wide}).reorder(order);
  layouts["winograd_v"] = tiled(sizes.in, block, sizes.lead.size(), true);
  layouts["winograd_z"] = tiled(sizes.out, block, sizes.lead.size(), false);
  layouts["winograd_t"] = layouts["winograd_s"] = Layout().reorder(moved_last(6 + lead, 1));
  const TensorDecl& tensor = c.tensors[static_cast<size_t>(c.anchor.weights)];
  if (tensor.role != Role::constant) return;
  // As they are transformed, vectors of o: [blocks of o, taps before the last two dimensions.., i, those of the last,
  // o].
  Layout weights;
  const int outputs = weight_outputs(c.anchor);
  if (rest) weights.pad(outputs, 0, rest, std::nullopt);
  order = {outputs};
  for (int64_t i = 0; i < lead; ++i) order.push_back(3 + i);
  order.push_back(2 - 2 * outputs);
  for (auto i = lead; i < static_cast<int64_t>(tensor.shape.size()) - 2; ++i) order.push_back(3 + i);
  order.push_back(1 + outputs);
  layouts[tensor.name] = weights.split(outputs, {0, wide}).reorder(order);
}

namespace {

// `names` with the axes d0, d1, .. of the stage behind the first `at`.
std::vector<std::string> with_lead(std::vector<std::string> names, size_t at, const std::string& stage,
                                   const Sizes& sizes) {
  for (size_t i = 0; i < sizes.lead.size(); ++i)
    names.insert(names.begin() + static_cast<std::ptrdiff_t>(at + i), lead_axis(stage, i));
  return names;
}

// A vector of constant weights for all points at a time, or, where that were too much code, for those of a row. Weights
// that a run makes lie as their maker left them: one element for one point at a time. Where remainders have taps of
// their own, which of them there are is code as well.
void schedule_weights(const Computation& c, bool constant, int64_t wide, int64_t lanes, StageSchedule& s) {
  constexpr int64_t kMostProducts = 330;
  const Stage& u = c.stages[c.find_stage("winograd_u")];
  const Sizes sizes = sizes_of(c);
  int64_t products = sizes.points;  // of one remainder
  for (const Axis& tap : u.reduce) products *= tap.extent.bound;
  if (!constant) {
    s.unroll("u.r").unroll("u.s").parallel("u.x").parallel("u.y").parallel("u.o.0");
    return;
  }
  std::vector<std::string> order{"u.o.0"};
  for (const Axis& axis : u.axes)
    if (axis.name.starts_with("u.k")) order.push_back(axis.name);
  order.push_back("u.i");
  for (const std::string& loop : order) s.parallel(loop);
  std::string vector = "u.o.1";
  if (wide > lanes && wide % lanes == 0) {
    s.split(vector, lanes);
    order.push_back(vector + ".0");
    vector += ".1";
  }
  std::string x = "u.x", y = "u.y";
  for (const auto& [axis, points] : {std::pair{&x, sizes.points_h}, std::pair{&y, sizes.points_w}}) {
    if (extent_of(u, *axis) == points) continue;
    s.split(*axis, points);
    order.push_back(*axis + ".0");
    *axis += ".1";
  }
  order.insert(order.end(), {x, y, "u.r", "u.s", vector});
  s.reorder(order);
  if (products <= kMostProducts && sizes.products == sizes.points) s.unroll(x);
  s.unroll(y).unroll("u.r").unroll("u.s").vectorize(vector);
}

void schedule_transforms(const Sizes& sizes, const std::string& output, const std::string& column, Schedule& schedule) {
  schedule["winograd_t"]
      .reorder(with_lead({"t.n", "t.p", "t.q", "t.j", "t.r", "t.x", "t.i"}, 1, "t", sizes))
      .unroll("t.x")
      .unroll("t.r")
      .vectorize("t.i")
      .compute_at("winograd_v", "v.q");
  schedule["winograd_v"]
      .reorder(with_lead({"v.n", "v.i.0", "v.p", "v.q", "v.x", "v.j", "v.y", "v.i.1"}, 2, "v", sizes))
      .unroll("v.y")
      .unroll("v.j")
      .vectorize("v.i.1");
  schedule["winograd_s"]
      .reorder(with_lead({"s.n", "s.p", "s.q", "s.y", "s.x", "s.a", "s.o"}, 1, "s", sizes))
      .unroll("s.a")
      .unroll("s.x")
      .vectorize("s.o")
      .compute_at(output, column);
}

// The loops of the output stage, by part.
struct OutputLoops {
  std::string n, o, tap;
  std::vector<std::string> rows, columns;  // over tiles, outermost first
  std::string row, column;                 // within a tile
  std::vector<std::string> blocks, lead;   // of lead dimensions: loops over blocks, loops within one
};

// Cuts an axis into tiles; those of a dilated kernel's images take turns. Returns the loop within a tile.
std::string cut_tiles(const Axis& axis, int64_t outputs, int64_t dilation, std::vector<std::string>& tiles,
                      StageSchedule& y) {
  y.split(axis.name, outputs * dilation, axis.extent.bound % (outputs * dilation) ? Tail::mask : Tail::peel);
  tiles.push_back(axis.name + ".0");
  if (dilation == 1) return axis.name + ".1";
  y.split(axis.name + ".1", dilation);
  tiles.push_back(axis.name + ".1.1");
  return axis.name + ".1.0";
}

OutputLoops cut_output(const Stage& out, const Sizes& sizes, const WinogradParameters& w, StageSchedule& y) {
  OutputLoops loops;
  const size_t rank = out.axes.size();
  loops.n = out.axes[0].name;
  loops.o = out.axes[1].name;
  loops.tap = out.reduce[0].name;
  if (sizes.has_rows) loops.row = cut_tiles(out.axes[rank - 2], sizes.outputs_h, sizes.dilation_h, loops.rows, y);
  loops.column = cut_tiles(out.axes[rank - 1], sizes.outputs_w, sizes.dilation_w, loops.columns, y);
  if (!sizes.has_rows) {
    // Strips of the only row take the place of rows.
    std::string& tiles = loops.columns.front();
    y.split(tiles, ceil_div(strip_of(sizes), sizes.dilation_w), Tail::peel);
    loops.rows.push_back(tiles + ".0");
    tiles += ".1";
  }
  for (size_t i = 2; i + 2 < rank; ++i) {
    const std::string& name = out.axes[i].name;
    if (i == 2 && w.lead > 0 && w.lead < out.axes[i].extent.bound && out.axes[i].extent.bound % w.lead == 0) {
      y.split(name, w.lead);
      loops.blocks.push_back(name + ".0");
      loops.lead.push_back(name + ".1");
    } else {
      loops.lead.push_back(name);
    }
  }
  return loops;
}

}  // namespace

Schedule schedule_winograd(const Computation& c, const Layouts& layouts, const Target& target,
                           const WinogradParameters& w) {
  Schedule schedule;
  const Sizes sizes = sizes_of(c);
  const Stage& out = output_stage(c);
  const int64_t block = channel_block(layout_of(c, out.outputs[0], layouts));
  StageSchedule& y = schedule[out.name];
  const OutputLoops loops = cut_output(out, sizes, w, y);
  const bool constant = c.tensors[static_cast<size_t>(c.anchor.weights)].role == Role::constant;
  schedule_weights(c, constant, block * w.blocks, target.lanes, schedule["winograd_u"]);
  schedule_transforms(sizes, out.name, loops.columns.back(), schedule);
  StageSchedule &v = schedule["winograd_v"], &z = schedule["winograd_z"];
  const bool rows_apart = w.rows_apart && sizes.rows_come_apart();
  const int64_t rows = w.by_rows || rows_apart ? 1 : sizes.tiles_h;
  z = schedule_products(target, sizes, rows, w.by_rows && !sizes.has_rows ? strip_of(sizes) : sizes.tiles_w, block, w);
  std::vector<std::string> order{loops.n}, parallel;
  if (w.by_rows) {
    append(order, loops.blocks);
    append(order, loops.rows);
    parallel = order;
    order.push_back(loops.o + ".0");
    append(order, loops.lead);
    v.compute_at(out.name, loops.rows.back());
    z.compute_at(out.name, loops.rows.back());
  } else {
    std::string blocks = loops.o + ".0";
    std::vector<std::string> inner;
    if (w.blocks > 1) {
      y.split(blocks, w.blocks);
      inner.push_back(blocks + ".1");
      blocks += ".0";
    }
    order.push_back(blocks);
    if (rows_apart) append(order, loops.rows);
    parallel = order;
    append(order, loops.blocks);
    append(order, inner);
    append(order, loops.lead);
    if (!rows_apart) append(order, loops.rows);
    for (const std::string& loop : with_lead({"v.n", "v.i.0", "v.p"}, 2, "v", sizes)) v.parallel(loop);
    z.compute_at(out.name, rows_apart ? loops.rows.back() : loops.blocks.empty() ? blocks : loops.blocks.back());
  }
  append(order, loops.columns);
  append(order, {loops.row, loops.tap, loops.column, loops.o + ".1"});
  y.reorder(order).unroll(loops.tap).unroll(loops.column).vectorize(loops.o + ".1");
  for (const std::string& loop : parallel) y.parallel(loop);
  return schedule;
}

}  // namespace altrt::jit
