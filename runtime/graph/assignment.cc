#include "runtime/graph/assignment.h"

#include <altrt/error.h>

#include <algorithm>
#include <limits>

namespace altrt::graph {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

size_t first_least(const std::vector<double>& costs) {
  return static_cast<size_t>(std::min_element(costs.begin(), costs.end()) - costs.begin());
}

}  // namespace

int Assignment::add_node(std::vector<double> costs) {
  if (costs.empty()) throw Error(ErrorCode::internal, "assignment: a node without choices");
  costs_.push_back(std::move(costs));
  return static_cast<int>(costs_.size()) - 1;
}

void Assignment::add_edge(int a, int b, const std::vector<double>& costs) {
  const size_t rows = choices(a), columns = choices(b);
  if (a == b || costs.size() != rows * columns) throw Error(ErrorCode::internal, "assignment: an edge does not fit");
  std::vector<double>& sum = edges_[{std::min(a, b), std::max(a, b)}];
  sum.resize(costs.size(), 0);
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) sum[a < b ? i * columns + j : j * rows + i] += costs[i * columns + j];
  }
}

double Assignment::cost(const std::vector<int>& choice) const {
  const auto at = [&](int node) { return static_cast<size_t>(choice[static_cast<size_t>(node)]); };
  double sum = 0;
  for (size_t n = 0; n < costs_.size(); ++n) sum += costs_[n][static_cast<size_t>(choice[n])];
  for (const auto& [ends, costs] : edges_) sum += costs[at(ends.first) * choices(ends.second) + at(ends.second)];
  return sum;
}

/// The problem while nodes are taken out of it. A copy is a branch.
class Reduction {
 public:
  explicit Reduction(const Assignment& problem)
      : costs_(problem.costs_), left_(problem.nodes(), true), edges_(problem.edges_), neighbours_(problem.nodes()) {
    for (const auto& [ends, costs] : edges_) {
      neighbours_[static_cast<size_t>(ends.first)].insert(ends.second);
      neighbours_[static_cast<size_t>(ends.second)].insert(ends.first);
    }
  }

  struct Outcome {
    std::vector<int> choice;
    double cost = 0;
  };
  /// `exact` is cleared where a choice was guessed.
  Outcome solve(int64_t branches, bool& exact) {
    for (int node = next(); node >= 0; node = next()) {
      const size_t degree = neighbours_[static_cast<size_t>(node)].size();
      if (degree <= 2) {
        take_out(node);
        continue;
      }
      const auto choices = static_cast<int64_t>(costs_[static_cast<size_t>(node)].size());
      if (choices <= branches) return try_all(node, branches / choices, exact);
      exact = false;
      fix(node, first_least(seen_from(node)));
    }
    return chosen();
  }

 private:
  /// A node that was taken out: what its choice depends on.
  struct Removed {
    int node = -1;
    std::vector<double> costs;
    std::vector<std::pair<int, std::vector<double>>> edges;  // the node's choices are the rows
  };

  // A node with at most two neighbours, else the one with most; -1 when all are gone.
  int next() const {
    int most = -1;
    for (size_t n = 0; n < left_.size(); ++n) {
      if (!left_[n]) continue;
      if (neighbours_[n].size() <= 2) return static_cast<int>(n);
      if (most < 0 || neighbours_[n].size() > neighbours_[static_cast<size_t>(most)].size()) most = static_cast<int>(n);
    }
    return most;
  }

  // The edge with `node`'s choices as rows.
  std::vector<double> edge(int node, int other) const {
    const std::vector<double>& costs = edges_.at({std::min(node, other), std::max(node, other)});
    if (node < other) return costs;
    const size_t rows = costs_[static_cast<size_t>(node)].size(), columns = costs_[static_cast<size_t>(other)].size();
    std::vector<double> turned(costs.size());
    for (size_t i = 0; i < rows; ++i) {
      for (size_t j = 0; j < columns; ++j) turned[i * columns + j] = costs[j * rows + i];
    }
    return turned;
  }

  Removed remove(int node) {
    const auto number = static_cast<size_t>(node);
    Removed removed{node, costs_[number], {}};
    for (const int other : neighbours_[number]) removed.edges.emplace_back(other, edge(node, other));
    for (const auto& [other, costs] : removed.edges) {
      edges_.erase({std::min(node, other), std::max(node, other)});
      neighbours_[static_cast<size_t>(other)].erase(node);
    }
    neighbours_[number].clear();
    left_[number] = false;
    return removed;
  }

  void take_out(int node) {
    Removed removed = remove(node);
    if (removed.edges.size() == 1) fold_into(removed);
    if (removed.edges.size() == 2) bridge(removed);
    stack_.push_back(std::move(removed));
  }

