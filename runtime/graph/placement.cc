#include "runtime/graph/placement.h"

#include <altrt/error.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>
#include <utility>

#include "jit/compile/stage_loops.h"
#include "runtime/graph/assignment.h"

namespace altrt::graph {

namespace {

using jit::Layout;
using jit::Role;

constexpr double kForbidden = std::numeric_limits<double>::infinity();
constexpr size_t kMostSets = 1000;  // of layouts that one value may lie in; beyond, its readers pay one by one

int number_of(std::vector<Layout>& layouts, const Layout& layout) {
  const auto found = std::find(layouts.begin(), layouts.end(), layout);
  if (found != layouts.end()) return static_cast<int>(found - layouts.begin());
  layouts.push_back(layout);
  return static_cast<int>(layouts.size()) - 1;
}

void insert(std::vector<int>& sorted, int number) {
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), number);
  if (at == sorted.end() || *at != number) sorted.insert(at, number);
}

size_t index(int number) { return static_cast<size_t>(number); }

}  // namespace

Placement::Placement(const Graph& graph, const std::vector<Group>& groups,
                     const std::vector<Alternatives>& alternatives, ConversionCost conversion_ms)
    : graph_(graph),
      groups_(groups),
      alternatives_(alternatives),
      conversion_ms_(std::move(conversion_ms)),
      values_of_(groups.size()) {
  if (alternatives.size() != groups.size()) throw Error(ErrorCode::internal, "placement: a group without alternatives");
  std::vector<int> maker(graph.values.size(), -1);
  std::vector<bool> exists(graph.values.size(), false);
  for (const int v : graph.inputs) exists[index(v)] = true;
  for (size_t g = 0; g < groups.size(); ++g) {
    if (!groups[g].host && alternatives[g].empty()) {
      throw Error(ErrorCode::internal, "placement: group '" + groups[g].name + "' has no alternative");
    }
    const auto add = [&](int v) {
      maker[index(v)] = static_cast<int>(g);
      exists[index(v)] = true;
    };
    for (size_t t = 0; t < groups[g].tensor_values.size(); ++t) {
      if (groups[g].tensor_values[t] >= 0 && groups[g].computation.tensors[t].role == Role::output) {
        add(groups[g].tensor_values[t]);
      }
    }
    if (!groups[g].host) continue;
    for (const int v : graph.nodes[index(groups[g].nodes.front())].outputs) {
      if (v >= 0) add(v);
    }
  }
  for (size_t v = 0; v < exists.size(); ++v) {
    if (exists[v] && !graph.values[v].is_constant()) add_value(static_cast<int>(v), maker[v]);
  }
}

void Placement::add_value(int number, int maker) {
  Value value;
  value.number = number;
  value.maker = maker;
  value.layouts = {Layout{}};
  value.leaves = std::find(graph_.outputs.begin(), graph_.outputs.end(), number) != graph_.outputs.end();
  const auto layout = [&](size_t g, size_t a, size_t t) {
    const jit::Layouts& layouts = alternatives_[g][a].decision.layouts;
    return number_of(value.layouts, jit::layout_of(groups_[g].computation, static_cast<int>(t), layouts));
  };
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    if (group.host) {
      const std::vector<int>& inputs = graph_.nodes[index(group.nodes.front())].inputs;
      value.for_host |= std::find(inputs.begin(), inputs.end(), number) != inputs.end();
      continue;
    }
    std::vector<std::vector<int>> wanted(alternatives_[g].size());
    bool reads = false;
    for (size_t t = 0; t < group.tensor_values.size(); ++t) {
      if (group.tensor_values[t] != number) continue;
      for (size_t a = 0; a < alternatives_[g].size(); ++a) {
        if (group.computation.tensors[t].role == Role::output) value.made.push_back(layout(g, a, t));
        if (group.computation.tensors[t].role == Role::input) insert(wanted[a], layout(g, a, t));
      }
      reads |= group.computation.tensors[t].role == Role::input;
    }
    if (!reads) continue;
    value.readers.push_back(static_cast<int>(g));
    value.wanted.push_back(std::move(wanted));
  }
  if (value.made.empty()) value.made = {0};
  value.ms.assign(value.layouts.size() * value.layouts.size(), -1);
  for (const int g : value.readers) values_of_[index(g)].push_back(values_.size());
  if (maker >= 0) values_of_[index(maker)].push_back(values_.size());
  values_.push_back(std::move(value));
}

double Placement::conversion_ms(const Value& value, int from, int to) const {
  if (from == to) return 0;
  double& ms = value.ms[index(from) * value.layouts.size() + index(to)];
  if (ms < 0) ms = std::max(0.0, conversion_ms_(value.number, value.layouts[index(from)], value.layouts[index(to)]));
  return ms;
}

int Placement::made(const Value& value, const std::vector<int>& choice) const {
  return value.made[value.maker < 0 ? 0 : index(choice[index(value.maker)])];
}

// Sorted.
std::vector<int> Placement::wanted(const Value& value, const std::vector<int>& choice) const {
  std::vector<int> all;
  if (value.always_plain()) all.push_back(0);
  for (size_t r = 0; r < value.readers.size(); ++r) {
    for (const int layout : value.wanted[r][index(choice[index(value.readers[r])])]) insert(all, layout);
  }
  return all;
}

