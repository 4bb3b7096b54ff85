// Runs one operator by itself: inference, Computation, verifier, evaluator or host function. And tools for naive
// references.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "runtime/ops/op.h"

namespace altrt::ops::testing {

template <typename T>
Tensor make(const Shape& shape, const std::vector<T>& values) {
  Tensor tensor(DataTypeOf<T>::value, shape);
  EXPECT_EQ(element_count(shape), static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), tensor.as<T>());
  return tensor;
}
inline Tensor floats(const Shape& shape, const std::vector<float>& values) { return make<float>(shape, values); }
inline Tensor longs(const std::vector<int64_t>& values) {
  return make<int64_t>({static_cast<int64_t>(values.size())}, values);
}
inline Tensor booleans(const Shape& shape, const std::vector<bool>& values) { return make<bool>(shape, values); }
template <typename T>
Tensor scalar(T value) {
  return make<T>({}, {value});
}

template <typename T>
std::vector<T> values(const Tensor& tensor) {
  EXPECT_EQ(tensor.type(), DataTypeOf<T>::value);
  return std::vector<T>(tensor.as<T>(), tensor.as<T>() + element_count(tensor.shape()));
}

struct Node {
  std::string type;
  std::vector<std::optional<Tensor>> inputs;
  AttributeMap attributes = {};
  std::set<int> known = {};  // inputs whose value is known at load
  int outputs = 1;
  int opset = 17;
  std::string domain = "";
  std::map<std::string, Tensor> tensors = {};  // tensor attributes
};

std::vector<ResultType> infer(const Node& node);
/// The verified Computation of the node.
jit::Computation computation(const Node& node);
/// The results, of the inferred types and shapes.
std::vector<Tensor> run(const Node& node);
/// What inference says against the node; fails the test if nothing.
std::string refusal(const Node& node, ErrorCode code = ErrorCode::invalid_model);

/// Seeded by ALTRT_TEST_SEED or a fixed number; prints the seed once.
std::mt19937& generator();
int64_t pick(int64_t low, int64_t high);  // inclusive
Shape pick_shape(int least_rank, int most_rank, int64_t most_extent);
/// Small whole numbers, so that sums and products are exact; of any type.
Tensor whole(DataType type, const Shape& shape, int64_t low = -4, int64_t high = 4);
/// Normally distributed floats.
Tensor normal(const Shape& shape);

/// Every index of a shape in row-major order.
void for_each(const Shape& shape, const std::function<void(const Shape& index)>& f);
int64_t offset(const Shape& shape, const Shape& index);
/// Element at `index` as a double.
double at(const Tensor& tensor, const Shape& index);
/// A tensor of f32 or the given type from a function of the index.
Tensor filled(DataType type, const Shape& shape, const std::function<double(const Shape& index)>& f);
/// Same type, shape and (NaN = NaN) values, within `tolerance` relative to 1 + |expected|.
void expect_near(const Tensor& actual, const Tensor& expected, double tolerance = 0);

}  // namespace altrt::ops::testing
