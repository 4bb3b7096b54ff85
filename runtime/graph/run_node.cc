#include "runtime/graph/run_node.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "jit/expr/evaluate.h"
#include "jit/layout/permute.h"

namespace altrt::graph {

namespace {

std::vector<jit::Extent> extents(const Shape& shape) { return {shape.begin(), shape.end()}; }

bool same_bytes(const ops::NodeInfo& info, const std::vector<ops::ResultType>& results) {
  static constexpr std::array kNames{"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"};
  if (!info.domain.empty() || results.size() != 1 || !info.has_input(0)) return false;
  return std::find(kNames.begin(), kNames.end(), info.type) != kNames.end() && results[0].type == info.input(0).type;
}

Tensor transposed(const ops::NodeInfo& info, const ops::ResultType& result, const TensorView& input) {
  const auto rank = static_cast<int64_t>(input.shape.size());
  std::vector<int64_t> reversed;
  for (int64_t i = rank - 1; i >= 0; --i) reversed.push_back(i);
  const jit::Permute copy(input.type, input.shape, {}, jit::Layout().reorder(info.integers("perm", reversed)));
  Tensor out(result.type, result.shape);
  copy.run(input.data, out.data(), 0, copy.tasks());
  return out;
}

std::vector<Tensor> run_host(const ops::NodeInfo& info, const ops::OpDef& op,
                             const std::vector<ops::ResultType>& results, std::span<const TensorView> inputs) {
  std::vector<Tensor> tensors;
  for (const auto& result : results) tensors.emplace_back(result.type, result.shape);
  std::vector<TensorView> outputs;
  for (const auto& tensor : tensors) outputs.push_back(tensor.view());
  op.host(info, inputs, outputs);
  return tensors;
}

}  // namespace

jit::Computation node_computation(const ops::NodeInfo& info, const ops::OpDef& op,
                                  const std::vector<ops::ResultType>& results) {
  jit::Computation computation;
  computation.name = info.type;
  std::vector<int> inputs, outputs;
  for (size_t i = 0; i < info.inputs.size(); ++i) {
    if (!info.inputs[i]) {
      inputs.push_back(-1);
      continue;
    }
    const auto role = info.inputs[i]->data ? jit::Role::constant : jit::Role::input;
    inputs.push_back(
        computation.add_tensor({"in" + std::to_string(i), info.inputs[i]->type, extents(info.inputs[i]->shape), role}));
  }
  for (size_t i = 0; i < results.size(); ++i) {
    outputs.push_back(computation.add_tensor(
        {"out" + std::to_string(i), results[i].type, extents(results[i].shape), jit::Role::output}));
  }
  ops::Builder builder(computation, std::move(inputs), std::move(outputs), info.type);
  op.build(info, builder);
  return computation;
}

double evaluation_work(const jit::Computation& computation) {
  double work = 0;
  for (const auto& stage : computation.stages) {
    double points = 1;
    for (const auto& axis : stage.axes) points *= static_cast<double>(axis.extent.bound);
    for (const auto& axis : stage.reduce) points *= static_cast<double>(axis.extent.bound);
    work += points;
  }
  return work;
}

bool run_move(const ops::NodeInfo& info, const std::vector<ops::ResultType>& results,
              std::span<const TensorView> inputs, std::vector<Tensor>& out) {
  if (same_bytes(info, results)) {
    Tensor copy(results[0].type, results[0].shape);
    if (copy.bytes() > 0) std::memcpy(copy.data(), inputs[0].data, copy.bytes());
    out.push_back(std::move(copy));
    return true;
  }
  if (info.domain.empty() && info.type == "Transpose" && !inputs[0].shape.empty()) {
    out.push_back(transposed(info, results.at(0), inputs[0]));
    return true;
  }
  return false;
}

std::vector<Tensor> run_node(const ops::NodeInfo& info, const ops::OpDef& op,
                             const std::vector<ops::ResultType>& results, std::span<const TensorView> inputs) {
  if (op.host) return run_host(info, op, results, inputs);
  const jit::Computation computation = node_computation(info, op, results);
  std::vector<Tensor> outputs;
  std::vector<void*> buffers;
  for (const auto& input : inputs) {
    if (input.data) buffers.push_back(input.data);
  }
  for (const auto& result : results) outputs.emplace_back(result.type, result.shape);
  for (auto& output : outputs) buffers.push_back(output.data());
  buffers.resize(computation.tensors.size(), nullptr);
  jit::evaluate(computation, buffers);
  return outputs;
}

}  // namespace altrt::graph