double Placement::value_ms(const Value& value, const std::vector<int>& choice) const {
  double ms = 0;
  const int from = made(value, choice);
  for (const int to : wanted(value, choice)) ms += conversion_ms(value, from, to);
  return ms;
}

double Placement::alternative_ms(size_t group, int choice) const {
  return alternatives_[group].empty() ? 0 : alternatives_[group][index(choice)].ms;
}

Placement::Cost Placement::cost(const std::vector<int>& choice) const {
  Cost cost;
  for (size_t g = 0; g < groups_.size(); ++g) cost.kernels_ms += alternative_ms(g, choice[g]);
  for (const Value& value : values_) cost.conversions_ms += value_ms(value, choice);
  return cost;
}

std::vector<PlacedConversion> Placement::conversions(const std::vector<int>& choice) const {
  std::vector<PlacedConversion> placed;
  for (const Value& value : values_) {
    const int from = made(value, choice);
    for (const int to : wanted(value, choice)) {
      if (to == from) continue;
      PlacedConversion conversion{value.number,
                                  value.layouts[index(from)],
                                  value.layouts[index(to)],
                                  conversion_ms(value, from, to),
                                  value.maker,
                                  {}};
      for (size_t r = 0; r < value.readers.size(); ++r) {
        const std::vector<int>& layouts = value.wanted[r][index(choice[index(value.readers[r])])];
        if (std::binary_search(layouts.begin(), layouts.end(), to)) conversion.readers.push_back(value.readers[r]);
      }
      placed.push_back(std::move(conversion));
    }
  }
  return placed;
}

Decisions Placement::decisions(const std::vector<int>& choice) const {
  Decisions decisions;
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].host) {
      decisions.emplace_back().provider = "host";
    } else {
      decisions.push_back(alternatives_[g][index(choice[g])].decision);
    }
  }
  return decisions;
}

/// The assignment problem: a node for each group, then one for each value that several read.
class Placement::Formulation {
 public:
  explicit Formulation(const Placement& placement) : placement_(placement) {
    const size_t groups = placement.groups_.size();
    for (size_t g = 0; g < groups; ++g) {
      costs_.emplace_back();
      for (int a = 0; a < choices(static_cast<int>(g)); ++a) costs_[g].push_back(placement.alternative_ms(g, a));
    }
    for (const Value& value : placement.values_) {
      if (value.readers.size() >= 2) {
        add_sets(value);
      } else {
        add_pair(value);
      }
    }
    for (std::vector<double>& costs : costs_) problem_.add_node(std::move(costs));
    for (const Edge& edge : edges_) problem_.add_edge(edge.a, edge.b, edge.costs);
  }

  Solution solve() const {
    const Assignment::Solution found = problem_.solve();
    const auto groups = static_cast<std::ptrdiff_t>(placement_.groups_.size());
    return {{found.choice.begin(), found.choice.begin() + groups}, {}, found.exact && exact_};
  }

 private:
  struct Edge {
    int a = -1, b = -1;
    std::vector<double> costs;
  };

  int choices(int group) const {
    return static_cast<int>(std::max<size_t>(1, placement_.alternatives_[index(group)].size()));
  }

  double conversions(const Value& value, int from, std::vector<int> to) const {
    if (value.always_plain()) insert(to, 0);
    double ms = 0;
    for (const int layout : to) ms += placement_.conversion_ms(value, from, layout);
    return ms;
  }

  // At most one reader: what is converted depends on it and the maker alone.
  void add_pair(const Value& value) {
    if (value.readers.empty()) {
      for (int a = 0; value.maker >= 0 && a < choices(value.maker); ++a) {
        costs_[index(value.maker)][index(a)] += conversions(value, value.made[index(a)], {});
      }
      return;
    }
    add_reader(value, 0, value.always_plain());
  }

  // The reader beside the maker; pays for row-major too where that is wanted anyway and `plain`.
  void add_reader(const Value& value, size_t r, bool plain) {
    const int reader = value.readers[r];
    const std::vector<std::vector<int>>& wanted = value.wanted[r];
    const auto pay = [&](int from, const std::vector<int>& to) {
      if (plain) return conversions(value, from, to);
      double ms = 0;
      for (const int layout : to) ms += placement_.conversion_ms(value, from, layout);
      return ms;
    };
    if (value.maker < 0) {
      for (size_t b = 0; b < wanted.size(); ++b) costs_[index(reader)][b] += pay(value.made[0], wanted[b]);
      return;
    }
    Edge edge{value.maker, reader, {}};
    for (const int from : value.made) {
      for (const std::vector<int>& to : wanted) edge.costs.push_back(pay(from, to));
    }
    edges_.push_back(std::move(edge));
  }

