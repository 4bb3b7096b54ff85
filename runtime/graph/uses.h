// Who makes and who reads each value of a graph, for passes.
#pragma once

#include <vector>

#include "runtime/graph/graph.h"

namespace altrt::graph {

/// A snapshot: changes of the graph do not show.
struct Uses {
  std::vector<int> producer;              // node number; -1 for inputs, constants and undefined values
  std::vector<std::vector<int>> readers;  // node numbers, one entry a read
  std::vector<bool> is_output;            // of the graph

  explicit Uses(const Graph& graph);
};

}  // namespace altrt::graph
