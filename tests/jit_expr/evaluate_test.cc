#include "jit/expr/evaluate.h"

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <cmath>
#include <ctime>
#include <limits>
#include <random>

#include "tests/jit_expr/random_index.h"
#include "tests/jit_expr/samples.h"

namespace altrt::jit {
namespace {

using testing::f32;

std::vector<float> random_floats(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> value(-1, 1);
  std::vector<float> x(n);
  for (float& v : x) v = value(random);
  return x;
}

template <typename T>
void* pointer(const std::vector<T>& v) {
  return const_cast<T*>(v.data());
}

TEST(Evaluate, convolution_with_padding_and_stride) {
  const int64_t channels = 3, outputs = 4, size = 7, stride = 2, out = 4;
  const Computation c = testing::conv(channels, outputs, size, stride);
  verify(c);
  const auto x = random_floats(channels * size * size, 1), w = random_floats(outputs * channels * 9, 2);
  std::vector<float> y(outputs * out * out);
  evaluate(c, {pointer(x), pointer(w), y.data()});
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t h = 0; h < out; ++h) {
      for (int64_t v = 0; v < out; ++v) {
        float sum = 0;
        for (int64_t i = 0; i < channels; ++i) {
          for (int64_t kh = 0; kh < 3; ++kh) {
            for (int64_t kw = 0; kw < 3; ++kw) {
              const int64_t row = h * stride + kh - 1, column = v * stride + kw - 1;
              const bool inside = row >= 0 && row < size && column >= 0 && column < size;
              const float value = inside ? x[(i * size + row) * size + column] : 0;
              sum = std::fma(value, w[((o * channels + i) * 3 + kh) * 3 + kw], sum);
            }
          }
        }
        ASSERT_EQ(y[(o * out + h) * out + v], sum);
      }
    }
  }
}

// In processor time, which other work on the machine does not change; a sanitizer does, some tenfold.
TEST(Evaluate, a_million_points_take_seconds) {
  const Computation c = testing::conv(16, 4, 42);
  constexpr double kProducts = 4. * 42 * 42 * 16 * 9;
  const auto x = random_floats(16 * 42 * 42, 1), w = random_floats(4 * 16 * 9, 2);
  std::vector<float> y(4 * 42 * 42);
  const std::clock_t start = std::clock();
  evaluate(c, {pointer(x), pointer(w), y.data()});
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::cout << seconds << " s, " << seconds / kProducts * 1e9 << " ns a product\n";
  EXPECT_LT(seconds, 5);
}

TEST(Evaluate, online_softmax_has_a_state_of_two) {
  const Computation c = testing::softmax(5, 33);
  verify(c);
  auto x = random_floats(5 * 33, 3);
  for (float& v : x) v *= 20;
  std::vector<float> y(x.size());
  evaluate(c, {pointer(x), nullptr, nullptr, y.data()});
  for (int r = 0; r < 5; ++r) {
    double sum = 0;
    for (int k = 0; k < 33; ++k) sum += std::exp(static_cast<double>(x[r * 33 + k]));
    for (int k = 0; k < 33; ++k) {
      const double expected = std::exp(static_cast<double>(x[r * 33 + k])) / sum;
      EXPECT_NEAR(y[r * 33 + k], expected, 1e-5 * expected + 1e-30);
    }
  }
}

TEST(Evaluate, argmax_updates_its_state_together) {
  Computation c;
  c.name = "argmax";
  const int x = c.add_tensor({"x", DataType::f32, {3, 9}, Role::input});
  const int y = c.add_tensor({"y", DataType::i64, {3}, Role::output});
  const Expr value = access(x, DataType::f32, {variable("r"), variable("k")});
  const Expr best = state(0, DataType::f32), at = state(1, DataType::i64);
  Stage s{"argmax", {{"r", 3}}, {{"k", 9}}, {}, {y}, {variable("r")}, {at}};
  const Expr better = lt(best, value);
  s.state = {{DataType::f32, f32(-std::numeric_limits<double>::infinity()), select(better, value, best), Expr()},
             {DataType::i64, Expr(-1), select(better, variable("k"), at), Expr()}};
  c.stages.push_back(s);
  verify(c);
  auto data = random_floats(27, 5);
  data[9 + 4] = data[9 + 6] = 3;  // the first of equal values wins
  std::vector<int64_t> out(3);
  evaluate(c, {pointer(data), out.data()});
  for (int r = 0; r < 3; ++r) {
    EXPECT_EQ(out[r], std::max_element(data.begin() + r * 9, data.begin() + r * 9 + 9) - (data.begin() + r * 9));
  }
  EXPECT_EQ(out[1], 4);
}