  // Several readers: a choice is the layout that is made and the set of those that it is converted into.
  void add_sets(const Value& value) {
    std::set<std::pair<int, std::vector<int>>> states;
    if (!list_states(value, states)) {
      exact_ = false;
      for (size_t r = 0; r < value.readers.size(); ++r) add_reader(value, r, r == 0 && value.always_plain());
      return;
    }
    const auto node = static_cast<int>(costs_.size());
    std::vector<double> costs;
    for (const auto& [from, to] : states) costs.push_back(conversions(value, from, to));
    costs_.push_back(std::move(costs));
    if (value.maker >= 0) {
      Edge edge{node, value.maker, {}};
      for (const auto& state : states) {
        for (const int made : value.made) edge.costs.push_back(made == state.first ? 0 : kForbidden);
      }
      edges_.push_back(std::move(edge));
    }
    for (size_t r = 0; r < value.readers.size(); ++r) {
      Edge edge{node, value.readers[r], {}};
      for (const auto& [from, to] : states) {
        for (const std::vector<int>& wanted : value.wanted[r]) {
          const bool there = std::includes(to.begin(), to.end(), wanted.begin(), wanted.end());
          edge.costs.push_back(there ? 0 : kForbidden);
        }
      }
      edges_.push_back(std::move(edge));
    }
  }

  // Every layout that may be made, with every union of what the readers may want. False if they are too many.
  static bool list_states(const Value& value, std::set<std::pair<int, std::vector<int>>>& states) {
    const std::set<int> made(value.made.begin(), value.made.end());
    std::set<std::vector<int>> unions{value.always_plain() ? std::vector<int>{0} : std::vector<int>{}};
    for (const std::vector<std::vector<int>>& wanted : value.wanted) {
      std::set<std::vector<int>> next;
      for (const std::vector<int>& so_far : unions) {
        for (std::vector<int> more : wanted) {
          for (const int layout : so_far) insert(more, layout);
          next.insert(std::move(more));
        }
      }
      unions = std::move(next);
      if (unions.size() * made.size() > kMostSets) return false;
    }
    for (const int from : made) {
      for (const std::vector<int>& to : unions) states.emplace(from, to);
    }
    return true;
  }

  const Placement& placement_;
  std::vector<std::vector<double>> costs_;
  std::vector<Edge> edges_;
  Assignment problem_;
  bool exact_ = true;
};

// Changes one group at a time as long as that helps.
void Placement::descend(Solution& solution) const {
  for (bool better = true; better;) {
    better = false;
    for (size_t g = 0; g < groups_.size(); ++g) {
      const auto local_ms = [&] {
        double ms = alternative_ms(g, solution.choice[g]);
        for (const size_t v : values_of_[g]) ms += value_ms(values_[v], solution.choice);
        return ms;
      };
      int best = solution.choice[g];
      double least = local_ms();
      for (size_t a = 0; a < alternatives_[g].size(); ++a) {
        solution.choice[g] = static_cast<int>(a);
        const double ms = local_ms();
        if (ms < least * (1 - 1e-12)) {
          best = static_cast<int>(a);
          least = ms;
          better = true;
        }
      }
      solution.choice[g] = best;
    }
  }
  solution.cost = cost(solution.choice);
}

Placement::Solution Placement::solve() const {
  Solution solution = Formulation(*this).solve();
  solution.cost = cost(solution.choice);
  if (!solution.exact) descend(solution);
  Solution in_use{std::vector<int>(groups_.size(), 0), {}, solution.exact};
  in_use.cost = cost(in_use.choice);
  return in_use.cost.total_ms() <= solution.cost.total_ms() ? in_use : solution;
}

std::string Placement::reason(const PlacedConversion& conversion, const std::vector<int>& choice) const {
  const auto found = std::find_if(values_.begin(), values_.end(),
                                  [&](const Value& value) { return value.number == conversion.value; });
  if (found == values_.end()) throw Error(ErrorCode::internal, "placement: a conversion of no value");
  const Value& value = *found;
  const auto conversions_of = [&](const std::vector<int>& chosen) {
    const std::vector<int> layouts = wanted(value, chosen);
    const int from = made(value, chosen);
    return std::count_if(layouts.begin(), layouts.end(), [&](int to) { return to != from; });
  };
  const auto now = conversions_of(choice);
  double least = kForbidden;
  int changed = -1;
  std::vector<int> neighbours = value.readers;
  if (value.maker >= 0) neighbours.push_back(value.maker);
  for (const int g : neighbours) {
    std::vector<int> other = choice;
    for (size_t a = 0; a < alternatives_[index(g)].size(); ++a) {
      other[index(g)] = static_cast<int>(a);
      if (conversions_of(other) >= now) continue;
      const double ms = cost(other).total_ms();
      if (ms >= least) continue;
      least = ms;
      changed = g;
    }
  }
  char text[240];
  if (changed < 0) {
    std::snprintf(text, sizeof text, "takes %.4f ms; no kernel that is known does without it", conversion.ms);
    return text;
  }
  const double gain = least - cost(choice).total_ms();
  std::snprintf(text, sizeof text, "takes %.4f ms, %.4f ms %s than doing without it by another kernel of '%.80s'",
                conversion.ms, std::abs(gain), gain >= 0 ? "less" : "more", groups_[index(changed)].name.c_str());
  return text;
}

}  // namespace altrt::graph
