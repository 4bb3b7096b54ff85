#include "runtime/graph/propagation.h"

#include <altrt/error.h>

#include <algorithm>
#include <utility>

#include "jit/compile/stage_loops.h"
#include "jit/compile/templates.h"
#include "jit/expr/attention.h"
#include "jit/expr/bound_shape.h"
#include "jit/loop/lower.h"
#include "runtime/graph/image_layout.h"

namespace altrt::graph {

namespace {

using jit::AnchorKind;
using jit::Computation;
using jit::Layout;
using jit::LayoutKind;
using jit::Layouts;
using jit::Role;

// Cautious; only ratios matter.
constexpr double kBytesPerMs = 10e6, kLaunchMs = 0.002;
// A vector that is gathered element by element.
constexpr double kGathered = 6;

bool is_border(const jit::TensorDecl& tensor) { return tensor.role == Role::input || tensor.role == Role::output; }

bool same_loops(const Computation& c, const Layouts& a, const Layouts& b) {
  for (const jit::Stage& stage : c.stages) {
    const std::vector<jit::LoopInfo> one = jit::stage_loops(c, stage, a), other = jit::stage_loops(c, stage, b);
    const bool same = std::equal(one.begin(), one.end(), other.begin(), other.end(), [](const auto& x, const auto& y) {
      return x.name == y.name && x.extent == y.extent && x.symbolic == y.symbolic && x.reduce == y.reduce;
    });
    if (!same) return false;
  }
  return true;
}

// The channel blocks that weights are packed for.
std::pair<int64_t, int64_t> anchor_blocks(const Computation& c, const Layouts& layouts) {
  if (c.anchor.stage < 0 || c.anchor.data < 0) return {1, 1};
  const jit::Stage& stage = c.stages[static_cast<size_t>(c.anchor.stage)];
  return {jit::channel_block(jit::layout_of(c, c.anchor.data, layouts)),
          jit::channel_block(jit::layout_of(c, stage.outputs[0], layouts))};
}

// Whether the layouts leave a complex group the kind of schedule that it is fast with.
bool has_template(const Group& group, const Computation& c, const Layouts& layouts) {
  if (!is_complex(group)) return true;
  if (jit::attention_of(c)) return jit::has_attention_template(c, layouts);
  if (c.anchor.kind == AnchorKind::matmul) {
    return jit::has_matmul_template(c, layouts) || jit::has_strassen_template(c, layouts);
  }
  if (jit::is_direct(c.algorithm)) return jit::has_image_template(c, layouts) || jit::has_pixel_template(c, layouts);
  for (size_t t = 0; t < c.tensors.size(); ++t) {
    if (c.tensors[t].role == Role::output && jit::channel_block(jit::layout_of(c, static_cast<int>(t), layouts)) == 1) {
      return false;
    }
  }
  return true;
}

bool lowers(const Computation& c, const jit::GroupDecision& decision) {
  try {
    (void)jit::lower(c, decision.layouts, decision.schedule);
    return true;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument && error.code() != ErrorCode::unsupported) throw;
    return false;
  }
}

bool fits(const Layout& layout, const jit::TensorDecl& tensor) {
  try {
    jit::verify(layout, tensor.shape);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

bool may_propagate(const Layout& layout) {
  return std::none_of(layout.steps.begin(), layout.steps.end(), [](const jit::LayoutStep& step) {
    return step.kind == LayoutKind::unfold || step.kind == LayoutKind::fold || step.kind == LayoutKind::unpad;
  });
}

bool is_complex(const Group& group) {
  if (group.host || group.computation.anchor.stage < 0) return false;
  const AnchorKind kind = group.computation.anchor.kind;
  return kind == AnchorKind::conv || kind == AnchorKind::conv_transpose || kind == AnchorKind::matmul;
}

bool can_follow(const Group& group) {
  if (group.host || is_complex(group)) return false;
  const std::vector<jit::Stage>& stages = group.computation.stages;
  return stages.size() == 1 ||
         std::all_of(stages.begin(), stages.end(), [](const jit::Stage& stage) { return stage.reduce.empty(); });
}

std::optional<Layout> carried(const Layout& layout, const Shape& from, const Shape& to) {
  if (!may_propagate(layout)) return std::nullopt;
  if (from == to) return layout;
  const std::optional<ImageLayout> image = ImageLayout::of(layout, from);
  if (!image || !is_image(to) || from.size() != to.size()) return std::nullopt;
  return ImageLayout{image->block, {}}.make(to);
}

std::optional<jit::GroupDecision> with_layouts(const Group& group, const jit::GroupDecision& decision,
                                               const Layouts& changes, const jit::Target& target) {
  if (group.host || decision.provider != "own") return std::nullopt;
  const Computation c = jit::apply_algorithm(group.computation, decision.algorithm);
  jit::GroupDecision changed = decision;
  for (const auto& [name, layout] : changes) {
    const int tensor = c.find_tensor(name);
    if (tensor < 0 || !fits(layout, c.tensors[static_cast<size_t>(tensor)])) return std::nullopt;
    changed.layouts[name] = layout;
  }
  std::erase_if(changed.layouts, [](const auto& entry) { return entry.second.is_plain(); });
  if (!has_template(group, c, changed.layouts) && has_template(group, c, decision.layouts)) return std::nullopt;
  const bool keeps = same_loops(c, decision.layouts, changed.layouts) &&
                     anchor_blocks(c, decision.layouts) == anchor_blocks(c, changed.layouts);
  if (keeps && lowers(c, changed)) return changed;
  jit::FixedLayouts fixed;
  for (const jit::TensorDecl& tensor : c.tensors) {
    const auto found = changed.layouts.find(tensor.name);
    if (is_border(tensor) && found != changed.layouts.end()) fixed.insert(*found);
  }
  changed.layouts = jit::default_layouts(c, target, fixed);
  changed.schedule = jit::default_schedule(c, changed.layouts, target);
  if (!lowers(c, changed)) return std::nullopt;
  return changed;
}

std::optional<jit::GroupDecision> following(const Group& group, const jit::GroupDecision& decision, int tensor,
                                            const Layout& layout, const jit::Target& target) {
  if (!can_follow(group) || !may_propagate(layout)) return std::nullopt;
  const std::vector<jit::TensorDecl>& tensors = group.computation.tensors;
  const jit::TensorDecl& origin = tensors[static_cast<size_t>(tensor)];
  Layouts changes{{origin.name, layout}};
  for (const jit::TensorDecl& other : tensors) {
    if (!is_border(other) || other.name == origin.name) continue;
    if (const auto there = carried(layout, jit::bound_shape(origin.shape), jit::bound_shape(other.shape)))
      changes[other.name] = *there;
  }
  return with_layouts(group, decision, changes, target);
}

double estimated_ms(const Group& group, const jit::GroupDecision& decision) {
  if (group.host) return 0;
  const Computation& c = group.computation;
  double bytes = 0;
  for (size_t t = 0; t < c.tensors.size(); ++t) {
    if (c.tensors[t].role == Role::intermediate) continue;
    const Layout& layout = jit::layout_of(c, static_cast<int>(t), decision.layouts);
    bytes += static_cast<double>(jit::physical_elements(layout, c.tensors[t].shape)) *
             static_cast<double>(size_of(c.tensors[t].type));
  }
  // Points of the stages count as elements too where windows overlap.
  double work = 0;
  for (const jit::Stage& stage : c.stages) {
    double points = 1;
    for (const jit::Axis& axis : stage.axes) points *= static_cast<double>(axis.extent.bound);
    for (const jit::Axis& axis : stage.reduce) points *= static_cast<double>(axis.extent.bound);
    const bool blocked = jit::channel_block(jit::layout_of(c, stage.outputs[0], decision.layouts)) > 1;
    const std::string inner = stage.axes.empty() ? "" : blocked ? stage.axes[1].name : stage.axes.back().name;
    bool whole = true;
    for (const jit::Expr& e : jit::stage_accesses(stage)) {
      const jit::AxisStride stride = jit::axis_stride(c, e, inner, decision.layouts);
      whole &= stride.known && (stride.elements == 0 || stride.elements == 1);
    }
    work += 4 * points * (whole ? 1 : kGathered);
  }
  return kLaunchMs + std::max(bytes, work) / kBytesPerMs;
}

}  // namespace altrt::graph
