#include "runtime/graph/alternatives.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "jit/compile/canonical.h"
#include "jit/compile/stage_loops.h"
#include "jit/expr/bound_shape.h"
#include "runtime/base/function_ref.h"
#include "runtime/base/hash.h"
#include "runtime/graph/image_layout.h"
#include "runtime/graph/propagation.h"

namespace altrt::graph {

namespace {

using jit::Computation;
using jit::GroupDecision;
using jit::Layout;
using jit::Role;

constexpr size_t kMostAlternatives = 16;  // of a group that follows
constexpr size_t kMostLayouts = 8;        // of a value that neighbours are offered
constexpr size_t kFastest = 2;            // alternatives of a complex group that others are made from

const Layout& layout_in(const Group& group, size_t tensor, const GroupDecision& decision) {
  return jit::layout_of(group.computation, static_cast<int>(tensor), decision.layouts);
}

bool is_border(const jit::TensorDecl& tensor) { return tensor.role == Role::input || tensor.role == Role::output; }

// What neighbours see of a decision.
std::string border_text(const Group& group, const GroupDecision& decision) {
  std::string text;
  for (size_t t = 0; t < group.tensor_values.size(); ++t) {
    if (group.tensor_values[t] >= 0 && is_border(group.computation.tensors[t])) {
      text += jit::to_string(layout_in(group, t, decision)) + "|";
    }
  }
  return text;
}

void add_distinct(std::vector<Layout>& layouts, const Layout& layout) {
  if (layouts.size() < kMostLayouts && std::find(layouts.begin(), layouts.end(), layout) == layouts.end()) {
    layouts.push_back(layout);
  }
}

// Whether a loop over one fits the other: equal but for a border.
bool same_core(const Layout& a, const Layout& b, const Shape& shape) {
  if (a == b) return true;
  const std::optional<ImageLayout> one = ImageLayout::of(a, shape), other = ImageLayout::of(b, shape);
  return one && other && one->block == other->block;
}

// Whether a kernel that keeps its loops takes no longer for reading `made` instead of `wanted`: the border that spares
// it conditions is there.
bool reads_as_well(const Layout& made, const Layout& wanted, const Shape& shape) {
  const std::optional<ImageLayout> there = ImageLayout::of(made, shape), asked = ImageLayout::of(wanted, shape);
  if (!there || !asked || there->block != asked->block) return false;
  const jit::Borders &has = there->borders, &needs = asked->borders;
  for (size_t i = 0; i < needs.lo.size(); ++i) {
    if (needs.lo[i] > (has.lo.empty() ? 0 : has.lo[i])) return false;
    if (needs.hi[i] > (has.hi.empty() ? 0 : has.hi[i])) return false;
  }
  return true;
}

class Deriver {
 public:
  Deriver(const Graph& graph, const std::vector<Group>& groups, const std::vector<Alternatives>& given,
          const jit::Target& target, const KernelTime& kernel_ms)
      : graph_(graph),
        groups_(groups),
        target_(target),
        kernel_ms_(kernel_ms),
        alternatives_(given),
        known_(groups.size()),
        made_(graph.values.size()),
        wanted_(graph.values.size()) {
    for (const int v : graph.inputs) made_[index(v)] = {Layout{}};
    for (const int v : graph.outputs) wanted_[index(v)] = {Layout{}};
    for (size_t g = 0; g < groups.size(); ++g) {
      if (groups[g].host) {
        offer_plain(groups[g]);
        continue;
      }
      for (const Alternative& alternative : alternatives_[g]) {
        offer(groups[g], alternative.decision);
        known_[g].insert(border_text(groups[g], alternative.decision));
      }
    }
  }

  std::vector<Alternatives> derive() {
    // Forwards what is made, then backwards what is wanted, then forwards what came of that.
    for (int sweep = 0; sweep < 3; ++sweep) {
      for (size_t i = 0; i < groups_.size(); ++i) {
        const size_t g = sweep == 1 ? groups_.size() - 1 - i : i;
        if (can_follow(groups_[g]) && !alternatives_[g].empty()) follow(g);
      }
    }
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (is_complex(groups_[g])) reach_out(g);
    }
    return std::move(alternatives_);
  }

