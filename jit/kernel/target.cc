#include <altrt/error.h>

#include <algorithm>
#include <string_view>

#include "jit/kernel/kernel.h"
#include "runtime/base/cpu_info.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace altrt::jit {
namespace {

constexpr const char* kX86 = "x86_64-pc-linux-gnu";
constexpr const char* kAarch64 = "aarch64-unknown-linux-gnu";

/// For 512-bit code all of F, BW, DQ and VL are needed, so that every form of an instruction may be used.
bool has_avx512(const base::CpuFeatures& f) { return f.avx512f && f.avx512bw && f.avx512dq && f.avx512vl; }

std::string x86_features(const base::CpuFeatures& f) {
  const bool wide = has_avx512(f);
  const std::pair<bool, const char*> all[] = {{f.avx, "+avx"},     {f.avx2, "+avx2"},  {wide, "+avx512bw"},
                                              {wide, "+avx512dq"}, {wide, "+avx512f"}, {wide, "+avx512vl"},
                                              {f.f16c, "+f16c"},   {f.fma, "+fma"}};
  std::string text;
  for (const auto& [present, name] : all) {
    if (present) text += (text.empty() ? "" : ",") + std::string(name);
  }
  return text;
}

void set_x86(Target* target, const base::CpuFeatures& features) {
  target->triple = kX86;
  target->features = x86_features(features);
  target->lanes = has_avx512(features) ? 16 : features.avx2 ? 8 : 4;
  target->vector_registers = has_avx512(features) ? 32 : 16;
}

#if defined(__x86_64__)

/// LLVM's name for the processor's scheduling model; only names that LLVM has known since version 16.
const char* intel_name(int model) {
  switch (model) {
    case 0x3c:
    case 0x3f:
    case 0x45:
    case 0x46:
      return "haswell";
    case 0x3d:
    case 0x47:
    case 0x4f:
    case 0x56:
      return "broadwell";
    case 0x4e:
    case 0x5e:
    case 0x8e:
    case 0x9e:
    case 0xa5:
    case 0xa6:
      return "skylake";
    case 0x55:
      return "skylake-avx512";
    case 0x7d:
    case 0x7e:
    case 0x9d:
      return "icelake-client";
    case 0x6a:
    case 0x6c:
      return "icelake-server";
    case 0x8c:
    case 0x8d:
      return "tigerlake";
    case 0x8f:
      return "sapphirerapids";
    case 0xcf:
      return "emeraldrapids";
    case 0xad:
    case 0xae:
      return "graniterapids";
    case 0x97:
    case 0x9a:
    case 0xb7:
    case 0xba:
    case 0xbf:
    case 0xaa:
    case 0xac:
      return "alderlake";
    default:
      return "generic";
  }
}

const char* amd_name(int family, int model) {
  if (family == 0x17) return model < 0x30 ? "znver1" : "znver2";
  if (family == 0x19) {
    const bool fourth = (model >= 0x10 && model < 0x20) || (model >= 0x60 && model < 0x80) || model >= 0xa0;
    return fourth ? "znver4" : "znver3";
  }
  return family >= 0x1a ? "znver4" : "generic";
}

std::string tune_name(const std::string& vendor) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return "generic";
  int family = static_cast<int>((a >> 8) & 15), model = static_cast<int>((a >> 4) & 15);
  if (family == 6 || family == 15) model |= static_cast<int>((a >> 12) & 0xf0);
  if (family == 15) family += static_cast<int>((a >> 20) & 0xff);
  if (vendor == "GenuineIntel" && family == 6) return intel_name(model);
  if (vendor == "AuthenticAMD") return amd_name(family, model);
  return "generic";
}

#endif

}  // namespace

Target host_target() {
  const base::CpuInfo& cpu = base::cpu_info();
  Target target;
#if defined(__x86_64__)
  set_x86(&target, cpu.features);
  target.tune_cpu = tune_name(cpu.vendor);
#else
  target = named_target("neon");
#endif
  target.l1_bytes = cpu.caches.l1d;
  target.l2_bytes = cpu.caches.l2;
  target.l3_bytes = cpu.caches.l3;
  return target;
}

namespace {

/// "sm_90", "sm_90a": typical figures, for code that is made without the device.
Target gpu_target(const std::string& name) {
  Target target;
  target.triple = kGpuTriple;
  target.features = name;
  target.lanes = 4;
  target.vector_registers = 255;
  target.l1_bytes = 128 << 10;
  target.l2_bytes = 40 << 20;
  target.l3_bytes = 0;
  target.multiprocessors = 108;
  target.group_bytes = 48 << 10;
  return target;
}

bool is_gpu_name(const std::string& name) {
  return name.size() > 3 && name.rfind("sm_", 0) == 0 &&
         name.find_first_not_of("0123456789", 3) >= std::min(name.size(), name.size() - 1);
}

}  // namespace

Target named_target(const std::string& name) {
  if (is_gpu_name(name)) return gpu_target(name);
  Target target;
  base::CpuFeatures features;
  features.avx = features.avx2 = features.fma = features.f16c = true;
  if (name == "avx2") {
    set_x86(&target, features);
    target.tune_cpu = "znver3";
  } else if (name == "avx512") {
    features.avx512f = features.avx512bw = features.avx512dq = features.avx512vl = true;
    set_x86(&target, features);
    target.tune_cpu = "sapphirerapids";
  } else if (name == "neon") {
    target.triple = kAarch64;
    target.features = "+neon";
    target.tune_cpu = "generic";
    target.lanes = 4;
    target.vector_registers = 32;
  } else {
    throw Error(ErrorCode::invalid_argument,
                "no target named " + name + "; there are avx2, avx512, neon and GPUs such as sm_90");
  }
  return target;
}

std::string to_string(const Target& target) {
  auto kilobytes = [](int64_t bytes) { return std::to_string(bytes >> 10) + "K"; };
  if (target.is_gpu()) {
    return target.triple + " " + target.features + " multiprocessors=" + std::to_string(target.multiprocessors) +
           " group=" + kilobytes(target.group_bytes) + " l2=" + kilobytes(target.l2_bytes);
  }
  return target.triple + " " + target.features + " tune=" + target.tune_cpu + " lanes=" + std::to_string(target.lanes) +
         " registers=" + std::to_string(target.vector_registers) + " caches=" + kilobytes(target.l1_bytes) + "," +
         kilobytes(target.l2_bytes) + "," + kilobytes(target.l3_bytes);
}

}  // namespace altrt::jit
