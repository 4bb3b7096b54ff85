// Loops of convolutions and pools over images one after the other: register tile of output channels and pixels, order.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

constexpr int64_t kMostHeight = 8, kMostVectors = 8, kMostChannels = 28;

class PixelLoops final : public LoopSpace {
 public:
  PixelLoops(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target,
             const SpaceOptions& options, bool stored)
      : LoopSpace(c, initial, target, stored),
        stage_(changed().stages[static_cast<size_t>(changed().anchor.stage)]),
        extents_(jit::pixel_extents(changed(), initial.layouts)),
        packs_(packs_weights(options)) {
    const jit::PixelParameters start = jit::default_pixels(changed(), initial.layouts, target);
    if (extents_.channels > 1) {
      add_tile("channels", counts_up_to(std::min(extents_.channels, kMostChannels)), start.channels, extents_.channels);
      add_knob("rows_first", {0, 1}, start.rows_first);
      add_knob("pack", {0, 1}, start.pack);
    }
    if (extents_.height > 1)
      add_tile("height", counts_up_to(std::min(extents_.height, kMostHeight)), start.height, extents_.height);
    add_knob("vectors", counts_up_to(std::min(row_vectors(), kMostVectors)), start.vectors);
    if (extents_.inputs > 1) add_knob("unroll", {1, 2, 4, 8, 16}, start.unroll);
    if (extents_.taps > 1) add_knob("unroll_taps", {0, 1}, start.unroll_taps);
    if (extents_.inputs > 1 && extents_.taps > 1) add_knob("taps_inside", {0, 1}, start.taps_inside);
  }

  bool plausible(const Point& point) const override {
    const jit::PixelParameters p = parameters(point);
    // Columns of tiles outside the channels, so that what is packed is used for all of them.
    if (p.pack && !p.rows_first) return false;
    if (p.unroll > extents_.inputs) return false;
    return is_tile_plausible(p.channels, p.height * p.vectors, unrolled(p), target());
  }

  std::vector<Point> seeds() const override {
    std::vector<CostedPoint> seeds;
    for (int64_t channels = 1; channels <= std::min(extents_.channels, kMostChannels); ++channels) {
      for (int64_t height = 1; height <= std::min(extents_.height, kMostHeight); ++height) {
        for (int64_t vectors = 1; vectors <= std::min(row_vectors(), kMostVectors); ++vectors) {
          for (const int64_t rows_first : {0, 1}) {
            const Point point =
                nearest({{"channels", channels}, {"height", height}, {"vectors", vectors}, {"rows_first", rows_first}});
            if (!plausible(point)) continue;
            seeds.push_back({jit::pixel_cost(changed(), extents_, parameters(point), target()), point});
          }
        }
      }
    }
    return cheapest(std::move(seeds), 24);
  }

 private:
  int64_t row_vectors() const { return jit::ceil_div(extents_.width, target().lanes); }
  int64_t unrolled(const jit::PixelParameters& p) const { return p.unroll * (p.unroll_taps ? extents_.taps : 1); }

  jit::PixelParameters parameters(const Point& point) const {
    jit::PixelParameters p;
    p.channels = value(point, "channels", 1);
    p.height = value(point, "height", 1);
    p.vectors = value(point, "vectors");
    p.unroll = value(point, "unroll", 1);
    p.unroll_taps = value(point, "unroll_taps", 0) != 0;
    p.taps_inside = value(point, "taps_inside", 1) != 0;
    p.rows_first = value(point, "rows_first", 0) != 0;
    p.pack = value(point, "pack", 0) != 0;
    return p;
  }

  void describe(const Point& point, Features& features) const override {
    const jit::PixelParameters p = parameters(point);
    const int64_t columns = p.vectors * target().lanes, tiles = jit::ceil_div(extents_.width, columns);
    const int64_t rows = jit::ceil_div(extents_.height, p.height);
    const int64_t panels = jit::ceil_div(extents_.channels, p.channels);
    describe_tile(p.channels, p.height * p.vectors, unrolled(p), target(), features);
    describe_cuts(extents_.height, extents_.width, std::min(columns, extents_.width), target(), features);
    describe_tasks(extents_.planes * rows * (p.rows_first ? 1 : panels), features);
    const auto sum = static_cast<double>(extents_.inputs * extents_.taps);
    features.set_log(Feature::panel_bytes, 4 * sum * static_cast<double>(p.channels));
    features.set_log(Feature::strip_bytes, 4 * sum * static_cast<double>(p.height * columns));
    features.set_log(Feature::panel_reuse, static_cast<double>(p.rows_first ? 1 : rows * tiles));
    features.set(Feature::tail_waste, static_cast<double>(tiles * columns * rows * p.height) /
                                              static_cast<double>(extents_.width * extents_.height) -
                                          1);
    features.set(Feature::order,
                 (p.rows_first ? 1 : 0) + (p.taps_inside ? 2 : 0) + (p.unroll_taps ? 4 : 0) + (p.pack ? 8 : 0));
    features.set_log(Feature::parameter_0, static_cast<double>(p.height));
    features.set_log(Feature::parameter_1, static_cast<double>(p.vectors));
    features.set_log(Feature::parameter_2, static_cast<double>(p.channels));
    features.set_log(Feature::parameter_3, jit::pixel_cost(changed(), extents_, p, target()));
  }

  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    const jit::PixelParameters p = parameters(point);
    if (packs_) {
      const std::string& weights = changed().tensors[static_cast<size_t>(changed().anchor.weights)].name;
      decision.layouts[weights] = jit::packed_weights(changed(), p);
    }
    decision.schedule = jit::default_schedule(changed(), decision.layouts, target());
    decision.schedule[stage_.name] = jit::schedule_pixels(changed(), decision.layouts, p, target());
    return decision;
  }

  const jit::Stage& stage_;
  const jit::PixelExtents extents_;
  const bool packs_;
};

}  // namespace

std::unique_ptr<LoopSpace> pixel_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                       const jit::Target& target, const SpaceOptions& options, bool stored) {
  return std::make_unique<PixelLoops>(c, initial, target, options, stored);
}

}  // namespace altrt::tuner
