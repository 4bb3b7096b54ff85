#include <altrt/error.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "jit/kernel/kernel.h"

namespace altrt::jit {
namespace {

TEST(Target, NamedOnesAreTheSameEverywhere) {
  EXPECT_EQ(to_string(named_target("avx2")),
            "x86_64-pc-linux-gnu +avx,+avx2,+f16c,+fma tune=znver3 lanes=8 registers=16 caches=32K,512K,32768K");
  EXPECT_EQ(to_string(named_target("avx512")),
            "x86_64-pc-linux-gnu +avx,+avx2,+avx512bw,+avx512dq,+avx512f,+avx512vl,+f16c,+fma tune=sapphirerapids "
            "lanes=16 registers=32 caches=32K,512K,32768K");
  EXPECT_EQ(to_string(named_target("neon")),
            "aarch64-unknown-linux-gnu +neon tune=generic lanes=4 registers=32 caches=32K,512K,32768K");
  EXPECT_EQ(named_target("avx2"), named_target("avx2"));
  EXPECT_THROW(named_target("avx1024"), Error);
}

/// The host's features are looked at once a process, so each limit needs a process of its own.
bool with_limit(const char* limit, const std::function<bool(const Target&)>& check) {
  const pid_t child = fork();
  if (child == 0) {
    if (limit) {
      setenv("ALTRT_CPU_FEATURES", limit, 1);
    } else {
      unsetenv("ALTRT_CPU_FEATURES");
    }
    _exit(check(host_target()) ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool has(const Target& target, const char* feature) { return target.features.find(feature) != std::string::npos; }

TEST(Target, HostIsConsistent) {
  EXPECT_TRUE(with_limit(nullptr, [](const Target& t) {
    const bool lanes_fit = t.lanes == (has(t, "+avx512f") ? 16 : has(t, "+avx2") ? 8 : 4);
    return lanes_fit && !t.tune_cpu.empty() && t.l1_bytes > 0 && t.l2_bytes >= t.l1_bytes;
  }));
}

TEST(Target, FeaturesCanBeRestricted) {
  EXPECT_TRUE(with_limit("avx2", [](const Target& t) { return !has(t, "avx512") && t.lanes <= 8; }));
  EXPECT_TRUE(with_limit("baseline", [](const Target& t) { return t.features.empty() && t.lanes == 4; }));
}

}  // namespace
}  // namespace altrt::jit
