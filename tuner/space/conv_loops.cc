// Loops of convolutions whose vectors run along the output channels: register tile, order, blocking for caches.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

class ConvLoops final : public LoopSpace {
 public:
  ConvLoops(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target,
            const SpaceOptions& options, bool stored)
      : LoopSpace(c, initial, target, stored),
        stage_(changed().stages[static_cast<size_t>(changed().anchor.stage)]),
        extents_(jit::image_extents(changed(), initial.layouts)),
        packs_(packs_weights(options)) {
    const jit::ConvParameters start = jit::default_conv(changed(), initial.layouts, target);
    if (extents_.height > 1)
      add_tile("height", counts_up_to(std::min<int64_t>(extents_.height, 8)), start.height, extents_.height);
    add_tile("width", counts_up_to(std::min<int64_t>(extents_.width, 28)), start.width, extents_.width);
    if (extents_.blocks > 1)
      add_tile("blocks", counts_up_to(std::min<int64_t>(extents_.blocks, 4)), start.blocks, extents_.blocks);
    if (extents_.channels > target.lanes) add_tile("columns", column_values(), start.columns, extents_.channels);
    add_knob("unroll", {1, 2, 4, 8, 16}, start.unroll);
    add_knob("taps_inside", {0, 1}, start.taps_inside);
    add_knob("unroll_taps", {0, 1}, start.unroll_taps);
    add_knob("rows_first", {0, 1}, start.rows_first);
    if (extents_.tiles > 1) add_knob("tiles_first", {0, 1}, start.tiles_first);
    add_knob("cache_channels", {0, 2, 4, 8, 16}, start.cache_channels);
    if (extents_.height > 1) add_knob("cache_rows", {0, 2, 4, 8}, start.cache_rows);
    if (extents_.inputs > 64) add_tile("chunk", {0, 32, 64, 128, 256}, start.chunk, extents_.inputs);
  }

  bool plausible(const Point& point) const override {
    const jit::ConvParameters p = parameters(point);
    if (p.chunk > 0 && (p.chunk >= extents_.inputs || p.chunk < p.unroll)) return false;
    // Blocking of what is never walked again.
    if (p.cache_channels > 0 && !p.rows_first && !p.tiles_first) return false;
    if (p.cache_rows > 0 && p.rows_first) return false;
    const int64_t taps = p.unroll_taps ? 3 : 1;
    return is_tile_plausible(p.height * p.width, vectors(p), p.unroll * taps, target());
  }

  std::vector<Point> seeds() const override {
    std::vector<CostedPoint> seeds;
    const int64_t first = parameters(start()).rows_first ? 1 : 0;
    for (const int64_t columns : has("columns") ? column_values() : std::vector<int64_t>{0}) {
      for (int64_t blocks = 1; blocks <= std::min<int64_t>(extents_.blocks, 4); ++blocks) {
        for (int64_t h = 1; h <= std::min<int64_t>(extents_.height, 8); ++h) {
          for (int64_t w = 1; w <= std::min<int64_t>(extents_.width, 28); ++w) {
            for (const int64_t rows_first : {first, 1 - first}) {
              const Point point = nearest(
                  {{"height", h}, {"width", w}, {"blocks", blocks}, {"columns", columns}, {"rows_first", rows_first}});
              if (plausible(point)) seeds.push_back({cost(parameters(point)), point});
            }
          }
        }
      }
    }
    return cheapest(std::move(seeds), 24);
  }

 private:
  // Whole vectors, and the whole block.
  std::vector<int64_t> column_values() const {
    std::vector<int64_t> values{0};
    for (int64_t v = 1; v <= 4 && v * target().lanes < extents_.channels; ++v) values.push_back(v * target().lanes);
    return values;
  }

  jit::ConvParameters parameters(const Point& point) const {
    jit::ConvParameters p;
    p.height = value(point, "height", 1);
    p.width = value(point, "width");
    p.blocks = value(point, "blocks", 1);
    p.columns = value(point, "columns", 0);
    p.unroll = value(point, "unroll");
    p.taps_inside = value(point, "taps_inside") != 0;
    p.unroll_taps = value(point, "unroll_taps") != 0;
    p.rows_first = value(point, "rows_first") != 0;
    p.tiles_first = value(point, "tiles_first", 0) != 0;
    p.cache_channels = value(point, "cache_channels");
    p.cache_rows = value(point, "cache_rows", 0);
    p.chunk = value(point, "chunk", 0);
    return p;
  }

