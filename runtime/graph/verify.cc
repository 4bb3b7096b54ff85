#include <algorithm>
#include <functional>
#include <queue>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include <altrt/error.h>

#include "runtime/base/text.h"
#include "runtime/graph/graph.h"
#include "runtime/graph/groups.h"
#include "runtime/graph/uses.h"

namespace altrt::graph {

namespace {

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::invalid_model, message); }

// Node numbers that must come before node `i`.
std::vector<int> predecessors(const Graph& graph, const Uses& uses, int i) {
  std::vector<int> result;
  for (const int input : graph.nodes[i].inputs) {
    if (input >= 0 && uses.producer[input] >= 0) result.push_back(uses.producer[input]);
  }
  return result;
}

// The nodes of one cycle among those that could not be placed, each reading from the next.
std::vector<int> find_cycle(const Graph& graph, const Uses& uses, const std::vector<bool>& placed) {
  int at = static_cast<int>(std::find(placed.begin(), placed.end(), false) - placed.begin());
  std::vector<int> path;
  std::vector<int> position(graph.nodes.size(), -1);
  while (position[at] < 0) {
    position[at] = static_cast<int>(path.size());
    path.push_back(at);
    for (const int before : predecessors(graph, uses, at)) {
      if (!placed[before]) at = before;
    }
  }
  path.erase(path.begin(), path.begin() + position[at]);
  return path;
}

[[noreturn]] void fail_cycle(const Graph& graph, const Uses& uses, const std::vector<bool>& placed) {
  constexpr size_t kMostNames = 8;
  const auto cycle = find_cycle(graph, uses, placed);
  std::string text = graph.name + ": the graph has a cycle of " + std::to_string(cycle.size()) + " nodes:";
  for (size_t i = 0; i < std::min(cycle.size(), kMostNames); ++i) {
    const std::string where = graph.where(graph.nodes[cycle[cycle.size() - 1 - i]]);
    text += (i ? ", " : " ") + where.substr(graph.name.size() + 2);
  }
  fail(text + (cycle.size() > kMostNames ? ", ..." : ""));
}

void check_number(const Graph& graph, int value, const std::string& where) {
  if (value < 0 || value >= static_cast<int>(graph.values.size())) {
    fail(where + ": value number " + std::to_string(value) + " does not exist");
  }
}

void check_constant(const Graph& graph, const Value& value) {
  if (value.data->type() != value.type || value.data->shape() != value.shape || !value.shape_known) {
    fail(graph.name + ": constant " + base::quoted(value.name) + ": type or shape contradicts its data");
  }
}

void define(const Graph& graph, std::vector<bool>& defined, int value, const std::string& where) {
  check_number(graph, value, where);
  if (defined[value]) fail(where + ": " + base::quoted(graph.values[value].name) + " is defined more than once");
  defined[value] = true;
}

void verify_node(const Graph& graph, const Node& node, std::vector<bool>& defined) {
  const std::string where = graph.where(node);
  if (node.type.empty()) fail(where + ": has no operator type");
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == -1) continue;
    check_number(graph, node.inputs[i], where);
    if (!defined[node.inputs[i]]) {
      fail(where + ": input " + std::to_string(i) + ": nothing defines " +
           base::quoted(graph.values[node.inputs[i]].name) + " before");
    }
  }
  bool any = false;
  for (const int output : node.outputs) {
    if (output == -1) continue;
    define(graph, defined, output, where);
    any = true;
  }
  if (!any) fail(where + ": has no outputs");
}

}  // namespace

void verify(const Graph& graph) {
  std::vector<bool> defined(graph.values.size(), false);
  for (size_t i = 0; i < graph.values.size(); ++i) {
    if (!graph.values[i].is_constant()) continue;
    check_constant(graph, graph.values[i]);
    defined[i] = true;
  }
  for (const int input : graph.inputs) define(graph, defined, input, graph.name + ": input");
  for (const Node& node : graph.nodes) {
    for (const int output : node.outputs) {
      if (output != -1) check_number(graph, output, graph.name);
    }
    verify_node(graph, node, defined);
  }
  std::unordered_set<std::string> names;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    if (!defined[i]) continue;
    if (graph.values[i].name.empty()) fail(graph.name + ": value " + std::to_string(i) + " has no name");
    if (!names.insert(graph.values[i].name).second) {
      fail(graph.name + ": two values have the name " + base::quoted(graph.values[i].name));
    }
  }
  if (graph.outputs.empty()) fail(graph.name + ": the graph has no outputs");
  std::set<int> outputs;
  for (const int output : graph.outputs) {
    check_number(graph, output, graph.name + ": output");
    const std::string name = base::quoted(graph.values[output].name);
    if (!defined[output]) fail(graph.name + ": output " + name + ": nothing defines it");
    if (!outputs.insert(output).second) fail(graph.name + ": output " + name + " occurs more than once");
  }
}

Graph sort(Graph graph) {
  const Uses uses(graph);
  const size_t count = graph.nodes.size();
  std::vector<int> waiting(count, 0);
  std::vector<std::vector<int>> successors(count);
  for (size_t i = 0; i < count; ++i) {
    for (const int before : predecessors(graph, uses, static_cast<int>(i))) {
      successors[before].push_back(static_cast<int>(i));
      ++waiting[i];
    }
  }
  // The earliest ready node first, so that a sorted graph keeps its order.
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (size_t i = 0; i < count; ++i) {
    if (waiting[i] == 0) ready.push(static_cast<int>(i));
  }
  std::vector<Node> sorted;
  sorted.reserve(count);
  std::vector<bool> placed(count, false);
  std::vector<int> order;
  while (!ready.empty()) {
    const int node = ready.top();
    ready.pop();
    placed[node] = true;
    order.push_back(node);
    for (const int next : successors[node]) {
      if (--waiting[next] == 0) ready.push(next);
    }
  }
  if (order.size() < count) fail_cycle(graph, uses, placed);
  for (const int node : order) sorted.push_back(std::move(graph.nodes[node]));
  graph.nodes = std::move(sorted);
  return graph;
}

void verify(const std::vector<Group>& groups, const Graph& graph) {
  std::vector<int> position(graph.nodes.size(), -1);
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const int n : groups[g].nodes) {
      if (position[n] >= 0) throw Error(ErrorCode::internal, graph.where(graph.nodes[n]) + ": is in two groups");
      position[n] = static_cast<int>(g);
    }
    if (!groups[g].host) jit::verify(groups[g].computation, ErrorCode::internal);
  }
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (position[n] < 0) throw Error(ErrorCode::internal, graph.where(graph.nodes[n]) + ": is in no group");
    for (const int v : graph.nodes[n].inputs) {
      const int p = v < 0 ? -1 : graph.producer(v);
      if (p >= 0 && position[p] > position[n]) {
        throw Error(ErrorCode::internal, graph.where(graph.nodes[n]) + ": its group runs before its operand's");
      }
    }
  }
}

}  // namespace altrt::graph
