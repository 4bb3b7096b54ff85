// The ONNX reader: bytes to Graph. Bytes are untrusted: any string ends in a graph or in an Error.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/graph/graph.h"
#include "runtime/model/model_file.h"

namespace altrt::model {

/// Protobuf's own limit for a message.
inline constexpr uint64_t kMaxModelBytes = (uint64_t{1} << 31) - 1;

/// Reads a ModelProto. `name` stands for the file in messages; an empty `external_data_folder` refuses external data.
/// The graph is sorted and verified.
///
/// Strict where a file could mean two things: fields that may occur once occur once, names are unique, a tensor has its
/// data in one place. Memory taken is in proportion to the bytes given. Subgraphs, local functions, sparse tensors and
/// element types that libaltrt lacks end in one Error(unsupported) that names all of them. Doc strings, metadata and
/// training information are not read.
graph::Graph read_onnx(std::string_view bytes, const std::string& name, const std::string& external_data_folder = "");
graph::Graph read_onnx(const ModelFile& file, const std::string& name, const std::string& external_data_folder = "");

}  // namespace altrt::model
