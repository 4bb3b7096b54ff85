#include "tests/jit_gpu/networks.h"

#include <altrt/error.h>

#include <cmath>
#include <fstream>
#include <map>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <random>
#include <sstream>

#ifndef NETWORKS_FOLDER
#error "the build names the folder of the graphs"
#endif

namespace altrt::test {
namespace {

using Ints = std::vector<int64_t>;

// Field numbers of ONNX messages.
constexpr uint32_t kModelGraph = 7, kModelProperty = 14, kPropertyKey = 1;
constexpr uint32_t kGraphInitializer = 5;
constexpr uint32_t kTensorDims = 1, kTensorName = 8, kTensorRawData = 9;

void copy_field(protozero::pbf_reader& from, protozero::pbf_writer& to) {
  switch (from.wire_type()) {
    case protozero::pbf_wire_type::varint:
      return to.add_uint64(from.tag(), from.get_uint64());
    case protozero::pbf_wire_type::length_delimited:
      return to.add_message(from.tag(), from.get_view());
    case protozero::pbf_wire_type::fixed32:
      return to.add_fixed32(from.tag(), from.get_fixed32());
    default:
      return to.add_fixed64(from.tag(), from.get_fixed64());
  }
}

std::string filled_tensor(protozero::data_view tensor, const std::map<std::string, bool>& stripped) {
  std::string name;
  uint64_t elements = 1;
  for (protozero::pbf_reader reader(tensor); reader.next();) {
    if (reader.tag() == kTensorName) {
      name = reader.get_string();
    } else if (reader.tag() != kTensorDims) {
      reader.skip();
    } else if (reader.wire_type() == protozero::pbf_wire_type::varint) {
      elements *= reader.get_uint64();
    } else {
      for (const int64_t dim : reader.get_packed_int64()) elements *= static_cast<uint64_t>(dim);
    }
  }
  std::string bytes(tensor.data(), tensor.size());
  if (!stripped.count(name)) return bytes;
  std::string data(elements * sizeof(float), '\0');
  auto* values = reinterpret_cast<float*>(data.data());
  for (uint64_t i = 0; i < elements; ++i) values[i] = static_cast<float>(static_cast<int>(i * 7 % 31) - 14) / 256;
  protozero::pbf_writer(bytes).add_bytes(kTensorRawData, data);
  return bytes;
}

std::string filled_graph(protozero::data_view graph, const std::map<std::string, bool>& stripped) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  for (protozero::pbf_reader reader(graph); reader.next();) {
    if (reader.tag() == kGraphInitializer) {
      writer.add_message(kGraphInitializer, filled_tensor(reader.get_view(), stripped));
    } else {
      copy_field(reader, writer);
    }
  }
  return bytes;
}

Tensor pattern(const Shape& shape) {
  Tensor tensor(DataType::f32, shape);
  std::mt19937 random(3);
  for (int64_t i = 0; i < element_count(shape); ++i) {
    tensor.as<float>()[i] = static_cast<float>(static_cast<int>(random() % 65) - 32) / 64;
  }
  return tensor;
}

Model one_operator(const std::string& op, const Shape& input, const Shape& weights, const AttributeMap& attributes) {
  GraphBuilder b(op);
  b.input("x", DataType::f32, input);
  b.output(b.op(op, {"x", b.constant("w", pattern(weights))}, attributes, "y"));
  return b.build();
}

}  // namespace

const std::vector<std::string>& networks() {
  static const std::vector<std::string> names{"resnet18", "mobilenet_v2", "r3d_18", "bert_tiny", "bert_base"};
  return names;
}

Model load_network(const std::string& name) {
  const std::string path = std::string(NETWORKS_FOLDER) + "/" + name + ".onnx";
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file) throw Error(ErrorCode::io, "can't read " + path);
  const std::string bytes = content.str();
  // Properties "stripped:NAME" name the tensors without data.
  std::map<std::string, bool> stripped;
  for (protozero::pbf_reader reader(bytes); reader.next(kModelProperty);) {
    protozero::pbf_reader property = reader.get_message();
    const std::string prefix = "stripped:";
    std::string key;
    while (property.next(kPropertyKey)) key = property.get_string();
    if (key.rfind(prefix, 0) == 0) stripped[key.substr(prefix.size())] = true;
  }
  std::string result;
  protozero::pbf_writer writer(result);
  for (protozero::pbf_reader reader(bytes); reader.next();) {
    if (reader.tag() == kModelGraph) {
      writer.add_message(kModelGraph, filled_graph(reader.get_view(), stripped));
    } else {
      copy_field(reader, writer);
    }
  }
  return Model::load(result.data(), result.size());
}

std::vector<Kind> nine_kinds(bool small) {
  const auto size = [&](int64_t large, int64_t little) { return small ? little : large; };
  const int64_t c = size(64, 8), h = size(56, 9), w = size(56, 10), d = size(8, 4);
  std::vector<Kind> kinds;
  const auto add = [&](const std::string& name, const std::string& op, const Shape& input, const Shape& weights,
                       const AttributeMap& attributes = {}) {
    kinds.push_back({name, one_operator(op, input, weights, attributes)});
  };
  add("C1D", "Conv", {1, c, size(1024, 33)}, {2 * c, c, 3}, {{"pads", Ints{1, 1}}});
  add("C2D", "Conv", {1, c, h, w}, {2 * c, c, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}});
  add("C2D strided", "Conv", {2, 3, h, w}, {c, 3, 7, 7}, {{"pads", Ints{3, 3, 3, 3}}, {"strides", Ints{2, 2}}});
  add("C3D", "Conv", {1, c, d, size(28, 5), size(28, 6)}, {c, c, 3, 3, 3}, {{"pads", Ints{1, 1, 1, 1, 1, 1}}});
  add("GRP", "Conv", {1, c, h, w}, {c, c / 2, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}, {"group", int64_t{2}}});
  add("DEP", "Conv", {1, c, h, w}, {c, 1, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}, {"group", c}});
  add("DIL", "Conv", {1, c, h, w}, {c, c, 3, 3}, {{"pads", Ints{2, 2, 2, 2}}, {"dilations", Ints{2, 2}}});
  add("T2D", "ConvTranspose", {1, c, size(14, 5), size(14, 4)}, {c, c, 4, 4},
      {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}});
  add("T3D", "ConvTranspose", {1, c, d, size(14, 3), size(14, 4)}, {c, c, 4, 4, 4},
      {{"pads", Ints{1, 1, 1, 1, 1, 1}}, {"strides", Ints{2, 2, 2}}});
  add("GMM", "MatMul", {size(4, 2), size(128, 13), size(768, 24)}, {size(768, 24), size(3072, 18)});
  return kinds;
}

}  // namespace altrt::test
