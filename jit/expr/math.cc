// Elementary functions as sequences of basic operations.
//
// The polynomials and rationals are minimax fits (relative error, weighted least squares with Lawson's iteration at 40
// digits), rounded to
// floats; the last bits of the rationals' coefficients were then searched for the least error in float arithmetic.
#include "jit/expr/math.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <limits>

namespace altrt::jit {
namespace {

Expr f32(double value) { return constant_float(DataType::f32, value); }
Expr i32(int64_t value) { return constant_int(DataType::i32, value); }
Expr shift_left(const Expr& a, int bits) { return shift(ExprKind::shift_left, a, i32(bits)); }
Expr shift_right(const Expr& a, int bits) { return shift(ExprKind::shift_right, a, i32(bits)); }

// Coefficients from the constant term upwards; Horner's scheme.
Expr polynomial(const Expr& x, std::initializer_list<double> coefficients) {
  auto c = std::rbegin(coefficients);
  Expr sum = f32(*c);
  while (++c != std::rend(coefficients)) sum = fma(sum, x, f32(*c));
  return sum;
}

Expr clamp(const Expr& x, double lo, double hi) { return max(min(x, f32(hi)), f32(lo)); }  // keeps NaN

// The polynomial both share: |e^r - exp_poly(r)| below half a unit of the last place for |r| <= ln 2 / 2.
constexpr double kExpTail[] = {0.4999999305, 0.1666651479, 0.04166845689, 0.008369419309, 0.001381313957};
constexpr double kLog2E = 1.44269504088896340736;
constexpr double kLn2High = 0.693147182464599609375, kLn2Low = -1.904654299957767878e-9;
constexpr double kRound = 12582912;  // 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits

// 2^k for the k + 127 that stands in the low bits; those of kRound above the exponent vanish in the shift.
Expr power_of_two(const Expr& bits) { return bitcast(DataType::f32, shift_left(bits, 23)); }

// x = n ln 2 + r with |r| <= ln 2 / 2; the result is e^r 2^n, scaled in two steps so that results below the normal
// range round once and n = 128 does not overflow early.
Expr expand_exp(const Expr& x) {
  constexpr double kShift = kRound + 2 * 127;  // with the bias of both steps
  const Expr y = clamp(x, -104, 89);
  const Expr shifted = fma(y, f32(kLog2E), f32(kShift));
  const Expr n = shifted - f32(kShift);
  const Expr r = fma(n, f32(-kLn2Low), fma(n, f32(-kLn2High), y));
  const auto& t = kExpTail;
  const Expr q = polynomial(r, {t[0], t[1], t[2], t[3], t[4]});
  const Expr p = fma(fma(q, r, f32(1)), r, f32(1));
  const Expr bits = bitcast(DataType::i32, shifted), half = shift_right(bits, 1);
  return p * power_of_two(half) * power_of_two(bits - half);
}

// 1 / (1 + e^-x) with both parts divided by 2^24, so that e^-x neither overflows nor ends where the result is no longer
// a normal number. -x = n ln 2 - r.
Expr expand_sigmoid(const Expr& x) {
  constexpr int kScale = 24;
  constexpr double kShift = kRound + 127 - kScale, kUnit = 1.0 / (1 << kScale);
  const Expr y = clamp(x, -105, 30);
  const Expr shifted = fma(y, f32(-kLog2E), f32(kShift));
  const Expr n = shifted - f32(kShift);
  const Expr r = fma(n, f32(kLn2Low), fma(n, f32(kLn2High), y));
  const auto& t = kExpTail;
  const Expr q = polynomial(r, {t[0], -t[1], t[2], -t[3], t[4]});
  const Expr p = fma(fma(q, r, f32(-1)), r, f32(1));
  const Expr power = power_of_two(bitcast(DataType::i32, shifted));
  return div(f32(kUnit), fma(p, power, f32(kUnit)));
}

// x = 2^k m with m in [sqrt(1/2), sqrt(2)); log m = f - f^2/2 + f^3 q(f), f = m - 1.
Expr expand_log(const Expr& x) {
  constexpr int64_t kSqrtHalf = 0x3F3504F3;                           // its bits
  constexpr double kLn2High = 0.693359375, kLn2Low = -2.12194440e-4;  // k * kLn2High is exact
  const Expr tiny = lt(x, f32(std::numeric_limits<float>::min()));
  const Expr bits = bitcast(DataType::i32, select(tiny, x * f32(8388608), x));
  const Expr k = shift_right(bits - i32(kSqrtHalf), 23);
  const Expr scale = cast(DataType::f32, k) + select(tiny, f32(-23), f32(0));
  const Expr f = bitcast(DataType::f32, bits - shift_left(k, 23)) - f32(1);
  const Expr q = polynomial(f, {0.333333126, -0.2500000961, 0.2000211883, -0.1666799543, 0.1421954905, -0.1240559453,
                                0.1188819031, -0.1167562826, 0.06746551839});
  const Expr f2 = f * f;
  const Expr low = fma(f2, f32(-0.5), fma(scale, f32(kLn2Low), f2 * f * q));
  const Expr y = fma(scale, f32(kLn2High), f + low);
  const Expr infinity = f32(std::numeric_limits<float>::infinity());
  const Expr finite = select(lt(x, infinity), y, x);  // +inf and NaN stay
  const Expr nan = f32(std::numeric_limits<float>::quiet_NaN());
  return select(lt(x, f32(0)), nan, select(eq(x, f32(0)), -infinity, finite));
}

// x P(x^2) / Q(x^2) up to where the result rounds to 1; both stay what they are there beyond, so that the quotient
// grows.
Expr odd_rational(const Expr& x, double limit, std::initializer_list<double> p, std::initializer_list<double> q) {
  const Expr x2 = min(x * x, f32(limit * limit));
  return clamp(div(x * polynomial(x2, p), polynomial(x2, q)), -1, 1);
}

Expr expand_tanh(const Expr& x) {
  return odd_rational(x, 9.02, {1, 0.133797958, 0.00349412137, 2.058467e-05, 1.33203581e-08},
                      {1, 0.467131108, 0.0258714203, 0.000328322407, 7.76261288e-07});
}

Expr expand_erf(const Expr& x) {
  return odd_rational(
      x, 3.95, {1.12837911, 0.20247677, 0.0509086624, 0.00380306598, 0.00014367688, -1.95003827e-06, 1.96001348e-08},
      {1, 0.512771964, 0.116050102, 0.0145662967, 0.000978629687});
}

const char* elementary_name(ExprKind kind) {
  switch (kind) {
    case ExprKind::exp:
      return "exp";
    case ExprKind::log:
      return "log";
    case ExprKind::tanh:
      return "tanh";
    case ExprKind::erf:
      return "erf";
    case ExprKind::sigmoid:
      return "sigmoid";
    default:
      return nullptr;
  }
}

// An argument that is divided by a constant is multiplied by its reciprocal: these functions amplify the second
// rounding no more than they do the quotient's own.
Expr as_product(const Expr& argument) {
  if (!argument.is(ExprKind::div) || !argument->args[1].is(ExprKind::constant)) return argument;
  const auto inverse = static_cast<float>(1 / argument->args[1]->float_value);
  return std::isnormal(inverse) ? argument->args[0] * f32(inverse) : argument;
}

// By a power of two whose inverse is a normal number: the product has the quotient's bits.
bool divides_exactly(const Expr& e) {
  if (!e.is(ExprKind::div) || !e->args[1].is(ExprKind::constant) || !std::isnormal(e->args[1]->float_value))
    return false;
  int exponent = 0;
  const bool is_power = std::fabs(std::frexp(e->args[1]->float_value, &exponent)) == 0.5;
  if (e->type == DataType::f32) return is_power && std::abs(exponent) <= 125;
  return is_power && e->type == DataType::f64 && std::abs(exponent) <= 1021;
}

Expr expand_node(const Expr& e) {
  if (divides_exactly(e)) return e->args[0] * constant_float(e->type, 1 / e->args[1]->float_value);
  const char* name = elementary_name(e->kind);
  if (!name) return e;
  if (e->type != DataType::f32) return call(std::string(name) + "_f64", e->type, {e->args[0]});
  const Expr x = e.is(ExprKind::log) ? e->args[0] : as_product(e->args[0]);
  switch (e->kind) {
    case ExprKind::exp:
      return expand_exp(x);
    case ExprKind::log:
      return expand_log(x);
    case ExprKind::tanh:
      return expand_tanh(x);
    case ExprKind::erf:
      return expand_erf(x);
    default:
      return expand_sigmoid(x);
  }
}

// --- surrogates ---

// Integers of any size to [0, 16): sums of what follows stay exact.
Expr fold(const Expr& x) {
  const auto c = [&](double v) { return constant_float(x->type, v); };
  return x - unary(ExprKind::floor, x * c(0.0625)) * c(16);
}

Expr plus(const Expr& x, double value) { return x + constant_float(x->type, value); }

// a / b. Where both are shifted alike, as by a softmax's maximum, no number of terms in b makes up for the shift of a:
// b counts twice.
Expr surrogate_quotient(const Expr& a, const Expr& b) { return fold(a + b * constant_float(a->type, 2)); }

bool is_fraction(const Expr& e) {
  return e.is(ExprKind::constant) && (e->type == DataType::f32 || e->type == DataType::f64) &&
         std::isfinite(e->float_value) &&
         (e->float_value != std::floor(e->float_value) || std::fabs(e->float_value) > 1048576);
}

// An integer that keeps the sign and is not 0.
Expr whole(const Expr& e) {
  if (!is_fraction(e)) return e;
  const double magnitude = std::fabs(e->float_value);
  const double rounded = magnitude > 1048576 ? 1024 : std::max(1.0, std::round(magnitude));
  return constant_float(e->type, e->float_value < 0 ? -rounded : rounded);
}

Expr surrogate_product(const Expr& a, const Expr& b) {
  if (is_fraction(a)) return fold(plus(b, whole(a)->float_value + 1));
  if (is_fraction(b)) return fold(plus(a, whole(b)->float_value + 1));
  return a * b;
}

Expr surrogate_node(const Expr& e) {
  if (e->type != DataType::f32 && e->type != DataType::f64) return e;
  const Exprs& args = e->args;
  switch (e->kind) {
    case ExprKind::exp:
      return fold(plus(args[0], 1));
    case ExprKind::log:
      return fold(plus(args[0], 2));
    case ExprKind::tanh:
      return fold(plus(args[0], 3));
    case ExprKind::erf:
      return fold(plus(args[0], 5));
    case ExprKind::sigmoid:
      return fold(plus(args[0], 7));
    case ExprKind::sqrt:
      return fold(plus(args[0], 11));
    case ExprKind::div:
      return surrogate_quotient(whole(args[0]), whole(args[1]));
    case ExprKind::call:
      return fold(args.size() == 1 ? plus(whole(args[0]), 13)
                                   : whole(args[0]) + whole(args[1]) * constant_float(e->type, 5));
    case ExprKind::mul:
      return surrogate_product(args[0], args[1]);
    case ExprKind::fma:
      if (is_fraction(args[0]) || is_fraction(args[1])) return surrogate_product(args[0], args[1]) + whole(args[2]);
      return fma(args[0], args[1], whole(args[2]));
    default: {
      Exprs wholes;
      for (const Expr& a : args) wholes.push_back(is_fraction(a) ? whole(a) : a);
      return with_args(e, std::move(wholes));
    }
  }
}

}  // namespace

Expr expand_math(const Expr& e) { return rewrite(e, expand_node); }

Expr surrogate_math(const Expr& e) {
  const Expr result = rewrite(e, surrogate_node);
  return result && is_fraction(result) ? whole(result) : result;
}

}  // namespace altrt::jit
