#include "runtime/graph/groups.h"

#include <algorithm>
#include <queue>
#include <set>

#include <altrt/error.h>

#include "jit/compile/stage_loops.h"
#include "jit/compile/templates.h"
#include "jit/expr/algorithms.h"
#include "jit/expr/attention.h"
#include "runtime/graph/compose.h"

namespace altrt::graph {

namespace {

constexpr size_t kMaxNodes = 24;  // in one group: keeps a kernel's code bounded

class Grouper {
 public:
  Grouper(const Graph& graph, const std::vector<NodeTraits>& traits, const Grouping& grouping)
      : graph_(graph),
        traits_(traits),
        grouping_(grouping),
        group_(graph.nodes.size(), -1),
        readers_(graph.values.size()),
        producer_(graph.values.size(), -1),
        is_output_(graph.values.size(), false) {
    for (size_t n = 0; n < graph.nodes.size(); ++n) {
      for (const int v : graph.nodes[n].inputs) {
        if (v >= 0 && (readers_[v].empty() || readers_[v].back() != static_cast<int>(n))) readers_[v].push_back(n);
      }
      for (const int v : graph.nodes[n].outputs) {
        if (v >= 0) producer_[v] = static_cast<int>(n);
      }
    }
    for (const int v : graph.outputs) is_output_[v] = true;
    find_ancestors();
  }

  std::vector<std::vector<int>> partition() {
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (group_[n] < 0 && (traits_[n].heavy || traits_[n].host)) start_heavy(static_cast<int>(n));
    }
    for (size_t n = 0; n < graph_.nodes.size() && grouping_.attention; ++n) {
      if (traits_[n].pattern == ops::Pattern::normalize) join_attention(group_[n]);
    }
    for (size_t n = graph_.nodes.size(); n-- > 0;) {
      if (group_[n] < 0) start_light(static_cast<int>(n));
    }
    return ordered();
  }

 private:
  void find_ancestors() {
    const size_t count = graph_.nodes.size();
    ancestors_.assign(count, std::vector<bool>(count, false));
    for (size_t n = 0; n < count; ++n) {
      for (const int v : graph_.nodes[n].inputs) {
        const int p = v < 0 ? -1 : producer_[v];
        if (p < 0) continue;
        ancestors_[n][p] = true;
        for (size_t a = 0; a < count; ++a) {
          if (ancestors_[p][a]) ancestors_[n][a] = true;
        }
      }
    }
  }

  const Shape& shape(int value) const { return graph_.values[value].shape; }
  int64_t elements(int value) const { return element_count(shape(value)); }

  void assign(int node, int id) {
    group_[node] = id;
    if (id == static_cast<int>(members_.size())) members_.emplace_back();
    members_[id].push_back(node);
  }

  // All operands of `node` from outside `inside` are computed without `inside`.
  bool independent(int node, const std::set<int>& inside) const {
    for (const int v : graph_.nodes[node].inputs) {
      const int p = v < 0 ? -1 : producer_[v];
      if (p < 0 || inside.count(p)) continue;
      for (const int member : inside) {
        if (ancestors_[p][member]) return false;
      }
    }
    return true;
  }

  bool joins(int node, int64_t full, const Shape& full_shape, const std::set<int>& inside) const {
    const NodeTraits& t = traits_[node];
    if (group_[node] >= 0 || t.host || t.heavy || !t.single_map) return false;
    if (t.pattern != ops::Pattern::elementwise || graph_.nodes[node].outputs.size() != 1) return false;
    if (elements(graph_.nodes[node].outputs[0]) != full) return false;
    for (const int v : graph_.nodes[node].inputs) {
      if (v >= 0 && producer_[v] >= 0 && inside.count(producer_[v]) && shape(v) != full_shape) return false;
    }
    return shape(graph_.nodes[node].outputs[0]) == full_shape && independent(node, inside);
  }

