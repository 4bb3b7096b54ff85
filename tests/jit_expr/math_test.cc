#include "jit/expr/math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "jit/expr/evaluate.h"

namespace altrt::jit {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// y[i] = f(x[i]), through the evaluator.
template <typename T>
std::vector<T> apply(const std::vector<T>& x, const std::function<Expr(const Expr&)>& f, bool surrogates = false) {
  Computation c;
  c.name = "apply";
  const auto n = static_cast<int64_t>(x.size());
  const DataType type = DataTypeOf<T>::value;
  const int in = c.add_tensor({"x", type, {n}, Role::input}), out = c.add_tensor({"y", type, {n}, Role::output});
  const Expr i = variable("i");
  c.stages.push_back({"map", {{"i", n}}, {}, {}, {out}, {i}, {f(access(in, type, {i}))}});
  verify(c);
  std::vector<T> y(x.size());
  evaluate(c, {const_cast<T*>(x.data()), y.data()}, {}, surrogates);
  return y;
}

// Every 4093rd float of either sign, denormals included.
std::vector<float> sweep() {
  std::vector<float> x;
  for (uint64_t bits = 0; bits < 0xFF800000u; bits += 4093) {
    const float v = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (!std::isnan(v)) x.push_back(v);
  }
  return x;
}

// Distance in units of the last place of the right result.
double ulps(float got, double exact) {
  const float nearest = static_cast<float>(exact);
  if (std::isinf(nearest) || std::isinf(got)) return nearest == got ? 0 : 1e9;
  if (std::isnan(got)) return 1e9;
  int exponent;
  std::frexp(std::max(std::fabs(exact), 0x1p-126), &exponent);
  return std::fabs(got - exact) / std::ldexp(1.0, exponent - 24);
}

struct Worst {
  double ulp = 0, at = 0;
};

Worst worst(ExprKind kind, double (*reference)(double), float lo = -kInfinity, float hi = kInfinity) {
  const std::vector<float> x = sweep();
  const std::vector<float> y = apply<float>(x, [&](const Expr& e) { return unary(kind, e); });
  Worst w;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] < lo || x[i] > hi) continue;
    const double u = ulps(y[i], reference(x[i]));
    if (u > w.ulp) w = {u, x[i]};
  }
  return w;
}

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

void expect_within(ExprKind kind, double (*reference)(double), double limit, float lo = -kInfinity) {
  const Worst w = worst(kind, reference, lo);
  std::cout << "worst " << w.ulp << " ulp at " << w.at << "\n";
  EXPECT_LE(w.ulp, limit) << "at " << w.at;
}

TEST(Math, exp_is_within_1_ulp) { expect_within(ExprKind::exp, std::exp, 1); }
TEST(Math, log_is_within_1_ulp) { expect_within(ExprKind::log, std::log, 1, 0); }
TEST(Math, tanh_is_within_4_ulp) { expect_within(ExprKind::tanh, std::tanh, 4); }
TEST(Math, erf_is_within_5_ulp) { expect_within(ExprKind::erf, std::erf, 5); }
TEST(Math, sigmoid_is_within_3_ulp) { expect_within(ExprKind::sigmoid, sigmoid, 3); }

