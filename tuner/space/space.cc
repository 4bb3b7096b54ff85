#include "tuner/space/space.h"

#include <algorithm>
#include <set>
#include <utility>

#include <altrt/error.h>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

using jit::Role;

double elements(const jit::TensorDecl& tensor) {
  double count = 1;
  for (const jit::Extent& extent : tensor.shape) count *= static_cast<double>(extent.bound);
  return count;
}

// What is the same for all points of a loop space.
Features common_features(const jit::Computation& c, const jit::Computation& changed,
                         const jit::GroupDecision& decision) {
  Features features;
  double flops = 0, inputs = 0, weights = 0, outputs = 0, logical = 0, stored = 0, constants = 0, unfolded = 0,
         bordered = 0;
  for (const jit::Stage& stage : c.stages) flops += static_cast<double>(jit::stage_flops(stage));
  for (size_t t = 0; t < changed.tensors.size(); ++t) {
    const jit::TensorDecl& tensor = changed.tensors[t];
    const double bytes = elements(tensor) * static_cast<double>(size_of(tensor.type));
    const jit::Layout& layout = jit::layout_of(changed, static_cast<int>(t), decision.layouts);
    if (tensor.role == Role::input) inputs += bytes;
    if (tensor.role == Role::constant) weights += bytes;
    if (tensor.role == Role::output) outputs += bytes;
    if (tensor.role == Role::intermediate && changed.algorithm != "direct") constants += bytes;
    if (tensor.role != Role::input && tensor.role != Role::output) continue;
    logical += elements(tensor);
    stored += static_cast<double>(jit::physical_elements(layout, tensor.shape));
    for (const jit::LayoutStep& step : layout.steps) {
      unfolded += step.kind == jit::LayoutKind::unfold ? 1 : 0;
      bordered += tensor.role == Role::input && step.kind == jit::LayoutKind::pad && step.fill ? 1 : 0;
    }
  }
  features.set_log(Feature::flops, flops);
  features.set_log(Feature::input_bytes, inputs);
  features.set_log(Feature::weight_bytes, weights);
  features.set_log(Feature::output_bytes, outputs);
  features.set_log(Feature::growth, constants / std::max(1.0, weights + inputs));
  features.set(Feature::stages, static_cast<double>(changed.stages.size()));
  features.set(Feature::layout_growth, logical > 0 ? stored / logical : 1);
  features.set(Feature::unfolded, unfolded);
  features.set(Feature::bordered, bordered);
  if (c.anchor.stage >= 0) {
    const int output = c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0];
    features.set_log(Feature::output_block,
                     static_cast<double>(jit::channel_block(jit::layout_of(c, output, decision.layouts))));
    if (c.anchor.data >= 0) {
      features.set_log(Feature::input_block,
                       static_cast<double>(jit::channel_block(jit::layout_of(c, c.anchor.data, decision.layouts))));
    }
  }
  return features;
}

// Whether a space of its own is worth a search: without a schedule template an algorithm of several stages is no match
// for direct loops, nor is a direct transposed convolution for its phases.
bool has_template(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target,
                  const std::string& algorithm) {
  if (target.is_gpu()) return jit::is_direct(algorithm);
  if (jit::gemm_parts(algorithm) > 0) return false;
  if (algorithm == "direct") return !jit::phases_fit(c);
  if (algorithm == "phases") return true;
  if (algorithm == "strassen") {
    const jit::Computation changed = jit::apply_algorithm(c, algorithm);
    return jit::has_strassen_template(changed, initial.layouts) && jit::strassen_may_pay(changed);
  }
  return c.anchor.stage >= 0 && jit::has_winograd_template(jit::apply_algorithm(c, algorithm), initial.layouts);
}

enum class Kind : uint8_t { generic, gpu, conv, window, matmul, winograd, strassen, pixels, attention };

// Which template the decision's loops are made by.
Kind kind_of(const jit::Computation& c, const jit::Computation& changed, const jit::GroupDecision& decision,
             const jit::Target& target) {
  if (target.is_gpu()) return Kind::gpu;
  if (c.anchor.stage < 0 || decision.provider != "own") return Kind::generic;
  if (decision.algorithm == "strassen") {
    return jit::has_strassen_template(changed, decision.layouts) ? Kind::strassen : Kind::generic;
  }
  if (!jit::is_direct(decision.algorithm)) {
    return has_template(c, decision, target, decision.algorithm) ? Kind::winograd : Kind::generic;
  }
  const jit::Anchor& anchor = changed.anchor;
  const jit::Stage& stage = changed.stages[static_cast<size_t>(anchor.stage)];
  if (jit::has_attention_template(changed, decision.layouts)) return Kind::attention;
  const bool image = stage.axes.size() >= 3 && jit::has_image_template(changed, decision.layouts);
  if (jit::has_matmul_template(changed, decision.layouts)) return Kind::matmul;
  if (image && jit::is_dense_conv(changed)) return Kind::conv;
  const bool window = anchor.kind == jit::AnchorKind::conv || anchor.kind == jit::AnchorKind::pool;
  if (image && window) return Kind::window;
  return jit::has_pixel_template(changed, decision.layouts) ? Kind::pixels : Kind::generic;
}

