#include <utility>
#include <vector>

#include "runtime/graph/graph.h"
#include "runtime/graph/uses.h"

namespace altrt::graph {

namespace {

int renumbered(const std::vector<int>& numbers, int value) { return value < 0 ? -1 : numbers[value]; }

}  // namespace

Graph prune(Graph graph) {
  const Uses uses(graph);
  std::vector<bool> needed(graph.values.size(), false);
  for (const int output : graph.outputs) needed[output] = true;
  std::vector<Node> nodes;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    Node& node = graph.nodes[i];
    bool any = false;
    for (int& output : node.outputs) {
      if (output >= 0 && needed[output]) {
        any = true;
      } else {
        output = -1;
      }
    }
    if (!any) continue;
    // Trailing outputs that nobody wants are left out, but for Split: into how many parts it divides is their number.
    while (node.type != "Split" && node.outputs.back() < 0) node.outputs.pop_back();
    for (const int input : node.inputs) {
      if (input >= 0) needed[input] = true;
    }
    nodes.push_back(std::move(node));
  }
  for (const int input : graph.inputs) needed[input] = true;  // the model's signature stays

  std::vector<int> numbers(graph.values.size(), -1);
  std::vector<Value> values;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    if (!needed[i]) continue;
    numbers[i] = static_cast<int>(values.size());
    values.push_back(std::move(graph.values[i]));
  }
  graph.values = std::move(values);
  graph.nodes.assign(std::make_move_iterator(nodes.rbegin()), std::make_move_iterator(nodes.rend()));
  for (Node& node : graph.nodes) {
    for (int& input : node.inputs) input = renumbered(numbers, input);
    for (int& output : node.outputs) output = renumbered(numbers, output);
  }
  for (int& input : graph.inputs) input = numbers[input];
  for (int& output : graph.outputs) output = numbers[output];
  return graph;
}

Graph simplify(Graph graph, const std::map<std::string, Shape>& input_shapes,
               const std::map<std::string, int64_t>& dimensions) {
  graph = prune(std::move(graph));
  graph = fix_shapes(std::move(graph), input_shapes, dimensions);
  graph = infer_and_fold(std::move(graph));
  graph = remove_no_ops(std::move(graph));
  graph = prune(std::move(graph));
  graph = fold_batch_norm(std::move(graph));
  graph = part_splits(std::move(graph));
  graph = prune(std::move(graph));
  verify(graph);
  return graph;
}

}  // namespace altrt::graph
