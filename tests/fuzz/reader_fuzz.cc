// libFuzzer target: any bytes end in a model or in an Error; a model that was read can be written and reads back the
// same.
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

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  altrt::graph::Graph graph;
  try {
    graph = altrt::model::read_onnx(bytes, "fuzz");
  } catch (const altrt::Error& error) {
    if (error.code() == altrt::ErrorCode::internal) std::abort();
    return 0;
  }
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