TEST(Math, limits_and_special_values) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), denormal = std::numeric_limits<float>::denorm_min();
  const std::vector<float> x{0.f, -0.f, kInfinity, -kInfinity, nan, denormal, -1.f, 1.f, 1e30f, -1e30f};
  const auto run = [&](ExprKind kind) { return apply<float>(x, [&](const Expr& e) { return unary(kind, e); }); };
  const auto exp = run(ExprKind::exp), log = run(ExprKind::log), tanh = run(ExprKind::tanh), erf = run(ExprKind::erf),
             sigmoid = run(ExprKind::sigmoid);
  EXPECT_EQ(exp[0], 1);
  EXPECT_EQ(exp[1], 1);
  EXPECT_EQ(exp[2], kInfinity);
  EXPECT_EQ(exp[3], 0);
  EXPECT_EQ(exp[8], kInfinity);
  EXPECT_EQ(exp[9], 0);
  EXPECT_EQ(log[0], -kInfinity);
  EXPECT_EQ(log[1], -kInfinity);
  EXPECT_EQ(log[2], kInfinity);
  EXPECT_TRUE(std::isnan(log[3]));
  EXPECT_TRUE(std::isnan(log[6]));
  EXPECT_EQ(log[7], 0);
  for (const auto& odd : {tanh, erf}) {
    EXPECT_EQ(odd[0], 0);
    EXPECT_TRUE(std::signbit(odd[1]));
    EXPECT_EQ(odd[2], 1);
    EXPECT_EQ(odd[3], -1);
    EXPECT_EQ(odd[8], 1);
    EXPECT_EQ(odd[9], -1);
  }
  EXPECT_EQ(sigmoid[0], 0.5f);
  EXPECT_EQ(sigmoid[2], 1);
  EXPECT_EQ(sigmoid[3], 0);
  for (const auto& y : {exp, log, tanh, erf, sigmoid}) EXPECT_TRUE(std::isnan(y[4]));
}

// The argument counts as one node, though it is used several times.
int operations(ExprKind kind) {
  int count = 0;
  visit(expand_math(unary(kind, access(0, DataType::f32, {}))),
        [&](const Expr& e) { count += !e->args.empty() && !e.is(ExprKind::bitcast); });
  return count;
}

int divisions(const Expr& e) {
  int count = 0;
  visit(e, [&](const Expr& node) { count += node.is(ExprKind::div); });
  return count;
}

TEST(Math, expansions_are_short) {
  EXPECT_LE(operations(ExprKind::exp), 18);
  EXPECT_LE(operations(ExprKind::sigmoid), 15);
  EXPECT_LE(operations(ExprKind::tanh), 16);
  EXPECT_LE(operations(ExprKind::erf), 18);
  EXPECT_LE(operations(ExprKind::log), 32);
}

TEST(Math, arguments_divided_by_constants_are_multiplied) {
  const Expr x = access(0, DataType::f32, {});
  const auto divided = [&](double by) { return div(x, constant_float(DataType::f32, by)); };
  for (const ExprKind kind : {ExprKind::tanh, ExprKind::erf, ExprKind::sigmoid}) {
    EXPECT_EQ(divisions(expand_math(unary(kind, divided(1.5)))), divisions(expand_math(unary(kind, x))));
  }
  EXPECT_EQ(divisions(expand_math(unary(ExprKind::exp, divided(1.5)))), 0);
  // Near 1 a logarithm would amplify the second rounding; an inverse that is no normal number has fewer bits.
  EXPECT_EQ(divisions(expand_math(unary(ExprKind::log, divided(1.5)))), 1);
  for (const double by : {0.0, 0x1p-128, 0x1p127}) {
    EXPECT_EQ(divisions(expand_math(unary(ExprKind::exp, divided(by)))), 1) << by;
  }
  const std::vector<float> xs{-7.5f, -1.f, -0.25f, 0.f, 0.5f, 2.f, 3.f};
  const auto y = apply<float>(
      xs, [](const Expr& e) { return unary(ExprKind::erf, div(e, constant_float(DataType::f32, 1.41421356))); });
  for (size_t i = 0; i < xs.size(); ++i) EXPECT_NEAR(y[i], std::erf(xs[i] / std::sqrt(2.0)), 4e-7) << xs[i];
}