  // The nodes that must join so that exactly one value leaves the group again, following `value`; empty if there are
  // none.
  std::vector<int> closure(int value, const std::set<int>& inside) const {
    if (is_output_[value]) return {};
    std::set<int> grown = inside;
    std::vector<int> added;
    std::vector<int> frontier{value};
    while (added.size() < 6) {
      std::vector<int> leaving;
      for (const int v : frontier) {
        for (const int reader : readers_[v]) {
          if (grown.count(reader)) continue;
          if (!joins(reader, elements(value), shape(value), grown)) {
            if (added.empty()) return {};
            continue;
          }
          grown.insert(reader);
          added.push_back(reader);
        }
      }
      frontier.clear();
      for (const int node : added) frontier.push_back(graph_.nodes[node].outputs[0]);
      frontier.push_back(value);
      for (const int v : frontier) {
        const bool leaves = is_output_[v] || std::any_of(readers_[v].begin(), readers_[v].end(),
                                                         [&](int reader) { return !grown.count(reader); });
        if (leaves) leaving.push_back(v);
      }
      if (leaving.size() == 1 && leaving[0] != value) return added;
      if (leaving.empty()) return {};
      const size_t before = added.size();
      for (const int v : leaving) {
        for (const int reader : readers_[v]) {
          if (grown.count(reader) || !joins(reader, elements(value), shape(value), grown)) continue;
          grown.insert(reader);
          added.push_back(reader);
        }
      }
      if (added.size() == before) return {};
    }
    return {};
  }

  // The one output that somebody wants; -1 where there are several.
  int only_output(int node) const {
    int found = -1;
    for (const int v : graph_.nodes[node].outputs) {
      if (v < 0) continue;
      if (found >= 0) return -1;
      found = v;
    }
    return found;
  }

  int leaving_value(const std::vector<int>& nodes, const std::set<int>& inside) const {
    for (const int node : nodes) {
      for (const int v : graph_.nodes[node].outputs) {
        if (v < 0) continue;
        if (is_output_[v]) return v;
        for (const int reader : readers_[v]) {
          if (!inside.count(reader)) return v;
        }
      }
    }
    return -1;
  }

  void start_heavy(int node) {
    const int id = static_cast<int>(members_.size());
    assign(node, id);
    if (traits_[node].host) return;
    add_prologue(node, id);
    if (graph_.nodes[node].outputs.size() != 1) return;
    add_epilogue(id, graph_.nodes[node].outputs[0]);
    if (traits_[node].pattern == ops::Pattern::anchor) return;
    const std::vector<int> rest = rest_of_rows(id);
    for (const int n : rest) assign(n, id);
    if (!rest.empty()) add_epilogue(id, leaving_value(rest, {members_[id].begin(), members_[id].end()}));
  }

  // What follows `value` point by point.
  void add_epilogue(int id, int value) {
    while (value >= 0 && members_[id].size() < kMaxNodes) {
      const std::set<int> inside(members_[id].begin(), members_[id].end());
      const std::vector<int> more = closure(value, inside);
      if (more.empty()) break;
      for (const int n : more) assign(n, id);
      const std::set<int> now(members_[id].begin(), members_[id].end());
      value = leaving_value(more, now);
    }
  }

  // Whether a node behind a reduction of rows may share its group: maps, and further reductions.
  bool continues_rows(int node, const std::set<int>& inside) const {
    const NodeTraits& t = traits_[node];
    if (group_[node] >= 0 || t.host || only_output(node) < 0) return false;
    const bool map = t.single_map && t.pattern == ops::Pattern::elementwise;
    const bool rows = t.pattern == ops::Pattern::reduction || t.pattern == ops::Pattern::normalize;
    return (map || rows) && independent(node, inside);
  }

