#include "tuner/placement.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "jit/compile/stage_loops.h"
#include "runtime/graph/propagation.h"

namespace altrt::tuner {
namespace {

using graph::Alternative;
using graph::Alternatives;
using graph::Group;
using jit::GroupDecision;
using jit::Layout;
using jit::Role;

const Alternative& fastest(const Alternatives& alternatives) {
  return *std::min_element(alternatives.begin(), alternatives.end(),
                           [](const Alternative& a, const Alternative& b) { return a.ms < b.ms; });
}

const Layout& layout_in(const Group& group, size_t tensor, const GroupDecision& decision) {
  return jit::layout_of(group.computation, static_cast<int>(tensor), decision.layouts);
}

/// ALT's own ways: one group after the other, each bound by what was decided for the one before it.
class OneByOne {
 public:
  explicit OneByOne(const PlacementRequest& request)
      : request_(request), chosen_(request.groups.size()), fixed_(request.graph.values.size()) {}

  std::vector<Alternative> choose() {
    for (size_t i = 0; i < request_.groups.size(); ++i) {
      const size_t g = request_.mode == PlacementMode::backward ? request_.groups.size() - 1 - i : i;
      const Group& group = request_.groups[g];
      if (group.host) continue;
      chosen_[g] = graph::is_complex(group) ? complex(g) : simple(g);
      if (request_.mode != PlacementMode::none) bind(group, chosen_[g].decision);
    }
    return std::move(chosen_);
  }

 private:
  bool forward() const { return request_.mode == PlacementMode::forward; }

  // What the neighbour towards which layouts are handed on will have to take.
  void bind(const Group& group, const GroupDecision& decision) {
    for (size_t t = 0; t < group.tensor_values.size(); ++t) {
      const int v = group.tensor_values[t];
      if (v < 0 || group.computation.tensors[t].role != (forward() ? Role::output : Role::input)) continue;
      const Layout& layout = layout_in(group, t, decision);
      if (graph::may_propagate(layout)) fixed_[static_cast<size_t>(v)] = layout;
    }
  }

  // The layout that is forced on the tensor; absent if none is.
  std::optional<Layout> forced(const Group& group, size_t tensor) const {
    const int v = group.tensor_values[tensor];
    if (v < 0 || group.computation.tensors[tensor].role != (forward() ? Role::input : Role::output)) return {};
    return fixed_[static_cast<size_t>(v)];
  }

  Alternative timed(size_t g, GroupDecision decision, double estimate) const {
    if (!request_.kernel_ms) return {std::move(decision), estimate, false};
    const double ms = request_.kernel_ms(static_cast<int>(g), decision);
    return {std::move(decision), ms, true};
  }

  Alternative complex(size_t g) const {
    const Group& group = request_.groups[g];
    Alternatives fitting = request_.points[g];
    std::optional<GroupDecision> made = fastest(fitting).decision;
    for (size_t t = 0; t < group.tensor_values.size(); ++t) {
      const std::optional<Layout> layout = forced(group, t);
      const bool is_data = static_cast<int>(t) == group.computation.anchor.data;
      if (!layout || (forward() && !is_data)) continue;
      std::erase_if(fitting, [&](const Alternative& a) { return !(layout_in(group, t, a.decision) == *layout); });
      if (made) made = graph::writing(group, *made, static_cast<int>(t), *layout, request_.target);
    }
    if (!fitting.empty()) return fastest(fitting);
    const Alternative& free = fastest(request_.points[g]);
    if (!made) return free;  // no template for it: the plan converts
    Alternative alternative = timed(g, *made, free.ms);
    return std::isfinite(alternative.ms) ? alternative : free;
  }

  Alternative simple(size_t g) const {
    const Group& group = request_.groups[g];
    const Alternative& in_use = request_.points[g].front();
    for (size_t t = 0; t < group.tensor_values.size(); ++t) {
      const std::optional<Layout> layout = forced(group, t);
      if (!layout) continue;
      const auto followed = graph::following(group, in_use.decision, static_cast<int>(t), *layout, request_.target);
      if (!followed) continue;
      const double ratio = graph::estimated_ms(group, *followed) / graph::estimated_ms(group, in_use.decision);
      Alternative alternative = timed(g, *followed, in_use.ms * ratio);
      if (std::isfinite(alternative.ms)) return alternative;
    }
    return in_use;
  }

  const PlacementRequest& request_;
  std::vector<Alternative> chosen_;
  std::vector<std::optional<Layout>> fixed_;  // by value
};

graph::ConversionReasons reasons_of(const graph::Placement& placement, const std::vector<int>& choice) {
  graph::ConversionReasons reasons;
  for (const graph::PlacedConversion& conversion : placement.conversions(choice)) {
    reasons[{conversion.value, jit::to_string(conversion.to)}] = placement.reason(conversion, choice);
  }
  return reasons;
}

}  // namespace

graph::ConversionCost conversion_ms(const graph::Graph& graph, ConversionTimes& times) {
  return [&](int value, const Layout& from, const Layout& to) {
    const graph::Value& v = graph.values[static_cast<size_t>(value)];
    return times.ms(v.type, v.shape, from, to);
  };
}

Placed place(const PlacementRequest& request) {
  Placed placed;
  const std::vector<int> first(request.groups.size(), 0);
  const graph::Placement known(request.graph, request.groups, request.points, request.conversion_ms);
  placed.in_use = known.cost(first);
  std::vector<Alternatives> alternatives;
  if (request.mode == PlacementMode::joint) {
    alternatives =
        graph::with_derived(request.graph, request.groups, request.points, request.target, request.kernel_ms);
  } else {
    for (Alternative& alternative : OneByOne(request).choose()) alternatives.push_back({std::move(alternative)});
    for (size_t g = 0; g < alternatives.size(); ++g) {
      if (request.groups[g].host) alternatives[g].clear();
    }
  }
  const graph::Placement placement(request.graph, request.groups, alternatives, request.conversion_ms);
  graph::Placement::Solution solution{first, {}, false};
  if (request.mode == PlacementMode::joint) {
    solution = placement.solve();
  } else {
    solution.cost = placement.cost(first);
  }
  placed.decisions = placement.decisions(solution.choice);
  placed.cost = solution.cost;
  placed.exact = solution.exact;
  placed.reasons = reasons_of(placement, solution.choice);
  for (size_t g = 0; g < alternatives.size(); ++g) {
    const auto number = static_cast<size_t>(solution.choice[g]);
    placed.chosen.push_back(alternatives[g].empty() ? Alternative{placed.decisions[g], 0, false}
                                                    : alternatives[g][number]);
  }
  return placed;
}

}  // namespace altrt::tuner
