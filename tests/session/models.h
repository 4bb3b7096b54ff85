// Small models by GraphBuilder, and comparison with the reference evaluator.
#pragma once

#include <altrt/altrt.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace altrt {

using Tensors = std::map<std::string, Tensor>;
using Views = std::map<std::string, TensorView>;
using Ints = std::vector<int64_t>;

inline Tensor random_tensor(const Shape& shape, uint64_t seed, float scale = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, scale);
  Tensor tensor(DataType::f32, shape);
  for (int64_t i = 0; i < element_count(shape); ++i) tensor.as<float>()[i] = normal(random);
  return tensor;
}

inline Tensor integers(const std::vector<int64_t>& values) {
  Tensor tensor(DataType::i64, {static_cast<int64_t>(values.size())});
  std::memcpy(tensor.data(), values.data(), tensor.bytes());
  return tensor;
}

/// Convolutions with residual, pool and classifier.
inline Model conv_net(int64_t batch = 1) {
  GraphBuilder b("conv_net");
  b.input("x", DataType::f32, {batch, 3, 17, 17});
  const auto conv = [&](const std::string& in, int64_t from, int64_t to, int64_t stride, uint64_t seed) {
    const std::string name = std::to_string(seed);
    const auto w = b.constant("w" + name, random_tensor({to, from, 3, 3}, seed, 0.2f));
    const auto bias = b.constant("b" + name, random_tensor({to}, seed + 100));
    return b.op("Conv", {in, w, bias}, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{stride, stride}}});
  };
  const auto a = b.op("Relu", {conv("x", 3, 20, 2, 1)});
  const auto c = b.op("Relu", {conv(a, 20, 20, 1, 2)});
  const auto d = b.op("Relu", {b.op("Add", {conv(c, 20, 20, 1, 3), a})});
  const auto p = b.op("MaxPool", {d}, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}});
  const auto flat = b.op("Flatten", {b.op("GlobalAveragePool", {p})});
  const auto w = b.constant("w9", random_tensor({20, 10}, 9));
  b.output(b.op("MatMul", {flat, w}, {}, "y"));
  return b.build();
}

/// A depthwise convolution, its channels weighted by what a small network makes of their means, and a convolution of
/// single pixels.
inline Model squeeze_net(int64_t batch = 1) {
  GraphBuilder b("squeeze_net");
  b.input("x", DataType::f32, {batch, 24, 9, 9});
  const auto conv = [&](const std::string& in, const Shape& shape, const AttributeMap& attributes = {}) {
    const std::string name = std::to_string(shape[0]) + "_" + std::to_string(shape[1]);
    const auto w = b.constant("w" + name, random_tensor(shape, static_cast<uint64_t>(shape[0]), 0.4f));
    return b.op("Conv", {in, w}, attributes);
  };
  const auto spread = conv("x", {24, 1, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}, {"group", int64_t{24}}});
  const auto y = b.op("Mul", {spread, b.op("Sigmoid", {spread})});
  const auto squeezed = b.op("Relu", {conv(b.op("GlobalAveragePool", {y}), {6, 24, 1, 1})});
  const auto weighted = b.op("Mul", {y, b.op("Sigmoid", {conv(squeezed, {24, 6, 1, 1})})});
  b.output(b.op("Relu", {conv(weighted, {20, 24, 1, 1})}, {}, "y"));
  return b.build();
}

/// Softmax(x W) V with layer norm by its parts: matrix products, reductions, broadcasts.
inline Model attention_net(int64_t batch = 2) {
  GraphBuilder b("attention_net");
  b.input("x", DataType::f32, {batch, 11, 24});
  const auto project = [&](uint64_t seed) {
    return b.op("MatMul", {"x", b.constant("p" + std::to_string(seed), random_tensor({24, 24}, seed, 0.3f))});
  };
  const auto keys = b.op("Transpose", {project(2)}, {{"perm", Ints{0, 2, 1}}});
  const auto scores = b.op("Softmax", {b.op("MatMul", {project(1), keys})}, {{"axis", int64_t{-1}}});
  const auto sum = b.op("Add", {b.op("MatMul", {scores, project(3)}), "x"});
  const auto mean = b.op("ReduceMean", {sum}, {{"axes", Ints{-1}}, {"keepdims", int64_t{1}}});
  const auto centred = b.op("Sub", {sum, mean});
  const auto variance = b.op("ReduceMean", {b.op("Mul", {centred, centred})}, {{"axes", Ints{-1}}});
  b.output(b.op("Div", {centred, b.op("Sqrt", {variance})}, {}, "y"));
  return b.build();
}

/// Values that are input, constant and output at once, an output used twice, a host operator.
inline Model alias_net() {
  GraphBuilder b("alias_net");
  b.input("x", DataType::f32, {3, 8});
  const auto k = b.constant("k", random_tensor({3, 8}, 4));
  const auto a = b.op("Add", {"x", k}, {}, "a");
  const auto top = b.op_n("TopK", {b.op("Mul", {a, a}), b.constant("two", integers({2}))}, 2);
  b.output("a");
  b.output("k");
  b.output("x");
  b.output(b.op("Identity", {top[0]}, {}, "values"));
  b.output(b.op("Identity", {top[1]}, {}, "indices"));
  return b.build();
}

inline Model one_op(const std::string& type, const Shape& shape) {
  GraphBuilder b("one_op");
  b.input("x", DataType::f32, shape);
  b.output(b.op(type, {"x"}, {}, "y"));
  return b.build();
}

/// Whether some kernel is large enough for a team to share. From about conv_net(3) and attention_net(60) on.
inline bool shares_work(const Session& session) {
  std::istringstream lines(session.inspect("plan"));
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" kernel ") != std::string::npos && line.find(" alone") == std::string::npos) return true;
  }
  return false;
}

inline Tensors make_inputs(const std::vector<ValueInfo>& infos, uint64_t seed) {
  Tensors inputs;
  for (const ValueInfo& info : infos) inputs[info.name] = random_tensor(info.shape, seed++);
  return inputs;
}

inline Views views(const Tensors& tensors) {
  Views result;
  for (const auto& [name, tensor] : tensors) result[name] = tensor.view();
  return result;
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.type() == b.type() && a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

inline void expect_close(const Tensors& got, const Tensors& wanted, double tolerance = 1e-5) {
  ASSERT_EQ(got.size(), wanted.size());
  for (const auto& [name, reference] : wanted) {
    ASSERT_TRUE(got.contains(name)) << name;
    const Tensor& tensor = got.at(name);
    ASSERT_EQ(tensor.type(), reference.type()) << name;
    ASSERT_EQ(tensor.shape(), reference.shape()) << name;
    if (reference.type() != DataType::f32) {
      EXPECT_TRUE(same_bits(tensor, reference)) << name;
      continue;
    }
    double squares = 0, norm = 0;
    for (int64_t i = 0; i < element_count(reference.shape()); ++i) {
      const double a = tensor.as<float>()[i], b = reference.as<float>()[i];
      squares += (a - b) * (a - b);
      norm += b * b;
    }
    EXPECT_LE(std::sqrt(squares), tolerance * std::sqrt(norm)) << name;
  }
}

}  // namespace altrt
