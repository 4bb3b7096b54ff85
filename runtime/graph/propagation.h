// Layout propagation: how one group takes over layouts of its neighbours. Pure functions.
#pragma once

#include <optional>
#include <vector>

#include "jit/compile/decisions.h"
#include "runtime/graph/groups.h"

namespace altrt::graph {

/// Whether operators that work point by point may hand the layout on: one-to-one but for padding, so no unfold, fold or
/// unpad, which change how often an element is stored.
bool may_propagate(const jit::Layout& layout);

/// Whether the group's speed depends on its layouts so much that they are chosen for it: convolutions and matrix
/// products. The others that are not of the host follow their neighbours.
bool is_complex(const Group& group);
/// Whether any layout does: a single stage, or nothing but maps (concat). Rows (softmax) stay row-major.
bool can_follow(const Group& group);

/// The layout that goes with `layout` (of a tensor of shape `from`) on a tensor of shape `to`: itself where the shapes
/// are equal; the same channel blocks, without a border, where both are images. Absent where nothing corresponds.
std::optional<jit::Layout> carried(const jit::Layout& layout, const Shape& from, const Shape& to);

/// The decision with other layouts of some inputs and outputs. The schedule stays where its loops are the same as
/// before (a border makes no difference), else it is the default one for the new layouts, constants packed to suit.
/// Absent where no template of the group's kind fits, where the compiler refuses, or where another provider computes
/// the group.
std::optional<jit::GroupDecision> with_layouts(const Group& group, const jit::GroupDecision& decision,
                                               const jit::Layouts& changes, const jit::Target& target);

/// The decision of a group that can follow, with the layout of one of its inputs or outputs carried to all others that
/// are indexed alike; what is not, broadcast operands say, keeps its own.
std::optional<jit::GroupDecision> following(const Group& group, const jit::GroupDecision& decision, int tensor,
                                            const jit::Layout& layout, const jit::Target& target);

/// Milliseconds by memory traffic and vectors that fall apart: right to a factor for maps and pools, and only meant to
/// be compared with the estimate of another decision for the same group.
double estimated_ms(const Group& group, const jit::GroupDecision& decision);

}  // namespace altrt::graph
