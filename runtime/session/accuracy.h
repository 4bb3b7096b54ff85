// Whether an algorithm keeps an operator's bound of accuracy with the weights that a group has.
#pragma once

#include <altrt/session.h>

#include <string>
#include <vector>

#include "runtime/graph/groups.h"
#include "runtime/graph/layouts.h"

namespace altrt::session {

/// Relative L2 error that Winograd's algorithm may make in one operator.
inline constexpr double kWinogradBound = 2e-5;

/// Whether `algorithm` is within the bound on the group's own weights. Direct ones are. A pure function of the graph.
bool is_accurate(const graph::Graph& graph, const graph::Group& group, const std::string& algorithm);

/// Groups whose decision's algorithm is not within the bound compute directly, with one line in the log each; those
/// marked in `fixed` (or none, if it is empty) are left alone.
void keep_accurate(const graph::Graph& graph, const std::vector<graph::Group>& groups, const jit::Target& target,
                   const std::vector<bool>& fixed, graph::Decisions& decisions);

}  // namespace altrt::session