  // The nodes behind a group that reduces rows which make a normalisation with it, written out as it may be: as many as
  // there are, so that one value leaves the group and all stages share their rows.
  std::vector<int> rest_of_rows(int id) const {
    std::set<int> grown(members_[id].begin(), members_[id].end());
    std::vector<int> added;
    std::vector<size_t> ends;  // counts of added nodes after which a single value leaves
    while (grown.size() < kMaxNodes) {
      std::set<int> leaving, next;
      for (const int n : grown) {
        for (const int v : graph_.nodes[n].outputs) {
          if (v < 0) continue;
          for (const int reader : readers_[v]) {
            if (grown.count(reader)) continue;
            leaving.insert(v);
            if (continues_rows(reader, grown)) next.insert(reader);
          }
          if (is_output_[v]) leaving.insert(v);
        }
      }
      if (leaving.size() == 1 && !added.empty()) ends.push_back(added.size());
      if (next.empty()) break;
      for (const int n : next) {
        grown.insert(n);
        added.push_back(n);
      }
    }
    for (; !ends.empty(); ends.pop_back()) {
      added.resize(ends.back());
      if (shares_rows(id, added)) return added;
    }
    return {};
  }

  // Whether group and nodes are computed row by row, with rows enough for all threads.
  bool shares_rows(int id, const std::vector<int>& more) const {
    constexpr int64_t kEnoughRows = 16;
    std::vector<int> nodes = members_[id];
    nodes.insert(nodes.end(), more.begin(), more.end());
    std::sort(nodes.begin(), nodes.end());
    const jit::Computation c = compose(graph_, nodes).computation;
    if (c.with_role(jit::Role::output).size() != 1) return false;
    int64_t rows = 1;
    for (size_t axis = jit::row_axes(c, {}); axis-- > 0;) rows *= c.stages.back().axes[axis].extent.bound;
    return rows >= kEnoughRows;
  }

  bool only_reader_is(int value, int id) const {
    return !is_output_[value] && std::all_of(readers_[value].begin(), readers_[value].end(),
                                             [&](int reader) { return group_[reader] == id; });
  }

  // Index maps in front of a matrix product, factors of the channels in front of a convolution, and maps in front of a
  // row-wise operator, are read through.
  void add_prologue(int node, int id) {
    const bool anchor = traits_[node].pattern == ops::Pattern::anchor;
    absorb_maps(node, id, [&](int n, int, int p) {
      const bool move = traits_[p].pattern == ops::Pattern::move;
      if (!anchor) return move || !traits_[p].expensive;
      return move ? reads_well(id, p) : n == node && scales_weights(id, p);
    });
  }

  // Members of the groups that make what `id` reads and nobody else does, each of them headed by an anchor.
  std::set<int> feeding(int id) const {
    std::set<int> found;
    for (const int n : members_[id]) {
      for (const int v : graph_.nodes[n].inputs) {
        const int p = v < 0 ? -1 : producer_[v];
        if (p >= 0 && group_[p] >= 0 && group_[p] != id && is_anchored(group_[p]) && only_reader_is(v, id))
          found.insert(group_[p]);
      }
    }
    return found;
  }

  bool is_anchored(int id) const {
    return std::any_of(members_[id].begin(), members_[id].end(),
                       [&](int n) { return traits_[n].pattern == ops::Pattern::anchor; });
  }

  bool is_attention(const std::vector<int>& nodes) const {
    return jit::attention_of(compose(graph_, nodes).computation).has_value();
  }

  // A product, a softmax of its rows and a product with those are one group, where nobody else reads what lies between,
  // with the moves behind that the last product can make itself.
  void join_attention(int rows) {
    const std::vector<int>& between = members_[rows];
    const int value = leaving_value(between, {between.begin(), between.end()});
    if (value < 0 || is_output_[value] || readers_[value].empty()) return;
    const int values = group_[readers_[value].front()];
    if (values < 0 || values == rows || !is_anchored(values) || !only_reader_is(value, values)) return;
    for (const int scores : feeding(rows)) {
      std::vector<int> nodes = members_[scores];
      nodes.insert(nodes.end(), between.begin(), between.end());
      nodes.insert(nodes.end(), members_[values].begin(), members_[values].end());
      std::sort(nodes.begin(), nodes.end());
      if (nodes.size() > kMaxNodes || !is_attention(nodes)) continue;
      add_moves(nodes);
      for (const int id : {scores, rows, values}) members_[id].clear();
      for (const int n : nodes) assign(n, values);
      return;
    }
  }

