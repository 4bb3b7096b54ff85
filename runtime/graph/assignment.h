// Assignment: one choice for each node of a graph, so that the costs of nodes and edges add up to the least (a
// partitioned Boolean quadratic problem). Knows nothing of layouts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace altrt::graph {

/// The problem. Costs may be infinite: then the choice, or the pair of choices, is forbidden.
class Assignment {
 public:
  /// One cost for each choice, of which there is at least one. Returns the node's number.
  int add_node(std::vector<double> costs);
  /// costs[i * choices(b) + j]: of choice i of `a` beside choice j of `b`. Edges between the same two nodes add up.
  void add_edge(int a, int b, const std::vector<double>& costs);

  size_t nodes() const { return costs_.size(); }
  size_t choices(int node) const { return costs_[static_cast<size_t>(node)].size(); }
  /// What a choice for every node costs.
  double cost(const std::vector<int>& choice) const;

  struct Solution {
    std::vector<int> choice;  // one a node
    double cost = 0;
    bool exact = true;  // proven to be the least
  };
  /// Nodes with at most two neighbours are reduced exactly (which is all of a chain, a tree and a series-parallel
  /// graph). In what is left, the choices of the node with most neighbours are tried one by one, each with the rest of
  /// the problem, as long as no more than `branches` solutions come of it; beyond that the choice that looks best
  /// beside its neighbours is taken. Of equal ones the first wins: a pure function.
  Solution solve(int64_t branches = 4096) const;

 private:
  friend class Reduction;

  std::vector<std::vector<double>> costs_;
  std::map<std::pair<int, int>, std::vector<double>> edges_;  // by the smaller and the larger number
};

}  // namespace altrt::graph
