// Layout propagation: which layout each group reads and writes, before any tuning.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "jit/compile/decisions.h"
#include "runtime/graph/groups.h"

namespace altrt::graph {

/// One decision per group. A group's decision names the layouts of its inputs as it wants to read them and of its
/// outputs as it writes them; where a reader wants another layout than the writer makes, the plan places a conversion.
/// Graph inputs and outputs are row-major.
using Decisions = std::vector<jit::GroupDecision>;

/// Decisions that are good without measuring: complex groups (conv, matmul, pool) choose, elementwise neighbours follow
/// so that fusion and contiguity survive, paddings that several readers want are united, conversions are placed where
/// they are smallest.
Decisions default_decisions(const Graph& graph, const std::vector<Group>& groups, const jit::Target& target);

/// By value and text of the layout that it is brought into: what is known of a conversion beside who wants it, such as
/// times.
using ConversionReasons = std::map<std::pair<int, std::string>, std::string>;

/// Each tensor's layout, each conversion and its reason.
std::string layouts_to_string(const Graph& graph, const std::vector<Group>& groups, const Decisions& decisions,
                              const ConversionReasons& reasons = {});

}  // namespace altrt::graph
