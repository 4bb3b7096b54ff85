// GraphProto as it stands in the file: names not yet resolved.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include <altrt/tensor.h>

#include "runtime/model/external_data.h"
#include "runtime/model/read_context.h"
#include "runtime/ops/op.h"

namespace altrt::model {

// All views point into the model's bytes.
struct RawValue {
  std::string_view name;
  DataType type = DataType::f32;
  bool has_shape = false;
  Shape shape;  // -1 where symbolic
  std::vector<std::string> symbols;
};

struct RawNode {
  std::string_view name, type, domain;  // domain "" for ai.onnx
  std::vector<std::string_view> inputs, outputs;
  ops::NodeAttributes attributes;
};

struct RawInitializer {
  std::string_view name;
  std::shared_ptr<const Tensor> data;
};

struct RawGraph {
  std::string_view name;
  std::vector<RawNode> nodes;
  std::vector<RawInitializer> initializers;
  std::vector<RawValue> inputs, outputs;
};

/// Reads a GraphProto.
RawGraph read_graph(std::string_view bytes, ReadContext& context, ExternalData& external);

/// "ai.onnx" is another way to write "".
std::string_view plain_domain(std::string_view domain);

}  // namespace altrt::model
