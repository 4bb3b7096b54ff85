// The register tile of a convolution by the machine model, whatever the layout of its output.
#include <algorithm>
#include <numeric>

#include "jit/compile/image_loops.h"
#include "jit/compile/templates.h"

namespace altrt::jit {

ImageExtents image_extents(const Computation& c, const Layouts& layouts) {
  StageSchedule s;
  const ImageLoops loops = image_loops(c, c.stages[static_cast<size_t>(c.anchor.stage)], layouts, s);
  ImageExtents extents;
  extents.channels = loops.vector.extent;
  extents.inputs = c.tensors[static_cast<size_t>(c.anchor.data)].shape[1].bound / std::max<int64_t>(1, c.anchor.groups);
  const bool grouped = is_dense_conv(c) && c.anchor.groups > 1;
  if (grouped && !groups_share_vector(c, extents.channels)) {
    extents.channels = std::gcd(extents.channels, outputs_per_group(c));
  }
  if (!loops.channels.empty()) extents.blocks = loops.channels.back().extent;
  if (grouped) extents.blocks = std::max<int64_t>(1, outputs_per_group(c) / extents.channels);
  extents.height = loops.has_height ? loops.height.extent : 1;
  extents.width = loops.width.extent;
  extents.tiles = points(loops.tiles);
  extents.lead = points(loops.lead) * loops.batch.extent;
  return extents;
}

namespace {

// Cost of one reduction step over a row of the image, cut into balanced tiles. Of tiles that compute alike the one that
// loads less wins: weights (vectors) come from further away than the image (points).
double row_cost(int64_t height_tile, int64_t width, int64_t width_tile, int64_t vectors) {
  constexpr double kVectorLoad = 0.1, kPointLoad = 0.025;
  const int64_t blocks = ceil_div(width, width_tile);
  const int64_t small = width / blocks, large_blocks = width % blocks;
  const auto tile = [&](int64_t width_points) {
    const int64_t points = height_tile * width_points;
    return tile_cost({points, vectors}, points) + kVectorLoad * static_cast<double>(vectors) +
           kPointLoad * static_cast<double>(points);
  };
  return (large_blocks ? static_cast<double>(large_blocks) * tile(small + 1) : 0) +
         static_cast<double>(blocks - large_blocks) * tile(small);
}

/// Tries every tile of points for one choice of channels.
class Chooser {
 public:
  Chooser(const ImageExtents& sizes, bool shares, const Target& target)
      : sizes_(sizes), shares_(shares), target_(target) {}

  void try_channels(int64_t columns, int64_t blocks) {
    const int64_t channels = columns > 0 ? columns : sizes_.channels;
    const int64_t vectors = blocks * ceil_div(channels, target_.lanes);
    const int64_t limit = accumulator_limit(target_, vectors) / vectors;
    for (int64_t h = 1; h <= std::min(sizes_.height, limit); ++h) {
      if (sizes_.height % h != 0) continue;
      for (int64_t w = 1; w <= sizes_.width && h * w <= limit; ++w) {
        if (shares_ && h * w * vectors * sizes_.inputs > kMostUnrolled) break;
        try_tile(h, w, columns, blocks);
      }
    }
  }

  ConvParameters best() const { return best_; }

 private:
  static constexpr int64_t kMostUnrolled = 256;  // vector instructions

  void try_tile(int64_t h, int64_t w, int64_t columns, int64_t blocks) {
    const int64_t channels = columns > 0 ? columns : sizes_.channels;
    const auto row = [&](int64_t vectors) { return row_cost(h, sizes_.width, w, vectors); };
    double cost = row(blocks * ceil_div(channels, target_.lanes));
    cost *= static_cast<double>(columns > 0 ? sizes_.channels / columns : 1);
    if (columns > 0 && sizes_.channels % columns) cost += row(ceil_div(sizes_.channels % columns, target_.lanes));
    cost *= static_cast<double>(sizes_.height) / static_cast<double>(h) / static_cast<double>(blocks);
    if (best_cost_ >= 0 && cost >= best_cost_ * 0.995) return;
    best_cost_ = cost;
    best_.height = h, best_.width = w, best_.blocks = blocks, best_.columns = columns;
  }

  const ImageExtents sizes_;
  const bool shares_;  // a vector holds several groups
  const Target target_;
  ConvParameters best_;
  double best_cost_ = -1;
};

}  // namespace

ConvParameters default_conv(const Computation& c, const Layouts& layouts, const Target& target) {
  constexpr int64_t kMostVectors = 4, kMostBlocks = 4;
  const ImageExtents sizes = image_extents(c, layouts);
  const bool shares = groups_share_vector(c, sizes.channels);
  Chooser chooser(sizes, shares, target);
  // Few vectors first: they win where nothing else decides.
  for (int64_t vectors = 1; vectors <= kMostVectors; ++vectors)
    if (vectors * target.lanes < sizes.channels) chooser.try_channels(vectors * target.lanes, 1);
  if (sizes.channels <= kMostVectors * target.lanes) {
    for (int64_t blocks = 1; blocks <= std::min(sizes.blocks, kMostBlocks); ++blocks)
      if (sizes.blocks % blocks == 0) chooser.try_channels(0, blocks);
  }
  ConvParameters best = chooser.best();
  const int64_t channels = best.columns > 0 ? best.columns : sizes.channels;
  const int64_t accumulators = best.height * best.width * best.blocks * ceil_div(channels, target.lanes);
  // A power of two: divides blocks of channels, and addresses of its steps need no multiplication.
  constexpr int64_t kMostInstructions = 128, kMostSteps = 8;
  best.unroll = 1;
  while (best.unroll < kMostSteps && 2 * best.unroll * accumulators <= kMostInstructions) best.unroll *= 2;
  // What lanes pick from a vector is known only if all channels of a group are unrolled.
  if (shares) best.unroll = sizes.inputs;
  return best;
}

}  // namespace altrt::jit