 private:
  static size_t index(int number) { return static_cast<size_t>(number); }
  const Shape& shape(int value) const { return graph_.values[index(value)].shape; }

  void offer_plain(const Group& host) {
    const Node& node = graph_.nodes[index(host.nodes.front())];
    for (const int v : node.inputs) {
      if (v >= 0) add_distinct(wanted_[index(v)], {});
    }
    for (const int v : node.outputs) {
      if (v >= 0) add_distinct(made_[index(v)], {});
    }
  }

  void offer(const Group& group, const GroupDecision& decision) {
    for (size_t t = 0; t < group.tensor_values.size(); ++t) {
      const int v = group.tensor_values[t];
      if (v < 0 || !is_border(group.computation.tensors[t])) continue;
      auto& layouts = group.computation.tensors[t].role == Role::output ? made_ : wanted_;
      add_distinct(layouts[index(v)], layout_in(group, t, decision));
    }
  }

  /// Keeps the decision if no alternative has its layouts. `estimate`: its time if nobody measures it.
  void add(size_t g, const std::optional<GroupDecision>& decision, double estimate) {
    if (!decision || !known_[g].insert(border_text(groups_[g], *decision)).second) return;
    Alternative alternative{*decision, estimate, false};
    if (kernel_ms_) {
      alternative.ms = time(g, *decision);
      alternative.measured = true;
    }
    if (!std::isfinite(alternative.ms)) return;
    offer(groups_[g], *decision);
    alternatives_[g].push_back(std::move(alternative));
  }

  double time(size_t g, const GroupDecision& decision) {
    const Computation& c = groups_[g].computation;
    const std::string key = base::hex(jit::hash(c)) + jit::to_string(jit::canonical(decision, c));
    const auto found = times_.find(key);
    if (found != times_.end()) return found->second;
    return times_[key] = kernel_ms_(static_cast<int>(g), decision);
  }

  double follower_ms(size_t g, const std::optional<GroupDecision>& decision) const {
    if (!decision) return 0;
    const Alternative& first = alternatives_[g].front();
    const double estimate = estimated_ms(groups_[g], *decision);
    return first.ms > 0 ? first.ms * estimate / estimated_ms(groups_[g], first.decision) : estimate;
  }

  void add_follower(size_t g, const std::optional<GroupDecision>& decision) {
    if (alternatives_[g].size() < kMostAlternatives) add(g, decision, follower_ms(g, decision));
  }

  // Each tensor at the group's border with each layout that its neighbours want or make, as known at that moment.
  void each_neighbour(const Group& group, base::FunctionRef<void(size_t tensor, const Layout&)> action) const {
    for (size_t t = 0; t < group.tensor_values.size(); ++t) {
      const int v = group.tensor_values[t];
      if (v < 0 || !is_border(group.computation.tensors[t])) continue;
      const bool is_output = group.computation.tensors[t].role == Role::output;
      const std::vector<Layout> layouts = (is_output ? wanted_ : made_)[index(v)];
      for (const Layout& layout : layouts) action(t, layout);
    }
  }

  void follow(size_t g) {
    const Group& group = groups_[g];
    const GroupDecision base = alternatives_[g].front().decision;
    each_neighbour(group, [&](size_t t, const Layout& layout) {
      const auto followed = following(group, base, static_cast<int>(t), layout, target_);
      if (!followed) return;
      add_follower(g, followed);
      vary_borders(g, *followed);
    });
  }

