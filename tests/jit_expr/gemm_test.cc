// Products of two matrices compute what the convolution or matrix product says, in every number of parts.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include <random>

#include "jit/expr/algorithms.h"
#include "jit/expr/evaluate.h"
#include "tests/jit_expr/samples.h"

namespace altrt::jit {
namespace {

constexpr DataType kFloat = DataType::f32;

int64_t in(std::mt19937& random, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
}

int add(Computation& c, const std::string& name, const std::vector<int64_t>& shape, Role role) {
  return c.add_tensor({name, kFloat, {shape.begin(), shape.end()}, role});
}

StateValue dot(const Expr& a, const Expr& b) {
  const Expr sum = state(0, kFloat);
  return {kFloat, testing::f32(0), fma(a, b, sum), sum + other(0, kFloat)};
}

/// Two-dimensional, with groups, stride, dilation, padding, bias and a residual.
Computation convolution(std::mt19937& random) {
  Computation c;
  c.name = "conv";
  const int64_t n = in(random, 1, 2), groups = random() % 3 == 0 ? 2 : 1, per_group = in(random, 4, 6);
  const int64_t channels = random() % 3 == 0 ? 8 : in(random, 1, 5), outputs = groups * per_group;
  const int64_t kh = in(random, 1, 3), kw = in(random, 1, 3), stride = in(random, 1, 2), dilation = in(random, 1, 2);
  const int64_t pad = in(random, 0, 1), h = in(random, 5, 7), w = in(random, 5, 8);
  const int64_t oh = (h + 2 * pad - dilation * (kh - 1) - 1) / stride + 1;
  const int64_t ow = (w + 2 * pad - dilation * (kw - 1) - 1) / stride + 1;
  const int x = add(c, "x", {n, groups * channels, h, w}, Role::input);
  const int k = add(c, "k", {outputs, channels, kh, kw}, Role::constant);
  const int b = add(c, "b", {outputs}, Role::constant), r = add(c, "r", {n, outputs, oh, ow}, Role::input);
  const int y = add(c, "y", {n, outputs, oh, ow}, Role::output);
  Stage s;
  s.name = "conv";
  s.axes = {{"n", n}, {"o", outputs}, {"h", oh}, {"w", ow}};
  s.reduce = {{"i", channels}, {"kh", kh}, {"kw", kw}};
  const Exprs p = variables(s.axes), t = variables(s.reduce);
  const Expr ih = p[2] * stride + t[1] * dilation - pad, iw = p[3] * stride + t[2] * dilation - pad;
  const Expr channel = groups > 1 ? floor_div(p[1], per_group) * channels + t[0] : t[0];
  Expr data = access(x, kFloat, {p[0], channel, ih, iw});
  if (pad > 0) data = select(logical_and(in_range(ih, 0, h), in_range(iw, 0, w)), data, testing::f32(0));
  s.state = {dot(data, access(k, kFloat, {p[1], t[0], t[1], t[2]}))};
  s.outputs = {y};
  s.store = p;
  s.results = {max(state(0, kFloat) + access(b, kFloat, {p[1]}), testing::f32(0)) + access(r, kFloat, p)};
  c.stages.push_back(s);
  c.anchor = {AnchorKind::conv, 0, {kh, kw}, {stride, stride}, {dilation, dilation}, {pad, pad, pad, pad},
              groups,           x, k};
  verify(c);
  return c;
}

/// With a batch that both operands have, or one, or none.
Computation product(std::mt19937& random) {
  Computation c;
  c.name = "product";
  const int64_t b = in(random, 1, 3), m = in(random, 4, 7), n = in(random, 2, 9), k = in(random, 1, 19);
  const bool both = random() % 2 == 0, transposed = random() % 2 == 0;
  const int x = add(c, "x", {b, m, k}, Role::input);
  const int w = add(c, "w",
                    both         ? std::vector<int64_t>{b, k, n}
                    : transposed ? std::vector<int64_t>{n, k}
                                 : std::vector<int64_t>{k, n},
                    both ? Role::input : Role::constant);
  const int y = add(c, "y", {b, m, n}, Role::output);
  Stage s;
  s.name = "product";
  s.axes = {{"b", b}, {"m", m}, {"n", n}};
  s.reduce = {{"k", k}};
  const Exprs p = variables(s.axes);
  const Expr t = variable("k");
  const Exprs at = both ? Exprs{p[0], t, p[2]} : transposed ? Exprs{p[2], t} : Exprs{t, p[2]};
  s.state = {dot(access(x, kFloat, {p[0], p[1], t}), access(w, kFloat, at))};
  s.outputs = {y};
  s.store = p;
  s.results = {state(0, kFloat) * testing::f32(2)};
  c.stages.push_back(s);
  c.anchor.kind = AnchorKind::matmul;
  c.anchor.stage = 0;
  c.anchor.data = x;
  c.anchor.weights = w;
  verify(c);
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

TEST(Gemm, GivesTheDefinitionsBits) {
  std::mt19937 random(7);
  int fitting = 0;
  for (int i = 0; i < 120; ++i) {
    const Computation direct = i % 2 ? convolution(random) : product(random);
    if (!gemm_fits(direct)) continue;
    ++fitting;
    const std::vector<float> expected = output(direct);
    for (const std::string& name : algorithms(direct)) {
      if (gemm_parts(name) == 0) continue;
      EXPECT_TRUE(is_direct(name));
      const Computation changed = apply_algorithm(direct, name);
      verify(changed);
      EXPECT_EQ(changed.algorithm, name);
      EXPECT_EQ(output(changed), expected) << to_string(direct) << to_string(changed);
    }
  }
  EXPECT_GT(fitting, 80);
}

TEST(Gemm, IsRefusedWhereThereIsNoProduct) {
  std::mt19937 random(1);
  Computation c = product(random);
  c.anchor.kind = AnchorKind::reduce;
  EXPECT_FALSE(gemm_fits(c));
  EXPECT_THROW(apply_algorithm(c, "gemm"), Error);
  Computation sum = product(random);
  sum.stages[0].state[0].update = state(0, kFloat) + access(0, kFloat, {variable("b"), variable("m"), variable("k")});
  EXPECT_FALSE(gemm_fits(sum));
}

}  // namespace
}  // namespace altrt::jit
