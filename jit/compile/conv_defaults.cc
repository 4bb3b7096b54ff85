// The register tile of a convolution by the machine model, whatever the layout of its output.
#include <algorithm>
#include <numeric>

#include "jit/compile/image_loops.h"
#include "jit/compile/templates.h"

namespace altrt::jit {

namespace {

/// What a tile may be made of.
struct Sizes {
  int64_t channels = 1;  // of the vector dimension
  int64_t blocks = 1;    // that may stand side by side
  int64_t height = 1, width = 1;
  int64_t inputs = 1;   // channels of a group
  bool shares = false;  // a vector holds several groups
};

Sizes sizes_of(const Computation& c, const Layouts& layouts) {
  StageSchedule s;
  const ImageLoops loops = image_loops(c, c.stages[static_cast<size_t>(c.anchor.stage)], layouts, s);
  Sizes sizes;
  sizes.channels = loops.vector.extent;
  sizes.inputs = c.tensors[static_cast<size_t>(c.anchor.data)].shape[1].bound / c.anchor.groups;
  sizes.shares = groups_share_vector(c, sizes.channels);
  if (c.anchor.groups > 1 && !sizes.shares) sizes.channels = std::gcd(sizes.channels, outputs_per_group(c));
  if (!loops.channels.empty()) sizes.blocks = loops.channels.back().extent;
  if (c.anchor.groups > 1) sizes.blocks = std::max<int64_t>(1, outputs_per_group(c) / sizes.channels);
  sizes.height = loops.has_height ? loops.height.extent : 1;
  sizes.width = loops.width.extent;
  return sizes;
}

// Cost of one reduction step over a row of the image, cut into balanced tiles.
double row_cost(int64_t height_tile, int64_t width, int64_t width_tile, int64_t vectors) {
  const int64_t blocks = ceil_div(width, width_tile);
  const int64_t small = width / blocks, large_blocks = width % blocks;
  const auto tile = [&](int64_t points) { return tile_cost({height_tile * points, vectors}, height_tile * points); };
  return (large_blocks ? static_cast<double>(large_blocks) * tile(small + 1) : 0) +
         static_cast<double>(blocks - large_blocks) * tile(small);
}

/// Tries every tile of points for one choice of channels.
class Chooser {
 public:
  Chooser(const Sizes& sizes, const Target& target) : sizes_(sizes), target_(target) {}

  void try_channels(int64_t columns, int64_t blocks) {
    const int64_t channels = columns > 0 ? columns : sizes_.channels;
    const int64_t vectors = blocks * ceil_div(channels, target_.lanes);
    const int64_t limit = accumulator_limit(target_, vectors) / vectors;
    for (int64_t h = 1; h <= std::min(sizes_.height, limit); ++h) {
      if (sizes_.height % h != 0) continue;
      for (int64_t w = 1; w <= sizes_.width && h * w <= limit; ++w) {
        if (sizes_.shares && h * w * vectors * sizes_.inputs > kMostUnrolled) break;
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

  const Sizes sizes_;
  const Target target_;
  ConvParameters best_;
  double best_cost_ = -1;
};

}  // namespace

ConvParameters default_conv(const Computation& c, const Layouts& layouts, const Target& target) {
  constexpr int64_t kMostVectors = 4, kMostBlocks = 4;
  const Sizes sizes = sizes_of(c, layouts);
  Chooser chooser(sizes, target);
  if (sizes.channels <= kMostVectors * target.lanes) {
    for (int64_t blocks = 1; blocks <= std::min(sizes.blocks, kMostBlocks); ++blocks)
      if (sizes.blocks % blocks == 0) chooser.try_channels(0, blocks);
  }
  for (int64_t vectors = 1; vectors <= kMostVectors; ++vectors)
    if (vectors * target.lanes < sizes.channels) chooser.try_channels(vectors * target.lanes, 1);
  ConvParameters best = chooser.best();
  const int64_t channels = best.columns > 0 ? best.columns : sizes.channels;
  const int64_t accumulators = best.height * best.width * best.blocks * ceil_div(channels, target.lanes);
  best.unroll = std::clamp<int64_t>(128 / std::max<int64_t>(accumulators, 1), 1, 8);
  // What lanes pick from a vector is known only if all channels of a group are unrolled.
  if (sizes.shares) best.unroll = sizes.inputs;
  return best;
}

}  // namespace altrt::jit
