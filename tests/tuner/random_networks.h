// Small random networks whose results do not depend on the order of summation, and plans of given decisions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "groups.h"
#include "jit/compile/provide.h"
#include "runtime/plan/build.h"
#include "runtime/plan/runner.h"

namespace altrt::tuner {

class RandomNetwork {
 public:
  explicit RandomNetwork(uint64_t seed) : random_(seed) {}

  int in(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  // Every element -1, 0 or 1.
  Tensor integers(const Shape& shape) {
    Tensor tensor(DataType::f32, shape);
    for (int64_t i = 0; i < element_count(shape); ++i) tensor.as<float>()[i] = static_cast<float>(in(-1, 1));
    return tensor;
  }

  // Convolutions of all kinds with elementwise operators, residuals, concatenations and pools between them.
  Model make() {
    GraphBuilder b("random");
    Value x{"x", {1, in(1, 9), in(6, 11), in(6, 11)}};
    b.input("x", DataType::f32, x.shape);
    std::vector<Value> values{x};
    for (int step = in(3, 7); step > 0; --step) values.push_back(add(b, values));
    b.output(values.back().name);
    if (in(0, 2) == 0 && values.size() > 3) b.output(values[values.size() - 2].name);
    return b.build();
  }

 private:
  struct Value {
    std::string name;
    Shape shape;
  };

  Value conv(GraphBuilder& b, const Value& x, bool keeps_shape) {
    const int64_t channels = x.shape[1];
    const bool depthwise = channels > 1 && in(0, 3) == 0;
    const int64_t kernel = in(0, 1) ? 3 : 1, stride = !keeps_shape && kernel == 3 && x.shape[2] > 4 ? in(1, 2) : 1;
    const int64_t outputs = depthwise || keeps_shape ? channels : 4 * in(1, 9);
    const std::string w = "w" + std::to_string(++constants_);
    b.constant(w, integers({outputs, depthwise ? 1 : channels, kernel, kernel}));
    const int64_t pad = kernel / 2;
    Value y{b.op("Conv", {x.name, w},
                 {{"pads", Ints{pad, pad, pad, pad}},
                  {"strides", Ints{stride, stride}},
                  {"group", depthwise ? channels : int64_t{1}}}),
            {1, outputs, (x.shape[2] + 2 * pad - kernel) / stride + 1, (x.shape[3] + 2 * pad - kernel) / stride + 1}};
    // Values stay small whatever the depth of the network.
    y.name = b.op("Clip", {y.name, b.constant("lo" + w, values({}, -3)), b.constant("hi" + w, values({}, 3))});
    return y;
  }
  static Tensor values(const Shape& shape, float value) {
    Tensor tensor(DataType::f32, shape);
    for (int64_t i = 0; i < element_count(shape); ++i) tensor.as<float>()[i] = value;
    return tensor;
  }

  Value add(GraphBuilder& b, const std::vector<Value>& values) {
    const Value& x = values.back();
    switch (in(0, 6)) {
      case 0: {  // residual
        const Value y = conv(b, x, true);
        return {b.op("Add", {y.name, x.name}), x.shape};
      }
      case 1: {  // two branches
        const Value y = conv(b, x, true), z = in(0, 1) ? conv(b, x, true) : x;
        return {b.op("Concat", {y.name, z.name}, {{"axis", int64_t{1}}}), {1, 2 * x.shape[1], x.shape[2], x.shape[3]}};
      }
      case 2: {
        if (x.shape[2] < 4 || x.shape[3] < 4) return conv(b, x, false);
        return {b.op("MaxPool", {x.name}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}),
                {1, x.shape[1], x.shape[2] / 2, x.shape[3] / 2}};
      }
      case 3: {  // something between two convolutions that no group can take in
        const Value y = conv(b, x, false);
        const std::string neg = b.op("Neg", {y.name});
        return {b.op("Max", {neg, b.op("Abs", {y.name})}), y.shape};
      }
      default:
        return conv(b, x, false);
    }
  }

  std::mt19937_64 random_;
  int constants_ = 0;
};

/// The outputs of a plan of these decisions, after two runs.
inline std::vector<Tensor> run_decisions(const std::shared_ptr<const graph::Graph>& graph,
                                         const std::vector<graph::Group>& groups, const graph::Decisions& decisions,
                                         const std::vector<Tensor>& inputs, base::Team& team) {
  plan::PlanInput input{graph, groups, decisions, std::vector<plan::GroupCode>(groups.size())};
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].host) continue;
    auto compiled = std::make_shared<jit::CompiledGroup>(
        jit::compile(groups[g].computation, decisions[g], jit::host_target(), "g" + std::to_string(g)));
    input.code[g] = {&groups[g].computation, compiled, jit::load(*compiled, decisions[g])};
  }
  plan::WeightStore weights;
  const auto plan = std::make_shared<const plan::Plan>(plan::build_plan(std::move(input), weights, team));
  const std::unique_ptr<plan::Runner> runner = plan::make_runner(plan, team.threads());
  std::vector<plan::Address> from, to;
  std::vector<Tensor> outputs;
  for (const int v : graph->outputs) {
    const graph::Value& value = graph->values[static_cast<size_t>(v)];
    outputs.emplace_back(value.type, value.shape);
  }
  for (Tensor& output : outputs) to.push_back({output.data()});
  for (const Tensor& tensor : inputs) from.push_back({const_cast<void*>(tensor.data())});
  runner->bind(from, to);
  for (int run = 0; run < 2; ++run) {
    base::Team::Lease lease(team);
    runner->run(lease);
  }
  return outputs;
}

}  // namespace altrt::tuner