  // The same blocks, but each input as it is made, and each output in each layout that is wanted.
  void vary_borders(size_t g, const GroupDecision& followed) {
    const Group& group = groups_[g];
    jit::Layouts inputs;
    for (size_t t = 0; t < group.tensor_values.size(); ++t) {
      const int v = group.tensor_values[t];
      if (v < 0 || group.computation.tensors[t].role != Role::input) continue;
      for (const Layout& made : made_[index(v)]) {
        if (!same_core(made, layout_in(group, t, followed), shape(v)) || !may_propagate(made)) continue;
        inputs[group.computation.tensors[t].name] = made;
        break;
      }
    }
    add_follower(g, with_layouts(group, followed, inputs, target_));
    for (size_t t = 0; t < group.tensor_values.size(); ++t) {
      const int v = group.tensor_values[t];
      if (v < 0 || group.computation.tensors[t].role != Role::output) continue;
      const std::vector<Layout> layouts = wanted_[index(v)];
      for (const Layout& wanted : layouts) {
        if (!same_core(wanted, layout_in(group, t, followed), shape(v)) || !may_propagate(wanted)) continue;
        jit::Layouts changes = inputs;
        changes[group.computation.tensors[t].name] = wanted;
        add_follower(g, with_layouts(group, followed, changes, target_));
      }
    }
  }

  // Numbers of the fastest alternatives with distinct layouts.
  std::vector<size_t> fastest(size_t g) const {
    std::vector<size_t> order(alternatives_[g].size());
    for (size_t a = 0; a < order.size(); ++a) order[a] = a;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return alternatives_[g][a].ms < alternatives_[g][b].ms; });
    std::set<std::string> seen;
    std::erase_if(order, [&](size_t a) {
      return seen.size() >= kFastest || !seen.insert(border_text(groups_[g], alternatives_[g][a].decision)).second;
    });
    return order;
  }

  // A complex group writes what is wanted and reads what is made.
  void reach_out(size_t g) {
    const Group& group = groups_[g];
    for (const size_t a : fastest(g)) {
      const Alternative from = alternatives_[g][a];
      each_neighbour(group, [&](size_t t, const Layout& layout) {
        const Layout& now = layout_in(group, t, from.decision);
        if (layout == now || !may_propagate(layout)) return;
        const bool is_output = group.computation.tensors[t].role == Role::output;
        if (!kernel_ms_ && !is_output && !reads_as_well(layout, now, shape(group.tensor_values[t]))) return;
        const auto changed = writing(group, from.decision, static_cast<int>(t), layout, target_);
        if (!changed) return;
        if (!kernel_ms_ && !(changed->schedule == from.decision.schedule)) return;
        add(g, changed, from.ms);
      });
    }
  }

  const Graph& graph_;
  const std::vector<Group>& groups_;
  const jit::Target& target_;
  const KernelTime& kernel_ms_;
  std::vector<Alternatives> alternatives_;
  std::vector<std::set<std::string>> known_;  // by group: what neighbours see of its alternatives
  std::vector<std::vector<Layout>> made_, wanted_;
  std::map<std::string, double> times_;
};

}  // namespace

std::optional<GroupDecision> writing(const Group& group, const GroupDecision& decision, int tensor,
                                     const Layout& layout, const jit::Target& target) {
  const Computation& c = group.computation;
  const jit::TensorDecl& changed = c.tensors[static_cast<size_t>(tensor)];
  jit::Layouts changes{{changed.name, layout}};
  if (changed.role == Role::output) {
    // What is added point by point (a residual) stays beside it, in the same blocks.
    for (size_t t = 0; t < c.tensors.size(); ++t) {
      const jit::TensorDecl& other = c.tensors[t];
      if (other.role != Role::input || static_cast<int>(t) == c.anchor.data || other.shape != changed.shape) continue;
      if (!same_core(layout_in(group, t, decision), layout, jit::bound_shape(other.shape)))
        changes[other.name] = layout;
    }
  }
  return with_layouts(group, decision, changes, target);
}

std::vector<Alternatives> with_derived(const Graph& graph, const std::vector<Group>& groups,
                                       const std::vector<Alternatives>& given, const jit::Target& target,
                                       const KernelTime& kernel_ms) {
  return Deriver(graph, groups, given, target, kernel_ms).derive();
}

}  // namespace altrt::graph
