// Small ONNX files made field by field, so that tests can write what no exporter would.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <altrt/tensor.h>
#include <protozero/pbf_writer.hpp>

#include "runtime/model/onnx_fields.h"

namespace altrt::model {

using Writer = protozero::pbf_writer;
using Fields = std::function<void(Writer&)>;

/// The bytes of a message with these fields.
inline std::string message(const Fields& fields) {
  std::string bytes;
  Writer writer(bytes);
  fields(writer);
  return bytes;
}

inline std::string value_info_bytes(const std::string& name, int64_t element_type, const Shape& shape) {
  std::string dims;
  Writer shape_writer(dims);
  for (const int64_t extent : shape) {
    shape_writer.add_message(onnx::shape_proto::dim, message([&](Writer& w) {
                               if (extent >= 0) w.add_int64(onnx::dimension::dim_value, extent);
                             }));
  }
  const std::string tensor = message([&](Writer& w) {
    w.add_int64(onnx::tensor_type::elem_type, element_type);
    w.add_message(onnx::tensor_type::shape, dims);
  });
  return message([&](Writer& w) {
    w.add_string(onnx::value_info::name, name);
    w.add_message(onnx::value_info::type,
                  message([&](Writer& t) { t.add_message(onnx::type_proto::tensor_type, tensor); }));
  });
}

inline std::string node_bytes(const std::string& type, const std::vector<std::string>& inputs,
                              const std::vector<std::string>& outputs, const Fields& more = {}) {
  return message([&](Writer& w) {
    for (const auto& name : inputs) w.add_string(onnx::node_proto::input, name);
    for (const auto& name : outputs) w.add_string(onnx::node_proto::output, name);
    w.add_string(onnx::node_proto::name, outputs.empty() ? type : "make_" + outputs[0]);
    w.add_string(onnx::node_proto::op_type, type);
    if (more) more(w);
  });
}

/// A TensorProto with dims, type, name and whatever `more` adds.
inline std::string tensor_bytes(const std::string& name, int64_t element_type, const Shape& dims, const Fields& more) {
  return message([&](Writer& w) {
    for (const int64_t extent : dims) w.add_int64(onnx::tensor_proto::dims, extent);
    w.add_int64(onnx::tensor_proto::data_type, element_type);
    w.add_string(onnx::tensor_proto::name, name);
    if (more) more(w);
  });
}

inline void add_entry(Writer& tensor, const std::string& key, const std::string& value) {
  tensor.add_message(onnx::tensor_proto::external_data, message([&](Writer& w) {
                       w.add_string(onnx::string_entry::key, key);
                       w.add_string(onnx::string_entry::value, value);
                     }));
}

/// The parts of a file, put together by bytes().
struct FileParts {
  std::vector<std::string> nodes, initializers, inputs, outputs;
  int64_t opset = 17;
  Fields more_graph, more_model;

  std::string bytes() const {
    return message([&](Writer& w) {
      w.add_int64(onnx::model_proto::ir_version, 8);
      w.add_message(onnx::model_proto::opset_import,
                    message([&](Writer& o) { o.add_int64(onnx::opset_id::version, opset); }));
      w.add_message(onnx::model_proto::graph, message([&](Writer& g) {
                      for (const auto& node : nodes) g.add_message(onnx::graph_proto::node, node);
                      for (const auto& one : initializers) g.add_message(onnx::graph_proto::initializer, one);
                      for (const auto& one : inputs) g.add_message(onnx::graph_proto::input, one);
                      for (const auto& one : outputs) g.add_message(onnx::graph_proto::output, one);
                      if (more_graph) more_graph(g);
                    }));
      if (more_model) more_model(w);
    });
  }
};

/// y = Relu(x) of f32[2, 3].
inline FileParts relu_file() {
  FileParts parts;
  parts.inputs = {value_info_bytes("x", onnx::float32, {2, 3})};
  parts.outputs = {value_info_bytes("y", onnx::float32, {2, 3})};
  parts.nodes = {node_bytes("Relu", {"x"}, {"y"})};
  return parts;
}

/// y = Add(x, w) with w = f32[3], as `tensor` says.
inline FileParts add_file(const std::string& tensor) {
  FileParts parts = relu_file();
  parts.nodes = {node_bytes("Add", {"x", "w"}, {"y"})};
  parts.initializers = {tensor};
  return parts;
}

inline std::string float_bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

}  // namespace altrt::model
