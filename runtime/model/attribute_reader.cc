#include "runtime/model/attribute_reader.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/model/message.h"
#include "runtime/model/onnx_fields.h"
#include "runtime/model/tensor_reader.h"

namespace altrt::model {

namespace {

using namespace onnx;
using namespace onnx::attribute_proto;

// The fields of an AttributeProto, one slot a kind.
struct RawAttribute {
  std::string_view name;
  int64_t type = undefined;
  uint32_t value_field = 0;  // the field that holds the value; 0 = none yet
  int64_t integer = 0;
  float real = 0;
  std::string_view bytes;  // text, or a tensor's message
  std::vector<int64_t> integers;
  std::vector<float> reals;
};

// The type a value field stands for; undefined for fields that hold no value.
int64_t type_of_field(uint32_t field) {
  switch (field) {
    case f:
      return type_float;
    case i:
      return type_int;
    case s:
      return type_string;
    case t:
      return type_tensor;
    case g:
      return type_graph;
    case floats:
      return type_floats;
    case ints:
      return type_ints;
    case strings:
      return type_strings;
    case tensors:
      return type_tensors;
    case graphs:
      return type_graphs;
    case tp:
      return type_type_proto;
    case type_protos:
      return type_type_protos;
    case sparse_tensor:
      return type_sparse_tensor;
    case sparse_tensors:
      return type_sparse_tensors;
    default:
      return undefined;
  }
}

const char* type_name(int64_t type) {
  switch (type) {
    case type_graph:
    case type_graphs:
      return "a subgraph";
    case type_strings:
      return "a list of strings";
    case type_tensors:
      return "a list of tensors";
    case type_sparse_tensor:
    case type_sparse_tensors:
      return "a sparse tensor";
    default:
      return "a type";
  }
}

void read_value(Message& message, ReadContext& context, RawAttribute& attribute) {
  switch (message.field()) {
    case f:
      attribute.real = message.real();
      break;
    case i:
      attribute.integer = message.integer();
      break;
    case s:
    case t:
      attribute.bytes = message.bytes();
      break;
    case ints:
      append_integers(message.numbers(WireType::varint), context, attribute.integers);
      break;
    case floats:
      append_reals(message.numbers(WireType::fixed32), context, attribute.reals);
      break;
    default:
      message.bytes();
  }
}

RawAttribute read_fields(std::string_view bytes, ReadContext& context) {
  RawAttribute attribute;
  Message message(bytes, "AttributeProto", context,
                  {floats, ints, strings, tensors, graphs, type_protos, sparse_tensors});
  while (message.next()) {
    const uint32_t field = message.field();
    if (field == attribute_proto::name) {
      attribute.name = message.bytes();
    } else if (field == attribute_proto::type) {
      attribute.type = message.integer();
    } else if (field == ref_attr_name) {
      if (!message.bytes().empty()) context.fail("refers to a function's attribute outside of a function");
    } else if (type_of_field(field) != undefined) {
      if (attribute.value_field != 0 && attribute.value_field != field) {
        context.fail("attribute " + quoted(attribute.name) + " holds values of more than one type");
      }
      attribute.value_field = field;
      read_value(message, context, attribute);
    } else {
      message.skip();
    }
  }
  return attribute;
}

void store(RawAttribute& raw, ReadContext& context, ops::NodeAttributes& attributes) {
  const std::string name(raw.name);
  switch (raw.type) {
    case type_int:
      attributes.values.emplace(name, raw.integer);
      break;
    case type_float:
      attributes.values.emplace(name, raw.real);
      break;
    case type_string:
      attributes.values.emplace(name, std::string(raw.bytes));
      break;
    case type_ints:
      attributes.values.emplace(name, std::move(raw.integers));
      break;
    case type_floats:
      attributes.values.emplace(name, std::move(raw.reals));
      break;
    case type_tensor: {
      const auto tensor = read_tensor(raw.bytes, context, nullptr);
      if (tensor.data) attributes.tensors.emplace(name, tensor.data);
      break;
    }
    case type_graph:
    case type_graphs:
    case type_strings:
    case type_tensors:
    case type_sparse_tensor:
    case type_sparse_tensors:
    case type_type_proto:
    case type_type_protos:
      context.unsupported(std::string("is ") + type_name(raw.type));
      break;
    default:
      context.fail("field 'type' is " + std::to_string(raw.type));
  }
}

}  // namespace

void read_attribute(std::string_view bytes, ReadContext& context, ops::NodeAttributes& attributes) {
  RawAttribute raw = read_fields(bytes, context);
  const ReadContext::Scope scope(context, "attribute " + quoted(raw.name));
  if (raw.name.empty()) context.fail("field 'name' is missing");
  const int64_t found = type_of_field(raw.value_field);
  if (raw.type == undefined) raw.type = found;  // files before IR version 2 leave the type out
  if (raw.type == undefined) context.fail("has neither type nor value");
  if (found != undefined && found != raw.type) context.fail("field 'type' contradicts the value");
  const std::string name(raw.name);
  if (attributes.values.count(name) || attributes.tensors.count(name)) context.fail("occurs more than once");
  store(raw, context, attributes);
}

}  // namespace altrt::model
