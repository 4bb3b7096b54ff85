// Every operation against its scalar definition (jit/expr/scalar.h), in scalar and in vector code.
#include <cmath>
#include <limits>

#include "jit/expr/math.h"
#include "jit/expr/scalar.h"
#include "tests/jit_cpu/fixture.h"

namespace altrt::jit {
namespace {

using namespace build;

const Expr v = variable("v");
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
const std::vector<float> kFloats = {0.0f,   -0.0f,      1.0f,          -1.0f,          0.5f,       -0.5f,      1.5f,
                                    2.5f,   -2.5f,      126.7f,        127.5f,         -129,       255.9f,     256.0f,
                                    -0.9f,  2147483520, 2147483648.0f, -2147483648.0f, 9.2e18f,    9.3e18f,    -9.3e18f,
                                    1e-40f, 3e38f,      kNaN,          kInfinity,      -kInfinity, 8388609.0f, 1e10f};

/// y[v] = value over n points, as a vector loop or a serial one.
Nest pointwise(const std::string& name, DataType type, int64_t n) {
  Nest nest;
  nest.name = name;
  add_buffer(&nest, "y", type, {n}, true);
  return nest;
}
void body(Nest* nest, const Expr& value, bool as_vector) {
  const int64_t n = nest->buffers[0].shape[0];
  nest->body = {loop("v", n, as_vector ? LoopKind::vector : LoopKind::serial, {store(0, {v}, value)})};
}

template <typename T, typename F>
void check_integers(DataType type, ExprKind kind, const std::string& name, const std::vector<int64_t>& values,
                    F expected) {
  const auto n = static_cast<int64_t>(values.size() * values.size());
  Nest nest = pointwise(name, type, n);
  const int a = add_buffer(&nest, "a", type, {n}), b = add_buffer(&nest, "b", type, {n});
  const Expr x = at(nest, a, {v}), y = at(nest, b, {v});
  const Expr e = kind == ExprKind::add         ? x + y
                 : kind == ExprKind::sub       ? x - y
                 : kind == ExprKind::mul       ? x * y
                 : kind == ExprKind::div       ? div(x, y)
                 : kind == ExprKind::floor_div ? floor_div(x, y)
                 : kind == ExprKind::floor_mod ? floor_mod(x, y)
                 : kind == ExprKind::min       ? min(x, y)
                                               : max(x, y);
  for (bool as_vector : {false, true}) {
    body(&nest, e, as_vector);
    if (as_vector && n > 128) {
      nest.body = {
          serial("r", n / 16,
                 {let("v", variable("r") * Expr(16),
                      {vector("w", 16, {store(0, {v + variable("w")}, substitute(e, {{"v", v + variable("w")}}))})})})};
    }
    on_all_targets(
        nest,
        [&](Compiled& m) {
          for (int64_t i = 0; i < n; ++i) {
            m[1].as<T>()[i] = static_cast<T>(values[i / values.size()]);
            m[2].as<T>()[i] = static_cast<T>(values[i % values.size()]);
          }
        },
        [&](Compiled& m) {
          for (int64_t i = 0; i < n; ++i) {
            const int64_t p = m[1].as<T>()[i], q = m[2].as<T>()[i];
            ASSERT_EQ(m[0].as<T>()[i], static_cast<T>(wrap(type, expected(p, q)))) << name << " " << p << ", " << q;
          }
        });
  }
}

template <typename T>
void check_type(DataType type) {
  constexpr int64_t lo = std::numeric_limits<T>::min(), hi = std::numeric_limits<T>::max();
  const std::vector<int64_t> values = {0,
                                       1,
                                       2,
                                       3,
                                       5,
                                       7,
                                       lo,
                                       hi,
                                       lo + 1,
                                       hi - 1,
                                       hi / 2,
                                       std::is_signed_v<T> ? -1 : 9,
                                       std::is_signed_v<T> ? -2 : 10,
                                       std::is_signed_v<T> ? -3 : 11,
                                       100,
                                       64};
  check_integers<T>(type, ExprKind::add, "add", values, wrapping_add);
  check_integers<T>(type, ExprKind::sub, "sub", values, wrapping_sub);
  check_integers<T>(type, ExprKind::mul, "mul", values, wrapping_mul);
  check_integers<T>(type, ExprKind::div, "div", values, truncating_div);
  check_integers<T>(type, ExprKind::floor_div, "floor_div", values, floored_div);
  check_integers<T>(type, ExprKind::floor_mod, "floor_mod", values, floored_mod);
  check_integers<T>(type, ExprKind::min, "min", values, [](int64_t a, int64_t b) { return std::min(a, b); });
  check_integers<T>(type, ExprKind::max, "max", values, [](int64_t a, int64_t b) { return std::max(a, b); });
}

TEST(Value, IntegerArithmeticI32) { check_type<int32_t>(DataType::i32); }
TEST(Value, IntegerArithmeticI64) { check_type<int64_t>(DataType::i64); }
TEST(Value, IntegerArithmeticI8) { check_type<int8_t>(DataType::i8); }
TEST(Value, IntegerArithmeticU8) { check_type<uint8_t>(DataType::u8); }

/// f(x, y) in machine code against `expected`, bit for bit (any NaN equals any NaN), over all pairs of kFloats.
template <typename F, typename E>
void check_floats(const std::string& name, F f, E expected) {
  const auto k = static_cast<int64_t>(kFloats.size()), n = k * k;
  Nest nest = pointwise(name, DataType::f32, n);
  const int a = add_buffer(&nest, "a", DataType::f32, {n}), b = add_buffer(&nest, "b", DataType::f32, {n});
  const Expr i = variable("r") * Expr(k) + v;
  const Expr e = f(at(nest, a, {i}), at(nest, b, {i}));
  for (LoopKind kind : {LoopKind::serial, LoopKind::vector}) {
    nest.body = {serial("r", k, {loop("v", k, kind, {store(0, {i}, e)})})};
    on_all_targets(
        nest,
        [&](Compiled& m) {
          for (int64_t p = 0; p < n; ++p) m[1].set(p, kFloats[p / k]), m[2].set(p, kFloats[p % k]);
        },
        [&](Compiled& m) {
          for (int64_t p = 0; p < n; ++p) {
            const float x = kFloats[p / k], y = kFloats[p % k], want = expected(x, y), got = m[0].as<float>()[p];
            if (std::isnan(want) && std::isnan(got)) continue;
            ASSERT_EQ(bits_as<int32_t>(got), bits_as<int32_t>(want)) << name << "(" << x << ", " << y << ") = " << got;
          }
        });
  }
}

TEST(Value, FloatArithmetic) {
  const float c = 3.25f;
  const Expr k = constant_float(DataType::f32, c);
  check_floats(
      "add", [](Expr x, Expr y) { return x + y; }, [](float x, float y) { return x + y; });
  check_floats(
      "sub", [](Expr x, Expr y) { return x - y; }, [](float x, float y) { return x - y; });
  check_floats(
      "mul", [](Expr x, Expr y) { return x * y; }, [](float x, float y) { return x * y; });
  check_floats(
      "div", [](Expr x, Expr y) { return div(x, y); }, [](float x, float y) { return x / y; });
  check_floats(
      "fma", [&](Expr x, Expr y) { return fma(x, y, k); }, [&](float x, float y) { return std::fma(x, y, c); });
  check_floats(
      "no_fusion", [&](Expr x, Expr y) { return x * y + k; },
      [&](float x, float y) {
        volatile float p = x * y;
        return p + c;
      });
  check_floats(
      "select", [](Expr x, Expr y) { return select(le(x, y), x, y); }, [](float x, float y) { return x <= y ? x : y; });
  check_floats(
      "not_equal", [](Expr x, Expr y) { return cast(DataType::f32, ne(x, y)); },
      [](float x, float y) { return float(x != y); });
}

TEST(Value, MinimumAndMaximumKeepNaN) {
  check_floats(
      "min", [](Expr x, Expr y) { return min(x, y); }, nan_min<float>);
  check_floats(
      "max", [](Expr x, Expr y) { return max(x, y); }, nan_max<float>);
  for (float c : {0.0f, -0.0f, 6.0f, -1.5f, kInfinity, -kInfinity, kNaN}) {
    const Expr k = constant_float(DataType::f32, c);
    check_floats(
        "min_right", [&](Expr x, Expr) { return min(x, k); }, [&](float x, float) { return nan_min(x, c); });
    check_floats(
        "min_left", [&](Expr x, Expr) { return min(k, x); }, [&](float x, float) { return nan_min(c, x); });
    check_floats(
        "max_right", [&](Expr x, Expr) { return max(x, k); }, [&](float x, float) { return nan_max(x, c); });
    check_floats(
        "max_left", [&](Expr x, Expr) { return max(k, x); }, [&](float x, float) { return nan_max(c, x); });
  }
}

TEST(Value, ReluIsOneInstruction) {
  Nest nest = pointwise("relu", DataType::f32, 8);
  const int x = add_buffer(&nest, "x", DataType::f32, {8});
  body(&nest, max(at(nest, x, {v}), constant_float(DataType::f32, 0)), true);
  const std::string text = cpu::assembly(nest, named_target("avx2"));
  EXPECT_NE(text.find("vmaxps"), std::string::npos) << text;
  EXPECT_EQ(text.find("vcmp"), std::string::npos) << text;
  EXPECT_EQ(text.find("vblend"), std::string::npos) << text;
}

TEST(Value, FloatFunctions) {
  using Kind = ExprKind;
  check_floats(
      "neg", [](Expr x, Expr) { return -x; }, [](float x, float) { return -x; });
  check_floats(
      "abs", [](Expr x, Expr) { return unary(Kind::abs, x); }, [](float x, float) { return std::fabs(x); });
  check_floats(
      "sqrt", [](Expr x, Expr) { return unary(Kind::sqrt, x); }, [](float x, float) { return std::sqrt(x); });
  check_floats(
      "floor", [](Expr x, Expr) { return unary(Kind::floor, x); }, [](float x, float) { return std::floor(x); });
  check_floats(
      "ceil", [](Expr x, Expr) { return unary(Kind::ceil, x); }, [](float x, float) { return std::ceil(x); });
  check_floats(
      "round_even", [](Expr x, Expr) { return unary(Kind::round_even, x); },
      [](float x, float) { return std::nearbyint(x); });
  check_floats(
      "bits",
      [](Expr x, Expr) {
        const Expr i = bitcast(DataType::i32, x), n = constant_int(DataType::i32, 23);
        return bitcast(DataType::f32, shift(Kind::shift_left, shift(Kind::shift_right, i, n), n));
      },
      [](float x, float) {
        return bits_as<float>(static_cast<int32_t>(static_cast<uint32_t>(bits_as<int32_t>(x) >> 23) << 23));
      });
}

TEST(Value, CastsFromFloat) {
  const auto n = static_cast<int64_t>(kFloats.size());
  for (DataType to : {DataType::i64, DataType::i32, DataType::i8, DataType::u8, DataType::boolean, DataType::f64}) {
    Nest nest = pointwise("from_float", to, n);
    const int x = add_buffer(&nest, "x", DataType::f32, {n});
    for (bool as_vector : {false, true}) {
      body(&nest, cast(to, at(nest, x, {v})), as_vector);
      on_all_targets(
          nest,
          [&](Compiled& m) {
            for (int64_t i = 0; i < n; ++i) m[1].set(i, kFloats[i]);
          },
          [&](Compiled& m) {
            for (int64_t i = 0; i < n; ++i) {
              if (to == DataType::f64) {
                ASSERT_TRUE(m[0].get(i) == kFloats[i] || std::isnan(kFloats[i])) << kFloats[i];
                continue;
              }
              const int64_t got = to == DataType::i64 ? m[0].as<int64_t>()[i] : static_cast<int64_t>(m[0].get(i));
              ASSERT_EQ(got, float_to_int(to, kFloats[i])) << altrt::to_string(to) << " of " << kFloats[i];
            }
          });
    }
  }
}

TEST(Value, CastsFromIntegers) {
  const DataType all[] = {DataType::i64, DataType::i32, DataType::i8, DataType::u8, DataType::boolean};
  for (DataType from : all) {
    for (DataType to :
         {DataType::i64, DataType::i32, DataType::i8, DataType::u8, DataType::boolean, DataType::f32, DataType::f64}) {
      if (from == to) continue;
      Nest nest = pointwise("from_integer", to, 21);
      const int x = add_buffer(&nest, "x", from, {21});
      for (bool as_vector : {false, true}) {
        body(&nest, cast(to, at(nest, x, {v})), as_vector);
        on_all_targets(nest, [&](Compiled& m) {
          for (int64_t i = 0; i < 21; ++i) {
            const auto value = static_cast<int64_t>(m[1].get(i));
            ASSERT_EQ(m[0].get(i), is_float(to) ? static_cast<double>(value) : static_cast<double>(wrap(to, value)))
                << altrt::to_string(from) << " to " << altrt::to_string(to) << " " << value;
          }
        });
      }
    }
  }
}

TEST(Value, HelperFunctions) {
  Nest nest = pointwise("helpers", DataType::f32, 13);
  const int a = add_buffer(&nest, "a", DataType::f32, {13});
  const Expr x = at(nest, a, {v});
  const Expr e = call("pow_f32", DataType::f32, {unary(ExprKind::abs, x), constant_float(DataType::f32, 1.5)}) +
                 call("sin_f32", DataType::f32, {x});
  for (bool as_vector : {false, true}) {
    body(&nest, e, as_vector);
    on_all_targets(nest, [&](Compiled& m) {
      for (int64_t i = 0; i < 13; ++i) {
        const float p = m[1].as<float>()[i];
        ASSERT_EQ(m[0].as<float>()[i], std::pow(std::fabs(p), 1.5f) + std::sin(p)) << p;
      }
    });
  }
}

TEST(Value, IndexValuesAsData) {
  Nest nest = pointwise("iota", DataType::i64, 20);
  const int x = add_buffer(&nest, "x", DataType::i64, {20});
  const Expr e = select(lt(v * Expr(3), Expr(20) + at(nest, x, {v})), v * v + at(nest, x, {Expr(19) - v}) * Expr(7),
                        floor_mod(v, 4));
  for (bool as_vector : {false, true}) {
    body(&nest, e, as_vector);
    on_all_targets(nest, [&](Compiled& m) {
      for (int64_t i = 0; i < 20; ++i) {
        const double want =
            i * 3 < 20 + m[1].get(i) ? static_cast<double>(i * i) + m[1].get(19 - i) * 7 : static_cast<double>(i % 4);
        ASSERT_EQ(m[0].get(i), want) << i;
      }
    });
  }
}

}  // namespace
}  // namespace altrt::jit
