// Algorithms compute what the definition says.
#include "jit/expr/algorithms.h"

#include <gtest/gtest.h>

#include <random>

#include "jit/expr/evaluate.h"
#include "tests/jit_expr/samples.h"

namespace altrt::jit {
namespace {

struct Geometry {
  int64_t in = 2, out = 3, height = 4, width = 5;
  std::vector<int64_t> kernel, strides, dilations, begins, ends;
};

/// y[n, o, h, w] = max(0, sum of x[n, i, (h + pad - kh * dilation) / stride, ...] * k[i, o, kh, kw] where that is whole
/// and inside) + residual.
Computation conv_transpose(const Geometry& g) {
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
  const Expr value = select(inside, access(x, DataType::f32, index), testing::f32(0)), sum = state(0, DataType::f32);
  s.state = {{DataType::f32, testing::f32(0),
              fma(value, access(k, DataType::f32, {tap[0], point[1], tap[1], tap[2]}), sum),
              sum + other(0, DataType::f32)}};
  s.outputs = {y};
  s.store = point;
  s.results = {max(sum, testing::f32(0)) + access(r, DataType::f32, point)};
  c.stages.push_back(s);
  std::vector<int64_t> pads = g.begins;
  pads.insert(pads.end(), g.ends.begin(), g.ends.end());
  c.anchor = {AnchorKind::conv_transpose, 0, g.kernel, g.strides, g.dilations, pads, 1, x, k};
  return c;
}

/// The output on small integers, which depend on the tensors' names only.
std::vector<float> output(const Computation& c) {
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

TEST(Phases, GiveTheBitsOfTheDefinition) {
  std::mt19937 random(7);
  const auto in = [&](int lo, int hi) { return static_cast<int64_t>(lo + static_cast<int>(random() % (hi - lo + 1))); };
  int cases = 0, with_empty_phase = 0;
  while (cases < 60) {
    Geometry g;
    g.height = in(1, 5), g.width = in(1, 5), g.in = in(1, 3), g.out = in(1, 3);
    bool valid = true;
    for (int d = 0; d < 2; ++d) {
      g.kernel.push_back(in(1, 4));
      g.strides.push_back(in(1, 3));
      g.dilations.push_back(in(1, 3));
      g.begins.push_back(in(0, 2));
      g.ends.push_back(in(0, 2));
      const int64_t full = ((d ? g.width : g.height) - 1) * g.strides[d] + g.dilations[d] * (g.kernel[d] - 1) + 1;
      valid &= full - g.begins[d] - g.ends[d] >= 1;
    }
    if (!valid) continue;
    ++cases;
    const Computation direct = conv_transpose(g);
    ASSERT_EQ(algorithms(direct), (std::vector<std::string>{"direct", "phases"}));
    EXPECT_EQ(default_algorithm(direct), "phases");
    const Computation split = apply_algorithm(direct, "phases");
    verify(split);
    EXPECT_EQ(output(split), output(direct)) << to_string(direct) << to_string(split);
    for (const Stage& stage : split.stages) {
      with_empty_phase += stage.reduce.empty();
      for (const StateValue& value : stage.state) {
        EXPECT_EQ(to_string(value.update).find('%'), std::string::npos) << to_string(value.update);
      }
    }
  }
  EXPECT_GT(with_empty_phase, 0);
}

}  // namespace
}  // namespace altrt::jit