  // One neighbour: each of its choices costs what the best one of the node beside it does.
  void fold_into(const Removed& removed) {
    const auto& [other, edge] = removed.edges[0];
    std::vector<double>& costs = costs_[static_cast<size_t>(other)];
    for (size_t j = 0; j < costs.size(); ++j) {
      double least = kInfinity;
      for (size_t i = 0; i < removed.costs.size(); ++i) {
        least = std::min(least, removed.costs[i] + edge[i * costs.size() + j]);
      }
      costs[j] += least;
    }
  }

  // Two neighbours: an edge between them.
  void bridge(const Removed& removed) {
    const auto& [a, to_a] = removed.edges[0];
    const auto& [b, to_b] = removed.edges[1];  // a < b
    const size_t rows = costs_[static_cast<size_t>(a)].size(), columns = costs_[static_cast<size_t>(b)].size();
    std::vector<double>& sum = edges_[{a, b}];
    sum.resize(rows * columns, 0);
    std::vector<double> least(columns);
    for (size_t j = 0; j < rows; ++j) {
      std::fill(least.begin(), least.end(), kInfinity);
      for (size_t i = 0; i < removed.costs.size(); ++i) {
        const double here = removed.costs[i] + to_a[i * rows + j];
        if (here == kInfinity) continue;
        for (size_t k = 0; k < columns; ++k) least[k] = std::min(least[k], here + to_b[i * columns + k]);
      }
      for (size_t k = 0; k < columns; ++k) sum[j * columns + k] += least[k];
    }
    neighbours_[static_cast<size_t>(a)].insert(b);
    neighbours_[static_cast<size_t>(b)].insert(a);
  }

  // What each choice of the node costs beside the best of each of its neighbours alone.
  std::vector<double> seen_from(int node) const {
    const auto number = static_cast<size_t>(node);
    std::vector<double> seen = costs_[number];
    for (const int other : neighbours_[number]) {
      const std::vector<double> costs = edge(node, other);
      const std::vector<double>& beside = costs_[static_cast<size_t>(other)];
      for (size_t i = 0; i < seen.size(); ++i) {
        double least = kInfinity;
        for (size_t j = 0; j < beside.size(); ++j) least = std::min(least, costs[i * beside.size() + j] + beside[j]);
        seen[i] += least;
      }
    }
    return seen;
  }

  void fix(int node, size_t choice) {
    const Removed removed = remove(node);
    for (const auto& [other, edge] : removed.edges) {
      std::vector<double>& costs = costs_[static_cast<size_t>(other)];
      for (size_t j = 0; j < costs.size(); ++j) costs[j] += edge[choice * costs.size() + j];
    }
    std::vector<double> only(removed.costs.size(), kInfinity);
    only[choice] = removed.costs[choice];
    stack_.push_back({node, std::move(only), {}});
  }

  Outcome try_all(int node, int64_t branches, bool& exact) const {
    Outcome best;
    for (size_t choice = 0; choice < costs_[static_cast<size_t>(node)].size(); ++choice) {
      Reduction branch = *this;
      branch.fix(node, choice);
      Outcome outcome = branch.solve(branches, exact);
      if (best.choice.empty() || outcome.cost < best.cost) best = std::move(outcome);
    }
    return best;
  }

  // The choices, the last node taken out first.
  Outcome chosen() const {
    Outcome outcome{std::vector<int>(left_.size(), 0), 0};
    std::vector<int>& choice = outcome.choice;
    for (auto removed = stack_.rbegin(); removed != stack_.rend(); ++removed) {
      std::vector<double> costs = removed->costs;
      for (size_t i = 0; i < costs.size(); ++i) {
        for (const auto& [other, edge] : removed->edges) {
          costs[i] += edge[i * costs_[static_cast<size_t>(other)].size() +
                           static_cast<size_t>(choice[static_cast<size_t>(other)])];
        }
      }
      const size_t least = first_least(costs);
      choice[static_cast<size_t>(removed->node)] = static_cast<int>(least);
      // Whatever was reduced into a later node is in that node's costs: those without neighbours hold it all.
      if (removed->edges.empty()) outcome.cost += costs[least];
    }
    return outcome;
  }

  std::vector<std::vector<double>> costs_;
  std::vector<bool> left_;
  std::map<std::pair<int, int>, std::vector<double>> edges_;
  std::vector<std::set<int>> neighbours_;
  std::vector<Removed> stack_;
};

Assignment::Solution Assignment::solve(int64_t branches) const {
  Solution solution;
  solution.choice = Reduction(*this).solve(std::max<int64_t>(1, branches), solution.exact).choice;
  solution.cost = cost(solution.choice);
  return solution;
}

}  // namespace altrt::graph
