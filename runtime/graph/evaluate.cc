#include <altrt/error.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/text.h"
#include "runtime/graph/graph.h"
#include "runtime/graph/operators.h"
#include "runtime/graph/run_node.h"

namespace altrt::graph {

namespace {

void check_inputs(const Graph& graph, const std::vector<TensorView>& inputs) {
  if (inputs.size() != graph.inputs.size()) {
    throw Error(ErrorCode::invalid_argument, graph.name + ": " + std::to_string(inputs.size()) + " inputs given, " +
                                                 std::to_string(graph.inputs.size()) + " expected");
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value& value = graph.values[graph.inputs[i]];
    if (inputs[i].type == value.type && inputs[i].shape == value.shape) continue;
    throw Error(ErrorCode::invalid_argument, graph.name + ": input " + base::quoted(value.name) + " is " +
                                                 to_string(value.type) + to_string(value.shape) + ", given is " +
                                                 to_string(inputs[i].type) + to_string(inputs[i].shape));
  }
}

// The last node that reads each value; graph outputs live on.
std::vector<int> last_readers(const Graph& graph) {
  std::vector<int> last(graph.values.size(), -1);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const int input : graph.nodes[i].inputs) {
      if (input >= 0) last[input] = static_cast<int>(i);
    }
  }
  for (const int output : graph.outputs) last[output] = static_cast<int>(graph.nodes.size());
  return last;
}

}  // namespace

std::vector<Tensor> evaluate(const Graph& graph, const std::vector<TensorView>& inputs) {
  check_inputs(graph, inputs);
  std::vector<TensorView> views(graph.values.size());
  std::vector<Tensor> made(graph.values.size());
  for (size_t i = 0; i < inputs.size(); ++i) views[graph.inputs[i]] = inputs[i];
  for (size_t i = 0; i < graph.values.size(); ++i) {
    if (graph.values[i].is_constant()) views[i] = graph.values[i].data->view();
  }
  const auto last = last_readers(graph);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const ops::NodeInfo info = graph.info(node);
    const ops::OpDef& op = definition(graph, node);
    const auto results = op.infer(info);
    std::vector<TensorView> operands;
    for (const int input : node.inputs) operands.push_back(input < 0 ? TensorView() : views[input]);
    auto tensors = run_node(info, op, results, operands);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] < 0) continue;
      made[node.outputs[i]] = std::move(tensors.at(i));
      views[node.outputs[i]] = made[node.outputs[i]].view();
    }
    for (const int input : node.inputs) {
      if (input >= 0 && last[input] == static_cast<int>(n)) made[input] = Tensor();
    }
  }
  std::vector<Tensor> results;
  for (const int output : graph.outputs) {
    Tensor copy(views[output].type, views[output].shape);
    if (copy.bytes() > 0) std::memcpy(copy.data(), views[output].data, copy.bytes());
    results.push_back(std::move(copy));
  }
  return results;
}

}  // namespace altrt::graph
