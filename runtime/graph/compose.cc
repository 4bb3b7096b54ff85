#include "runtime/graph/compose.h"

#include <algorithm>
#include <map>
#include <set>

#include <altrt/error.h>

#include "jit/expr/attention.h"
#include "jit/expr/scale_weights.h"
#include "runtime/graph/operators.h"

namespace altrt::graph {

namespace {

using jit::Computation;
using jit::Expr;
using jit::ExprKind;
using jit::Role;
using jit::Stage;

bool escapes(const Graph& graph, int value, const std::set<int>& nodes) {
  if (std::find(graph.outputs.begin(), graph.outputs.end(), value) != graph.outputs.end()) return true;
  for (const int reader : graph.readers(value)) {
    if (!nodes.count(reader)) return true;
  }
  return false;
}

class Composer {
 public:
  Composer(const Graph& graph, const std::vector<int>& nodes)
      : graph_(graph), nodes_(nodes), set_(nodes.begin(), nodes.end()) {}

  Computation build(std::vector<int>& tensor_values) {
    for (const int n : nodes_) add_node(graph_.nodes[n]);
    tensor_values.assign(c_.tensors.size(), -1);
    for (const auto& [value, tensor] : tensor_of_) {
      if (c_.tensors[tensor].role != Role::intermediate) tensor_values[tensor] = value;
    }
    return std::move(c_);
  }

 private:
  int tensor(int value, Role role) {
    const auto found = tensor_of_.find(value);
    if (found != tensor_of_.end()) return found->second;
    const Value& v = graph_.values[value];
    jit::TensorDecl decl;
    const char* prefix = role == Role::input ? "x" : role == Role::constant ? "w" : role == Role::output ? "y" : "t";
    decl.name = prefix + std::to_string(counts_[prefix]++);
    decl.type = v.type;
    decl.role = role;
    decl.shape.assign(v.shape.begin(), v.shape.end());
    return tensor_of_[value] = c_.add_tensor(std::move(decl));
  }

  void add_node(const Node& node) {
    std::vector<int> inputs, outputs;
    for (const int value : node.inputs) {
      inputs.push_back(value < 0 ? -1
                                 : tensor(value, graph_.values[value].is_constant() ? Role::constant : Role::input));
    }
    for (const int value : node.outputs) {
      outputs.push_back(value < 0 ? -1
                                  : tensor(value, escapes(graph_, value, set_) ? Role::output : Role::intermediate));
    }
    ops::Builder builder(c_, inputs, outputs, "s" + std::to_string(position_++));
    definition(graph_, node).build(graph_.info(node), builder);
  }

