#include "jit/gpu/nvrtc.h"

#include <altrt/error.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "jit/gpu/cubin.h"
#include "jit/gpu/driver.h"
#include "jit/gpu/gpu.h"

namespace altrt::jit::gpu {
namespace {

void check(const Nvrtc& nvrtc, NvrtcResult result, const char* call) {
  if (result == kNvrtcSuccess) return;
  const ErrorCode code = result == kNvrtcOutOfMemory ? ErrorCode::out_of_memory : ErrorCode::internal;
  throw Error(code, std::string(call) + ": " + nvrtc.nvrtcGetErrorString(result));
}

class Program {
 public:
  Program(const Nvrtc& nvrtc, const std::string& source, const std::string& name) : nvrtc_(nvrtc) {
    check(nvrtc_, nvrtc_.nvrtcCreateProgram(&program_, source.c_str(), name.c_str(), 0, nullptr, nullptr),
          "nvrtcCreateProgram");
  }
  ~Program() { nvrtc_.nvrtcDestroyProgram(&program_); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void compile(const std::vector<std::string>& options) {
    std::vector<const char*> pointers;
    for (const std::string& option : options) pointers.push_back(option.c_str());
    const NvrtcResult result = nvrtc_.nvrtcCompileProgram(program_, static_cast<int>(pointers.size()), pointers.data());
    if (result == kNvrtcSuccess) return;
    const std::string log = text(nvrtc_.nvrtcGetProgramLogSize, nvrtc_.nvrtcGetProgramLog);
    const ErrorCode code = result == kNvrtcOutOfMemory ? ErrorCode::out_of_memory : ErrorCode::internal;
    throw Error(code, std::string("NVRTC refuses a kernel, ") + nvrtc_.nvrtcGetErrorString(result) + ":\n" + log);
  }
  std::vector<uint8_t> cubin() const { return bytes(nvrtc_.nvrtcGetCUBINSize, nvrtc_.nvrtcGetCUBIN); }
  std::vector<uint8_t> ptx() const { return bytes(nvrtc_.nvrtcGetPTXSize, nvrtc_.nvrtcGetPTX); }

 private:
  using GetSize = NvrtcResult (*)(NvrtcProgram, size_t*);
  using GetBytes = NvrtcResult (*)(NvrtcProgram, char*);
  std::vector<uint8_t> bytes(GetSize get_size, GetBytes get_bytes) const {
    size_t size = 0;
    check(nvrtc_, get_size(program_, &size), "size of NVRTC's output");
    std::vector<uint8_t> bytes(size);
    check(nvrtc_, get_bytes(program_, reinterpret_cast<char*>(bytes.data())), "NVRTC's output");
    return bytes;
  }
  std::string text(GetSize get_size, GetBytes get_bytes) const {
    const std::vector<uint8_t> all = bytes(get_size, get_bytes);
    return {all.begin(), std::find(all.begin(), all.end(), 0)};
  }

  const Nvrtc& nvrtc_;
  NvrtcProgram program_ = nullptr;
};

/// "sm_90" itself where NVRTC makes code for it, else the newest older one as "compute_80".
std::string architecture(const Nvrtc& nvrtc, const Target& target) {
  const std::string& name = target.features;
  const int wanted = name.rfind("sm_", 0) == 0 ? std::atoi(name.c_str() + 3) : 0;
  int count = 0;
  check(nvrtc, nvrtc.nvrtcGetNumSupportedArchs(&count), "nvrtcGetNumSupportedArchs");
  std::vector<int> known(static_cast<size_t>(std::max(count, 0)));
  if (count > 0) check(nvrtc, nvrtc.nvrtcGetSupportedArchs(known.data()), "nvrtcGetSupportedArchs");
  int best = 0;
  for (const int other : known) {
    if (other == wanted) return name;
    if (other < wanted) best = std::max(best, other);
  }
  if (best > 0) return "compute_" + std::to_string(best);
  std::string text;
  for (const int other : known) text += " sm_" + std::to_string(other);
  throw Error(ErrorCode::unavailable, "NVRTC " + nvrtc_version() + " makes no code for " + name + "; it knows" + text);
}

}  // namespace

KernelObject compile_source(const std::string& source, const std::string& name, const std::string& entry, int threads,
                            const Target& target) {
  const Nvrtc& table = nvrtc();
  const std::string code = architecture(table, target);
  Program program(table, source, name);
  program.compile({"--gpu-architecture=" + code, "--fmad=false", "--std=c++17"});
  KernelObject object;
  object.name = name;
  object.entry = entry;
  object.threads = threads;
  if (code.rfind("compute_", 0) == 0) {
    object.bytes = program.ptx();
    object.code_bytes = static_cast<int64_t>(object.bytes.size());
    return object;
  }
  object.bytes = program.cubin();
  const auto use = cubin_use(object.bytes, entry);
  if (!use) throw Error(ErrorCode::internal, "NVRTC's code for kernel " + name + " has no entry " + entry);
  object.code_bytes = use->code_bytes;
  object.frame_bytes = use->frame_bytes;
  return object;
}

KernelObject compile(const Nest& nest, const Target& target) {
  return compile_source(cuda_source(nest, target), nest.name, entry_name(nest), static_cast<int>(nest.threads()),
                        target);
}

std::string nvrtc_version() {
  const Nvrtc* table = nullptr;
  try {
    table = &nvrtc();
  } catch (const Error&) {
    return "";
  }
  int major = 0, minor = 0;
  check(*table, table->nvrtcVersion(&major, &minor), "nvrtcVersion");
  return std::to_string(major) + "." + std::to_string(minor);
}

}  // namespace altrt::jit::gpu
