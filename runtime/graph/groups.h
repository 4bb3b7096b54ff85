// Groups: which operators are compiled together, as one Computation each.
#pragma once

#include <string>
#include <vector>

#include "jit/compile/decisions.h"
#include "jit/expr/computation.h"
#include "runtime/graph/graph.h"

namespace altrt::graph {

/// A connected set of nodes compiled as one Computation, or one host node.
struct Group {
  std::string name;                // of its anchor node, unique
  std::string ops;                 // "Conv+Add+Relu"
  std::vector<int> nodes;          // node numbers, topological
  bool host = false;               // then nodes.size() == 1 and the computation is empty
  jit::Computation computation;    // inlined and epilogue-merged
  std::vector<int> tensor_values;  // Computation tensor -> graph value; -1 for intermediates
  int64_t flops = 0;               // of the direct form
};

/// What may share a group beyond an anchor and what surrounds it.
struct Grouping {
  bool attention = true;  // both products of an attention and the softmax between them
};
/// Everything that the target has schedules for.
Grouping grouping_for(const jit::Target& target);

/// A partition of the graph's nodes into groups, in topological order. A pure function.
///
/// Anchors (conv, matmul, pool), reductions and normalisations head a group; elementwise consumers with one reader join
/// as epilogue, and small pure maps are read through as index maps where the access stays contiguous; chains of the
/// rest form groups of their own. The products of an attention and the softmax between them share one. Concat becomes
/// one group of copies unless its producers can write their slices.
std::vector<Group> form_groups(const Graph& graph, const Grouping& grouping = {});
std::string to_string(const std::vector<Group>& groups, const Graph& graph);
/// Every node in exactly one group, order topological, each Computation verified. Error(internal).
void verify(const std::vector<Group>& groups, const Graph& graph);

}  // namespace altrt::graph
