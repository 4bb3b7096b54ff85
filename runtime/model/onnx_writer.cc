#include "runtime/model/onnx_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include <altrt/error.h>
#include <protozero/pbf_writer.hpp>

#include "runtime/model/external_data.h"
#include "runtime/model/onnx_fields.h"
#include "runtime/model/onnx_reader.h"
#include "runtime/model/tensor_reader.h"

namespace altrt::model {

namespace {

using namespace onnx;
using protozero::pbf_writer;

constexpr int kIrVersion = 8;
constexpr mode_t kFileMode = 0666;  // less the process's umask

void write_tensor(pbf_writer& parent, uint32_t field, const std::string& name, const Tensor& tensor) {
  pbf_writer message(parent, field);
  for (const int64_t extent : tensor.shape()) message.add_int64(tensor_proto::dims, extent);
  message.add_int32(tensor_proto::data_type, static_cast<int32_t>(element_type_of(tensor.type())));
  if (!name.empty()) message.add_string(tensor_proto::name, name);
  message.add_bytes(tensor_proto::raw_data, static_cast<const char*>(tensor.data()), tensor.bytes());
}

void write_value_info(pbf_writer& parent, uint32_t field, const graph::Value& value) {
  pbf_writer message(parent, field);
  message.add_string(value_info::name, value.name);
  pbf_writer type(message, value_info::type);
  pbf_writer tensor(type, type_proto::tensor_type);
  tensor.add_int32(tensor_type::elem_type, static_cast<int32_t>(element_type_of(value.type)));
  if (!value.shape_known && value.shape.empty()) return;
  // As whole messages: nested writers drop empty ones, but a scalar's shape and an unknown dimension are empty
  // messages.
  std::string shape;
  pbf_writer dimensions(shape);
  for (size_t i = 0; i < value.shape.size(); ++i) {
    std::string dim;
    pbf_writer fields(dim);
    if (value.shape[i] >= 0) {
      fields.add_int64(dimension::dim_value, value.shape[i]);
    } else if (i < value.symbols.size() && !value.symbols[i].empty()) {
      fields.add_string(dimension::dim_param, value.symbols[i]);
    }
    dimensions.add_message(shape_proto::dim, dim);
  }
  tensor.add_message(tensor_type::shape, shape);
}

void write_attribute(pbf_writer& parent, const std::string& name, const Attribute& attribute) {
  using namespace attribute_proto;
  pbf_writer message(parent, node_proto::attribute);
  message.add_string(attribute_proto::name, name);
  int64_t kind = undefined;
  switch (attribute.kind) {
    case Attribute::Kind::integer:
      message.add_int64(i, attribute.integer);
      kind = type_int;
      break;
    case Attribute::Kind::real:
      message.add_float(f, attribute.real);
      kind = type_float;
      break;
    case Attribute::Kind::text:
      message.add_bytes(s, attribute.text);
      kind = type_string;
      break;
    case Attribute::Kind::integers:
      for (const int64_t value : attribute.integers) message.add_int64(ints, value);
      kind = type_ints;
      break;
    case Attribute::Kind::reals:
      for (const float value : attribute.reals) message.add_float(floats, value);
      kind = type_floats;
      break;
  }
  message.add_int32(attribute_proto::type, static_cast<int32_t>(kind));
}

void write_node(pbf_writer& parent, const graph::Graph& graph, const graph::Node& node) {
  pbf_writer message(parent, graph_proto::node);
  const auto name_of = [&](int value) { return value < 0 ? std::string() : graph.values[value].name; };
  for (const int input : node.inputs) message.add_string(node_proto::input, name_of(input));
  for (const int output : node.outputs) message.add_string(node_proto::output, name_of(output));
  if (!node.name.empty()) message.add_string(node_proto::name, node.name);
  message.add_string(node_proto::op_type, node.type);
  if (!node.domain.empty()) message.add_string(node_proto::domain, node.domain);
  for (const auto& [name, attribute] : node.attributes.values) write_attribute(message, name, attribute);
  for (const auto& [name, tensor] : node.attributes.tensors) {
    pbf_writer attribute(message, node_proto::attribute);
    attribute.add_string(attribute_proto::name, name);
    write_tensor(attribute, attribute_proto::t, "", *tensor);
    attribute.add_int32(attribute_proto::type, static_cast<int32_t>(attribute_proto::type_tensor));
  }
}

// Refused before anything is written: lengths of messages are 32-bit numbers.
void check_size(const graph::Graph& graph) {
  uint64_t bytes = 0;
  const auto add = [&](const Tensor& tensor) {
    bytes += tensor.bytes();
    if (bytes > kMaxModelBytes) {
      throw Error(ErrorCode::unsupported, graph.name + ": the weights take more than the 2 GiB of an ONNX file");
    }
  };
  for (const auto& value : graph.values) {
    if (value.is_constant()) add(*value.data);
  }
  for (const auto& node : graph.nodes) {
    for (const auto& [name, tensor] : node.attributes.tensors) add(*tensor);
  }
}

}  // namespace

std::string write_onnx(const graph::Graph& graph) {
  check_size(graph);
  std::string bytes;
  pbf_writer model(bytes);
  model.add_int64(model_proto::ir_version, kIrVersion);
  model.add_string(model_proto::producer_name, "altrt");
  for (const auto& [domain, version] : graph.opsets) {
    pbf_writer opset(model, model_proto::opset_import);
    opset.add_string(opset_id::domain, domain);
    opset.add_int64(opset_id::version, version);
  }
  {
    pbf_writer message(model, model_proto::graph);
    for (const auto& node : graph.nodes) write_node(message, graph, node);
    message.add_string(graph_proto::name, graph.name);
    for (const auto& value : graph.values) {
      if (value.is_constant()) write_tensor(message, graph_proto::initializer, value.name, *value.data);
    }
    for (const int input : graph.inputs) write_value_info(message, graph_proto::input, graph.values[input]);
    for (const int output : graph.outputs) write_value_info(message, graph_proto::output, graph.values[output]);
  }
  if (bytes.size() > kMaxModelBytes) {
    throw Error(ErrorCode::unsupported, graph.name + ": the model takes more than the 2 GiB of an ONNX file");
  }
  return bytes;
}

void write_file(const std::string& path, const std::string& bytes) {
  const std::string temporary = path + ".tmp" + std::to_string(::getpid());
  const auto fail = [&](const char* what) {
    const std::string why = std::strerror(errno);
    ::unlink(temporary.c_str());
    throw Error(ErrorCode::io, path + ": cannot " + what + ": " + why);
  };
  const File file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!file) throw Error(ErrorCode::io, path + ": cannot create: " + std::strerror(errno));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(file.descriptor(), bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    done += static_cast<size_t>(written);
  }
  if (::fsync(file.descriptor()) != 0) fail("write");
  if (std::rename(temporary.c_str(), path.c_str()) != 0) fail("replace");
}

}  // namespace altrt::model
