// The operators of a graph against the registry.
#pragma once

#include <string>

#include "runtime/graph/graph.h"

namespace altrt::graph {

/// Error(unsupported) that names all operators this build cannot run, with counts and reasons, if there are any.
void require_supported(const Graph& graph);

/// The registry's row for a node, or that of an operator of the user's own. Error(unsupported) if there is none.
const ops::OpDef& definition(const Graph& graph, const Node& node);
/// Null if there is none.
const ops::OpDef* find_definition(const Graph& graph, const std::string& domain, const std::string& type);

}  // namespace altrt::graph