bool stores_any(const jit::GroupDecision& decision) {
  for (const auto& [tensor, layout] : decision.layouts) {
    for (const jit::LayoutStep& step : layout.steps) {
      if (step.kind == jit::LayoutKind::store_at) return true;
    }
  }
  return false;
}

// Constant vectors at the weights. `c`: what the algorithm has made of the group.
void store(const jit::Computation& c, jit::GroupDecision& decision) {
  jit::BiasAtWeights stored = jit::with_bias_at_weights(c, decision.layouts);
  if (!stored.layouts) throw Error(ErrorCode::unsupported, "store_at: " + stored.refusal);
  decision.layouts = std::move(*stored.layouts);
}

// The default decision for the same layouts of inputs and outputs, if the given one stores constants at others.
jit::GroupDecision without_storing(const jit::Computation& c, const jit::GroupDecision& decision,
                                   const jit::Target& target) {
  return stores_any(decision) ? jit::with_algorithm(decision, c, decision.algorithm, target) : decision;
}

}  // namespace

LoopSpace::LoopSpace(const jit::Computation& c, jit::GroupDecision initial, const jit::Target& target, bool stored)
    : initial_(std::move(initial)),
      changed_(jit::apply_algorithm(c, initial_.algorithm)),
      target_(target),
      stored_(stored),
      common_(common_features(c, changed_, initial_)) {
  common_.set(Feature::kind, static_cast<double>(kind_of(c, changed_, initial_, target_)));
}

jit::GroupDecision LoopSpace::decide(const Point& point) const {
  jit::GroupDecision decision = point == start() ? initial_ : make(point);
  if (stored_) store(changed_, decision);
  return decision;
}

bool LoopSpace::packs_weights(const SpaceOptions& options) const {
  const int weights = changed_.anchor.weights;
  return options.pack_weights && weights >= 0 && changed_.tensors[static_cast<size_t>(weights)].role == Role::constant;
}

Features LoopSpace::features(const Point& point) const {
  Features features = common_;
  describe(point, features);
  return features;
}

// Without a machine model: the values of the first knobs.
void LoopSpace::describe(const Point& point, Features& features) const {
  const Values all = values(point);
  for (size_t k = 0; k < std::min<size_t>(all.size(), 6); ++k) {
    const auto feature = static_cast<Feature>(static_cast<size_t>(Feature::parameter_0) + k);
    features.set_log(feature, static_cast<double>(all[k].second));
  }
}

LayoutSpace::LayoutSpace(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target,
                         const SpaceOptions& options)
    : c_(c),
      given_(initial),
      initial_(without_storing(c, initial, target)),
      changed_(jit::apply_algorithm(c, initial_.algorithm)),
      target_(target),
      options_(options) {}

jit::Layouts LayoutSpace::layouts(const Point&) const { return initial_.layouts; }

void LayoutSpace::add_store_at() {
  const bool fits = jit::with_bias_at_weights(changed_, initial_.layouts).layouts.has_value();
  if (options_.pack_weights && fits) add_knob("store_at", {0, 1}, stores_any(given_) ? 1 : 0);
}

jit::GroupDecision LayoutSpace::decide(const Point& point) const {
  if (point == start()) return given_;
  jit::GroupDecision decision = plain(point);
  if (stores(point)) store(changed_, decision);
  return decision;
}

jit::GroupDecision LayoutSpace::plain(const Point& point) const {
  if (point == start()) return initial_;
  jit::GroupDecision decision = initial_;
  jit::FixedLayouts fixed = layouts(point);
  std::erase_if(fixed, [&](const auto& entry) {
    const int tensor = changed_.find_tensor(entry.first);
    if (tensor < 0) return true;
    const Role role = changed_.tensors[static_cast<size_t>(tensor)].role;
    return role != Role::input && role != Role::output;
  });
  decision.layouts = jit::default_layouts(changed_, target_, fixed);
  decision.schedule = jit::default_schedule(changed_, decision.layouts, target_);
  return decision;
}

std::unique_ptr<LoopSpace> LayoutSpace::loops(const Point& point) const {
  return make_loop_space(c_, plain(point), target_, options_, stores(point));
}

std::vector<std::string> LayoutSpace::primitives(const Point& point) const {
  std::set<std::string> used;
  for (const auto& [tensor, layout] : decide(point).layouts) {
    for (const jit::LayoutStep& step : layout.steps) {
      if (step.kind == jit::LayoutKind::unfold) used.insert("unfold");
      if (step.kind == jit::LayoutKind::pad) used.insert("pad");
      if (step.kind == jit::LayoutKind::store_at) used.insert("store_at");
    }
  }
  return {used.begin(), used.end()};
}

std::vector<int64_t> counts_up_to(int64_t limit) {
  std::vector<int64_t> values;
  for (int64_t v = 1; v <= limit; v += v < 16 ? 1 : v < 32 ? 4 : 16) values.push_back(v);
  return values;
}

