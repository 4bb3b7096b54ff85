#include "runtime/model/onnx_reader.h"

#include <limits>
#include <unordered_map>
#include <utility>

#include "runtime/model/graph_reader.h"
#include "runtime/model/message.h"
#include "runtime/model/onnx_fields.h"

namespace altrt::model {

namespace {

using namespace onnx;

constexpr uint64_t kBudgetBase = uint64_t{256} << 20;
constexpr uint64_t kBudgetPerByte = 4;

// Turns names into value numbers. Each name is defined once: by an input, a constant or a node.
class Resolver {
 public:
  Resolver(RawGraph raw, ReadContext& context, graph::Graph& graph)
      : raw_(std::move(raw)), context_(context), graph_(graph) {}

  void run() {
    for (const auto& initializer : raw_.initializers) add_initializer(initializer);
    for (const auto& input : raw_.inputs) add_input(input);
    for (size_t i = 0; i < raw_.nodes.size(); ++i) define_outputs(raw_.nodes[i], i);
    for (size_t i = 0; i < raw_.nodes.size(); ++i) resolve_inputs(raw_.nodes[i], i);
    for (const auto& output : raw_.outputs) add_output(output);
    if (graph_.outputs.empty()) context_.fail("the graph has no outputs");
  }

 private:
  int add_value(std::string_view name, const std::string& what) {
    const int number = static_cast<int>(graph_.values.size());
    if (!numbers_.emplace(name, number).second) {
      context_.fail(what + ": the name " + quoted(name) + " is defined more than once");
    }
    graph::Value value;
    value.name = name;
    graph_.values.push_back(std::move(value));
    return number;
  }

  void add_initializer(const RawInitializer& initializer) {
    auto& value = graph_.values[add_value(initializer.name, "initializer")];
    value.type = initializer.data->type();
    value.shape = initializer.data->shape();
    value.shape_known = true;
    value.data = initializer.data;
  }

  void add_input(const RawValue& input) {
    const auto known = numbers_.find(input.name);
    if (known != numbers_.end() && graph_.values[known->second].is_constant()) {
      check_default(input, graph_.values[known->second]);
      return;  // an initializer listed among the inputs is a constant here
    }
    const int number = add_value(input.name, "input");
    auto& value = graph_.values[number];
    value.type = input.type;
    value.shape = input.shape;
    value.symbols = input.symbols;
    value.shape_known = input.has_shape;
    graph_.inputs.push_back(number);
  }

  void check_default(const RawValue& input, const graph::Value& constant) const {
    bool fits = input.type == constant.type;
    if (input.has_shape) {
      fits = fits && input.shape.size() == constant.shape.size();
      for (size_t i = 0; fits && i < input.shape.size(); ++i) {
        fits = input.shape[i] < 0 || input.shape[i] == constant.shape[i];
      }
    }
    if (!fits)
      context_.fail("input " + quoted(input.name) + ": type or shape contradicts the initializer of that name");
  }

  std::string place(const RawNode& node, size_t number) const {
    return "node " + (node.name.empty() ? std::to_string(number) : quoted(node.name)) + " (" + std::string(node.type) +
           ")";
  }

  void define_outputs(RawNode& raw, size_t number) {
    graph::Node node;
    node.name = raw.name;
    node.type = raw.type;
    node.domain = raw.domain;
    if (!graph_.opsets.count(node.domain)) {
      context_.fail(place(raw, number) + ": the file imports no operator set for the domain " + quoted(raw.domain));
    }
    bool any = false;
    for (const auto& output : raw.outputs) {
      node.outputs.push_back(output.empty() ? -1 : add_value(output, place(raw, number)));
      any |= !output.empty();
    }
    if (!any) context_.fail(place(raw, number) + ": has no outputs");
    while (node.outputs.back() < 0) node.outputs.pop_back();
    node.attributes = std::move(raw.attributes);
    graph_.nodes.push_back(std::move(node));
  }