  void add_moves(std::vector<int>& nodes) const {
    std::vector<int> longer = nodes;
    while (longer.size() < kMaxNodes) {
      const int value = leaving_value(longer, {longer.begin(), longer.end()});
      if (value < 0 || is_output_[value] || readers_[value].size() != 1) return;
      const int reader = readers_[value].front();
      if (group_[reader] >= 0 || traits_[reader].pattern != ops::Pattern::move || !traits_[reader].single_map) return;
      longer.push_back(reader);
      std::sort(longer.begin(), longer.end());
      if (is_attention(longer)) nodes = longer;
    }
  }

  jit::Computation with(int id, int extra) const {
    std::vector<int> nodes = members_[id];
    nodes.push_back(extra);
    std::sort(nodes.begin(), nodes.end());
    return compose(graph_, nodes).computation;
  }

  // Whether a convolution of single pixels reads `extra` as its image and can scale its weights instead.
  bool scales_weights(int id, int extra) const {
    if (traits_[extra].expensive) return false;
    const jit::Computation c = with(id, extra);
    if (c.anchor.kind != jit::AnchorKind::conv || c.anchor.groups != 1 || c.stages.size() != 1) return false;
    if (c.anchor.data < 0 || c.anchor.weights < 0) return false;
    const bool pixels = std::all_of(c.anchor.kernel.begin(), c.anchor.kernel.end(), [](int64_t k) { return k == 1; });
    const jit::Factors factors = jit::factors_of(c.stages[0]);
    return pixels && factors.first && factors.first.is(jit::ExprKind::access) && factors.first->id == c.anchor.data;
  }

  // Adds producers of `node`'s operands, and theirs in turn: pure maps that nobody outside the group reads and that
  // `accept(reader, value, producer)` takes.
  template <typename Accept>
  void absorb_maps(int node, int id, const Accept& accept) {
    std::vector<int> open{node};
    while (!open.empty() && members_[id].size() < kMaxNodes) {
      const int n = open.back();
      open.pop_back();
      for (const int v : graph_.nodes[n].inputs) {
        const int p = v < 0 ? -1 : producer_[v];
        if (p < 0 || group_[p] >= 0 || !traits_[p].single_map || traits_[p].host || !only_reader_is(v, id)) continue;
        if (only_output(p) < 0 || !accept(n, v, p)) continue;
        assign(p, id);
        open.push_back(p);
      }
    }
  }

  // Whether the anchor still reads its operands along straight lines when `extra` is inlined: linear indices, and a
  // second operand that is contiguous along the columns.
  bool reads_well(int id, int extra) const {
    const jit::Computation c = with(id, extra);
    if (c.anchor.kind != jit::AnchorKind::matmul || c.stages.size() != 1) return false;
    const jit::Stage& stage = c.stages[c.anchor.stage];
    jit::Ranges ranges;
    for (const jit::Axis& a : stage.axes) ranges[a.name] = {0, a.extent.bound - 1};
    for (const jit::Axis& a : stage.reduce) ranges[a.name] = {0, a.extent.bound - 1};
    bool well = true;
    const auto check = [&](const jit::Expr& e) {
      if (!e.is(jit::ExprKind::access)) return;
      int64_t flat_step = 0, scale = 1;
      const std::vector<jit::Extent>& extents = c.tensors[e->id].shape;
      for (size_t i = e->args.size(); i-- > 0;) {
        const jit::LinearForm form = jit::linear_form(jit::simplify(e->args[i], ranges));
        for (const jit::LinearForm::Term& term : form.terms) well &= term.atom.is(jit::ExprKind::variable);
        flat_step += scale * form.coefficient(stage.axes.back().name);
        scale *= extents[i].bound;
      }
      well &= flat_step == 0 || flat_step == 1;
    };
    for (const jit::StateValue& value : stage.state) jit::visit(value.update, check);
    return well;
  }

  void start_light(int node) {
    const int id = static_cast<int>(members_.size());
    assign(node, id);
    absorb_maps(node, id, [&](int n, int v, int p) {
      const int made = only_output(n);
      const bool repeats = made < 0 || elements(v) < elements(made);
      return !(repeats && traits_[p].expensive);
    });
  }

