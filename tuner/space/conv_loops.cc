// Convolutions with channel-blocked output: register tile and order of loops.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

constexpr int64_t kMostUnrolled = 560;  // vector instructions in one block of code

class ConvLoops final : public LoopSpace {
 public:
  ConvLoops(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target)
      : LoopSpace(c, initial, target), stage_(changed().stages[static_cast<size_t>(changed().anchor.stage)]) {
    width_ = stage_.axes.back().extent.bound;
    height_ = stage_.axes.size() >= 4 ? stage_.axes[stage_.axes.size() - 2].extent.bound : 1;
    block_ = jit::channel_block(jit::layout_of(changed(), stage_.outputs[0], initial.layouts));
    input_block_ = changed().anchor.data < 0
                       ? 1
                       : jit::channel_block(jit::layout_of(changed(), changed().anchor.data, initial.layouts));
    const jit::ConvParameters start = jit::default_conv(changed(), initial.layouts, target);
    if (height_ > 1) add_knob("height", counts_up_to(std::min<int64_t>(height_, 8)), start.height);
    add_knob("width", counts_up_to(std::min<int64_t>(width_, 28)), start.width);
    add_knob("blocks", {1, 2, 3, 4}, start.blocks);
    add_knob("unroll", {1, 2, 4, 8, 16}, start.unroll);
    add_knob("taps_inside", {0, 1}, start.taps_inside);
    add_knob("rows_first", {0, 1}, start.rows_first);
  }

  bool plausible(const Point& point) const override {
    const jit::ConvParameters p = parameters(point);
    const int64_t vectors = p.blocks * jit::ceil_div(block_, target().lanes);
    const int64_t accumulators = p.height * p.width * vectors;
    if (accumulators > jit::accumulator_limit(target(), vectors)) return false;
    return p.unroll * (accumulators + vectors) <= kMostUnrolled;
  }

  std::vector<Point> seeds() const override {
    std::vector<CostedPoint> seeds;
    const jit::ConvParameters start = parameters(this->start());
    for (int64_t blocks = 1; blocks <= 4; ++blocks) {
      for (int64_t h = 1; h <= std::min<int64_t>(height_, 8); ++h) {
        for (int64_t w = 1; w <= std::min<int64_t>(width_, 28); ++w) {
          for (const int64_t rows_first : {start.rows_first ? 0 : 1, start.rows_first ? 1 : 0}) {
            const Point point = nearest({{"height", h}, {"width", w}, {"blocks", blocks}, {"rows_first", rows_first}});
            if (plausible(point)) seeds.push_back({cost(point), point});
          }
        }
      }
    }
    return cheapest(std::move(seeds), 24);
  }

 private:
  jit::ConvParameters parameters(const Point& point) const {
    jit::ConvParameters p;
    p.height = value(point, "height", 1);
    p.width = value(point, "width");
    p.blocks = value(point, "blocks");
    p.unroll = value(point, "unroll");
    p.taps_inside = value(point, "taps_inside") != 0;
    p.rows_first = value(point, "rows_first") != 0;
    return p;
  }

  // Machine model: cycles for one step of the reduction over the whole image.
  double cost(const Point& point) const {
    const jit::ConvParameters p = parameters(point);
    const int64_t vectors = p.blocks * jit::ceil_div(block_, target().lanes);
    const double columns = jit::tile_cost({p.height * p.width, vectors}, p.height * p.width) *
                           static_cast<double>(jit::ceil_div(width_, p.width) * jit::ceil_div(height_, p.height));
    return columns / static_cast<double>(p.blocks);
  }

  void describe(const Point& point, Features& features) const override {
    const jit::ConvParameters p = parameters(point);
    const int64_t vectors = p.blocks * jit::ceil_div(block_, target().lanes);
    describe_tile(p.height * p.width, vectors, p.unroll, target(), features);
    const std::vector<jit::Extent>& shape = changed().tensors[static_cast<size_t>(stage_.outputs[0])].shape;
    const int64_t panels = jit::ceil_div(jit::ceil_div(shape[1].bound, block_), p.blocks);
    int64_t rows = shape[0].bound * jit::ceil_div(height_, p.height);
    for (size_t d = 2; d + 2 < shape.size(); ++d) rows *= shape[d].bound;
    describe_tasks(panels * rows, features);
    double reduced = 1, channels = 1;
    for (const jit::Axis& axis : stage_.reduce) reduced *= static_cast<double>(axis.extent.bound);
    if (!stage_.reduce.empty()) channels = static_cast<double>(stage_.reduce[0].extent.bound);
    const double panel = 4 * reduced * static_cast<double>(p.blocks * block_);
    const double taps = reduced / channels;
    features.set_log(Feature::panel_bytes, panel);
    features.set_log(Feature::strip_bytes, 4 * channels * static_cast<double>(width_ + 2) *
                                               (static_cast<double>(p.height) + std::sqrt(taps) - 1));
    features.set_log(Feature::panel_reuse, p.rows_first ? 1 : static_cast<double>(rows));
    const double tiles =
        static_cast<double>(jit::ceil_div(width_, p.width) * p.width * jit::ceil_div(height_, p.height) * p.height);
    features.set(Feature::tail_waste, tiles / static_cast<double>(width_ * height_) - 1);
    features.set(Feature::order, (p.rows_first ? 1 : 0) + (p.taps_inside ? 2 : 0));
    features.set_log(Feature::parameter_0, static_cast<double>(p.height));
    features.set_log(Feature::parameter_1, static_cast<double>(p.width));
    features.set_log(Feature::parameter_2, static_cast<double>(p.blocks));
    features.set_log(Feature::parameter_3, taps);
    features.set_log(Feature::parameter_4, channels);
    features.set(Feature::parameter_5, cost(point) / static_cast<double>(width_ * height_));
  }

  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    decision.schedule = jit::default_schedule(changed(), decision.layouts, target());
    for (const int number : jit::anchor_stages(changed())) {
      const jit::Stage& stage = changed().stages[static_cast<size_t>(number)];
      if (stage.reduce.empty()) continue;
      decision.schedule[stage.name] = jit::schedule_conv(changed(), stage, decision.layouts, parameters(point));
    }
    return decision;
  }

  const jit::Stage& stage_;
  int64_t width_ = 1, height_ = 1, block_ = 1, input_block_ = 1;
};

}  // namespace

std::unique_ptr<LoopSpace> conv_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                      const jit::Target& target) {
  return std::make_unique<ConvLoops>(c, initial, target);
}

}  // namespace altrt::tuner
