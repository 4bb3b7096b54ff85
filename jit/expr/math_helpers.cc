// The table of helper functions that `call` expressions may name.
#include <array>
#include <cmath>
#include <cstring>

#include "jit/expr/math.h"
#include "jit/expr/scalar.h"

namespace altrt::jit {
namespace {

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

// Integer power with wrapping products; a negative exponent gives the truncated quotient (0 unless |base| is 1; 0 for
// base 0).
int64_t power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    return base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  }
  int64_t result = 1;
  for (; exponent > 0; exponent >>= 1, base = wrapping_mul(base, base)) {
    if (exponent & 1) result = wrapping_mul(result, base);
  }
  return result;
}

template <typename R, typename... Args>
const void* address(R (*function)(Args...)) {
  return reinterpret_cast<const void*>(function);
}

#define ALTRT_UNARY(name)                                                                                           \
  MathHelper{#name "_f32", DataType::f32, 1, address(+[](float x) -> float { return std::name(x); })}, MathHelper { \
#name "_f64", DataType::f64, 1, address(+[](double x) -> double { return std::name(x); })                       \
  }
#define ALTRT_BINARY(name)                                                                                         \
  MathHelper{#name "_f32", DataType::f32, 2, address(+[](float x, float y) -> float { return std::name(x, y); })}, \
      MathHelper {                                                                                                 \
#name "_f64", DataType::f64, 2, address(+[](double x, double y) -> double { return std::name(x, y); })         \
  }
#define ALTRT_UNARY_F64(name)                                                                 \
  MathHelper {                                                                                \
#name "_f64", DataType::f64, 1, address(+[](double x) -> double { return std::name(x); }) \
  }

const auto& helpers() {
  static const auto table = std::to_array<MathHelper>({
      ALTRT_BINARY(pow),
      ALTRT_BINARY(fmod),
      ALTRT_UNARY(sin),
      ALTRT_UNARY(cos),
      ALTRT_UNARY(tan),
      ALTRT_UNARY(asin),
      ALTRT_UNARY(acos),
      ALTRT_UNARY(atan),
      ALTRT_UNARY(sinh),
      ALTRT_UNARY(cosh),
      ALTRT_UNARY(asinh),
      ALTRT_UNARY(acosh),
      ALTRT_UNARY(atanh),
      ALTRT_UNARY_F64(exp),
      ALTRT_UNARY_F64(log),
      ALTRT_UNARY_F64(tanh),
      ALTRT_UNARY_F64(erf),
      MathHelper{"sigmoid_f64", DataType::f64, 1, address(&sigmoid)},
      MathHelper{"pow_i64", DataType::i64, 2, address(&power)},
  });
  return table;
}

#undef ALTRT_UNARY
#undef ALTRT_BINARY
#undef ALTRT_UNARY_F64

}  // namespace

std::span<const MathHelper> math_helpers() { return helpers(); }

const MathHelper* find_math_helper(const std::string& name) {
  for (const MathHelper& h : helpers()) {
    if (name == h.name) return &h;
  }
  return nullptr;
}

}  // namespace altrt::jit