TEST(Math, divisions_by_powers_of_two_are_products) {
  const Expr x = access(0, DataType::f32, {});
  const auto divided = [&](double by) { return expand_math(div(x, constant_float(DataType::f32, by))); };
  EXPECT_TRUE(equal(divided(-8), x * constant_float(DataType::f32, -0.125)));
  EXPECT_TRUE(equal(divided(0x1p-100), x * constant_float(DataType::f32, 0x1p100)));
  // With others, and where the inverse is no normal number, the product would have other bits.
  for (const double by : {0.0, 3.0, 0x1p127, 0x1p-127, std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(divisions(divided(by)), 1) << by;
  }
  const Expr whole = div(access(0, DataType::i32, {}), constant_int(DataType::i32, 4));
  EXPECT_TRUE(equal(expand_math(whole), whole));
}

TEST(Math, doubles_call_the_library) {
  const std::vector<double> x{-2.5, -0.1, 0, 0.3, 1, 7.25};
  const auto y = apply<double>(x, [](const Expr& e) { return unary(ExprKind::erf, e) + unary(ExprKind::exp, e); });
  for (size_t i = 0; i < x.size(); ++i) EXPECT_DOUBLE_EQ(y[i], std::erf(x[i]) + std::exp(x[i]));
}

TEST(Math, helpers_by_name) {
  ASSERT_NE(find_math_helper("pow_f32"), nullptr);
  EXPECT_EQ(find_math_helper("pow_f32")->arity, 2);
  EXPECT_EQ(find_math_helper("no_such"), nullptr);
  const auto y = apply<float>({0.5f, 2.f}, [](const Expr& e) {
    return call("pow_f32", DataType::f32, {e, constant_float(DataType::f32, 3)}) + call("sin_f32", DataType::f32, {e});
  });
  EXPECT_EQ(y[0], 0.125f + std::sin(0.5f));
  EXPECT_EQ(y[1], 8.f + std::sin(2.f));
  const auto z = apply<int64_t>({-3, 2, 7}, [](const Expr& e) { return call("pow_i64", DataType::i64, {e, Expr(5)}); });
  EXPECT_EQ(z, (std::vector<int64_t>{-243, 32, 16807}));
}

// A softmax whose maximum is wrong: all numerators are shifted, and the sum of them.
TEST(Math, surrogates_of_quotients_show_shifts_of_both_sides) {
  const auto softmax = [](const Expr& x, int64_t terms, double shift) {
    const auto c = [](double v) { return constant_float(DataType::f32, v); };
    return div(x - c(shift), c(static_cast<double>(terms)) * (x - c(shift)));
  };
  std::vector<float> x;
  for (int i = 0; i < 200; ++i) x.push_back(static_cast<float>(i));
  for (int64_t terms = 1; terms <= 64; ++terms) {
    const auto right = apply<float>(
        x, [&](const Expr& e) { return softmax(e, terms, 0); }, true);
    for (int shift = 1; shift < 16; ++shift) {
      const auto wrong = apply<float>(
          x, [&](const Expr& e) { return softmax(e, terms, shift); }, true);
      EXPECT_NE(right, wrong) << terms << " terms shifted by " << shift;
    }
  }
}

TEST(Math, surrogates_stay_small_integers_and_tell_neighbours_apart) {
  std::vector<float> x;
  for (int i = -200; i <= 200; ++i) x.push_back(static_cast<float>(i));
  for (const ExprKind kind : {ExprKind::exp, ExprKind::log, ExprKind::tanh, ExprKind::erf, ExprKind::sigmoid}) {
    const auto y = apply<float>(
        x, [&](const Expr& e) { return unary(kind, e); }, true);
    for (size_t i = 0; i < y.size(); ++i) {
      EXPECT_EQ(y[i], std::floor(y[i]));
      EXPECT_TRUE(y[i] >= 0 && y[i] < 16);
      if (i > 0) {
        EXPECT_NE(y[i], y[i - 1]);
      }
    }
  }
  // GELU: fractions among the constants are replaced as well.
  const auto gelu = apply<float>(
      x,
      [](const Expr& e) {
        const auto c = [](double v) { return constant_float(DataType::f32, v); };
        return c(0.5) * e * (c(1) + unary(ExprKind::erf, e * c(0.70710678)));
      },
      true);
  for (const float v : gelu) EXPECT_EQ(v, std::floor(v));
}

}  // namespace
}  // namespace altrt::jit
