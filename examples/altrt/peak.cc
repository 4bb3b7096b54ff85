#include "peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace altrt::tool {
namespace {

constexpr int kChains = 12;  // hides the latency of two units
constexpr int kSteps = 200'000;
constexpr int kRounds = 5;

// One round of one thread: floating-point operations done.
using Round = double (*)(float seed, float* sink);

#if defined(__x86_64__)

__attribute__((target("avx512f"))) double round_512(float seed, float* sink) {
  __m512 sums[kChains];
  const __m512 factor = _mm512_set1_ps(seed), term = _mm512_set1_ps(0.5f);
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (int i = 0; i < kSteps; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sums[c] = _mm512_fmadd_ps(sums[c], factor, term);
  }
  for (int c = 1; c < kChains; ++c) sums[0] = _mm512_add_ps(sums[0], sums[c]);
  *sink = _mm512_cvtss_f32(sums[0]);
  return 2.0 * 16 * kChains * kSteps;
}

__attribute__((target("avx2,fma"))) double round_256(float seed, float* sink) {
  __m256 sums[kChains];
  const __m256 factor = _mm256_set1_ps(seed), term = _mm256_set1_ps(0.5f);
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (int i = 0; i < kSteps; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sums[c] = _mm256_fmadd_ps(sums[c], factor, term);
  }
  for (int c = 1; c < kChains; ++c) sums[0] = _mm256_add_ps(sums[0], sums[c]);
  *sink = _mm256_cvtss_f32(sums[0]);
  return 2.0 * 8 * kChains * kSteps;
}

Round widest() {
  if (__builtin_cpu_supports("avx512f")) return round_512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return round_256;
  return nullptr;
}

#else

Round widest() { return nullptr; }

#endif

}  // namespace

double fma_peak_gflops(int threads) {
  const Round round = widest();
  if (!round) return 0;
  std::atomic<int> ready{0};
  std::vector<double> speeds(static_cast<size_t>(threads), 0.0);
  const auto work = [&](size_t thread) {
    float sink = 0;
    round(0.5f, &sink);
    ++ready;
    while (ready.load() < threads) std::this_thread::yield();
    for (int i = 0; i < kRounds; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      const double operations = round(0.5f, &sink);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
      speeds[thread] = std::max(speeds[thread], operations / seconds.count() * 1e-9);
    }
  };
  std::vector<std::thread> others;
  for (size_t t = 1; t < speeds.size(); ++t) others.emplace_back(work, t);
  work(0);
  for (std::thread& other : others) other.join();
  double sum = 0;
  for (const double speed : speeds) sum += speed;
  return sum;
}

}  // namespace altrt::tool
