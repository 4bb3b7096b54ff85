#include "runtime/graph/graph.h"

#include <altrt/error.h>

#include "runtime/base/text.h"
#include "runtime/graph/uses.h"

namespace altrt::graph {

int Graph::opset(const std::string& domain) const {
  const auto found = opsets.find(domain);
  return found == opsets.end() ? 0 : found->second;
}

std::string Graph::where(const Node& node) const {
  std::string text = name + ": node ";
  if (!node.name.empty()) {
    text += base::quoted(node.name);
  } else {
    text += "for ";
    for (const int output : node.outputs) {
      if (output < 0) continue;
      text += base::quoted(values[output].name);
      break;
    }
  }
  return text + " (" + (node.domain.empty() ? "" : node.domain + "::") + node.type + ")";
}

ops::NodeInfo Graph::info(const Node& node) const {
  ops::NodeInfo info;
  info.where = where(node);
  info.type = node.type;
  info.domain = node.domain;
  info.opset = opset(node.domain);
  info.attributes = &node.attributes;
  info.outputs = static_cast<int>(node.outputs.size());
  for (const int input : node.inputs) {
    if (input < 0) {
      info.inputs.emplace_back();
      continue;
    }
    const Value& value = values[input];
    if (!value.shape_known) {
      throw Error(ErrorCode::internal, info.where + ": the shape of " + base::quoted(value.name) + " is not known");
    }
    info.inputs.push_back(ops::Operand{value.type, value.shape, value.data.get()});
  }
  return info;
}

std::vector<int> Graph::readers(int value) const {
  std::vector<int> result;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const int input : nodes[i].inputs) {
      if (input != value) continue;
      result.push_back(static_cast<int>(i));
      break;
    }
  }
  return result;
}

int Graph::producer(int value) const {
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const int output : nodes[i].outputs) {
      if (output == value) return static_cast<int>(i);
    }
  }
  return -1;
}

Uses::Uses(const Graph& graph)
    : producer(graph.values.size(), -1), readers(graph.values.size()), is_output(graph.values.size(), false) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const int output : graph.nodes[i].outputs) {
      if (output >= 0) producer[output] = static_cast<int>(i);
    }
    for (const int input : graph.nodes[i].inputs) {
      if (input >= 0) readers[input].push_back(static_cast<int>(i));
    }
  }
  for (const int output : graph.outputs) is_output[output] = true;
}

}  // namespace altrt::graph
