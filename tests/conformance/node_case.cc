#include "tests/conformance/node_case.h"

#include <altrt/error.h>
#include <altrt/session.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "runtime/model/onnx_reader.h"
#include "runtime/model/tensor_reader.h"

namespace altrt::conformance {

namespace {

namespace fs = std::filesystem;

const fs::path kFolder = "/usr/share/libonnx-testdata/data";
constexpr std::array kSets{"node", "pytorch-converted", "pytorch-operator", "simple"};
constexpr uint64_t kMostBytes = uint64_t{1} << 28;
constexpr double kRelative = 1e-3, kAbsolute = 1e-7;  // ONNX's own for its back-end tests

using Tensors = std::vector<Tensor>;

Tensors read_tensors(const fs::path& folder, const std::string& kind, size_t count) {
  Tensors tensors;
  for (size_t i = 0; i < count; ++i) {
    const std::string path = (folder / (kind + "_" + std::to_string(i) + ".pb")).string();
    std::ifstream file(path, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    model::ReadContext context(path, kMostBytes);
    const auto tensor = model::read_tensor(bytes, context, nullptr);
    context.finish();
    tensors.push_back(*tensor.data);
  }
  return tensors;
}

// The inputs that may carry shapes, axes and the like, made constants: those of rank 0 or 1 after the first, and the
// first if it holds integers.
graph::Graph with_constants(graph::Graph graph, Tensors& inputs) {
  std::vector<int> left;
  Tensors left_inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool integers = inputs[i].type() == DataType::i64 || inputs[i].type() == DataType::i32;
    if (inputs[i].shape().size() > 1 || (i == 0 && !integers && !inputs[i].shape().empty())) {
      left.push_back(graph.inputs[i]);
      left_inputs.push_back(std::move(inputs[i]));
      continue;
    }
    graph::Value& value = graph.values[graph.inputs[i]];
    value.type = inputs[i].type();
    value.shape = inputs[i].shape();
    value.symbols.assign(value.shape.size(), "");
    value.shape_known = true;
    value.data = std::make_shared<const Tensor>(std::move(inputs[i]));
  }
  graph.inputs = std::move(left);
  inputs = std::move(left_inputs);
  return graph;
}

Tensors run(const graph::Graph& graph, const Tensors& inputs, Engine engine) {
  std::map<std::string, Shape> shapes;
  std::map<std::string, TensorView> views;
  std::vector<TensorView> ordered;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string& name = graph.values[graph.inputs[i]].name;
    shapes[name] = inputs[i].shape();
    views[name] = inputs[i].view();
    ordered.push_back(inputs[i].view());
  }
  if (engine == Engine::evaluator) return graph::evaluate(graph::simplify(graph, shapes, {}), ordered);

  SessionOptions options;
  options.threads = 1;
  options.cache.directory = "none";
  options.providers = {"own"};
  options.input_shapes = shapes;
  const Session session(Model(std::make_shared<const graph::Graph>(graph)), options);
  auto outputs = session.run(views);
  Tensors results;
  for (const int output : graph.outputs) results.push_back(std::move(outputs.at(graph.values[output].name)));
  return results;
}

template <typename T>
std::string compare_elements(const Tensor& expected, const Tensor& actual) {
  for (int64_t i = 0; i < element_count(expected.shape()); ++i) {
    const auto e = static_cast<double>(expected.as<T>()[i]), a = static_cast<double>(actual.as<T>()[i]);
    if (e == a || (std::isnan(e) && std::isnan(a))) continue;
    const bool exact = std::is_integral_v<T> || !std::isfinite(e) || !std::isfinite(a);
    if (!exact && std::abs(e - a) <= kAbsolute + kRelative * std::abs(e)) continue;
    return "element " + std::to_string(i) + " is " + std::to_string(a) + ", expected " + std::to_string(e);
  }
  return "";
}

std::string compare(const Tensor& expected, const Tensor& actual) {
  const auto text = [](const Tensor& t) { return to_string(t.type()) + to_string(t.shape()); };
  if (expected.type() != actual.type() || expected.shape() != actual.shape()) {
    return "is " + text(actual) + ", expected " + text(expected);
  }
  switch (expected.type()) {
    case DataType::f32:
      return compare_elements<float>(expected, actual);
    case DataType::f64:
      return compare_elements<double>(expected, actual);
    case DataType::i64:
      return compare_elements<int64_t>(expected, actual);
    case DataType::i32:
      return compare_elements<int32_t>(expected, actual);
    case DataType::i8:
      return compare_elements<int8_t>(expected, actual);
    default:
      return compare_elements<uint8_t>(expected, actual);
  }
}

Outcome judge(const Tensors& expected, const Tensors& actual, const char* why) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const std::string difference = compare(expected[i], actual[i]);
    if (!difference.empty()) return {Outcome::Kind::fail, "", "output " + std::to_string(i) + " " + difference};
  }
  return {Outcome::Kind::pass, why, ""};
}

bool all_operators_known(const graph::Graph& graph) {
  for (const auto& op : graph::operator_counts(graph)) {
    if (!op.supported) return false;
  }
  return true;
}

Outcome run_graph(const graph::Graph& graph, const fs::path& data, Engine engine) {
  const Tensors expected = read_tensors(data, "output", graph.outputs.size());
  const Tensors inputs = read_tensors(data, "input", graph.inputs.size());
  try {
    return judge(expected, run(graph, inputs, engine), "");
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
  }
  Tensors left = inputs;
  const graph::Graph fixed = with_constants(graph, left);
  return judge(expected, run(fixed, left, engine), "constants");
}

}  // namespace

std::string Outcome::text() const {
  const char* kinds[] = {"pass", "unsupported", "fail"};
  return kinds[static_cast<int>(kind)] + (why.empty() ? why : " " + why);
}

std::vector<std::string> all_cases() {
  std::vector<std::string> names;
  for (const std::string set : kSets) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(kFolder / set, error)) {
      if (entry.is_directory()) names.push_back(set + "/" + entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Outcome run_case(const std::string& name, Engine engine) {
  const char* stage = "model";
  try {
    const Model model = Model::load((kFolder / name / "model.onnx").string());
    stage = all_operators_known(model.graph()) ? "form" : "operator";
    return run_graph(model.graph(), kFolder / name / "test_data_set_0", engine);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::unsupported) return {Outcome::Kind::unsupported, stage, error.what()};
    return {Outcome::Kind::fail, "", error.what()};
  } catch (const std::exception& error) {
    return {Outcome::Kind::fail, "", std::string("not an altrt::Error: ") + error.what()};
  }
}

}  // namespace altrt::conformance
