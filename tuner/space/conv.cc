// Convolutions with channel-blocked output: register tile, order of loops, channel blocks of activations and weights.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

using jit::Computation;
using jit::Layout;
using jit::Layouts;

constexpr int64_t kMostUnrolled = 560;  // vector instructions in one block of code

class ConvSpace final : public Space {
 public:
  ConvSpace(const Computation& c, const jit::GroupDecision& initial, const jit::Target& target,
            const SpaceOptions& options)
      : Space(initial),
        c_(jit::apply_algorithm(c, initial.algorithm)),
        target_(target),
        stage_(c_.stages[static_cast<size_t>(c_.anchor.stage)]) {
    width_ = stage_.axes.back().extent.bound;
    height_ = stage_.axes.size() >= 4 ? stage_.axes[stage_.axes.size() - 2].extent.bound : 1;
    const jit::ConvParameters start = jit::default_conv(c_, initial.layouts, target);
    if (options.activation_layouts && c.anchor.groups == 1) add_layout_knobs();
    if (height_ > 1) add_knob("height", counts_up_to(std::min<int64_t>(height_, 8)), start.height);
    add_knob("width", counts_up_to(std::min<int64_t>(width_, 28)), start.width);
    add_knob("blocks", {1, 2, 3, 4}, start.blocks);
    add_knob("unroll", {1, 2, 4, 8, 16}, start.unroll);
    add_knob("taps_inside", {0, 1}, start.taps_inside);
    add_knob("rows_first", {0, 1}, start.rows_first);
  }

  bool plausible(const Point& point) const override {
    const jit::ConvParameters p = parameters(point);
    const int64_t block = output_block(point);
    const int64_t vectors = p.blocks * jit::ceil_div(block, target_.lanes);
    const int64_t accumulators = p.height * p.width * vectors;
    if (accumulators > jit::accumulator_limit(target_, vectors)) return false;
    return p.unroll * (accumulators + vectors) <= kMostUnrolled;
  }

  std::vector<Point> seeds() const override {
    struct Seed {
      double cost;
      Point point;
    };
    std::vector<Seed> seeds;
    const jit::ConvParameters start = parameters(this->start());
    for (int64_t blocks = 1; blocks <= 4; ++blocks) {
      for (int64_t h = 1; h <= std::min<int64_t>(height_, 8); ++h) {
        for (int64_t w = 1; w <= std::min<int64_t>(width_, 28); ++w) {
          for (const int64_t rows_first : {start.rows_first ? 0 : 1, start.rows_first ? 1 : 0}) {
            const Point point =
                point_with({{"height", h}, {"width", w}, {"blocks", blocks}, {"rows_first", rows_first}});
            if (plausible(point)) seeds.push_back({cost(point), point});
          }
        }
      }
    }
    std::stable_sort(seeds.begin(), seeds.end(), [](const Seed& a, const Seed& b) { return a.cost < b.cost; });
    std::vector<Point> points;
    for (const Seed& seed : seeds) {
      if (points.size() >= 24) break;
      if (std::find(points.begin(), points.end(), seed.point) == points.end()) points.push_back(seed.point);
    }
    return points;
  }

 private:
  void add_layout_knobs() {
    const Layout& out = jit::layout_of(c_, stage_.outputs[0], initial().layouts);
    const Layout& in = jit::layout_of(c_, c_.anchor.data, initial().layouts);
    const std::vector<jit::Extent>& out_shape = c_.tensors[static_cast<size_t>(stage_.outputs[0])].shape;
    const std::vector<jit::Extent>& in_shape = c_.tensors[static_cast<size_t>(c_.anchor.data)].shape;
    const auto blocks = [](int64_t channels) {
      std::vector<int64_t> values;
      for (const int64_t block : {8, 16, 32}) {
        if (block <= channels) values.push_back(block);
      }
      return values;
    };
    if (stage_.outputs.size() == 1 && jit::with_channel_block(out, out_shape, 8)) {
      add_knob("output_block", blocks(out_shape[1].bound), jit::channel_block(out));
    }
    if (jit::channel_block(in) > 1 && jit::with_channel_block(in, in_shape, 8)) {
      add_knob("input_block", blocks(in_shape[1].bound), jit::channel_block(in));
    }
  }

  int64_t output_block(const Point& point) const {
    return has("output_block") ? value(point, "output_block")
                               : jit::channel_block(jit::layout_of(c_, stage_.outputs[0], initial().layouts));
  }
  int64_t input_block(const Point& point) const {
    return has("input_block") ? value(point, "input_block")
                              : jit::channel_block(jit::layout_of(c_, c_.anchor.data, initial().layouts));
  }

  jit::ConvParameters parameters(const Point& point) const {
    jit::ConvParameters p;
    p.height = has("height") ? value(point, "height") : 1;
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
    const int64_t vectors = p.blocks * jit::ceil_div(output_block(point), target_.lanes);
    const double columns = jit::tile_cost({p.height * p.width, vectors}, p.height * p.width) *
                           static_cast<double>(jit::ceil_div(width_, p.width) * jit::ceil_div(height_, p.height));
    return columns / static_cast<double>(p.blocks);
  }

  Layouts layouts(const Point& point) const {
    Layouts layouts = initial().layouts;
    const auto set = [&](int tensor, int64_t block) {
      const jit::TensorDecl& decl = c_.tensors[static_cast<size_t>(tensor)];
      const Layout& now = jit::layout_of(c_, tensor, initial().layouts);
      if (jit::channel_block(now) == block) return;
      if (const auto changed = jit::with_channel_block(now, decl.shape, block)) layouts[decl.name] = *changed;
    };
    set(c_.anchor.data, input_block(point));
    // What is read point by point beside the output (a residual) follows it.
    const auto& out = c_.tensors[static_cast<size_t>(stage_.outputs[0])];
    for (size_t t = 0; t < c_.tensors.size(); ++t) {
      const bool follows = static_cast<int>(t) == stage_.outputs[0] ||
                           (c_.tensors[t].role == jit::Role::input && static_cast<int>(t) != c_.anchor.data &&
                            c_.tensors[t].shape == out.shape);
      if (follows) set(static_cast<int>(t), output_block(point));
    }
    const jit::TensorDecl& weights = c_.tensors[static_cast<size_t>(c_.anchor.weights)];
    if (weights.role == jit::Role::constant) {
      const int64_t in = jit::channel_block(jit::layout_of(c_, c_.anchor.data, layouts));
      layouts[weights.name] = jit::conv_weights(c_, output_block(point), in);
    }
    return layouts;
  }

  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    decision.layouts = layouts(point);
    decision.schedule = jit::default_schedule(c_, decision.layouts, target_);
    for (const int number : jit::anchor_stages(c_)) {
      const jit::Stage& stage = c_.stages[static_cast<size_t>(number)];
      if (stage.reduce.empty()) continue;
      decision.schedule[stage.name] = jit::schedule_conv(c_, stage, decision.layouts, parameters(point));
    }
    return decision;
  }

  const Computation c_;
  const jit::Target target_;
  const jit::Stage& stage_;
  int64_t width_ = 1, height_ = 1;
};

}  // namespace

std::unique_ptr<Space> conv_space(const Computation& c, const jit::GroupDecision& initial, const jit::Target& target,
                                  const SpaceOptions& options) {
  return std::make_unique<ConvSpace>(c, initial, target, options);
}

}  // namespace altrt::tuner
