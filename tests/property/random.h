// Random choices that are the same on every machine for one seed.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <vector>

namespace altrt::property {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed * 0x9e3779b97f4a7c15u + 0x1234567) {}

  /// Uniform in [lo, hi].
  int64_t in(int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(engine_() % static_cast<uint64_t>(hi - lo + 1));
  }
  bool chance(int percent) { return in(1, 100) <= percent; }
  template <typename T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<size_t>(in(0, static_cast<int64_t>(from.size()) - 1))];
  }
  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[static_cast<size_t>(in(0, static_cast<int64_t>(i) - 1))]);
  }

 private:
  std::mt19937_64 engine_;
};

/// ALTRT_TEST_SEED, or `fallback`.
inline uint64_t test_seed(uint64_t fallback) {
  const char* text = std::getenv("ALTRT_TEST_SEED");
  return text ? std::strtoull(text, nullptr, 10) : fallback;
}
/// ALTRT_TEST_CASES, or `fallback`.
inline int test_cases(int fallback) {
  const char* text = std::getenv("ALTRT_TEST_CASES");
  return text ? std::atoi(text) : fallback;
}

}  // namespace altrt::property
