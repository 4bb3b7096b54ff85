#pragma once

#include <cfenv>
#include <cstdint>

namespace altrt::base {

// For its lifetime the calling thread computes as kernels expect: round to nearest, denormals kept, no traps. Whatever
// the host had set comes back at the end, the sticky exception flags included.
class FloatEnvironment {
 public:
#if defined(__x86_64__)
  FloatEnvironment() : saved_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(kDefault); }
  ~FloatEnvironment() { __builtin_ia32_ldmxcsr(saved_); }
#else
  FloatEnvironment() { std::feholdexcept(&saved_); }
  ~FloatEnvironment() { std::fesetenv(&saved_); }
#endif
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
#if defined(__x86_64__)
  static constexpr uint32_t kDefault = 0x1f80;
  uint32_t saved_;
#else
  std::fenv_t saved_;
#endif
};

}  // namespace altrt::base