  // Groups in topological order, their nodes too.
  std::vector<std::vector<int>> ordered() {
    const size_t count = members_.size();
    std::vector<std::set<int>> next(count);
    std::vector<int> waiting(count, 0);
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (const int v : graph_.nodes[n].inputs) {
        const int p = v < 0 ? -1 : producer_[v];
        if (p < 0 || group_[p] == group_[n]) continue;
        if (next[group_[p]].insert(group_[n]).second) ++waiting[group_[n]];
      }
    }
    const auto later = [&](int a, int b) {
      return *std::max_element(members_[a].begin(), members_[a].end()) >
             *std::max_element(members_[b].begin(), members_[b].end());
    };
    std::priority_queue<int, std::vector<int>, decltype(later)> ready(later);
    for (size_t g = 0; g < count; ++g) {
      std::sort(members_[g].begin(), members_[g].end());
      if (waiting[g] == 0 && !members_[g].empty()) ready.push(static_cast<int>(g));
    }
    std::vector<std::vector<int>> result;
    while (!ready.empty()) {
      const int g = ready.top();
      ready.pop();
      result.push_back(members_[g]);
      for (const int reader : next[g]) {
        if (--waiting[reader] == 0) ready.push(reader);
      }
    }
    const auto left = std::count_if(members_.begin(), members_.end(), [](const auto& nodes) { return !nodes.empty(); });
    if (static_cast<std::ptrdiff_t>(result.size()) != left)
      throw Error(ErrorCode::internal, graph_.name + ": groups depend on each other in a cycle");
    return result;
  }

  const Graph& graph_;
  const std::vector<NodeTraits>& traits_;
  const Grouping& grouping_;
  std::vector<int> group_;  // by node; -1: in none yet
  std::vector<std::vector<int>> readers_;
  std::vector<int> producer_;
  std::vector<bool> is_output_;
  std::vector<std::vector<bool>> ancestors_;
  std::vector<std::vector<int>> members_;  // of groups; empty where they have joined another
};

// Taps of a transposed convolution that meet no input don't count.
int64_t flops_of(const jit::Computation& c) {
  int64_t flops = 0;
  const jit::Computation direct = jit::apply_algorithm(c, jit::default_algorithm(c));
  for (const jit::Stage& stage : direct.stages) flops += jit::stage_flops(stage);
  return flops;
}

// The node's name, or that of a value it makes; with a number appended where another group has it.
std::string name_of(const Graph& graph, const Node& node, std::set<std::string>& taken) {
  std::string name = node.name;
  for (const int v : node.outputs) {
    if (name.empty() && v >= 0) name = graph.values[v].name;
  }
  std::string candidate = name;
  for (int i = 2; !taken.insert(candidate).second; ++i) candidate = name + "_" + std::to_string(i);
  return candidate;
}

}  // namespace

Grouping grouping_for(const jit::Target& target) { return {.attention = !target.is_gpu()}; }

std::vector<Group> form_groups(const Graph& graph, const Grouping& grouping) {
  std::vector<Group> groups;
  std::set<std::string> names;
  const std::vector<NodeTraits> traits = node_traits(graph);
  for (std::vector<int>& nodes : Grouper(graph, traits, grouping).partition()) {
    Group group;
    int head = nodes[0];
    for (const int n : nodes) {
      group.ops += (group.ops.empty() ? "" : "+") + graph.nodes[n].type;
      if (traits[n].heavy && !traits[head].heavy) head = n;
    }
    group.name = name_of(graph, graph.nodes[head], names);
    group.host = traits[nodes[0]].host;
    if (!group.host) {
      Composed composed = compose(graph, nodes);
      group.computation = std::move(composed.computation);
      group.computation.name = group.name;
      group.tensor_values = std::move(composed.tensor_values);
      group.flops = flops_of(group.computation);
    }
    group.nodes = std::move(nodes);
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace altrt::graph
