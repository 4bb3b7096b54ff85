// Depthwise convolutions and pools with channel-blocked output.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

class WindowSpace final : public Space {
 public:
  WindowSpace(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target)
      : Space(initial), c_(c), target_(target), stage_(c.stages[static_cast<size_t>(c.anchor.stage)]) {
    const jit::TensorDecl& out = c.tensors[static_cast<size_t>(stage_.outputs[0])];
    block_ = jit::channel_block(jit::layout_of(c, stage_.outputs[0], initial.layouts));
    for (const jit::Axis& axis : stage_.reduce) taps_ *= axis.extent.bound;
    const jit::WindowParameters start = jit::default_window(c, initial.layouts, target);
    add_knob("width", counts_up_to(std::min<int64_t>(out.shape.back().bound, 28)), start.width);
    add_knob("unroll_taps", {0, 1}, start.unroll_taps);
  }

  bool plausible(const Point& point) const override {
    const int64_t vectors = value(point, "width") * jit::ceil_div(block_, target_.lanes);
    const int64_t unrolled = value(point, "unroll_taps") ? taps_ : 1;
    return vectors <= jit::accumulator_limit(target_, 1) && vectors * unrolled * 2 <= 500;
  }

  std::vector<Point> seeds() const override {
    std::vector<Point> points;
    for (const int64_t width : {7, 4, 8, 14, 5, 6, 10, 2}) {
      for (const int64_t unroll : {1, 0}) {
        const Point point = point_with({{"width", width}, {"unroll_taps", unroll}});
        if (plausible(point)) points.push_back(point);
      }
    }
    return points;
  }

 private:
  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    jit::WindowParameters p;
    p.width = value(point, "width");
    p.unroll_taps = value(point, "unroll_taps") != 0;
    decision.schedule = jit::default_schedule(c_, decision.layouts, target_);
    decision.schedule[stage_.name] = jit::schedule_window(c_, decision.layouts, p);
    return decision;
  }

  const jit::Computation& c_;
  const jit::Target target_;
  const jit::Stage& stage_;
  int64_t block_ = 1, taps_ = 1;
};

}  // namespace

std::unique_ptr<Space> window_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                    const jit::Target& target) {
  return std::make_unique<WindowSpace>(c, initial, target);
}

}  // namespace altrt::tuner