  int64_t channels(const jit::ConvParameters& p) const { return p.columns > 0 ? p.columns : extents_.channels; }
  int64_t vectors(const jit::ConvParameters& p) const { return p.blocks * jit::ceil_div(channels(p), target().lanes); }
  int64_t panels(const jit::ConvParameters& p) const {
    return jit::ceil_div(jit::ceil_div(extents_.channels, channels(p)) * extents_.blocks, p.blocks);
  }

  // Machine model: cycles for one step of the reduction over one tile of the layout (or the image).
  double cost(const jit::ConvParameters& p) const {
    const int64_t points = jit::ceil_div(extents_.width, p.width) * jit::ceil_div(extents_.height, p.height);
    return jit::tile_cost({p.height * p.width, vectors(p)}, p.height * p.width) *
           static_cast<double>(points * panels(p));
  }

  void describe(const Point& point, Features& features) const override {
    const jit::ConvParameters p = parameters(point);
    describe_tile(p.height * p.width, vectors(p), p.unroll, target(), features);
    describe_cuts(extents_.height, extents_.width, channels(p), target(), features);
    const int64_t rows = extents_.lead * extents_.tiles * jit::ceil_div(extents_.height, p.height);
    describe_tasks(panels(p) * rows, features);
    double taps = 1;
    for (const jit::Axis& axis : stage_.reduce) taps *= static_cast<double>(axis.extent.bound);
    taps /= static_cast<double>(extents_.inputs);
    const auto inputs = static_cast<double>(p.chunk > 0 ? p.chunk : extents_.inputs);
    const double panel = 4 * inputs * taps * static_cast<double>(p.blocks * channels(p));
    features.set_log(Feature::panel_bytes, panel);
    features.set_log(Feature::strip_bytes, 4 * inputs * static_cast<double>(extents_.width + 2) *
                                               (static_cast<double>(p.height) + std::sqrt(taps) - 1));
    features.set_log(Feature::panel_reuse,
                     p.rows_first ? static_cast<double>(p.cache_rows + 1) : static_cast<double>(rows));
    const double tiles = static_cast<double>(jit::ceil_div(extents_.width, p.width) * p.width *
                                             jit::ceil_div(extents_.height, p.height) * p.height);
    features.set(Feature::tail_waste, tiles / static_cast<double>(extents_.width * extents_.height) - 1);
    features.set(Feature::order,
                 (p.rows_first ? 1 : 0) + (p.taps_inside ? 2 : 0) + (p.tiles_first ? 4 : 0) + (p.unroll_taps ? 8 : 0));
    features.set_log(Feature::parameter_0, static_cast<double>(p.height));
    features.set_log(Feature::parameter_1, static_cast<double>(p.width));
    features.set_log(Feature::parameter_2, static_cast<double>(p.cache_channels));
    features.set_log(Feature::parameter_3, static_cast<double>(p.cache_rows));
    features.set_log(Feature::parameter_4, static_cast<double>(p.chunk));
    features.set(Feature::parameter_5,
                 cost(p) * static_cast<double>(target().lanes) * 2 /
                     static_cast<double>(extents_.width * extents_.height * extents_.channels * extents_.blocks));
  }

  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    const jit::ConvParameters p = parameters(point);
    if (packs_) {
      const std::string& weights = changed().tensors[static_cast<size_t>(changed().anchor.weights)].name;
      decision.layouts[weights] = jit::packed_weights(changed(), decision.layouts, p);
    }
    decision.schedule = jit::default_schedule(changed(), decision.layouts, target());
    for (const int number : jit::anchor_stages(changed())) {
      const jit::Stage& stage = changed().stages[static_cast<size_t>(number)];
      if (stage.reduce.empty()) continue;
      decision.schedule[stage.name] = jit::schedule_conv(changed(), stage, decision.layouts, p);
    }
    return decision;
  }

  const jit::Stage& stage_;
  const jit::ImageExtents extents_;
  const bool packs_;
};

}  // namespace

std::unique_ptr<LoopSpace> conv_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                      const jit::Target& target, const SpaceOptions& options, bool stored) {
  return std::make_unique<ConvLoops>(c, initial, target, options, stored);
}

}  // namespace altrt::tuner