  void resolve_inputs(const RawNode& raw, size_t number) {
    auto& inputs = graph_.nodes[number].inputs;
    for (size_t i = 0; i < raw.inputs.size(); ++i) {
      if (raw.inputs[i].empty()) {
        inputs.push_back(-1);
        continue;
      }
      const auto found = numbers_.find(raw.inputs[i]);
      if (found == numbers_.end()) {
        context_.fail(place(raw, number) + ": input " + std::to_string(i) + ": nothing defines " +
                      quoted(raw.inputs[i]));
      }
      inputs.push_back(found->second);
    }
    while (!inputs.empty() && inputs.back() < 0) inputs.pop_back();
  }

  void add_output(const RawValue& output) {
    const auto found = numbers_.find(output.name);
    if (found == numbers_.end()) context_.fail("output " + quoted(output.name) + ": nothing defines it");
    auto& value = graph_.values[found->second];
    if (!value.shape_known) {  // neither input nor constant: the declaration says what the file promises
      value.type = output.type;
      value.shape = output.shape;
      value.symbols = output.symbols;
    }
    graph_.outputs.push_back(found->second);
  }

  RawGraph raw_;
  ReadContext& context_;
  graph::Graph& graph_;
  std::unordered_map<std::string_view, int> numbers_;
};

void read_opset(std::string_view bytes, ReadContext& context, graph::Graph& graph) {
  Message message(bytes, "OperatorSetIdProto", context, {});
  std::string domain;
  int64_t version = 0;
  while (message.next()) {
    if (message.field() == opset_id::domain) {
      domain = plain_domain(message.bytes());
    } else if (message.field() == opset_id::version) {
      version = message.integer();
    } else {
      message.skip();
    }
  }
  const ReadContext::Scope scope(context, "opset import " + quoted(domain));
  if (version < 1 || version > std::numeric_limits<int>::max()) {
    context.fail("field 'version' is " + std::to_string(version));
  }
  const auto [entry, added] = graph.opsets.emplace(domain, static_cast<int>(version));
  if (!added && entry->second != version) context.fail("occurs with two versions");
}

struct RawModel {
  std::string_view graph;
  bool has_graph = false;
  size_t functions = 0;
};

RawModel read_model(std::string_view bytes, ReadContext& context, graph::Graph& graph) {
  using namespace model_proto;
  RawModel model;
  Message message(bytes, "ModelProto", context,
                  {opset_import, metadata_props, training_info, functions, configuration});
  while (message.next()) {
    switch (message.field()) {
      case model_proto::graph:
        model.graph = message.bytes();
        model.has_graph = true;
        break;
      case opset_import:
        read_opset(message.bytes(), context, graph);
        break;
      case functions:
        message.bytes();
        ++model.functions;
        break;
      default:
        message.skip();
    }
  }
  return model;
}

graph::Graph read(std::string_view bytes, const ModelFile* source, const std::string& name,
                  const std::string& external_data_folder) {
  ReadContext context(name, kBudgetBase + kBudgetPerByte * bytes.size(), source);
  if (bytes.empty()) context.fail("is empty");
  graph::Graph graph;
  graph.name = name;
  const RawModel model = read_model(bytes, context, graph);
  if (!model.has_graph) context.fail("has no graph: not an ONNX model");
  if (model.functions > 0) context.unsupported("local functions (" + std::to_string(model.functions) + ")");
  if (graph.opsets.empty()) context.fail("imports no operator set");
  ExternalData external(external_data_folder);
  RawGraph raw = read_graph(model.graph, context, external);
  context.finish();
  Resolver(std::move(raw), context, graph).run();
  graph = graph::sort(std::move(graph));
  graph::verify(graph);
  return graph;
}

}  // namespace

graph::Graph read_onnx(std::string_view bytes, const std::string& name, const std::string& external_data_folder) {
  return read(bytes, nullptr, name, external_data_folder);
}

graph::Graph read_onnx(const ModelFile& file, const std::string& name, const std::string& external_data_folder) {
  return read(file.bytes(), &file, name, external_data_folder);
}

}  // namespace altrt::model
