#include "runtime/graph/channels_last.h"

#include <cstdint>
#include <limits>

#include "jit/compile/image_layout.h"
#include "jit/compile/templates.h"
#include "jit/expr/bound_shape.h"
#include "runtime/graph/image_layout.h"

namespace altrt::graph {
namespace {

using jit::AnchorKind;
using jit::Computation;
using jit::Layout;
using jit::Role;

bool works_on_images(const Computation& c) {
  if (c.anchor.stage < 0 || c.anchor.data < 0) return false;
  const AnchorKind kind = c.anchor.kind;
  return kind == AnchorKind::conv || kind == AnchorKind::conv_transpose || kind == AnchorKind::pool;
}

// `anchor`: the data or the output of an operator on images, which are so laid out even where they had no blocks.
Layout converted(const Layout& layout, const Shape& shape, bool anchor) {
  const std::optional<ImageLayout> image = ImageLayout::of(layout, shape);
  if (!image || (image->block == 1 && !anchor)) return {};
  return jit::channels_last({shape.begin(), shape.end()}, image->borders);
}

Layout plain(const Computation& c) {
  return c.anchor.kind == AnchorKind::matmul ? jit::matmul_weights(c, std::numeric_limits<int64_t>::max())
                                             : jit::plain_weights(c);
}

}  // namespace

jit::GroupDecision channels_last(const Group& group, const jit::GroupDecision& decision, const jit::Target& target,
                                 bool pack_weights) {
  const Computation c = jit::apply_algorithm(group.computation, decision.algorithm);
  const int output = c.anchor.stage < 0 ? -1 : c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0];
  const bool images = works_on_images(c);
  jit::FixedLayouts fixed;
  for (size_t t = 0; t < c.tensors.size(); ++t) {
    const jit::TensorDecl& tensor = c.tensors[t];
    if (tensor.role != Role::input && tensor.role != Role::output) continue;
    const auto number = static_cast<int>(t);
    const bool anchor = images && (number == c.anchor.data || number == output || tensor.role == Role::output);
    const Layout layout =
        converted(jit::layout_of(c, number, decision.layouts), jit::bound_shape(tensor.shape), anchor);
    if (!layout.is_plain()) fixed[tensor.name] = layout;
  }
  const bool weighted = images || c.anchor.kind == AnchorKind::matmul;
  if (!pack_weights && weighted && c.anchor.stage >= 0 && c.anchor.weights >= 0) {
    const jit::TensorDecl& weights = c.tensors[static_cast<size_t>(c.anchor.weights)];
    if (weights.role == Role::constant) fixed[weights.name] = plain(c);
  }
  jit::GroupDecision other = decision;
  other.layouts = jit::default_layouts(c, target, fixed);
  other.schedule = jit::default_schedule(c, other.layouts, target);
  return other;
}

Decisions channels_last(const std::vector<Group>& groups, Decisions decisions, const jit::Target& target,
                        bool pack_weights) {
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].host || decisions[g].provider != "own" || target.is_gpu()) continue;
    decisions[g] = channels_last(groups[g], decisions[g], target, pack_weights);
  }
  return decisions;
}

}  // namespace altrt::graph
