#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace altrt::base {

// Vector extensions that the processor has and the operating system saves (CPUID and XGETBV).
struct CpuFeatures {
  bool avx = false;
  bool avx2 = false;
  bool fma = false;
  bool f16c = false;
  bool avx512f = false;
  bool avx512bw = false;
  bool avx512dq = false;
  bool avx512vl = false;
  bool avx512vnni = false;

  bool operator==(const CpuFeatures&) const = default;
};

// "avx avx2 fma", in the order above.
std::string to_string(const CpuFeatures& features);

// What is left of `features` under a limit: "baseline" (no AVX), "avx2" (avx, avx2, fma, f16c) or "avx512" (all). Any
// other limit leaves them as they are and logs a warning.
CpuFeatures restrict(const CpuFeatures& features, std::string_view limit);

// Bytes. l1d and l2 belong to one core; l3 is what one core can reach, shared with others. Where the processor does not
// say: 32 KB, 256 KB and 0.
struct CacheSizes {
  int64_t l1d = 0;
  int64_t l2 = 0;
  int64_t l3 = 0;
};

struct CpuInfo {
  std::string vendor;  // "GenuineIntel"
  std::string brand;   // "AMD EPYC 7763 64-Core Processor"
  CpuFeatures features;
  CacheSizes caches;
};

// This machine, looked at once. ALTRT_CPU_FEATURES=baseline|avx2|avx512 limits the features.
const CpuInfo& cpu_info();

// The number of threads worth starting now: processors this process may run on (sched_getaffinity), or the whole
// processors of its cgroup quota (version 1 or 2) if they are fewer. At least 1.
int available_threads();

// Contents of a file, or nothing.
using ReadFile = std::function<std::optional<std::string>(const std::string& path)>;

// Processors that the cgroup quotas grant (2.5 where a quota is two and a half), the tightest of all levels; nothing
// without a quota. `read` stands for the file system, so that any container can be described in a test.
std::optional<double> cgroup_cpu_quota(const ReadFile& read);

}  // namespace altrt::base