  const Graph& graph_;
  const std::vector<int>& nodes_;
  std::set<int> set_;
  Computation c_;
  std::map<int, int> tensor_of_;
  std::map<std::string, int> counts_;
  int position_ = 0;
};

bool is_expensive(const Stage& stage) {
  bool found = false;
  for (const Expr& result : stage.results) {
    jit::visit(result, [&](const Expr& e) {
      found |= e.is(ExprKind::exp) || e.is(ExprKind::log) || e.is(ExprKind::tanh) || e.is(ExprKind::erf) ||
               e.is(ExprKind::sigmoid) || e.is(ExprKind::call) || e.is(ExprKind::sqrt) || e.is(ExprKind::div);
    });
  }
  return found;
}

// A stage may be substituted into its readers if that repeats no costly work.
bool inlinable(const Computation& c, const Stage& stage) {
  if (!stage.reduce.empty() || stage.outputs.size() != 1) return false;
  const int tensor = stage.outputs[0];
  if (c.tensors[tensor].role != Role::intermediate || c.writers(tensor).size() != 1) return false;
  const std::vector<int> readers = c.readers(tensor);
  if (!is_expensive(stage)) return true;
  if (readers.size() != 1) return false;
  // Each of its points is read once.
  const Stage& reader = c.stages[readers[0]];
  int64_t points = 1, reads = 1;
  for (const jit::Axis& axis : stage.axes) points *= axis.extent.bound;
  for (const jit::Axis& axis : reader.axes) reads *= axis.extent.bound;
  for (const jit::Axis& axis : reader.reduce) reads *= axis.extent.bound;
  return reads <= points;
}

// Whether every access is at the point of the axes, but for broadcast dimensions.
bool reads_own_point(const Computation& c, const Stage& stage) {
  bool own = true;
  jit::visit(stage.results[0], [&](const Expr& e) {
    if (!e.is(ExprKind::access)) return;
    const size_t rank = e->args.size();
    own &= rank <= stage.axes.size();
    for (size_t d = 0; own && d < rank; ++d) {
      const jit::Axis& axis = stage.axes[stage.axes.size() - rank + d];
      const bool broadcast = c.tensors[e->id].shape[d] == jit::Extent(1) && e->args[d].is_int(0);
      own = broadcast || (e->args[d].is(ExprKind::variable) && e->args[d]->name == axis.name);
    }
  });
  return own;
}

// Of an operator that comes without one.
ops::Pattern pattern_of(const Computation& c) {
  if (c.stages.size() != 1 || !c.stages[0].reduce.empty()) return ops::Pattern::reduction;
  const Stage& stage = c.stages[0];
  for (size_t d = 0; d < stage.store.size(); ++d) {
    const Expr& store = stage.store[d];
    if (!store.is(ExprKind::variable) || store->name != stage.axes[d].name) return ops::Pattern::move;
  }
  return stage.outputs.size() == 1 && reads_own_point(c, stage) ? ops::Pattern::elementwise : ops::Pattern::move;
}

bool inline_one(Computation& c) {
  for (size_t i = 0; i < c.stages.size(); ++i) {
    if (!inlinable(c, c.stages[i])) continue;
    c = jit::inline_stage(c, static_cast<int>(i));
    return true;
  }
  return false;
}

bool merge_one(Computation& c) {
  for (size_t i = 0; i < c.stages.size(); ++i) {
    if (c.stages[i].reduce.empty()) continue;
    for (const int output : c.stages[i].outputs) {
      for (const int reader : c.readers(output)) {
        if (c.stages[reader].reduce.empty() && jit::merge_epilogue(c, static_cast<int>(i), reader)) return true;
      }
    }
  }
  return false;
}

}  // namespace

Composed compose(const Graph& graph, const std::vector<int>& nodes) {
  Composed composed;
  std::vector<int> values;
  Computation c = Composer(graph, nodes).build(values);
  c.name = graph.nodes[nodes[0]].name;
  std::map<std::string, int> value_of;
  for (size_t t = 0; t < values.size(); ++t) value_of[c.tensors[t].name] = values[t];
  while (inline_one(c)) {
  }
  jit::scale_weights(c);
  jit::hoist_factors(c);
  jit::outline_factor(c);
  while (merge_one(c)) {
  }
  c = jit::prune(c);
  jit::verify(c, ErrorCode::internal);
  for (const jit::TensorDecl& tensor : c.tensors) {
    const auto found = value_of.find(tensor.name);
    composed.tensor_values.push_back(found == value_of.end() ? -1 : found->second);
  }
  composed.computation = std::move(c);
  return composed;
}

std::vector<NodeTraits> node_traits(const Graph& graph) {
  std::vector<NodeTraits> all;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    NodeTraits traits;
    const ops::OpDef& op = definition(graph, node);
    traits.pattern = op.pattern;
    traits.host = !op.build;
    if (!traits.host) {
      std::vector<int> values;
      const std::vector<int> only{static_cast<int>(n)};
      const Computation c = Composer(graph, only).build(values);
      traits.single_map = c.stages.size() == 1 && c.stages[0].reduce.empty();
      traits.heavy = std::any_of(c.stages.begin(), c.stages.end(), [](const Stage& s) { return !s.reduce.empty(); }) ||
                     c.anchor.stage >= 0;
      traits.expensive = std::any_of(c.stages.begin(), c.stages.end(), is_expensive);
      if (op.pattern == ops::Pattern::derived) traits.pattern = pattern_of(c);
    }
    all.push_back(traits);
  }
  return all;
}

}  // namespace altrt::graph
