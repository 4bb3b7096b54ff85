// CUDA for a host compiler: put before the text of kernels, so that this very text runs on a CPU. Only what generated
// kernels use. No headers: a kernel must compile in a few milliseconds.
//
// Before the text of each kernel the including file defines ALTRT_SHARED, the name of a section for its shared memory.
#pragma once

#include "host_abi.h"

#define __global__
#define __device__
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
// Static memory that other code may change at any call.
#define __shared__ static __attribute__((used, section(ALTRT_SHARED)))

#define ALTRT_UNCHECKED __attribute__((no_sanitize("thread", "undefined"))) inline
#define ALTRT_HOOK extern "C" __attribute__((visibility("hidden"), used, no_sanitize("thread", "undefined")))

namespace altrt::cuda_host {

inline Calls calls;

template <int... numbers>
struct Sequence {};
template <int count, int... numbers>
struct Count : Count<count - 1, count - 1, numbers...> {};
template <int... numbers>
struct Count<0, numbers...> {
  using type = Sequence<numbers...>;
};

template <typename... Types>
struct Caller {
  static constexpr int parameters = sizeof...(Types);
  template <void (*kernel)(Types...), int... numbers>
  ALTRT_UNCHECKED static void call(void* const* values, Sequence<numbers...>) {
    kernel(*static_cast<Types*>(values[numbers])...);
  }
  template <void (*kernel)(Types...)>
  ALTRT_UNCHECKED static void run(void* const* values) {
    call<kernel>(values, typename Count<parameters>::type());
  }
};
template <typename... Types>
Caller<Types...> caller_of(void (*)(Types...));

template <typename T>
ALTRT_UNCHECKED T shuffle(int line, unsigned mask, T value, int source) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  unsigned long long bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  bits = calls.shuffle(line, mask, bits, source);
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace altrt::cuda_host

static altrt::cuda_host::Index threadIdx, blockIdx, blockDim, gridDim;
static constexpr int warpSize = 32;

#define __syncthreads() (altrt::cuda_host::calls.barrier(__LINE__))
#define __syncwarp(...) (altrt::cuda_host::shuffle_down(__LINE__, 0xffffffffu, 0, 0))
#define __shfl_sync(...) altrt::cuda_host::shuffle_to(__LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) altrt::cuda_host::shuffle_down(__LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) altrt::cuda_host::shuffle_up(__LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) altrt::cuda_host::shuffle_xor(__LINE__, __VA_ARGS__)

namespace altrt::cuda_host {

ALTRT_UNCHECKED int lane() { return static_cast<int>(threadIdx.x % 32); }
template <typename T>
ALTRT_UNCHECKED T shuffle_to(int line, unsigned mask, T value, int source) {
  return shuffle(line, mask, value, source & 31);
}
template <typename T>
ALTRT_UNCHECKED T shuffle_down(int line, unsigned mask, T value, unsigned delta) {
  const int from = lane() + static_cast<int>(delta);
  return shuffle(line, mask, value, from < 32 ? from : lane());
}
template <typename T>
ALTRT_UNCHECKED T shuffle_up(int line, unsigned mask, T value, unsigned delta) {
  const int from = lane() - static_cast<int>(delta);
  return shuffle(line, mask, value, from >= 0 ? from : lane());
}
template <typename T>
ALTRT_UNCHECKED T shuffle_xor(int line, unsigned mask, T value, int bits) {
  return shuffle(line, mask, value, (lane() ^ bits) % 32);
}

}  // namespace altrt::cuda_host

#define ALTRT_VECTOR(scalar, name, align2, align3, align4)                                   \
  struct __align__(align2) name##2 {                                                         \
    scalar x, y;                                                                             \
  };                                                                                         \
  struct __align__(align3) name##3 {                                                         \
    scalar x, y, z;                                                                          \
  };                                                                                         \
  struct __align__(align4) name##4 {                                                         \
    scalar x, y, z, w;                                                                       \
  };                                                                                         \
  ALTRT_UNCHECKED name##2 make_##name##2(scalar x, scalar y) { return {x, y}; }              \
  ALTRT_UNCHECKED name##3 make_##name##3(scalar x, scalar y, scalar z) { return {x, y, z}; } \
  ALTRT_UNCHECKED name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w) { return {x, y, z, w}; }
ALTRT_VECTOR(float, float, 8, 4, 16)
ALTRT_VECTOR(int, int, 8, 4, 16)
ALTRT_VECTOR(unsigned, uint, 8, 4, 16)
ALTRT_VECTOR(double, double, 16, 8, 16)
ALTRT_VECTOR(long long, longlong, 16, 8, 16)
ALTRT_VECTOR(signed char, char, 2, 1, 4)
ALTRT_VECTOR(unsigned char, uchar, 2, 1, 4)

