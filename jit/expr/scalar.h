// Scalar semantics of every operation on integers and floats, in one place: constant folding, the evaluator and the
// interpreter agree by construction.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include <altrt/tensor.h>

namespace altrt::jit {

inline bool is_float(DataType type) { return type == DataType::f32 || type == DataType::f64; }

/// The value of `x` reduced to the integer type's width (two's complement; booleans: x != 0).
inline int64_t wrap(DataType type, int64_t x) {
  switch (type) {
    case DataType::i32:
      return static_cast<int32_t>(static_cast<uint32_t>(x));
    case DataType::i8:
      return static_cast<int8_t>(static_cast<uint8_t>(x));
    case DataType::u8:
      return static_cast<uint8_t>(x);
    case DataType::boolean:
      return x != 0;
    default:
      return x;
  }
}

inline int64_t wrapping_add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
inline int64_t wrapping_sub(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
inline int64_t wrapping_mul(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
/// Truncating; x / 0 = 0, and the least integer / -1 wraps to itself.
inline int64_t truncating_div(int64_t a, int64_t b) {
  if (b == 0) return 0;
  return b == -1 ? wrapping_sub(0, a) : a / b;
}
/// Rounded towards minus infinity; by 0 gives 0.
inline int64_t floored_div(int64_t a, int64_t b) {
  const int64_t q = truncating_div(a, b);
  return b != 0 && b != -1 && a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}
/// a - floored_div(a, b) * b: the sign of the divisor; by 0 gives 0.
inline int64_t floored_mod(int64_t a, int64_t b) {
  if (b == 0 || b == -1) return 0;
  const int64_t r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/// NaN if either argument is NaN (the second one's if both are); of equal arguments (+0 and -0) the first.
template <typename T>
inline T nan_min(T a, T b) {
  return b != b ? b : (b < a ? b : a);
}
template <typename T>
inline T nan_max(T a, T b) {
  return b != b ? b : (a < b ? b : a);
}

/// Truncates towards zero and saturates at the type's limits; NaN gives 0. Booleans: x != 0 (true for NaN).
inline int64_t float_to_int(DataType type, double x) {
  if (type == DataType::boolean) return x != 0;
  if (x != x) return 0;
  double lo = -9223372036854775808.0, hi = 9223372036854775808.0;  // hi: exclusive limit
  if (type == DataType::i32) lo = -2147483648.0, hi = 2147483648.0;
  if (type == DataType::i8) lo = -128, hi = 128;
  if (type == DataType::u8) lo = 0, hi = 256;
  const double t = std::trunc(x);
  if (t < lo) return static_cast<int64_t>(lo);
  if (t >= hi) return type == DataType::i64 ? std::numeric_limits<int64_t>::max() : static_cast<int64_t>(hi) - 1;
  return static_cast<int64_t>(t);
}

template <typename To, typename From>
inline To bits_as(From x) {
  static_assert(sizeof(To) == sizeof(From));
  To y;
  std::memcpy(&y, &x, sizeof y);
  return y;
}

}  // namespace altrt::jit
