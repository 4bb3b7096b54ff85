// Convolutions and pools whose vectors run along the rows of images: [N, C, spatial...], nothing in blocks. Register
// tiles over output channels and pixels; every vector of the image is read where it lies.
#include <algorithm>

#include "jit/compile/image_loops.h"
#include "jit/compile/templates.h"

namespace altrt::jit {

namespace {

const Stage& anchor_stage(const Computation& c) { return c.stages[static_cast<size_t>(c.anchor.stage)]; }

// Whether the last physical dimension is the last logical one, whole.
bool has_rows(const Computation& c, int tensor, const Layouts& layouts) {
  const size_t rank = c.tensors[static_cast<size_t>(tensor)].shape.size();
  const std::vector<PhysicalDim> dims = physical_dims(layout_of(c, tensor, layouts), rank);
  return dims.size() == rank && dims.back().dim == static_cast<int>(rank) - 1;
}

/// The window covers one point, and each point of the input is read for one of the output.
bool is_pointwise(const Computation& c) {
  const Anchor& anchor = c.anchor;
  const auto all = [](const std::vector<int64_t>& values, int64_t value) {
    return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == value; });
  };
  const std::vector<Extent>& in = c.tensors[static_cast<size_t>(anchor.data)].shape;
  const std::vector<Extent>& out = c.tensors[static_cast<size_t>(anchor_stage(c).outputs[0])].shape;
  return all(anchor.kernel, 1) && all(anchor.strides, 1) && all(anchor.pads, 0) &&
         std::equal(in.begin() + 2, in.end(), out.begin() + 2, out.end());
}

/// The loops of a tile, and those outside of it, outermost first.
struct TileLoops {
  std::string batch, columns;  // columns: over the vectors of a row
  std::vector<std::string> channels, rows, tile;
  std::string vector;
};

TileLoops cut_tile(const Computation& c, const Layouts& layouts, const ImageLoops& loops, const PixelParameters& p,
                   const Target& target, StageSchedule& s) {
  const PixelExtents sizes = pixel_extents(c, layouts);
  TileLoops parts;
  parts.batch = loops.batch.name;
  LoopInfo channels = loops.vector;
  if (sizes.channels < channels.extent) {
    s.split(channels.name, sizes.channels, Tail::peel);
    parts.channels.push_back(channels.name + ".0");
    channels = {channels.name + ".1", sizes.channels, false, false};
  }
  const auto [channels_outer, channels_tile] = split_tile(channels, p.channels, Tail::peel, s);
  append_one(parts.channels, channels_outer);
  parts.tile.push_back(channels_tile);
  for (const LoopInfo& loop : loops.lead) parts.rows.push_back(loop.name);
  std::string width = loops.width.name;
  if (joins_rows(c, layouts)) {
    s.fuse({loops.height.name, width});
    width = loops.height.name + "*" + width;
  } else if (loops.has_height && p.height > 1) {
    const auto [height_outer, height_tile] = split_tile(loops.height, p.height, Tail::balance, s);
    append_one(parts.rows, height_outer);
    parts.tile.push_back(height_tile);
  } else if (loops.has_height) {
    parts.rows.push_back(loops.height.name);
  }
  s.split(width, p.vectors * target.lanes, Tail::mask);
  parts.columns = width + ".0";
  parts.vector = width + ".1";
  return parts;
}

/// The reduction's loops, outermost first.
std::vector<std::string> order_reduction(const Computation& c, const Stage& stage, const std::vector<LoopInfo>& reduce,
                                         const PixelParameters& p, StageSchedule& s) {
  std::vector<std::string> taps, outer, inner;
  for (const LoopInfo& axis : reduce) {
    if (!is_channel_axis(c, stage, axis.name)) {
      taps.push_back(axis.name);
      if (p.unroll_taps) s.unroll(axis.name);
      continue;
    }
    const auto [channel, unrolled] = split_tile(axis, p.unroll, Tail::peel, s);
    append_one(outer, channel);
    s.unroll(unrolled);
    inner.push_back(unrolled);
  }
  std::vector<std::string> order = p.taps_inside ? outer : taps;
  append(order, p.taps_inside ? taps : outer);
  append(order, inner);
  if (p.height == 1) {
    for (const std::string& tap : taps) s.skip(tap);
  }
  return order;
}

