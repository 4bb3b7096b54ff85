#include <altrt/error.h>
#include <altrt/model.h>
#include <altrt/operator.h>

#include <string>
#include <unordered_map>
#include <utility>

#include "runtime/base/float_environment.h"
#include "runtime/base/text.h"
#include "runtime/graph/graph.h"

namespace altrt {

namespace {

constexpr int kOpset = 17;

// "example::Gate": domain and type.
std::pair<std::string, std::string> split_type(const std::string& text) {
  const size_t colons = text.find("::");
  if (colons == std::string::npos) return {"", text};
  const std::string domain = text.substr(0, colons);
  return {domain == "ai.onnx" ? "" : domain, text.substr(colons + 2)};
}

}  // namespace

struct GraphBuilder::State {
  graph::Graph graph;
  std::unordered_map<std::string, int> numbers;
  std::vector<bool> defined;                    // by value
  std::unordered_map<std::string, int> counts;  // of generated names by operator type

  explicit State(std::string name) {
    graph.name = std::move(name);
    graph.opsets[""] = kOpset;
  }

  [[noreturn]] void fail(const std::string& message, ErrorCode code = ErrorCode::invalid_model) const {
    throw Error(code, graph.name + ": " + message);
  }

  // The value of that name, made where there is none: operators may be added before what they read.
  int number(const std::string& name) {
    const auto [entry, added] = numbers.emplace(name, static_cast<int>(graph.values.size()));
    if (added) {
      graph.values.emplace_back();
      graph.values.back().name = name;
      defined.push_back(false);
    }
    return entry->second;
  }

  graph::Value& define(const std::string& name) {
    if (name.empty()) fail("a value needs a name", ErrorCode::invalid_argument);
    const int value = number(name);
    if (defined[value]) fail("the name " + base::quoted(name) + " is defined more than once");
    defined[value] = true;
    return graph.values[value];
  }

  std::string fresh_name(const std::string& type) {
    std::string name;
    do {
      name = type + "_" + std::to_string(counts[type]++);
    } while (numbers.count(name));
    return name;
  }

  void check_defined() const {
    for (const auto& node : graph.nodes) {
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] < 0 || defined[node.inputs[i]]) continue;
        throw Error(ErrorCode::invalid_model, graph.where(node) + ": input " + std::to_string(i) +
                                                  ": nothing defines " +
                                                  base::quoted(graph.values[node.inputs[i]].name));
      }
    }
    for (const int output : graph.outputs) {
      if (!defined[output]) fail("output " + base::quoted(graph.values[output].name) + ": nothing defines it");
    }
  }

  bool is_static() const {
    for (const int input : graph.inputs) {
      for (const int64_t extent : graph.values[input].shape) {
        if (extent < 0) return false;
      }
    }
    for (const auto& op : graph::operator_counts(graph)) {
      if (!op.supported) return false;
    }
    return true;
  }
};

GraphBuilder::GraphBuilder(std::string name) : state_(std::make_unique<State>(std::move(name))) {}
GraphBuilder::~GraphBuilder() = default;

std::string GraphBuilder::input(const std::string& name, DataType type, const Shape& shape,
                                std::vector<std::string> symbols) {
  if (symbols.size() > shape.size()) {
    state_->fail("input " + base::quoted(name) + " has more symbols than dimensions", ErrorCode::invalid_argument);
  }
  graph::Value& value = state_->define(name);
  value.type = type;
  value.shape = shape;
  value.symbols = std::move(symbols);
  value.symbols.resize(shape.size());
  value.shape_known = true;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < -1)
      state_->fail("input " + base::quoted(name) + " has the shape " + to_string(shape), ErrorCode::invalid_argument);
    if (shape[i] >= 0) value.symbols[i].clear();
  }
  state_->graph.inputs.push_back(state_->numbers.at(name));
  return name;
}

std::string GraphBuilder::constant(const std::string& name, Tensor value) {
  if (!value.data()) state_->fail("constant " + base::quoted(name) + " has no data", ErrorCode::invalid_argument);
  graph::Value& defined = state_->define(name);
  defined.type = value.type();
  defined.shape = value.shape();
  defined.symbols.resize(defined.shape.size());
  defined.shape_known = true;
  defined.data = std::make_shared<const Tensor>(std::move(value));
  return name;
}

std::string GraphBuilder::op(const std::string& type, const std::vector<std::string>& inputs,
                             const AttributeMap& attributes, const std::string& output) {
  if (output.empty()) return op_n(type, inputs, 1, attributes).front();
  state_->define(output);
  graph::Node node;
  node.name = output;
  const auto [domain, name_in_domain] = split_type(type);
  node.type = name_in_domain;
  node.domain = domain;
  if (!domain.empty()) state_->graph.opsets.emplace(domain, 1);
  for (const auto& name : inputs) node.inputs.push_back(name.empty() ? -1 : state_->number(name));
  while (!node.inputs.empty() && node.inputs.back() < 0) node.inputs.pop_back();
  node.outputs = {state_->numbers.at(output)};
  node.attributes.values = attributes;
  state_->graph.nodes.push_back(std::move(node));
  return output;
}

std::vector<std::string> GraphBuilder::op_n(const std::string& type, const std::vector<std::string>& inputs,
                                            int outputs, const AttributeMap& attributes) {
  if (outputs < 1) state_->fail("an operator needs an output", ErrorCode::invalid_argument);
  std::vector<std::string> names;
  names.push_back(op(type, inputs, attributes, state_->fresh_name(split_type(type).second)));
  graph::Node& node = state_->graph.nodes.back();
  for (int i = 1; i < outputs; ++i) {
    names.push_back(state_->fresh_name(split_type(type).second));
    state_->define(names.back());
    node.outputs.push_back(state_->numbers.at(names.back()));
  }
  return names;
}

void GraphBuilder::output(const std::string& name) { state_->graph.outputs.push_back(state_->number(name)); }

Model GraphBuilder::build() { return build({}); }

Model GraphBuilder::build(const std::vector<CustomOperator>& operators) {
  const base::FloatEnvironment float_environment;  // what shapes depend on is computed here
  auto state = std::exchange(state_, std::make_unique<State>(state_->graph.name));
  state->check_defined();
  graph::Graph graph = graph::sort(std::move(state->graph));
  graph::verify(graph);
  std::swap(state->graph, graph);
  state->graph.operators = ops::custom_operators(operators);
  if (state->is_static()) {
    // Finds operators that do not fit their operands now rather than when a session is made, and the outputs' types.
    const graph::Graph inferred = graph::infer_and_fold(state->graph);
    for (const int output : state->graph.outputs) {
      graph::Value& value = state->graph.values[output];
      if (value.shape_known) continue;
      value.type = inferred.values[output].type;
      value.shape = inferred.values[output].shape;
      value.symbols = inferred.values[output].symbols;
    }
  }
  state->graph.operators = nullptr;
  return Model(std::make_shared<const graph::Graph>(std::move(state->graph)));
}

}  // namespace altrt
