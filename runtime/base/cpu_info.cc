#include "runtime/base/cpu_info.h"

#include <cstring>

#include "runtime/base/env.h"
#include "runtime/base/log.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace altrt::base {
namespace {

#if defined(__x86_64__)

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// Zeros where the processor lacks the leaf.
Registers cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

bool bit(uint32_t word, int index) { return (word >> index) & 1; }

uint64_t saved_state() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

CpuFeatures detect_features() {
  CpuFeatures features;
  const Registers basic = cpuid(1);
  const bool os_saves = bit(basic.ecx, 27);
  const uint64_t state = os_saves ? saved_state() : 0;
  if ((state & 0x6) != 0x6) return features;  // xmm and ymm
  const Registers extended = cpuid(7);
  features.avx = bit(basic.ecx, 28);
  features.fma = features.avx && bit(basic.ecx, 12);
  features.f16c = features.avx && bit(basic.ecx, 29);
  features.avx2 = features.avx && bit(extended.ebx, 5);
  if ((state & 0xe6) != 0xe6) return features;  // masks and zmm
  features.avx512f = features.avx2 && bit(extended.ebx, 16);
  features.avx512dq = features.avx512f && bit(extended.ebx, 17);
  features.avx512bw = features.avx512f && bit(extended.ebx, 30);
  features.avx512vl = features.avx512f && bit(extended.ebx, 31);
  features.avx512vnni = features.avx512f && bit(extended.ecx, 11);
  return features;
}

CacheSizes detect_caches(std::string_view vendor) {
  CacheSizes caches;
  const uint32_t leaf = vendor == "AuthenticAMD" || vendor == "HygonGenuine" ? 0x8000001d : 4;
  for (uint32_t i = 0; i < 8; ++i) {
    const Registers r = cpuid(leaf, i);
    const uint32_t kind = r.eax & 31;  // 1 data, 2 instructions, 3 both
    if (kind == 0) break;
    const int64_t ways = (r.ebx >> 22) + 1, partitions = ((r.ebx >> 12) & 0x3ff) + 1, line = (r.ebx & 0xfff) + 1;
    const int64_t size = ways * partitions * line * (static_cast<int64_t>(r.ecx) + 1);
    const uint32_t level = (r.eax >> 5) & 7;
    if (level == 1 && kind != 2) caches.l1d = size;
    if (level == 2) caches.l2 = size;
    if (level == 3) caches.l3 = size;
  }
  return caches;
}

std::string detect_vendor() {
  const Registers r = cpuid(0);
  char text[12];
  std::memcpy(text, &r.ebx, 4);
  std::memcpy(text + 4, &r.edx, 4);
  std::memcpy(text + 8, &r.ecx, 4);
  return std::string(text, sizeof text);
}

std::string detect_brand() {
  char text[48] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    const Registers r = cpuid(0x80000002 + i);
    std::memcpy(text + size_t{16} * i, &r, 16);
  }
  std::string brand(text, strnlen(text, sizeof text));
  brand.erase(0, brand.find_first_not_of(' '));
  brand.erase(brand.find_last_not_of(' ') + 1);
  return brand;
}

CpuInfo detect() {
  CpuInfo info;
  info.vendor = detect_vendor();
  info.brand = detect_brand();
  info.features = detect_features();
  info.caches = detect_caches(info.vendor);
  return info;
}

#else

CpuInfo detect() { return {}; }

#endif

}  // namespace

std::string to_string(const CpuFeatures& features) {
  const std::pair<bool, const char*> names[] = {
      {features.avx, "avx"},           {features.avx2, "avx2"},         {features.fma, "fma"},
      {features.f16c, "f16c"},         {features.avx512f, "avx512f"},   {features.avx512bw, "avx512bw"},
      {features.avx512dq, "avx512dq"}, {features.avx512vl, "avx512vl"}, {features.avx512vnni, "avx512vnni"},
  };
  std::string text;
  for (const auto& [present, name] : names) {
    if (!present) continue;
    if (!text.empty()) text += ' ';
    text += name;
  }
  return text;
}

CpuFeatures restrict(const CpuFeatures& features, std::string_view limit) {
  if (limit == "baseline") return {};
  if (limit == "avx2") {
    CpuFeatures left;
    left.avx = features.avx;
    left.avx2 = features.avx2;
    left.fma = features.fma;
    left.f16c = features.f16c;
    return left;
  }
  if (limit != "avx512") {
    log(LogLevel::warning, "ALTRT_CPU_FEATURES=" + std::string(limit) + " is not baseline, avx2 or avx512; ignored");
  }
  return features;
}

const CpuInfo& cpu_info() {
  static const CpuInfo info = [] {
    CpuInfo detected = detect();
    if (detected.caches.l1d == 0) detected.caches.l1d = 32 << 10;
    if (detected.caches.l2 == 0) detected.caches.l2 = 256 << 10;
    if (std::optional<std::string> limit = env("ALTRT_CPU_FEATURES")) {
      detected.features = restrict(detected.features, *limit);
    }
    return detected;
  }();
  return info;
}

}  // namespace altrt::base