TEST(Evaluate, gather_clamps_data_dependent_indices) {
  Computation c;
  c.name = "gather";
  const int x = c.add_tensor({"x", DataType::f32, {5}, Role::input});
  const int index = c.add_tensor({"index", DataType::i64, {3}, Role::input});
  const int y = c.add_tensor({"y", DataType::f32, {3}, Role::output});
  const Expr i = variable("i"), raw = access(index, DataType::i64, {i});
  const auto stage = [&](const Expr& at) {
    return Stage{"g", {{"i", 3}}, {}, {}, {y}, {i}, {access(x, DataType::f32, {at})}};
  };
  c.stages = {stage(min(max(raw, 0), 4))};
  verify(c);
  const std::vector<float> data{0, 1, 2, 3, 4};
  const std::vector<int64_t> indices{3, -7, 99};
  std::vector<float> out(3);
  evaluate(c, {pointer(data), pointer(indices), out.data()});
  EXPECT_EQ(out, (std::vector<float>{3, 0, 4}));
  c.stages = {stage(raw)};
  EXPECT_THROW(verify(c), Error);
  EXPECT_THROW(evaluate(c, {pointer(data), pointer(indices), out.data()}), Error);
}

TEST(Evaluate, symbolic_extents_take_their_run_time_value) {
  Computation c;
  c.name = "relu";
  const int x = c.add_tensor({"x", DataType::f32, {Extent::symbolic(8, 0), 2}, Role::input});
  const int y = testing::add_map(c, "relu", x, Role::output, [](const Expr& e) { return max(e, f32(0)); });
  verify(c);
  EXPECT_EQ(y, 1);
  const auto data = random_floats(6, 9);
  std::vector<float> out(8, 7);
  evaluate(c, {pointer(data), out.data()}, {3});
  for (int i = 0; i < 6; ++i) EXPECT_EQ(out[i], std::max(data[i], 0.f));
  EXPECT_EQ(out[6], 7);
}

// y[i] = f(a[i], b[i]).
template <typename T, typename R = T, typename F>
std::vector<R> binary(const std::vector<T>& a, const std::vector<T>& b, F f) {
  Computation c;
  c.name = "binary";
  const auto n = static_cast<int64_t>(a.size());
  const DataType type = DataTypeOf<T>::value, result = DataTypeOf<R>::value;
  c.add_tensor({"a", type, {n}, Role::input});
  c.add_tensor({"b", type, {n}, Role::input});
  c.add_tensor({"y", result, {n}, Role::output});
  const Expr i = variable("i");
  c.stages = {{"map", {{"i", n}}, {}, {}, {2}, {i}, {f(access(0, type, {i}), access(1, type, {i}))}}};
  verify(c);
  std::vector<R> y(a.size());
  evaluate(c, {pointer(a), pointer(b), y.data()});
  return y;
}

TEST(Semantics, integers_wrap_and_division_by_zero_gives_zero) {
  const int32_t lowest = std::numeric_limits<int32_t>::min();
  const std::vector<int32_t> a{lowest, 7, -7, 7, -7, 2147483647}, b{-1, 0, 2, -2, -2, 1};
  EXPECT_EQ(binary(a, b, [](auto x, auto y) { return div(x, y); }),
            (std::vector<int32_t>{lowest, 0, -3, -3, 3, 2147483647}));
  EXPECT_EQ(binary(a, b, [](auto x, auto y) { return floor_div(x, y); }),
            (std::vector<int32_t>{lowest, 0, -4, -4, 3, 2147483647}));
  EXPECT_EQ(binary(a, b, [](auto x, auto y) { return floor_mod(x, y); }), (std::vector<int32_t>{0, 0, 1, -1, -1, 0}));
  EXPECT_EQ(binary(a, b, [](auto x, auto y) { return x + y; }),
            (std::vector<int32_t>{2147483647, 7, -5, 5, -9, lowest}));
  EXPECT_EQ(binary<uint8_t>({200, 255}, {100, 255}, [](auto x, auto y) { return x * y; }),
            (std::vector<uint8_t>{32, 1}));
}

