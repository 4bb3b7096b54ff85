#include "runtime/base/cpu_info.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <map>
#include <thread>

namespace altrt::base {
namespace {

TEST(CpuInfo, AgreesWithTheCompilersOwnDetection) {
#if defined(__x86_64__)
  if (std::getenv("ALTRT_CPU_FEATURES")) GTEST_SKIP() << "ALTRT_CPU_FEATURES is set";
  __builtin_cpu_init();
  const CpuFeatures& features = cpu_info().features;
  EXPECT_EQ(features.avx, __builtin_cpu_supports("avx") != 0);
  EXPECT_EQ(features.avx2, __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ(features.fma, __builtin_cpu_supports("fma") != 0);
  EXPECT_EQ(features.avx512f, __builtin_cpu_supports("avx512f") != 0);
  EXPECT_EQ(features.avx512bw, __builtin_cpu_supports("avx512bw") != 0);
  EXPECT_EQ(features.avx512dq, __builtin_cpu_supports("avx512dq") != 0);
  EXPECT_EQ(features.avx512vl, __builtin_cpu_supports("avx512vl") != 0);
  EXPECT_EQ(features.avx512vnni, __builtin_cpu_supports("avx512vnni") != 0);
#endif
}

TEST(CpuInfo, NamesAndCachesArePlausible) {
  const CpuInfo& info = cpu_info();
  EXPECT_FALSE(info.vendor.empty());
  EXPECT_GE(info.caches.l1d, 8 << 10);
  EXPECT_LE(info.caches.l1d, 1 << 20);
  EXPECT_GE(info.caches.l2, 128 << 10);
}

TEST(CpuInfo, RestrictOnlyTakesAway) {
  CpuFeatures all{true, true, true, true, true, true, true, true, true};
  EXPECT_EQ(restrict(all, "avx512"), all);
  EXPECT_EQ(restrict(all, "nonsense"), all);
  EXPECT_EQ(to_string(restrict(all, "avx2")), "avx avx2 fma f16c");
  EXPECT_EQ(restrict(all, "baseline"), CpuFeatures{});
  EXPECT_EQ(restrict(CpuFeatures{}, "avx2"), CpuFeatures{});
}

std::optional<double> quota_of(const std::map<std::string, std::string>& files) {
  return cgroup_cpu_quota([&](const std::string& path) -> std::optional<std::string> {
    auto found = files.find(path);
    if (found == files.end()) return std::nullopt;
    return found->second;
  });
}

TEST(CgroupQuota, Version2TakesTheTightestLevel) {
  EXPECT_EQ(quota_of({{"/proc/self/cgroup", "0::/a/b\n"},
                      {"/sys/fs/cgroup/a/b/cpu.max", "max 100000\n"},
                      {"/sys/fs/cgroup/a/cpu.max", "250000 100000\n"}}),
            2.5);
  EXPECT_EQ(quota_of({{"/proc/self/cgroup", "0::/a/b\n"},
                      {"/sys/fs/cgroup/a/b/cpu.max", "100000 100000\n"},
                      {"/sys/fs/cgroup/a/cpu.max", "250000 100000\n"}}),
            1.0);
}

TEST(CgroupQuota, ContainerSeesOnlyTheMount) {
  EXPECT_EQ(quota_of({{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "150000 100000\n"}}), 1.5);
  EXPECT_EQ(quota_of({{"/proc/self/cgroup", "0::/docker/0123\n"}, {"/sys/fs/cgroup/cpu.max", "400000 100000"}}), 4.0);
}

TEST(CgroupQuota, Version1) {
  EXPECT_EQ(quota_of({{"/proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/x\n0::/\n"},
                      {"/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "300000\n"},
                      {"/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n"}}),
            3.0);
  EXPECT_EQ(quota_of({{"/proc/self/cgroup", "4:cpu,cpuacct:/x\n"},
                      {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n"},
                      {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"}}),
            0.5);
  EXPECT_EQ(quota_of({{"/proc/self/cgroup", "4:cpu:/\n"},
                      {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
                      {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}}),
            std::nullopt);
}

TEST(CgroupQuota, NothingWithoutCgroupsOrWithNonsense) {
  EXPECT_EQ(quota_of({}), std::nullopt);
  EXPECT_EQ(quota_of({{"/proc/self/cgroup", "nonsense\n:\n0::relative"}}), std::nullopt);
  EXPECT_EQ(quota_of({{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "x"}}), std::nullopt);
}

TEST(AvailableThreads, FollowsAffinity) {
  std::thread([] {
    cpu_set_t allowed;
    ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    EXPECT_GE(available_threads(), 1);
    EXPECT_LE(available_threads(), CPU_COUNT(&allowed));
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &one);
    }
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(available_threads(), 1);
  }).join();
}

}  // namespace
}  // namespace altrt::base
