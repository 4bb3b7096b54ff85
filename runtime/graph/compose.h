// From a set of nodes to one Computation. Internal to runtime/graph.
#pragma once

#include <vector>

#include "runtime/graph/groups.h"

namespace altrt::graph {

/// The nodes' Computations put together (topological order given), pure maps inlined, epilogues merged, pruned and
/// verified. Tensors get canonical names by position (x0.. inputs, w0.. constants, y0.. outputs), so that equal groups
/// of different models have equal decisions. Values that are read outside the set, or are graph outputs, become
/// outputs.
struct Composed {
  jit::Computation computation;
  std::vector<int> tensor_values;  // -1 for intermediates
};
Composed compose(const Graph& graph, const std::vector<int>& nodes);

/// What grouping needs to know of one node before it decides.
struct NodeTraits {
  ops::Pattern pattern = ops::Pattern::host;  // not derived
  bool host = false;
  bool single_map = false;  // one stage without reduction: can be inlined into readers
  bool heavy = false;       // heads a group of its own
  bool expensive = false;   // a map with elementary functions: not to be computed more often than needed
};
std::vector<NodeTraits> node_traits(const Graph& graph);

}  // namespace altrt::graph
