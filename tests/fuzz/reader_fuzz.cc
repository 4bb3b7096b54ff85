// libFuzzer target: any bytes end in a model or in an Error, the same whether they are in memory or read from a file
// with the weights left out; a model that was read can be written and reads back the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <altrt/error.h>

#include "runtime/graph/graph.h"
#include "runtime/model/onnx_reader.h"
#include "runtime/model/onnx_writer.h"

namespace {

// The graph as text; empty where the bytes are no model.
std::string read_from_file(std::string_view bytes) {
  const altrt::model::ModelFile::Source source = [bytes](void* to, uint64_t offset, uint64_t count) -> uint64_t {
    return bytes.substr(std::min<uint64_t>(offset, bytes.size())).copy(static_cast<char*>(to), count);
  };
  try {
    const altrt::model::ModelFile file(source, bytes.size(), "fuzz", 16);
    return altrt::graph::to_string(altrt::model::read_onnx(file, "fuzz"));
  } catch (const altrt::Error& error) {
    if (error.code() == altrt::ErrorCode::internal) std::abort();
    return "";
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  altrt::graph::Graph graph;
  try {
    graph = altrt::model::read_onnx(bytes, "fuzz");
  } catch (const altrt::Error& error) {
    if (error.code() == altrt::ErrorCode::internal || !read_from_file(bytes).empty()) std::abort();
    return 0;
  }
  if (read_from_file(bytes) != altrt::graph::to_string(graph)) std::abort();
  const std::string written = altrt::model::write_onnx(graph);
  try {
    const std::string again = altrt::graph::to_string(altrt::model::read_onnx(written, "fuzz"));
    if (again == altrt::graph::to_string(graph)) return 0;
    std::fprintf(stderr, "%s\nbecame\n%s\n", altrt::graph::to_string(graph).c_str(), again.c_str());
  } catch (const altrt::Error& error) {
    std::fprintf(stderr, "cannot be read back: %s\n", error.what());
  }
  std::abort();
}
