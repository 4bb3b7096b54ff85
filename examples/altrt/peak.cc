#include "peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <numeric>
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

// The sum over threads of what each did a second in the best of its rounds, all threads at once.
template <typename OneRound>
double together(int threads, OneRound round) {
  std::atomic<int> ready{0};
  std::vector<double> speeds(static_cast<size_t>(threads), 0.0);
  const auto work = [&](int thread) {
    round(thread);
    ++ready;
    while (ready.load() < threads) std::this_thread::yield();
    for (int i = 0; i < kRounds; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      const double amount = round(thread);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
      double& speed = speeds[static_cast<size_t>(thread)];
      speed = std::max(speed, amount / seconds.count());
    }
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  for (std::thread& other : others) other.join();
  return std::accumulate(speeds.begin(), speeds.end(), 0.0);
}

using Vector = uint64_t __attribute__((vector_size(16)));

// GB/s of reading `bytes`, shared among the threads, `passes` times a round.
double stream(int threads, int64_t bytes, int passes) {
  constexpr size_t kSums = 8;  // loads in flight do not wait for each other
  const size_t count = static_cast<size_t>(bytes) / sizeof(Vector) / static_cast<size_t>(threads) / kSums * kSums;
  std::vector<std::vector<Vector>> data(static_cast<size_t>(threads));
  std::atomic<uint64_t> sink{0};
  return together(threads,
                  [&](int thread) {
                    std::vector<Vector>& own = data[static_cast<size_t>(thread)];
                    if (own.empty()) own.resize(count, Vector{1});
                    Vector sums[kSums] = {};
                    for (int pass = 0; pass < passes; ++pass) {
                      for (size_t i = 0; i < count; i += kSums) {
#pragma GCC unroll 8
                        for (size_t s = 0; s < kSums; ++s) sums[s] += own[i + s];
                      }
                    }
                    for (const Vector& sum : sums) sink += sum[0] + sum[1];
                    return static_cast<double>(count * sizeof(Vector)) * passes;
                  }) *
         1e-9;
}

// As Linux reports it, of one instance: sysconf adds up what a virtual machine's processor names.
int64_t last_level_bytes() {
  std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index3/size");
  int64_t kilobytes = 0;
  return file >> kilobytes && kilobytes > 0 ? kilobytes << 10 : int64_t{32} << 20;
}

}  // namespace

double fma_peak_gflops(int threads) {
  const Round round = widest();
  if (!round) return 0;
  return together(threads,
                  [&](int) {
                    float sink = 0;
                    return round(0.5f, &sink);
                  }) *
         1e-9;
}

Bandwidth read_bandwidth(int threads) {
  const int64_t cache = last_level_bytes();
  Bandwidth result;
  result.cache_bytes = cache;
  // Twice the cache: what one pass leaves there, the next one has driven out before it comes to it.
  result.memory_gbs = stream(threads, 2 * cache, 1);
  result.cache_gbs = stream(threads, cache / 4, 4);
  return result;
}

}  // namespace altrt::tool
