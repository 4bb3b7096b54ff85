// Small transposed convolutions, and what Computations give on small integers.
#pragma once

#include <random>
#include <vector>

#include "jit/expr/evaluate.h"
#include "tests/jit_expr/samples.h"

namespace altrt::jit::testing {

struct Geometry {
  int64_t in = 2, out = 3, height = 4, width = 5;
  std::vector<int64_t> kernel, strides, dilations, begins, ends;
};

/// y[n, o, h, w] = max(0, sum of x[n, i, (h + pad - kh * dilation) / stride, ...] * k[i, o, kh, kw] where that is whole
/// and inside) + residual.
inline Computation conv_transpose(const Geometry& g) {
  Computation c;
  c.name = "deconv";
  const std::vector<int64_t> input{g.height, g.width};
  std::vector<int64_t> extent;
  for (size_t d = 0; d < 2; ++d) {
    extent.push_back((input[d] - 1) * g.strides[d] + g.dilations[d] * (g.kernel[d] - 1) + 1 - g.begins[d] - g.ends[d]);
  }
  const int x = c.add_tensor({"x", DataType::f32, {1, g.in, g.height, g.width}, Role::input});
  const int k = c.add_tensor({"k", DataType::f32, {g.in, g.out, g.kernel[0], g.kernel[1]}, Role::constant});
  const int r = c.add_tensor({"r", DataType::f32, {1, g.out, extent[0], extent[1]}, Role::input});
  const int y = c.add_tensor({"y", DataType::f32, {1, g.out, extent[0], extent[1]}, Role::output});
  Stage s;
  s.name = "deconv";
  s.axes = {{"n", 1}, {"o", g.out}, {"h", extent[0]}, {"w", extent[1]}};
  s.reduce = {{"i", g.in}, {"kh", g.kernel[0]}, {"kw", g.kernel[1]}};
  const Exprs point = variables(s.axes), tap = variables(s.reduce);
  Expr inside = boolean(true);
  Exprs index{point[0], tap[0]};
  for (size_t d = 0; d < 2; ++d) {
    const Expr from = point[d + 2] + g.begins[d] - tap[d + 1] * g.dilations[d];
    index.push_back(floor_div(from, g.strides[d]));
    inside =
        logical_and(inside, logical_and(eq(floor_mod(from, g.strides[d]), 0), in_range(index.back(), 0, input[d])));
  }
  const Expr value = select(inside, access(x, DataType::f32, index), f32(0)), sum = state(0, DataType::f32);
  s.state = {{DataType::f32, f32(0), fma(value, access(k, DataType::f32, {tap[0], point[1], tap[1], tap[2]}), sum),
              sum + other(0, DataType::f32)}};
  s.outputs = {y};
  s.store = point;
  s.results = {max(sum, f32(0)) + access(r, DataType::f32, point)};
  c.stages.push_back(s);
  std::vector<int64_t> pads = g.begins;
  pads.insert(pads.end(), g.ends.begin(), g.ends.end());
  c.anchor = {AnchorKind::conv_transpose, 0, g.kernel, g.strides, g.dilations, pads, 1, x, k};
  return c;
}

/// The output on small integers, which depend on the tensors' names only.
inline std::vector<float> output(const Computation& c) {
  std::vector<std::vector<float>> memory;
  std::vector<void*> buffers;
  for (const TensorDecl& tensor : c.tensors) {
    size_t count = 1;
    for (const Extent& e : tensor.shape) count *= static_cast<size_t>(e.bound);
    std::mt19937 random(static_cast<unsigned>(tensor.name[0]));
    memory.emplace_back(count);
    for (float& v : memory.back()) v = static_cast<float>(static_cast<int>(random() % 9) - 4);
  }
  for (std::vector<float>& m : memory) buffers.push_back(m.data());
  evaluate(c, buffers);
  return memory[static_cast<size_t>(c.with_role(Role::output)[0])];
}

}  // namespace altrt::jit::testing
