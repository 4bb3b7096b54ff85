// Small operators as Computations, as the graph makes them.
#pragma once

#include <string>
#include <vector>

#include <altrt/model.h>

#include "jit/expr/algorithms.h"
#include "runtime/graph/compose.h"
#include "runtime/graph/graph.h"
#include "tests/property/random.h"

namespace altrt::jit {

using Ints = std::vector<int64_t>;

inline Tensor small_values(const Shape& shape) {
  Tensor tensor(DataType::f32, shape);
  for (int64_t i = 0; i < element_count(shape); ++i) tensor.as<float>()[i] = static_cast<float>(i % 7 - 3);
  return tensor;
}

/// All nodes of a small model as one Computation.
inline Computation one_group(const Model& model) {
  const graph::Graph g = graph::simplify(model.graph(), {}, {});
  std::vector<int> nodes;
  for (size_t n = 0; n < g.nodes.size(); ++n) nodes.push_back(static_cast<int>(n));
  return graph::compose(g, nodes).computation;
}

struct ConvCase {
  int64_t batch = 1, channels = 8, outputs = 8, groups = 1;
  Ints spatial, kernel;
  int64_t stride = 1, pad = 0, dilation = 1;
  bool transposed = false, residual = false, bias = true;
};

inline Shape output_shape(const ConvCase& k) {
  Shape shape{k.batch, k.outputs};
  for (size_t i = 0; i < k.spatial.size(); ++i) {
    const int64_t window = k.dilation * (k.kernel[i] - 1) + 1;
    shape.push_back(k.transposed ? (k.spatial[i] - 1) * k.stride + window - 2 * k.pad
                                 : (k.spatial[i] + 2 * k.pad - window) / k.stride + 1);
  }
  return shape;
}

/// Convolution, bias, with `residual` one more operand and ReLU, as its definition says.
inline Computation direct_convolution(const ConvCase& k) {
  Shape x{k.batch, k.channels};
  Shape w = k.transposed ? Shape{k.channels, k.outputs / k.groups} : Shape{k.outputs, k.channels / k.groups};
  x.insert(x.end(), k.spatial.begin(), k.spatial.end());
  w.insert(w.end(), k.kernel.begin(), k.kernel.end());
  GraphBuilder b("conv");
  b.input("x", DataType::f32, x);
  b.constant("w", small_values(w));
  std::vector<std::string> operands{"x", "w"};
  if (k.bias) operands.push_back(b.constant("b", small_values({k.outputs})));
  const size_t rank = k.spatial.size();
  std::string y = b.op(k.transposed ? "ConvTranspose" : "Conv", operands,
                       {{"strides", Ints(rank, k.stride)},
                        {"pads", Ints(2 * rank, k.pad)},
                        {"dilations", Ints(rank, k.dilation)},
                        {"group", k.groups}});
  if (k.residual) {
    b.input("r", DataType::f32, output_shape(k));
    y = b.op("Relu", {b.op("Add", {y, "r"})});
  }
  b.output(y);
  return one_group(b.build());
}

/// The same by the algorithm that is used where nothing is known.
inline Computation convolution(const ConvCase& k) {
  const Computation c = direct_convolution(k);
  return apply_algorithm(c, default_algorithm(c));
}

inline Computation pool(const std::string& op, const ConvCase& k) {
  Shape x{k.batch, k.channels};
  x.insert(x.end(), k.spatial.begin(), k.spatial.end());
  GraphBuilder b("pool");
  b.input("x", DataType::f32, x);
  const size_t rank = k.spatial.size();
  b.output(b.op(op, {"x"},
                {{"kernel_shape", k.kernel}, {"strides", Ints(rank, k.stride)}, {"pads", Ints(2 * rank, k.pad)}}));
  return one_group(b.build());
}

/// [batch..., m, k] x [k, n] or [batch..., k, n], the second constant or not.
inline Computation matmul(const Shape& a, const Shape& w, bool constant, bool bias) {
  GraphBuilder b("matmul");
  b.input("x", DataType::f32, a);
  constant ? b.constant("w", small_values(w)) : b.input("w", DataType::f32, w);
  std::string y = b.op("MatMul", {"x", "w"});
  if (bias) y = b.op("Add", {y, b.constant("b", small_values({w.back()}))});
  b.output(y);
  return one_group(b.build());
}

/// The kinds of operator that the templates serve.
inline const std::vector<std::string>& operator_kinds() {
  static const std::vector<std::string> kinds{"c1d",       "c2d",        "c3d",         "grouped", "few_a_group",
                                              "depthwise", "multiplier", "dilated",     "t1d",     "t2d",
                                              "t3d",       "max_pool",   "average_pool"};
  return kinds;
}

inline Computation make_operator(const std::string& kind, property::Random& random) {
  const auto ends_with = [&](const char* text) { return kind.ends_with(text); };
  const size_t rank = ends_with("1d") ? 1 : ends_with("3d") ? 3 : 2;
  ConvCase k;
  k.transposed = kind[0] == 't';
  k.batch = random.in(1, 2);
  k.channels = random.in(k.transposed ? 2 : 1, 20);
  k.outputs = random.in(1, 24);
  k.stride = random.in(1, k.transposed ? 2 : 3);
  k.pad = random.in(0, 2);
  k.residual = random.chance(40);
  k.bias = random.chance(60);
  if (kind == "dilated") k.dilation = random.in(2, 3);
  if (kind == "grouped" || kind == "few_a_group") {
    k.groups = random.in(2, 5);
    k.channels = k.groups * random.in(1, kind == "grouped" ? 6 : 2);
    k.outputs = k.groups * random.in(kind == "grouped" ? 3 : 1, kind == "grouped" ? 9 : 2);
  }
  if (kind == "depthwise" || kind == "multiplier") {
    k.groups = k.channels = random.in(2, 20);
    k.outputs = k.channels * (kind == "multiplier" ? random.in(2, 3) : 1);
  }
  for (size_t i = 0; i < rank; ++i) {
    // Windows of one element are no windows: such a pool or depthwise convolution has nothing to reduce.
    k.kernel.push_back(random.in(k.transposed || i == 0 ? 2 : 1, k.transposed ? 4 : 3));
    const int64_t window = k.dilation * (k.kernel[i] - 1) + 1;
    const int64_t least = k.transposed ? std::max<int64_t>(2, 2 * k.pad - window + 2) : std::max<int64_t>(window, 3);
    k.spatial.push_back(random.in(least, least + (rank == 1 ? 15 : rank == 2 ? 7 : 2)));
  }
  if (kind == "max_pool" || kind == "average_pool") {
    for (const int64_t extent : k.kernel) k.pad = std::min(k.pad, extent - 1);
    return pool(kind == "max_pool" ? "MaxPool" : "AveragePool", k);
  }
  return convolution(k);
}

}  // namespace altrt::jit
