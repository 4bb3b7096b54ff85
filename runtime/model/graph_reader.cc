#include "runtime/model/graph_reader.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>

#include "runtime/model/attribute_reader.h"
#include "runtime/model/message.h"
#include "runtime/model/onnx_fields.h"
#include "runtime/model/tensor_reader.h"

namespace altrt::model {

namespace {

using namespace onnx;

constexpr size_t kMostNodes = size_t{1} << 20;
constexpr size_t kMostValues = size_t{1} << 20;
constexpr size_t kMostDimensions = 32;

void read_dimension(std::string_view bytes, ReadContext& context, RawValue& value) {
  Message message(bytes, "Dimension", context, {});
  int64_t extent = -1;
  std::string symbol;
  bool known = false;
  while (message.next()) {
    if (message.field() == dimension::dim_value) {
      extent = message.integer();
      known = true;
    } else if (message.field() == dimension::dim_param) {
      symbol = message.bytes();
    } else {
      message.skip();
    }
  }
  // Some exporters write "?" for every extent that they don't know: no name that dimensions could share.
  if (std::none_of(symbol.begin(), symbol.end(), [](unsigned char c) { return std::isalnum(c); })) symbol.clear();
  if (known && !symbol.empty()) context.fail("a dimension has both a value and a name");
  // Writers use -1 for "unknown", too.
  if (known && extent < -1) context.fail("a dimension is " + std::to_string(extent));
  if (value.shape.size() == kMostDimensions) {
    context.fail("has more than " + std::to_string(kMostDimensions) + " dimensions");
  }
  value.shape.push_back(extent);
  value.symbols.push_back(std::move(symbol));
}

void read_shape(std::string_view bytes, ReadContext& context, RawValue& value) {
  value.has_shape = true;
  Message message(bytes, "TensorShapeProto", context, {shape_proto::dim});
  while (message.next()) {
    if (message.field() == shape_proto::dim) {
      read_dimension(message.bytes(), context, value);
    } else {
      message.skip();
    }
  }
}

void read_tensor_type(std::string_view bytes, ReadContext& context, RawValue& value) {
  Message message(bytes, "TypeProto.Tensor", context, {});
  int64_t element_type = 0;
  while (message.next()) {
    if (message.field() == tensor_type::elem_type) {
      element_type = message.integer();
    } else if (message.field() == tensor_type::shape) {
      read_shape(message.bytes(), context, value);
    } else {
      message.skip();
    }
  }
  if (element_type == 0) context.fail("field 'elem_type' is missing");
  const auto type = data_type_of(element_type);
  if (!type) {
    context.unsupported("has elements of type " + element_type_name(element_type));
  } else {
    value.type = *type;
  }
}

void read_type(std::string_view bytes, ReadContext& context, RawValue& value) {
  Message message(bytes, "TypeProto", context, {});
  bool known = false;
  while (message.next()) {
    switch (message.field()) {
      case type_proto::tensor_type:
        read_tensor_type(message.bytes(), context, value);
        known = true;
        break;
      case type_proto::sequence_type:
      case type_proto::map_type:
      case type_proto::sparse_tensor_type:
      case type_proto::optional_type:
        message.bytes();
        context.unsupported("is not a dense tensor");
        known = true;
        break;
      default:
        message.skip();
    }
  }
  if (!known) context.fail("field 'type' is empty");
}

RawValue read_value_info(std::string_view bytes, const char* what, size_t number, ReadContext& context) {
  RawValue value;
  std::string_view type;
  {
    const ReadContext::Scope scope(context, std::string(what) + " " + std::to_string(number));
    Message message(bytes, "ValueInfoProto", context, {value_info::metadata_props});
    while (message.next()) {
      if (message.field() == value_info::name) {
        value.name = message.bytes();
      } else if (message.field() == value_info::type) {
        type = message.bytes();
      } else {
        message.skip();
      }
    }
    if (value.name.empty()) context.fail("field 'name' is missing");
  }
  const ReadContext::Scope scope(context, std::string(what) + " " + quoted(value.name));
  if (!type.empty()) {
    read_type(type, context, value);
  } else if (std::string_view(what) == "input") {
    context.fail("field 'type' is missing");
  }
  return value;
}

RawNode read_node(std::string_view bytes, size_t number, ReadContext& context) {
  using namespace node_proto;
  RawNode node;
  std::vector<std::string_view> attributes;
  {
    const ReadContext::Scope scope(context, "node " + std::to_string(number));
    Message message(bytes, "NodeProto", context, {input, output, attribute, metadata_props, device_configurations});
    while (message.next()) {
      switch (message.field()) {
        case input:
          node.inputs.push_back(message.bytes());
          break;
        case output:
          node.outputs.push_back(message.bytes());
          break;
        case node_proto::name:
          node.name = message.bytes();
          break;
        case op_type:
          node.type = message.bytes();
          break;
        case attribute:
          attributes.push_back(message.bytes());
          break;
        case node_proto::domain:
          node.domain = plain_domain(message.bytes());
          break;
        default:
          message.skip();
      }
    }
    if (node.type.empty()) context.fail("field 'op_type' is missing");
  }
  const std::string place =
      "node " + (node.name.empty() ? std::to_string(number) : quoted(node.name)) + " (" + std::string(node.type) + ")";
  const ReadContext::Scope scope(context, place);
  for (const auto& one : attributes) read_attribute(one, context, node.attributes);
  return node;
}

void check_count(size_t count, size_t limit, const char* what, const ReadContext& context) {
  if (count >= limit) context.fail("has more than " + std::to_string(limit) + " " + what, ErrorCode::out_of_memory);
}

}  // namespace

std::string_view plain_domain(std::string_view domain) { return domain == "ai.onnx" ? std::string_view() : domain; }

RawGraph read_graph(std::string_view bytes, ReadContext& context, ExternalData& external) {
  using namespace graph_proto;
  RawGraph graph;
  Message message(bytes, "GraphProto", context,
                  {node, initializer, input, output, graph_proto::value_info, quantization_annotation,
                   sparse_initializer, metadata_props});
  while (message.next()) {
    switch (message.field()) {
      case node:
        check_count(graph.nodes.size(), kMostNodes, "nodes", context);
        graph.nodes.push_back(read_node(message.bytes(), graph.nodes.size(), context));
        break;
      case graph_proto::name:
        graph.name = message.bytes();
        break;
      case initializer: {
        check_count(graph.initializers.size(), kMostValues, "initializers", context);
        const ReadContext::Scope scope(context, "initializer " + std::to_string(graph.initializers.size()));
        auto tensor = read_tensor(message.bytes(), context, &external);
        if (tensor.name.empty()) context.fail("field 'name' is missing");
        graph.initializers.push_back({tensor.name, std::move(tensor.data)});
        break;
      }
      case input:
        check_count(graph.inputs.size(), kMostValues, "inputs", context);
        graph.inputs.push_back(read_value_info(message.bytes(), "input", graph.inputs.size(), context));
        break;
      case output:
        check_count(graph.outputs.size(), kMostValues, "outputs", context);
        graph.outputs.push_back(read_value_info(message.bytes(), "output", graph.outputs.size(), context));
        break;
      case sparse_initializer:
        message.bytes();
        context.unsupported("sparse initializers");
        break;
      default:
        message.skip();
    }
  }
  return graph;
}

}  // namespace altrt::model