std::vector<int64_t> tile_columns(int64_t columns, const jit::Target& target) {
  std::vector<int64_t> values;
  for (const int64_t vectors : {1, 2, 3, 4, 6, 8}) {
    if (vectors == 1 || vectors * target.lanes < columns + target.lanes) values.push_back(vectors * target.lanes);
  }
  return values;
}

bool is_tile_plausible(int64_t rows, int64_t vectors, int64_t unroll, const jit::Target& target) {
  constexpr int64_t kMostUnrolled = 560;  // vector instructions in one block of code
  const int64_t accumulators = rows * vectors;
  return accumulators <= jit::accumulator_limit(target, vectors) && unroll * (accumulators + vectors) <= kMostUnrolled;
}

std::vector<Point> cheapest(std::vector<CostedPoint> points, size_t count) {
  std::stable_sort(points.begin(), points.end(),
                   [](const CostedPoint& a, const CostedPoint& b) { return a.cost < b.cost; });
  std::vector<Point> best;
  for (const CostedPoint& one : points) {
    if (best.size() >= count) break;
    if (std::find(best.begin(), best.end(), one.point) == best.end()) best.push_back(one.point);
  }
  return best;
}

void describe_tile(int64_t rows, int64_t vectors, int64_t unroll, const jit::Target& target, Features& features) {
  const auto accumulators = static_cast<double>(rows * vectors);
  features.set_log(Feature::rows, static_cast<double>(rows));
  features.set_log(Feature::vectors, static_cast<double>(vectors));
  features.set(Feature::accumulators, accumulators);
  features.set(Feature::tile_cycles, jit::tile_cost({rows, vectors}, rows) / std::max(0.5, accumulators / 2));
  features.set(Feature::spilled,
               std::max(0.0, accumulators - static_cast<double>(jit::accumulator_limit(target, vectors))));
  features.set_log(Feature::unroll, static_cast<double>(unroll));
  features.set_log(Feature::instructions, static_cast<double>(unroll * (rows * vectors + vectors)));
}

void describe_cuts(int64_t height, int64_t width, int64_t columns, const jit::Target& target, Features& features) {
  features.set_log(Feature::tile_height, static_cast<double>(height));
  features.set_log(Feature::tile_width, static_cast<double>(width));
  features.set(Feature::lanes_idle,
               1 - static_cast<double>(columns) / static_cast<double>(jit::round_up_to(columns, target.lanes)));
}

void describe_tasks(int64_t tasks, Features& features) {
  features.set_log(Feature::tasks, static_cast<double>(tasks));
  // Eighths of a kernel are handed out: the last ones decide.
  const double rounds = std::max(1.0, static_cast<double>(tasks) / 2);
  features.set(Feature::imbalance, std::ceil(rounds) / rounds - 1);
}

std::unique_ptr<LoopSpace> make_loop_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                           const jit::Target& target, const SpaceOptions& options, bool stored) {
  switch (kind_of(c, jit::apply_algorithm(c, initial.algorithm), initial, target)) {
    case Kind::gpu:
      return gpu_loops(c, initial, target);
    case Kind::conv:
      return conv_loops(c, initial, target, options, stored);
    case Kind::window:
      return window_loops(c, initial, target, options, stored);
    case Kind::matmul:
      return matmul_loops(c, initial, target, options, stored);
    case Kind::winograd:
      return winograd_loops(c, initial, target);
    case Kind::strassen:
      return strassen_loops(c, initial, target);
    case Kind::attention:
      return attention_loops(c, initial, target);
    case Kind::pixels:
      return pixel_loops(c, initial, target, options, stored);
    case Kind::generic:
      break;
  }
  return generic_loops(c, initial, target);
}

std::unique_ptr<LayoutSpace> make_layout_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                               const jit::Target& target, const SpaceOptions& options) {
  const Kind kind = kind_of(c, jit::apply_algorithm(c, initial.algorithm), initial, target);
  if (options.layouts) {
    if (kind == Kind::matmul) return matmul_layouts(c, initial, target, options);
    if (kind == Kind::conv || kind == Kind::window || kind == Kind::winograd || kind == Kind::pixels)
      return image_layouts(c, initial, target, options);
  }
  return std::make_unique<LayoutSpace>(c, initial, target, options);
}

std::vector<std::unique_ptr<LayoutSpace>> make_spaces(const jit::Computation& c, const jit::GroupDecision& initial,
                                                      const jit::Target& target,
                                                      const std::vector<std::string>& algorithms,
                                                      const SpaceOptions& options) {
  std::vector<std::unique_ptr<LayoutSpace>> spaces;
  spaces.push_back(make_layout_space(c, initial, target, options));
  for (const std::string& algorithm : jit::algorithms(c)) {
    if (algorithm == initial.algorithm) continue;
    if (std::find(algorithms.begin(), algorithms.end(), algorithm) == algorithms.end()) continue;
    if (!has_template(c, initial, target, algorithm)) continue;
    spaces.push_back(make_layout_space(c, jit::with_algorithm(initial, c, algorithm, target), target, options));
  }
  return spaces;
}

}  // namespace altrt::tuner