TEST(Semantics, minimum_and_maximum_keep_nan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> a{nan, 1, nan, 2, -0.f, 0.f}, b{1, nan, nan, 3, 0.f, -0.f};
  const auto least = binary(a, b, [](auto x, auto y) { return min(x, y); });
  const auto most = binary(a, b, [](auto x, auto y) { return max(x, y); });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(std::isnan(least[i]) && std::isnan(most[i]));
  EXPECT_EQ(least[3], 2);
  EXPECT_EQ(most[3], 3);
  EXPECT_TRUE(std::signbit(least[4]) && std::signbit(most[4]));
  EXPECT_FALSE(std::signbit(least[5]) || std::signbit(most[5]));
}

TEST(Semantics, casts_saturate) {
  const std::vector<float> a{1.9f, -1.9f, 3e9f, -3e9f, std::numeric_limits<float>::quiet_NaN(), 300};
  const auto i32 = binary<float, int32_t>(a, a, [](auto x, auto) { return cast(DataType::i32, x); });
  EXPECT_EQ(i32, (std::vector<int32_t>{1, -1, 2147483647, std::numeric_limits<int32_t>::min(), 0, 300}));
  const auto u8 = binary<float, uint8_t>(a, a, [](auto x, auto) { return cast(DataType::u8, x); });
  EXPECT_EQ(u8, (std::vector<uint8_t>{1, 0, 255, 0, 0, 255}));
}

TEST(Semantics, f32_arithmetic_rounds_at_each_operation) {
  const auto a = random_floats(64, 11), b = random_floats(64, 12);
  const auto y = binary(a, b, [](auto x, auto z) { return x * z + x; });
  const auto fused = binary(a, b, [](auto x, auto z) { return fma(x, z, x); });
  for (int i = 0; i < 64; ++i) {
    const volatile float product = a[i] * b[i];
    EXPECT_EQ(y[i], product + a[i]);
    EXPECT_EQ(fused[i], std::fma(a[i], b[i], a[i]));
  }
}

// Folded constants, the program and the direct evaluation agree on index expressions.
TEST(Property, program_of_random_index_expressions) {
  testing::RandomIndex random(testing::test_seed(4242));
  for (int round = 0; round < testing::rounds(1500); ++round) {
    const Ranges ranges = random.ranges();
    const Expr e = random.index(random.integer(1, 6));
    Computation c;
    c.name = "index";
    Substitution shifted;
    std::vector<int64_t> shape;
    for (const auto& [name, range] : ranges) {
      const int64_t extent = std::min<int64_t>(range.hi - range.lo + 1, 5);
      shape.push_back(extent);
      shifted[name] = variable("v" + name) + Expr(range.lo);
    }
    Stage s{"s", {}, {}, {}, {0}, {}, {substitute(e, shifted)}};
    size_t d = 0;
    for (const auto& [name, range] : ranges) s.axes.push_back({"v" + name, shape[d++]});
    s.store = variables(s.axes);
    c.add_tensor({"y", DataType::i64, {shape[0], shape[1], shape[2], shape[3]}, Role::output});
    c.stages = {s};
    std::vector<int64_t> y(shape[0] * shape[1] * shape[2] * shape[3]);
    evaluate(c, {y.data()});
    for (int k = 0; k < 10; ++k) {
      testing::Values v;
      int64_t at = 0;
      d = 0;
      for (const auto& [name, range] : ranges) {
        const int64_t i = random.integer(0, shape[d] - 1);
        v[name] = i + range.lo;
        at = at * shape[d++] + i;
      }
      ASSERT_EQ(y[at], testing::evaluate_index(e, v)) << to_string(e);
    }
  }
}

}  // namespace
}  // namespace altrt::jit