// The host's mathematics; declarations are enough for the compiler to know them.
#define ALTRT_MATH1(name)          \
  extern "C" double name(double);  \
  extern "C" float name##f(float); \
  ALTRT_UNCHECKED float name(float x) { return name##f(x); }
#define ALTRT_MATH2(name)                 \
  extern "C" double name(double, double); \
  extern "C" float name##f(float, float); \
  ALTRT_UNCHECKED float name(float x, float y) { return name##f(x, y); }
ALTRT_MATH1(fabs)
ALTRT_MATH1(sqrt)
ALTRT_MATH1(floor)
ALTRT_MATH1(ceil)
ALTRT_MATH1(rint)
ALTRT_MATH1(trunc)
ALTRT_MATH1(round)
ALTRT_MATH1(exp)
ALTRT_MATH1(exp2)
ALTRT_MATH1(log)
ALTRT_MATH1(log2)
ALTRT_MATH1(tanh)
ALTRT_MATH1(erf)
ALTRT_MATH1(sin)
ALTRT_MATH1(cos)
ALTRT_MATH1(tan)
ALTRT_MATH1(asin)
ALTRT_MATH1(acos)
ALTRT_MATH1(atan)
ALTRT_MATH1(sinh)
ALTRT_MATH1(cosh)
ALTRT_MATH1(asinh)
ALTRT_MATH1(acosh)
ALTRT_MATH1(atanh)
ALTRT_MATH2(fmin)
ALTRT_MATH2(fmax)
ALTRT_MATH2(fmod)
ALTRT_MATH2(pow)
ALTRT_MATH2(copysign)
extern "C" {
double fma(double, double, double);
float fmaf(float, float, float);
int abs(int);
long long llabs(long long);
}

ALTRT_UNCHECKED float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
ALTRT_UNCHECKED float __fadd_rn(float a, float b) { return a + b; }
ALTRT_UNCHECKED float __fmul_rn(float a, float b) { return a * b; }
ALTRT_UNCHECKED float __fdiv_rn(float a, float b) { return a / b; }
ALTRT_UNCHECKED float __fsqrt_rn(float a) { return sqrtf(a); }
ALTRT_UNCHECKED double __dadd_rn(double a, double b) { return a + b; }
ALTRT_UNCHECKED double __dmul_rn(double a, double b) { return a * b; }
ALTRT_UNCHECKED double __ddiv_rn(double a, double b) { return a / b; }
ALTRT_UNCHECKED double __dsqrt_rn(double a) { return sqrt(a); }
ALTRT_UNCHECKED double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
ALTRT_UNCHECKED bool isnan(double v) { return v != v; }
template <typename To, typename From>
ALTRT_UNCHECKED To altrt_bits(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &value, sizeof to);
  return to;
}
ALTRT_UNCHECKED int __float_as_int(float v) { return altrt_bits<int>(v); }
ALTRT_UNCHECKED unsigned __float_as_uint(float v) { return altrt_bits<unsigned>(v); }
ALTRT_UNCHECKED float __int_as_float(int v) { return altrt_bits<float>(v); }
ALTRT_UNCHECKED float __uint_as_float(unsigned v) { return altrt_bits<float>(v); }
ALTRT_UNCHECKED long long __double_as_longlong(double v) { return altrt_bits<long long>(v); }
ALTRT_UNCHECKED double __longlong_as_double(long long v) { return altrt_bits<double>(v); }
template <typename T>
ALTRT_UNCHECKED T min(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
ALTRT_UNCHECKED T max(T a, T b) {
  return a < b ? b : a;
}
template <typename T>
__attribute__((always_inline)) inline T __ldg(const T* from) {
  return *from;
}

// What the compiler's instrumentation for data races and for alignment calls; the sanitizers' own libraries stay out.
#define ALTRT_ACCESS(name, bytes)                                                                             \
  ALTRT_HOOK void __tsan_read##name(void* at) { altrt::cuda_host::calls.access(at, bytes, false); }           \
  ALTRT_HOOK void __tsan_write##name(void* at) { altrt::cuda_host::calls.access(at, bytes, true); }           \
  ALTRT_HOOK void __tsan_unaligned_read##name(void* at) { altrt::cuda_host::calls.access(at, bytes, false); } \
  ALTRT_HOOK void __tsan_unaligned_write##name(void* at) { altrt::cuda_host::calls.access(at, bytes, true); }
ALTRT_ACCESS(1, 1)
ALTRT_ACCESS(2, 2)
ALTRT_ACCESS(4, 4)
ALTRT_ACCESS(8, 8)
ALTRT_ACCESS(16, 16)
ALTRT_HOOK void __tsan_read_range(void* at, unsigned long bytes) { altrt::cuda_host::calls.access(at, bytes, false); }
ALTRT_HOOK void __tsan_write_range(void* at, unsigned long bytes) { altrt::cuda_host::calls.access(at, bytes, true); }
ALTRT_HOOK void* __tsan_memcpy(void* to, const void* from, unsigned long bytes) {
  altrt::cuda_host::calls.access(from, bytes, false);
  altrt::cuda_host::calls.access(to, bytes, true);
  return __builtin_memcpy(to, from, bytes);
}
ALTRT_HOOK void* __tsan_memset(void* to, int byte, unsigned long bytes) {
  altrt::cuda_host::calls.access(to, bytes, true);
  return __builtin_memset(to, byte, bytes);
}
ALTRT_HOOK void __tsan_func_entry(void*) {}
ALTRT_HOOK void __tsan_func_exit() {}
ALTRT_HOOK void __tsan_init() {}

struct altrt_place {
  const char* file;
  unsigned line, column;
};
ALTRT_HOOK void __ubsan_handle_type_mismatch_v1(altrt_place* place, void*) {
  altrt::cuda_host::calls.trouble("misaligned access", static_cast<int>(place->line));
}
ALTRT_HOOK void __ubsan_handle_out_of_bounds(altrt_place* place, void*) {
  altrt::cuda_host::calls.trouble("index outside its array", static_cast<int>(place->line));
}
