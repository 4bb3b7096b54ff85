// Small groups to tune.
#pragma once

#include <altrt/model.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "runtime/graph/groups.h"
#include "runtime/graph/layouts.h"
#include "tuner/task.h"

namespace altrt::tuner {

using Ints = std::vector<int64_t>;

inline Tensor values(const Shape& shape, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  Tensor tensor(DataType::f32, shape);
  for (int64_t i = 0; i < element_count(shape); ++i) tensor.as<float>()[i] = normal(random);
  return tensor;
}

/// A graph, its groups and tasks; keeps what tasks refer to.
struct Groups {
  std::shared_ptr<const graph::Graph> graph;
  std::vector<graph::Group> groups;
  graph::Decisions decisions;
  std::vector<Task> tasks;

  Groups(const Model& model, const jit::Target& target)
      : graph(std::make_shared<const graph::Graph>(graph::simplify(model.graph(), {}, {}))),
        groups(graph::form_groups(*graph)),
        decisions(graph::default_decisions(*graph, groups, target)),
        tasks(make_tasks(*graph, groups, decisions)) {}
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;
};

inline Model conv_model(const Shape& input, const Shape& weights, int64_t stride, int64_t groups,
                        int64_t dilation = 1) {
  GraphBuilder b("conv");
  b.input("x", DataType::f32, input);
  const size_t rank = input.size() - 2;
  const int64_t pad = dilation * (weights[2] / 2);
  const auto y = b.op("Conv", {"x", b.constant("w", values(weights, 1)), b.constant("b", values({weights[0]}, 2))},
                      {{"pads", Ints(2 * rank, pad)},
                       {"strides", Ints(rank, stride)},
                       {"dilations", Ints(rank, dilation)},
                       {"group", groups}});
  b.output(b.op("Relu", {y}, {}, "y"));
  return b.build();
}

inline Model pool_model() {
  GraphBuilder b("pool");
  b.input("x", DataType::f32, {1, 16, 13, 13});
  const auto c = b.op("Conv", {"x", b.constant("w", values({16, 16, 1, 1}, 1))});
  b.output(b.op("MaxPool", {c}, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}}, "y"));
  return b.build();
}

inline Model matmul_model(int64_t m, int64_t k, int64_t n) {
  GraphBuilder b("matmul");
  b.input("x", DataType::f32, {m, k});
  const auto y =
      b.op("Add", {b.op("MatMul", {"x", b.constant("w", values({k, n}, 1))}), b.constant("b", values({n}, 2))});
  b.output(b.op("Erf", {y}, {}, "y"));
  return b.build();
}

inline Model softmax_model(const Shape& shape = {3, 5, 37}) {
  GraphBuilder b("softmax");
  b.input("x", DataType::f32, shape);
  b.output(b.op("Softmax", {"x"}, {{"axis", int64_t{-1}}}, "y"));
  return b.build();
}

}  // namespace altrt::tuner