/// Instructions for a vector of the image: a vector of every other element is two loads and a shuffle.
int64_t vector_parts(const Anchor& anchor) { return anchor.strides.empty() || anchor.strides.back() == 1 ? 1 : 3; }

/// Whether all taps of the tile make one block of code that is not too long.
bool may_unroll_taps(const Computation& c, const PixelExtents& sizes, const PixelParameters& p) {
  constexpr int64_t kMostInstructions = 180;
  return sizes.taps * p.height * p.vectors * (p.channels + vector_parts(c.anchor)) <= kMostInstructions;
}

// Vectors of one tap's rows that come from memory: where all taps are unrolled, neighbouring rows share theirs.
double vectors_loaded(const Computation& c, const PixelExtents& sizes, const PixelParameters& p) {
  const auto all = static_cast<double>(p.height * p.vectors);
  const Anchor& anchor = c.anchor;
  if (p.height == 1 || !may_unroll_taps(c, sizes, p) || anchor.kernel.size() < 2) return all;
  const int64_t kernel = anchor.kernel[anchor.kernel.size() - 2], stride = anchor.strides[anchor.strides.size() - 2];
  const int64_t rows = std::min(kernel * p.height, stride * (p.height - 1) + kernel);
  return static_cast<double>(rows * p.vectors) / static_cast<double>(kernel);
}

// Cycles of a step of the reduction. A vector that doesn't begin with a line of the cache is two loads, of two a cycle;
// of tiles that compute alike the one that loads less wins.
double step_cost(const Computation& c, const PixelExtents& sizes, const PixelParameters& p, int64_t channels) {
  constexpr double kLatency = 4, kVectorLoad = 0.1, kPointLoad = 0.025;
  const auto rows = static_cast<double>(channels), parts = static_cast<double>(vector_parts(c.anchor));
  const double vectors = vectors_loaded(c, sizes, p), loads = rows + 2 * parts * vectors;
  return std::max({rows * static_cast<double>(p.height * p.vectors) / 2, loads / 2, kLatency}) + kVectorLoad * vectors +
         kPointLoad * rows;
}

}  // namespace

bool joins_rows(const Computation& c, const Layouts& layouts) {
  const int output = anchor_stage(c).outputs[0];
  return c.tensors[static_cast<size_t>(output)].shape.size() >= 4 && c.anchor.kind == AnchorKind::conv &&
         layout_of(c, output, layouts).is_plain() && layout_of(c, c.anchor.data, layouts).is_plain() && is_pointwise(c);
}

bool has_pixel_template(const Computation& c, const Layouts& layouts) {
  if (c.anchor.stage < 0 || c.anchor.data < 0) return false;
  if (c.anchor.kind != AnchorKind::conv && c.anchor.kind != AnchorKind::pool) return false;
  const Stage& stage = anchor_stage(c);
  const std::vector<Extent>& shape = c.tensors[static_cast<size_t>(stage.outputs[0])].shape;
  if (stage.axes.size() < 3 || shape.size() != stage.axes.size()) return false;
  const bool constant =
      std::none_of(shape.begin() + 1, shape.end(), [](const Extent& extent) { return extent.is_symbolic(); });
  return constant && has_rows(c, stage.outputs[0], layouts) && has_rows(c, c.anchor.data, layouts);
}

