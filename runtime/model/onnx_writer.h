// The ONNX writer: Graph to bytes.
#pragma once

#include <string>

#include "runtime/graph/graph.h"

namespace altrt::model {

/// A ModelProto with weights inside. Error(unsupported) beyond protobuf's 2 GiB.
std::string write_onnx(const graph::Graph& graph);

/// Writes beside `path` and renames, so that a failure leaves what was there. Error(io).
void write_file(const std::string& path, const std::string& bytes);

}  // namespace altrt::model
