#include <algorithm>

#include "jit/compile/gpu_templates.h"
#include "jit/compile/templates.h"

namespace altrt::jit {

namespace {

StageSchedule schedule_stage(const Computation& c, int number, const Layouts& layouts, const Target& target) {
  const Stage& stage = c.stages[number];
  const std::vector<int> anchors = anchor_stages(c);
  if (std::find(anchors.begin(), anchors.end(), number) != anchors.end() && !stage.reduce.empty()) {
    if (has_matmul_template(c, layouts)) return schedule_matmul(c, layouts, default_matmul(c, layouts, target));
    if (has_image_template(c, layouts)) {
      if (is_dense_conv(c)) return schedule_conv(c, stage, layouts, default_conv(c, layouts, target));
      return schedule_window(c, layouts, default_window(c, layouts, target));
    }
    if (has_pixel_template(c, layouts)) return schedule_pixels(c, layouts, default_pixels(c, layouts, target), target);
  }
  return stage.reduce.empty() ? schedule_map(c, stage, layouts, target) : schedule_reduction(c, stage, layouts, target);
}

}  // namespace

Schedule default_schedule(const Computation& c, const Layouts& layouts, const Target& target) {
  if (target.is_gpu()) return gpu_schedule(c, layouts, target);
  Schedule schedule;
  if (has_winograd_template(c, layouts)) {
    return schedule_winograd(c, layouts, target, default_winograd(c, layouts, target));
  }
  if (has_strassen_template(c, layouts)) return schedule_strassen(c, default_strassen(c, target));
  if (has_attention_template(c, layouts)) return schedule_attention(c, default_attention(c, target), target);
  if (schedule_rows(c, layouts, target, schedule)) return schedule;
  for (size_t i = 0; i < c.stages.size(); ++i) {
    schedule[c.stages[i].name] = schedule_stage(c, static_cast<int>(i), layouts, target);
  }
  return schedule;
}

Layouts default_layouts(const Computation& c, const Target& target, const FixedLayouts& fixed) {
  if (target.is_gpu()) return gpu_layouts(c, fixed);
  Layouts layouts = fixed;
  if (has_winograd_template(c, layouts)) {
    layout_winograd(c, default_winograd(c, layouts, target), layouts);
    return layouts;
  }
  if (has_strassen_template(c, layouts)) {
    layout_strassen(c, default_strassen(c, target), layouts);
    return layouts;
  }
  if (c.anchor.stage < 0 || c.anchor.weights < 0) return layouts;
  const TensorDecl& weights = c.tensors[c.anchor.weights];
  if (weights.role != Role::constant || layouts.count(weights.name)) return layouts;
  if (has_matmul_template(c, layouts)) {
    layouts[weights.name] = matmul_weights(c, default_matmul(c, layouts, target).columns);
  } else if (has_image_template(c, layouts)) {
    layouts[weights.name] = is_dense_conv(c) ? packed_weights(c, layouts, default_conv(c, layouts, target))
                                             : packed_weights(c, layouts, default_window(c, layouts, target));
  } else if (has_pixel_template(c, layouts)) {
    layouts[weights.name] = packed_weights(c, default_pixels(c, layouts, target));
  }
  return layouts;
}

namespace {

std::string algorithm_of(const Computation& c, const Target& target) {
  return target.is_gpu() ? gpu_algorithm(c, target) : default_algorithm(c);
}

}  // namespace

GroupDecision default_decision(const Computation& c, const Target& target, const FixedLayouts& fixed) {
  GroupDecision decision;
  decision.algorithm = algorithm_of(c, target);
  const Computation changed = apply_algorithm(c, decision.algorithm);
  decision.layouts = default_layouts(changed, target, fixed);
  decision.schedule = default_schedule(changed, decision.layouts, target);
  return decision;
}

GroupDecision with_algorithm(const GroupDecision& decision, const Computation& c, const std::string& algorithm,
                             const Target& target) {
  const Computation changed = apply_algorithm(c, algorithm);
  FixedLayouts fixed;
  for (const TensorDecl& tensor : changed.tensors) {
    if (tensor.role != Role::input && tensor.role != Role::output) continue;
    const auto found = decision.layouts.find(tensor.name);
    fixed[tensor.name] = found == decision.layouts.end() ? Layout{} : found->second;
  }
  GroupDecision other = decision;
  other.algorithm = algorithm;
  other.layouts = default_layouts(changed, target, fixed);
  for (const auto& [tensor, layout] : fixed) other.layouts[tensor] = layout;
  other.schedule = default_schedule(changed, other.layouts, target);
  return other;
}

std::optional<GroupDecision> simpler_decision(const GroupDecision& decision, const Computation& c,
                                              const Target& target) {
  if (decision.provider == "own" && decision.algorithm == algorithm_of(c, target)) {
    if (decision.schedule.stages.empty()) return std::nullopt;
    GroupDecision plain = decision;
    plain.schedule = {};
    return plain;
  }
  FixedLayouts fixed;
  for (const TensorDecl& tensor : c.tensors) {
    const auto found = decision.layouts.find(tensor.name);
    if (found != decision.layouts.end() && tensor.role != Role::constant) fixed.insert(*found);
  }
  return default_decision(c, target, fixed);
}

}  // namespace altrt::jit
