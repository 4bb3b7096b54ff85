// The fused-multiply-add peak of one core, f32, with the widest vectors that the target may use. x86-64 only.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace altrt::performance {

constexpr int64_t kPeakSteps = 200000;

__attribute__((target("avx512f"))) inline float peak_avx512() {
  __m512 a[12], x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(1.0f);
  for (__m512& v : a) v = y;
  for (int64_t i = 0; i < kPeakSteps; ++i) {
#pragma GCC unroll 12
    for (__m512& v : a) v = _mm512_fmadd_ps(v, x, y);
  }
  for (int i = 1; i < 12; ++i) a[0] = _mm512_add_ps(a[0], a[i]);
  float lanes[16];
  _mm512_storeu_ps(lanes, a[0]);
  return lanes[0];
}

__attribute__((target("avx2,fma"))) inline float peak_avx2() {
  __m256 a[12], x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(1.0f);
  for (__m256& v : a) v = y;
  for (int64_t i = 0; i < kPeakSteps; ++i) {
#pragma GCC unroll 12
    for (__m256& v : a) v = _mm256_fmadd_ps(v, x, y);
  }
  for (int i = 1; i < 12; ++i) a[0] = _mm256_add_ps(a[0], a[i]);
  return _mm256_cvtss_f32(a[0]);
}

/// GFLOP/s, the best of several short runs.
inline double fma_peak_gflops(int lanes) {
  double best = 0;
  volatile float sink = 0;
  for (int run = 0; run < 20; ++run) {
    const auto start = std::chrono::steady_clock::now();
    sink = lanes == 16 ? peak_avx512() : peak_avx2();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * 12 * lanes * kPeakSteps / time.count() / 1e9);
  }
  (void)sink;
  return best;
}

}  // namespace altrt::performance
