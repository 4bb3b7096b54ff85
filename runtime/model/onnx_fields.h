// Field numbers and enumerations of the ONNX file format (onnx.proto, IR version 10), as far as libaltrt reads or
// writes them.
#pragma once

#include <cstdint>

namespace altrt::model::onnx {

namespace model_proto {
enum Field : uint32_t {
  ir_version = 1,
  producer_name = 2,
  producer_version = 3,
  graph = 7,
  opset_import = 8,
  metadata_props = 14,
  training_info = 20,
  functions = 25,
  configuration = 26
};
}
namespace opset_id {
enum Field : uint32_t { domain = 1, version = 2 };
}
namespace graph_proto {
enum Field : uint32_t {
  node = 1,
  name = 2,
  initializer = 5,
  input = 11,
  output = 12,
  value_info = 13,
  quantization_annotation = 14,
  sparse_initializer = 15,
  metadata_props = 16
};
}
namespace node_proto {
enum Field : uint32_t {
  input = 1,
  output = 2,
  name = 3,
  op_type = 4,
  attribute = 5,
  domain = 7,
  metadata_props = 9,
  device_configurations = 10
};
}
namespace attribute_proto {
enum Field : uint32_t {
  name = 1,
  f = 2,
  i = 3,
  s = 4,
  t = 5,
  g = 6,
  floats = 7,
  ints = 8,
  strings = 9,
  tensors = 10,
  graphs = 11,
  tp = 14,
  type_protos = 15,
  type = 20,
  ref_attr_name = 21,
  sparse_tensor = 22,
  sparse_tensors = 23
};
enum Type : int64_t {
  undefined = 0,
  type_float = 1,
  type_int = 2,
  type_string = 3,
  type_tensor = 4,
  type_graph = 5,
  type_floats = 6,
  type_ints = 7,
  type_strings = 8,
  type_tensors = 9,
  type_graphs = 10,
  type_sparse_tensor = 11,
  type_sparse_tensors = 12,
  type_type_proto = 13,
  type_type_protos = 14
};
}  // namespace attribute_proto
namespace tensor_proto {
enum Field : uint32_t {
  dims = 1,
  data_type = 2,
  segment = 3,
  float_data = 4,
  int32_data = 5,
  string_data = 6,
  int64_data = 7,
  name = 8,
  raw_data = 9,
  double_data = 10,
  uint64_data = 11,
  external_data = 13,
  data_location = 14,
  metadata_props = 16
};
}
namespace string_entry {
enum Field : uint32_t { key = 1, value = 2 };
}
namespace value_info {
enum Field : uint32_t { name = 1, type = 2, metadata_props = 4 };
}
namespace type_proto {
enum Field : uint32_t { tensor_type = 1, sequence_type = 4, map_type = 5, sparse_tensor_type = 8, optional_type = 9 };
}
namespace tensor_type {
enum Field : uint32_t { elem_type = 1, shape = 2 };
}
namespace shape_proto {
enum Field : uint32_t { dim = 1 };
}
namespace dimension {
enum Field : uint32_t { dim_value = 1, dim_param = 2 };
}

/// TensorProto.DataType.
enum ElementType : int64_t {
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  complex64 = 14,
  complex128 = 15,
  bfloat16 = 16
};

}  // namespace altrt::model::onnx
