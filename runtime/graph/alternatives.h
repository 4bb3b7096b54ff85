// Alternatives: further ways to compute the groups of a graph, made from the ones that are known, so that placement can
// weigh a conversion against a group that reads or writes the other layout itself.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "runtime/graph/placement.h"

namespace altrt::graph {

/// Milliseconds of a group's kernels by a decision; infinite where it can't be used.
using KernelTime = std::function<double(int group, const jit::GroupDecision&)>;

/// The group with one of its outputs written in another layout, which its reader wants: a conversion less. Absent where
/// the template does not allow it.
std::optional<jit::GroupDecision> writing(const Group& group, const jit::GroupDecision& decision, int tensor,
                                          const jit::Layout& layout, const jit::Target& target);

/// The given alternatives, and behind them for each group what its neighbours' layouts suggest:
/// - groups that can follow take over each layout in which an input is made or an output wanted;
/// - complex ones write, by their fastest alternatives, the layouts that readers want, and read what is made for them.
/// Each is timed by `kernel_ms`, once for groups and decisions that differ in names only. Without it, followers are
/// estimated by their memory traffic in proportion to the time of their first alternative, and of complex groups' only
/// those are made that keep their schedule, whose time is that of the decision they come from.
std::vector<Alternatives> with_derived(const Graph& graph, const std::vector<Group>& groups,
                                       const std::vector<Alternatives>& given, const jit::Target& target,
                                       const KernelTime& kernel_ms = {});

}  // namespace altrt::graph
