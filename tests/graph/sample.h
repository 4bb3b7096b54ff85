// Helpers of the graph tests: constants, random data, comparison.
#pragma once

#include <altrt/model.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "runtime/graph/graph.h"

namespace altrt::graph {

template <typename T>
Tensor tensor_of(const Shape& shape, const std::vector<T>& elements) {
  Tensor tensor(DataTypeOf<T>::value, shape);
  for (size_t i = 0; i < elements.size(); ++i) tensor.as<T>()[i] = elements[i];
  return tensor;
}

/// Normal numbers; the same for the same seed.
inline Tensor random_tensor(const Shape& shape, unsigned seed, float mean = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(mean, 1);
  Tensor tensor(DataType::f32, shape);
  for (int64_t i = 0; i < element_count(shape); ++i) tensor.as<float>()[i] = normal(random);
  return tensor;
}

inline double relative_l2(const Tensor& expected, const Tensor& actual) {
  double error = 0, norm = 0;
  for (int64_t i = 0; i < element_count(expected.shape()); ++i) {
    const double e = expected.as<float>()[i], a = actual.as<float>()[i];
    error += (e - a) * (e - a);
    norm += e * e;
  }
  return std::sqrt(error / (norm > 0 ? norm : 1));
}

/// The text without its first line, which names file and opset.
inline std::string body(const Graph& graph) {
  const std::string text = to_string(graph);
  return text.substr(text.find('\n') + 1);
}

inline Graph simplified(const Model& model) { return simplify(model.graph(), {}, {}); }

}  // namespace altrt::graph
