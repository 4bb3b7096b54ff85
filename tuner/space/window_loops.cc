// Loops of depthwise convolutions and pools: points and channels side by side, order of rows and channels.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

constexpr int64_t kMostUnrolled = 500;  // vector instructions in one block of code

class WindowLoops final : public LoopSpace {
 public:
  WindowLoops(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target,
              const SpaceOptions& options, bool stored)
      : LoopSpace(c, initial, target, stored),
        stage_(changed().stages[static_cast<size_t>(changed().anchor.stage)]),
        extents_(jit::image_extents(changed(), initial.layouts)),
        packs_(packs_weights(options)) {
    for (const jit::Axis& axis : stage_.reduce) taps_ *= axis.extent.bound;
    const jit::WindowParameters start = jit::default_window(changed(), initial.layouts, target);
    if (extents_.height > 1)
      add_tile("height", counts_up_to(std::min<int64_t>(extents_.height, 4)), start.height, extents_.height);
    add_tile("width", counts_up_to(std::min<int64_t>(extents_.width, 28)), start.width, extents_.width);
    if (extents_.channels > target.lanes) add_tile("columns", column_values(), start.columns, extents_.channels);
    add_knob("unroll_taps", {0, 1}, start.unroll_taps);
    add_knob("rows_first", {0, 1}, start.rows_first);
  }

  bool plausible(const Point& point) const override {
    const jit::WindowParameters p = parameters(point);
    const int64_t accumulators = p.height * p.width * vectors(p);
    const int64_t unrolled = p.unroll_taps ? taps_ : 1;
    return accumulators <= jit::accumulator_limit(target(), 1) && accumulators * unrolled * 2 <= kMostUnrolled;
  }

  std::vector<Point> seeds() const override {
    std::vector<Point> points;
    for (const int64_t width : {7, 4, 8, 14, 5, 6, 10, 2}) {
      for (const int64_t unroll : {1, 0}) {
        const Point point = nearest({{"width", width}, {"unroll_taps", unroll}});
        if (plausible(point)) points.push_back(point);
      }
    }
    return points;
  }

 private:
  std::vector<int64_t> column_values() const {
    std::vector<int64_t> values{0};
    for (int64_t v = 1; v <= 4 && v * target().lanes < extents_.channels; v *= 2) values.push_back(v * target().lanes);
    return values;
  }

  jit::WindowParameters parameters(const Point& point) const {
    jit::WindowParameters p;
    p.height = value(point, "height", 1);
    p.width = value(point, "width");
    p.columns = value(point, "columns", 0);
    p.unroll_taps = value(point, "unroll_taps") != 0;
    p.rows_first = value(point, "rows_first") != 0;
    return p;
  }

  int64_t vectors(const jit::WindowParameters& p) const {
    return jit::ceil_div(p.columns > 0 ? p.columns : extents_.channels, target().lanes);
  }

  void describe(const Point& point, Features& features) const override {
    const jit::WindowParameters p = parameters(point);
    describe_tile(p.height * p.width, vectors(p), p.unroll_taps ? taps_ : 1, target(), features);
    const int64_t columns = p.columns > 0 ? p.columns : extents_.channels;
    describe_cuts(extents_.height, extents_.width, columns, target(), features);
    const int64_t panels = extents_.blocks * (p.columns > 0 ? jit::ceil_div(extents_.channels, p.columns) : 1);
    const int64_t rows = extents_.lead * extents_.tiles * jit::ceil_div(extents_.height, p.height);
    describe_tasks(panels * rows, features);
    const int64_t tiles = jit::ceil_div(extents_.width, p.width);
    features.set(Feature::tail_waste, static_cast<double>(tiles * p.width) / static_cast<double>(extents_.width) - 1);
    features.set(Feature::order, (p.rows_first ? 1 : 0) + (p.unroll_taps ? 2 : 0));
    features.set_log(Feature::parameter_0, static_cast<double>(p.height));
    features.set_log(Feature::parameter_1, static_cast<double>(p.width));
    features.set_log(Feature::parameter_2, static_cast<double>(taps_));
    features.set_log(Feature::strip_bytes, 4.0 * static_cast<double>(columns * extents_.width * p.height));
  }

  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    const jit::WindowParameters p = parameters(point);
    if (packs_) {
      const std::string& weights = changed().tensors[static_cast<size_t>(changed().anchor.weights)].name;
      decision.layouts[weights] = jit::packed_weights(changed(), decision.layouts, p);
    }
    decision.schedule = jit::default_schedule(changed(), decision.layouts, target());
    decision.schedule[stage_.name] = jit::schedule_window(changed(), decision.layouts, p);
    return decision;
  }

  const jit::Stage& stage_;
  const jit::ImageExtents extents_;
  int64_t taps_ = 1;
  const bool packs_;
};

}  // namespace

std::unique_ptr<LoopSpace> window_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                        const jit::Target& target, const SpaceOptions& options, bool stored) {
  return std::make_unique<WindowLoops>(c, initial, target, options, stored);
}

}  // namespace altrt::tuner
