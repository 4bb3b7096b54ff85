#include <cstdio>
#include <string>

#include "runtime/graph/graph.h"
#include "runtime/graph/groups.h"

namespace altrt::graph {

namespace {

constexpr int64_t kMostElements = 8;  // of a constant whose values are shown

std::string real_text(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof(buffer), "%.9g", value);
  return buffer;
}

std::string shape_text(const Value& value) {
  std::string text = "[";
  for (size_t i = 0; i < value.shape.size(); ++i) {
    if (i) text += ", ";
    if (value.shape[i] >= 0) {
      text += std::to_string(value.shape[i]);
    } else {
      text += i < value.symbols.size() && !value.symbols[i].empty() ? value.symbols[i] : "?";
    }
  }
  return text + "]";
}

std::string type_text(const Value& value) {
  return std::string(to_string(value.type)) + (value.shape_known || !value.shape.empty() ? shape_text(value) : "[...]");
}

std::string element_text(const Tensor& tensor, int64_t i) {
  switch (tensor.type()) {
    case DataType::f32:
      return real_text(tensor.as<float>()[i]);
    case DataType::f64:
      return real_text(tensor.as<double>()[i]);
    case DataType::i64:
      return std::to_string(tensor.as<int64_t>()[i]);
    case DataType::i32:
      return std::to_string(tensor.as<int32_t>()[i]);
    case DataType::i8:
      return std::to_string(tensor.as<int8_t>()[i]);
    case DataType::u8:
      return std::to_string(tensor.as<uint8_t>()[i]);
    case DataType::boolean:
      return tensor.as<uint8_t>()[i] ? "true" : "false";
  }
  return "?";
}

std::string data_text(const Tensor& tensor) {
  const int64_t count = element_count(tensor.shape());
  if (count > kMostElements) return "";
  std::string text = " = {";
  for (int64_t i = 0; i < count; ++i) text += (i ? ", " : "") + element_text(tensor, i);
  return text + "}";
}

template <typename T, typename F>
std::string list_text(const std::vector<T>& values, F&& element) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) text += (i ? ", " : "") + element(values[i]);
  return text + "]";
}

std::string attribute_text(const Attribute& attribute) {
  switch (attribute.kind) {
    case Attribute::Kind::integer:
      return std::to_string(attribute.integer);
    case Attribute::Kind::real:
      return real_text(attribute.real);
    case Attribute::Kind::text:
      return '"' + attribute.text + '"';
    case Attribute::Kind::integers:
      return list_text(attribute.integers, [](int64_t value) { return std::to_string(value); });
    case Attribute::Kind::reals:
      return list_text(attribute.reals, [](float value) { return real_text(value); });
  }
  return "?";
}

std::string attributes_text(const ops::NodeAttributes& attributes) {
  std::string text;
  for (const auto& [name, attribute] : attributes.values) {
    text += (text.empty() ? "" : ", ") + name + "=" + attribute_text(attribute);
  }
  for (const auto& [name, tensor] : attributes.tensors) {
    text += (text.empty() ? "" : ", ") + name + "=" + to_string(tensor->type()) + to_string(tensor->shape()) +
            data_text(*tensor);
  }
  return text.empty() ? text : " {" + text + "}";
}

std::string names_text(const Graph& graph, const std::vector<int>& values) {
  std::string text;
  for (size_t i = 0; i < values.size(); ++i) {
    text += (i ? ", " : "") + (values[i] < 0 ? std::string("-") : graph.values[values[i]].name);
  }
  return text;
}

std::string node_text(const Graph& graph, const Node& node) {
  std::string text = "  " + names_text(graph, node.outputs) + " = ";
  if (!node.domain.empty()) text += node.domain + "::";
  text += node.type + "(" + names_text(graph, node.inputs) + ")" + attributes_text(node.attributes);
  std::string types;
  for (const int output : node.outputs) {
    const bool known = output >= 0 && graph.values[output].shape_known;
    types += (types.empty() ? "" : ", ") + (known ? type_text(graph.values[output]) : std::string("?"));
  }
  return text + " -> " + types + "\n";
}

}  // namespace

std::string to_string(const Graph& graph) {
  std::string text = "graph " + graph.name;
  for (const auto& [domain, version] : graph.opsets) {
    text += ", opset " + (domain.empty() ? "" : domain + " ") + std::to_string(version);
  }
  text += "\n";
  for (const int input : graph.inputs) {
    text += "  input " + graph.values[input].name + ": " + type_text(graph.values[input]) + "\n";
  }
  for (const Value& value : graph.values) {
    if (!value.is_constant()) continue;
    text += "  constant " + value.name + ": " + type_text(value) + data_text(*value.data) + "\n";
  }
  for (const Node& node : graph.nodes) text += node_text(graph, node);
  for (const int output : graph.outputs) text += "  output " + graph.values[output].name + "\n";
  return text;
}

std::string to_string(const std::vector<Group>& groups, const Graph& graph) {
  std::string text;
  for (const Group& group : groups) {
    text += "group " + group.name + " (" + group.ops + ")" + (group.host ? " on the host" : "") + "\n";
    for (size_t t = 0; t < group.tensor_values.size(); ++t) {
      if (group.tensor_values[t] < 0) continue;
      text += "  " + group.computation.tensors[t].name + " = " + graph.values[group.tensor_values[t]].name + "\n";
    }
    if (!group.host) text += jit::to_string(group.computation);
  }
  return text;
}

}  // namespace altrt::graph