PixelExtents pixel_extents(const Computation& c, const Layouts& layouts) {
  const Stage& stage = anchor_stage(c);
  const std::vector<Extent>& out = c.tensors[static_cast<size_t>(stage.outputs[0])].shape;
  PixelExtents sizes;
  const bool is_pool = c.anchor.kind == AnchorKind::pool;
  const int64_t groups = is_pool ? out[1].bound : std::max<int64_t>(1, c.anchor.groups);
  sizes.channels = out[1].bound / groups;
  sizes.planes = groups * out[0].bound;
  for (size_t d = 2; d + 2 < out.size(); ++d) sizes.planes *= out[d].bound;
  if (out.size() >= 4) sizes.height = out[out.size() - 2].bound;
  sizes.width = out.back().bound;
  for (const Axis& axis : stage.reduce) {
    int64_t& count = is_channel_axis(c, stage, axis.name) ? sizes.inputs : sizes.taps;
    count *= axis.extent.bound;
  }
  if (joins_rows(c, layouts)) {
    sizes.width *= sizes.height;
    sizes.height = 1;
  }
  return sizes;
}

double pixel_cost(const Computation& c, const PixelExtents& sizes, const PixelParameters& p, const Target& target) {
  const int64_t columns = ceil_div(sizes.width, p.vectors * target.lanes), rows = ceil_div(sizes.height, p.height);
  const auto tiles = static_cast<double>(columns * rows);
  double cost = static_cast<double>(sizes.channels / p.channels) * step_cost(c, sizes, p, p.channels);
  if (const int64_t rest = sizes.channels % p.channels) cost += step_cost(c, sizes, p, rest);
  return cost * tiles;
}

PixelParameters default_pixels(const Computation& c, const Layouts& layouts, const Target& target) {
  constexpr int64_t kMostHeight = 8, kMostSteps = 8, kMostInstructions = 128;
  const PixelExtents sizes = pixel_extents(c, layouts);
  PixelParameters best;
  double best_cost = -1;
  for (int64_t vectors = 1; vectors <= ceil_div(sizes.width, target.lanes); ++vectors) {
    for (int64_t height = 1; height <= std::min(sizes.height, kMostHeight); ++height) {
      const int64_t all = vectors * height, most = accumulator_limit(target, std::min<int64_t>(all, 4)) / all;
      for (int64_t channels = 1; channels <= std::min(sizes.channels, most); ++channels) {
        PixelParameters p;
        p.channels = channels, p.height = height, p.vectors = vectors;
        const double cost = pixel_cost(c, sizes, p, target);
        if (best_cost >= 0 && cost >= best_cost * 0.995) continue;
        best_cost = cost;
        best = p;
      }
    }
  }
  const int64_t accumulators = best.channels * best.height * best.vectors;
  best.unroll_taps = may_unroll_taps(c, sizes, best);
  const int64_t taps = best.unroll_taps ? sizes.taps : 1;
  while (best.unroll < std::min(kMostSteps, sizes.inputs) && 2 * best.unroll * taps * accumulators <= kMostInstructions)
    best.unroll *= 2;
  return best;
}

StageSchedule schedule_pixels(const Computation& c, const Layouts& layouts, const PixelParameters& p,
                              const Target& target) {
  StageSchedule s;
  const Stage& stage = anchor_stage(c);
  const ImageLoops loops = image_loops(c, stage, layouts, s);
  const TileLoops parts = cut_tile(c, layouts, loops, p, target, s);
  std::vector<std::string> order{parts.batch}, parallel;
  if (!p.rows_first) append(order, parts.channels);
  append(order, parts.rows);
  // A row is a task, or a part of it where there is only one.
  parallel = order;
  if (parts.rows.empty()) parallel.push_back(parts.columns);
  order.push_back(parts.columns);
  if (p.rows_first) append(order, parts.channels);
  append(order, order_reduction(c, stage, loops.reduce, p, s));
  append(order, parts.tile);
  order.push_back(parts.vector);
  s.reorder(order);
  for (const std::string& loop : parts.tile) s.unroll(loop);
  s.vectorize(parts.vector);
  if (p.pack) s.cache_read(c.tensors[static_cast<size_t>(c.anchor.data)].name, parts.columns);
  for (const std::string& loop : parallel) s.parallel(loop);
  return s;
}

Layout packed_weights(const Computation& c, const PixelParameters& p) {
  return p.channels > 1 ? conv_weights(c, p.channels, 0) : Layout();
}

}  // namespace altrt::jit
