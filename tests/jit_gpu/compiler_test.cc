// What is asked of NVRTC, and what its failures become, with a compiler that only takes notes.
#include <cstring>
#include <string>
#include <vector>

#include "jit/gpu/driver.h"
#include "jit/gpu/gpu.h"
#include "jit/gpu/nvrtc.h"
#include "tests/jit_gpu/expect_error.h"

namespace altrt::jit::gpu {
namespace {

struct Notes {
  std::string failing;  // the call that fails, with `result`
  NvrtcResult result = kNvrtcSuccess;
  std::vector<std::string> options;
  int programs = 0, made = 0;
} notes;

NvrtcResult result_of(const char* call) { return notes.failing == call ? notes.result : kNvrtcSuccess; }

NvrtcResult size_of(const char* call, const char* text, size_t* bytes) {
  *bytes = std::strlen(text) + 1;
  return result_of(call);
}
NvrtcResult text_of(const char* call, const char* text, char* to) {
  std::strcpy(to, text);
  return result_of(call);
}

/// Knows sm_75 and sm_80; its machine code is none.
Nvrtc note_taker() {
  Nvrtc table;
  table.nvrtcGetErrorString = [](NvrtcResult) { return "NVRTC_ERROR_NOTED"; };
  table.nvrtcVersion = [](int* major, int* minor) -> NvrtcResult {
    *major = 12;
    *minor = 3;
    return kNvrtcSuccess;
  };
  table.nvrtcGetNumSupportedArchs = [](int* count) {
    *count = 2;
    return result_of("nvrtcGetNumSupportedArchs");
  };
  table.nvrtcGetSupportedArchs = [](int* known) {
    known[0] = 75;
    known[1] = 80;
    return result_of("nvrtcGetSupportedArchs");
  };
  table.nvrtcCreateProgram = [](NvrtcProgram* program, const char*, const char*, int, const char* const*,
                                const char* const*) {
    const NvrtcResult result = result_of("nvrtcCreateProgram");
    if (result != kNvrtcSuccess) return result;
    *program = reinterpret_cast<NvrtcProgram>(0x100);
    ++notes.made;
    ++notes.programs;
    return result;
  };
  table.nvrtcDestroyProgram = [](NvrtcProgram* program) -> NvrtcResult {
    --notes.programs;
    *program = nullptr;
    return kNvrtcSuccess;
  };
  table.nvrtcCompileProgram = [](NvrtcProgram, int count, const char* const* option) {
    notes.options.assign(option, option + count);
    return result_of("nvrtcCompileProgram");
  };
  table.nvrtcGetProgramLogSize = [](NvrtcProgram, size_t* bytes) { return size_of("log", "a log", bytes); };
  table.nvrtcGetProgramLog = [](NvrtcProgram, char* log) { return text_of("log", "a log", log); };
  table.nvrtcGetCUBINSize = [](NvrtcProgram, size_t* bytes) { return size_of("cubin", "none", bytes); };
  table.nvrtcGetCUBIN = [](NvrtcProgram, char* cubin) { return text_of("cubin", "none", cubin); };
  table.nvrtcGetPTXSize = [](NvrtcProgram, size_t* bytes) { return size_of("ptx", "some ptx", bytes); };
  table.nvrtcGetPTX = [](NvrtcProgram, char* ptx) { return text_of("ptx", "some ptx", ptx); };
  return table;
}

class GpuCompiler : public ::testing::Test {
 protected:
  GpuCompiler() { notes = Notes(); }
  ~GpuCompiler() override { EXPECT_EQ(notes.programs, 0); }
  static KernelObject compile(const std::string& target) {
    return compile_source("source", "name", "entry", 64, named_target(target));
  }

  Nvrtc table = note_taker();
  UseTables tables{nullptr, &table};
};

TEST_F(GpuCompiler, AsksForTheNewestArchitectureThatRuns) {
  EXPECT_EQ(nvrtc_version(), "12.3");
  const KernelObject object = compile("sm_90");
  EXPECT_EQ(notes.options, (std::vector<std::string>{"--gpu-architecture=compute_80", "--fmad=false", "--std=c++17"}));
  EXPECT_EQ(std::string(object.bytes.begin(), object.bytes.end()), std::string("some ptx\0", 9));
  compile("sm_79");
  EXPECT_EQ(notes.options[0], "--gpu-architecture=compute_75");
  const std::string message = error_of(ErrorCode::unavailable, [] { compile("sm_70"); });
  EXPECT_TRUE(contains(message, "NVRTC 12.3 makes no code for sm_70; it knows sm_75 sm_80"));
  EXPECT_TRUE(contains(error_of(ErrorCode::internal, [] { compile("sm_80"); }), "kernel name has no entry entry"));
  EXPECT_EQ(notes.options[0], "--gpu-architecture=sm_80");
}

TEST_F(GpuCompiler, EveryCallMayFail) {
  for (const char* call :
       {"nvrtcGetNumSupportedArchs", "nvrtcGetSupportedArchs", "nvrtcCreateProgram", "ptx", "nvrtcCompileProgram"}) {
    notes.failing = call;
    notes.result = kNvrtcOutOfMemory;
    error_of(ErrorCode::out_of_memory, [] { compile("sm_90"); });
    notes.result = kNvrtcCompilation;
    EXPECT_TRUE(contains(error_of(ErrorCode::internal, [] { compile("sm_90"); }), "NVRTC_ERROR_NOTED")) << call;
    EXPECT_EQ(notes.programs, 0) << call;
  }
  EXPECT_TRUE(contains(error_of(ErrorCode::internal, [] { compile("sm_90"); }), "a log"));
  EXPECT_EQ(notes.made, 5);
}

}  // namespace
}  // namespace altrt::jit::gpu
