// Strassen's seven products give what the matrix product says, with fewer multiplications.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "jit/expr/algorithms.h"
#include "jit/expr/evaluate.h"
#include "tests/jit_expr/samples.h"

namespace altrt::jit {
namespace {

constexpr DataType kFloat = DataType::f32;

struct Sizes {
  int64_t batch = 0, m = 4, n = 4, k = 4;  // batch 0: no such axis
  bool transposed_first = false, transposed_second = false;
};

int add(Computation& c, const std::string& name, const std::vector<int64_t>& shape, Role role) {
  return c.add_tensor({name, kFloat, {shape.begin(), shape.end()}, role});
}

/// relu(x * w + bias) + residual
Computation product(const Sizes& s) {
  Computation c;
  c.name = "product";
  const auto with_batch = [&](std::vector<int64_t> shape) {
    if (s.batch > 0) shape.insert(shape.begin(), s.batch);
    return shape;
  };
  using Shape = std::vector<int64_t>;
  const int x = add(c, "x", with_batch(s.transposed_first ? Shape{s.k, s.m} : Shape{s.m, s.k}), Role::input);
  const int w = add(c, "w", s.transposed_second ? Shape{s.n, s.k} : Shape{s.k, s.n}, Role::constant);
  const int b = add(c, "b", {s.n}, Role::constant), r = add(c, "r", with_batch({s.m, s.n}), Role::input);
  const int y = add(c, "y", with_batch({s.m, s.n}), Role::output);
  Stage stage;
  stage.name = "product";
  if (s.batch > 0) stage.axes.push_back({"b", s.batch});
  stage.axes.insert(stage.axes.end(), {{"m", s.m}, {"n", s.n}});
  stage.reduce = {{"k", s.k}};
  const Expr m = variable("m"), n = variable("n"), k = variable("k"), sum = state(0, kFloat);
  Exprs at = s.transposed_first ? Exprs{k, m} : Exprs{m, k};
  if (s.batch > 0) at.insert(at.begin(), variable("b"));
  const Expr weight = access(w, kFloat, s.transposed_second ? Exprs{n, k} : Exprs{k, n});
  stage.state = {{kFloat, testing::f32(0), fma(access(x, kFloat, at), weight, sum), sum + other(0, kFloat)}};
  stage.outputs = {y};
  stage.store = variables(stage.axes);
  stage.results = {max(sum + access(b, kFloat, {n}), testing::f32(0)) + access(r, kFloat, stage.store)};
  c.stages.push_back(stage);
  c.anchor.kind = AnchorKind::matmul;
  c.anchor.stage = 0;
  c.anchor.data = x;
  c.anchor.weights = w;
  verify(c);
  return c;
}

double multiplications(const Stage& stage) {
  double count = 1;
  for (const auto* axes : {&stage.axes, &stage.reduce}) {
    for (const Axis& axis : *axes) count *= static_cast<double>(axis.extent.bound);
  }
  return count;
}

/// The output, from values that `next` makes.
template <typename Next>
std::vector<float> output(const Computation& c, Next next) {
  std::vector<std::vector<float>> memory;
  for (const TensorDecl& tensor : c.tensors) {
    size_t count = 1;
    for (const Extent& extent : tensor.shape) count *= static_cast<size_t>(extent.bound);
    memory.emplace_back(count);
    if (tensor.role != Role::input && tensor.role != Role::constant) continue;
    for (float& value : memory.back()) value = next();
  }
  std::vector<void*> buffers;
  for (auto& tensor : memory) buffers.push_back(tensor.data());
  evaluate(c, buffers, {}, false);
  return memory[static_cast<size_t>(c.with_role(Role::output)[0])];
}

std::vector<float> integers(const Computation& c) {
  return output(c, [random = std::mt19937(5)]() mutable { return static_cast<float>(random() % 9) - 4; });
}

TEST(Strassen, GivesTheDefinitionsBitsOnIntegers) {
  std::mt19937 random(7);
  const auto in = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
  };
  int odd = 0;
  for (int i = 0; i < 80; ++i) {
    const Sizes sizes{in(0, 2), in(2, 7), in(2, 9), in(2, 9), in(0, 1) == 1, in(0, 1) == 1};
    const Computation direct = product(sizes);
    const Computation changed = apply_algorithm(direct, "strassen");
    verify(changed);
    EXPECT_EQ(changed.algorithm, "strassen");
    EXPECT_EQ(integers(changed), integers(direct)) << to_string(direct) << to_string(changed);
    odd += sizes.m % 2 != 0 || sizes.n % 2 != 0 || sizes.k % 2 != 0;
  }
  EXPECT_GT(odd, 20);
  EXPECT_LT(odd, 80);
}

TEST(Strassen, MultipliesSevenEighths) {
  const Computation direct = product({0, 16, 24, 8}), changed = apply_algorithm(direct, "strassen");
  const Stage& products = changed.stages[static_cast<size_t>(changed.find_stage(kStrassenProducts))];
  EXPECT_EQ(multiplications(products) * 8, multiplications(direct.stages[0]) * 7);
  const Stage& weights = changed.stages[static_cast<size_t>(changed.find_stage(kStrassenSecond))];
  visit(weights.state[0].update, [&](const Expr& e) {
    const bool reads = e.is(ExprKind::access);
    EXPECT_TRUE(!reads || changed.tensors[static_cast<size_t>(e->id)].role == Role::constant);
  });
}

/// Rows and columns over three decades with outliers: the errors of large rows reach small ones, but not the norm.
TEST(Strassen, ErrorStaysWithinTheBound) {
  for (const bool scaled : {false, true}) {
    const Computation direct = product({0, 24, 20, 512}), changed = apply_algorithm(direct, "strassen");
    const auto values = [&](int64_t decades) {
      return [=, random = std::mt19937(3), normal = std::normal_distribution<float>()]() mutable {
        const float outlier = random() % 100 == 0 ? 30 : 1;
        const float scale = decades == 0 ? 1 : std::pow(10.F, static_cast<float>(random() % 3000) / 1000 - 1.5F);
        return normal(random) * outlier * scale;
      };
    };
    const std::vector<float> exact = output(direct, values(scaled)), found = output(changed, values(scaled));
    double error = 0, size = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      error += std::pow(static_cast<double>(found[i]) - exact[i], 2);
      size += std::pow(static_cast<double>(exact[i]), 2);
    }
    EXPECT_LT(std::sqrt(error / size), 5e-6) << scaled;
    EXPECT_GT(error, 0);
  }
}

TEST(Strassen, IsRefusedWhereItDoesNotFit) {
  const auto refused = [](const Computation& c) {
    const std::vector<std::string> names = algorithms(c);
    EXPECT_EQ(std::count(names.begin(), names.end(), "strassen"), 0);
    EXPECT_THROW(apply_algorithm(c, "strassen"), Error);
  };
  refused(product({0, 1, 8, 8}));
  refused(product({0, 8, 1, 8}));
  refused(product({0, 8, 8, 1}));
  Computation variable_weights = product({});
  variable_weights.tensors[static_cast<size_t>(variable_weights.anchor.weights)].role = Role::input;
  refused(variable_weights);
  Computation sum = product({});
  sum.stages[0].state[0].update = state(0, kFloat) + access(0, kFloat, {variable("m"), variable("k")});
  refused(sum);
  Computation reduction = product({});
  reduction.anchor.kind = AnchorKind::reduce;
  refused(reduction);
  EXPECT_THROW(strassen(apply_algorithm(product({}), "strassen")), Error);
}

TEST(Strassen, IsNoDirectForm) { EXPECT_FALSE(is_direct("strassen")); }

}  // namespace
}  // namespace altrt::jit
