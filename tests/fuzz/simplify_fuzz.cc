// libFuzzer target: any model that was read ends in a small static graph or in an Error; what is small enough is
// evaluated, too.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <altrt/error.h>

#include "runtime/graph/graph.h"
#include "runtime/graph/operators.h"
#include "runtime/graph/run_node.h"
#include "runtime/model/onnx_reader.h"

namespace {

using namespace altrt;

constexpr int64_t kMostElements = 4096;  // of any value of a graph that is evaluated
constexpr size_t kMostNodes = 8;
constexpr double kMostWork = 1 << 20;  // points of iteration of one node

// Every open dimension is 2.
std::map<std::string, Shape> input_shapes(const graph::Graph& graph) {
  std::map<std::string, Shape> shapes;
  for (const int input : graph.inputs) {
    const graph::Value& value = graph.values[input];
    if (!value.shape_known) continue;
    Shape shape = value.shape;
    for (int64_t& extent : shape) extent = extent < 0 ? 2 : extent;
    shapes[value.name] = shape;
  }
  return shapes;
}

bool is_small(const graph::Graph& graph) {
  if (graph.nodes.size() > kMostNodes) return false;
  for (const auto& value : graph.values) {
    if (element_count(value.shape) > kMostElements) return false;
  }
  for (const auto& node : graph.nodes) {
    const auto& op = graph::definition(graph, node);
    const auto info = graph.info(node);
    if (op.build && graph::evaluation_work(graph::node_computation(info, op, op.infer(info))) > kMostWork) return false;
  }
  return true;
}

void run(const graph::Graph& read) {
  const graph::Graph graph = graph::simplify(read, input_shapes(read), {});
  graph::to_string(graph);
  if (!is_small(graph)) return;
  std::vector<Tensor> inputs;
  std::vector<TensorView> views;
  for (const int input : graph.inputs) inputs.emplace_back(graph.values[input].type, graph.values[input].shape);
  for (const auto& input : inputs) views.push_back(input.view());
  graph::evaluate(graph, views);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    run(model::read_onnx({reinterpret_cast<const char*>(data), size}, "fuzz"));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::internal) return 0;
    std::fprintf(stderr, "%s\n", error.what());
    std::abort();
  }
  return 0;
}
