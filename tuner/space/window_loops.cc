// Depthwise convolutions and pools with channel-blocked output.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

class WindowLoops final : public LoopSpace {
 public:
  WindowLoops(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target)
      : LoopSpace(c, initial, target), stage_(changed().stages[static_cast<size_t>(changed().anchor.stage)]) {
    const jit::TensorDecl& out = c.tensors[static_cast<size_t>(stage_.outputs[0])];
    block_ = jit::channel_block(jit::layout_of(c, stage_.outputs[0], initial.layouts));
    for (const jit::Axis& axis : stage_.reduce) taps_ *= axis.extent.bound;
    const jit::WindowParameters start = jit::default_window(c, initial.layouts, target);
    add_knob("width", counts_up_to(std::min<int64_t>(out.shape.back().bound, 28)), start.width);
    add_knob("unroll_taps", {0, 1}, start.unroll_taps);
  }

  bool plausible(const Point& point) const override {
    const int64_t vectors = value(point, "width") * jit::ceil_div(block_, target().lanes);
    const int64_t unrolled = value(point, "unroll_taps") ? taps_ : 1;
    return vectors <= jit::accumulator_limit(target(), 1) && vectors * unrolled * 2 <= 500;
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
  void describe(const Point& point, Features& features) const override {
    const int64_t width = value(point, "width"), vectors = jit::ceil_div(block_, target().lanes);
    describe_tile(width, vectors, value(point, "unroll_taps") ? taps_ : 1, target(), features);
    const std::vector<jit::Extent>& shape = changed().tensors[static_cast<size_t>(stage_.outputs[0])].shape;
    int64_t tasks = jit::ceil_div(shape[1].bound, block_) * shape[0].bound;
    for (size_t d = 2; d + 1 < shape.size(); ++d) tasks *= shape[d].bound;
    describe_tasks(tasks, features);
    const int64_t tiles = jit::ceil_div(shape.back().bound, width);
    features.set(Feature::tail_waste, static_cast<double>(tiles * width) / static_cast<double>(shape.back().bound) - 1);
  }

  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    jit::WindowParameters p;
    p.width = value(point, "width");
    p.unroll_taps = value(point, "unroll_taps") != 0;
    decision.schedule = jit::default_schedule(changed(), decision.layouts, target());
    decision.schedule[stage_.name] = jit::schedule_window(changed(), decision.layouts, p);
    return decision;
  }

  const jit::Stage& stage_;
  int64_t block_ = 1, taps_ = 1;
};

}  // namespace

std::unique_ptr<LoopSpace> window_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                        const jit::Target& target) {
  return std::make_unique<WindowLoops>(c, initial, target);
}

}  // namespace altrt::tuner
