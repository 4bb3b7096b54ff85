// NVRTC whose programs are for the simulated driver.
#include <altrt/error.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>

#include "tests/jit_gpu/simulated_code.h"
#include "tests/jit_gpu/simulated_driver.h"

namespace altrt::jit::gpu {

struct NvrtcProgramTag {
  std::string source, log, cubin, ptx;
};

namespace {

constexpr size_t kSharedBytes = 48 << 10;
constexpr int kArchitectures[] = {50, 60, 70, 75, 80, 86, 89, 90};

std::atomic<int64_t> compiled{0};

/// "compute_90" for any of --gpu-architecture=X, -arch=X.
std::string architecture_in(int count, const char* const* options) {
  for (int i = 0; i < count; ++i) {
    const std::string option = options[i];
    for (const char* name : {"--gpu-architecture=", "-arch="}) {
      if (option.rfind(name, 0) == 0) return option.substr(std::strlen(name));
    }
  }
  return "compute_52";
}

bool is_known(const std::string& architecture) {
  return std::any_of(std::begin(kArchitectures), std::end(kArchitectures), [&](int number) {
    return architecture == "sm_" + std::to_string(number) || architecture == "compute_" + std::to_string(number);
  });
}

NvrtcResult copy_out(const std::string& bytes, char* to) {
  std::memcpy(to, bytes.data(), bytes.size());
  return kNvrtcSuccess;
}

NvrtcResult compile_program(NvrtcProgram program, int count, const char* const* options) {
  const std::string architecture = architecture_in(count, options);
  const std::string entry = entry_in(program->source);
  program->cubin.clear();
  program->ptx.clear();
  if (!is_known(architecture)) {
    program->log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n";
    return 5;  // NVRTC_ERROR_INVALID_OPTION
  }
  try {
    if (entry.empty()) throw Error(ErrorCode::unsupported, "no __global__ function");
    const cuda_host::HostKernel kernel = compile_simulated(program->source, entry);
    if (kernel.shared_bytes() > kSharedBytes) {
      throw Error(ErrorCode::unsupported, "ptxas error: Entry function '" + entry + "' uses too much shared data (" +
                                              std::to_string(kernel.shared_bytes()) + " bytes, " +
                                              std::to_string(kSharedBytes) + " max)");
    }
  } catch (const Error& e) {
    program->log = std::string(e.what()) + "\n";
    return kNvrtcCompilation;
  }
  ++compiled;
  program->log.clear();
  const int number = std::atoi(architecture.c_str() + architecture.find('_') + 1);
  program->ptx = image_of({true, number, entry, program->source});
  if (architecture.rfind("sm_", 0) == 0) program->cubin = image_of({false, number, entry, program->source});
  return kNvrtcSuccess;
}

Nvrtc make_table() {
  Nvrtc t = {};
  t.nvrtcGetErrorString = [](NvrtcResult result) -> const char* {
    return result == kNvrtcSuccess       ? "NVRTC_SUCCESS"
           : result == kNvrtcCompilation ? "NVRTC_ERROR_COMPILATION"
                                         : "NVRTC_ERROR";
  };
  t.nvrtcVersion = [](int* major, int* minor) -> NvrtcResult { return *major = 12, *minor = 4, kNvrtcSuccess; };
  t.nvrtcGetNumSupportedArchs = [](int* count) -> NvrtcResult {
    *count = static_cast<int>(std::size(kArchitectures));
    return kNvrtcSuccess;
  };
  t.nvrtcGetSupportedArchs = [](int* to) -> NvrtcResult {
    std::copy(std::begin(kArchitectures), std::end(kArchitectures), to);
    return kNvrtcSuccess;
  };
  t.nvrtcCreateProgram = [](NvrtcProgram* program, const char* source, const char*, int headers, const char* const*,
                            const char* const*) -> NvrtcResult {
    if (headers != 0) return 3;  // NVRTC_ERROR_INVALID_INPUT
    *program = new NvrtcProgramTag{source, "", "", ""};
    return kNvrtcSuccess;
  };
  t.nvrtcDestroyProgram = [](NvrtcProgram* program) -> NvrtcResult {
    delete *program;
    *program = nullptr;
    return kNvrtcSuccess;
  };
  t.nvrtcCompileProgram = compile_program;
  t.nvrtcGetProgramLogSize = [](NvrtcProgram p, size_t* bytes) -> NvrtcResult {
    return *bytes = p->log.size() + 1, kNvrtcSuccess;
  };
  t.nvrtcGetProgramLog = [](NvrtcProgram p, char* to) { return copy_out(p->log + '\0', to); };
  t.nvrtcGetCUBINSize = [](NvrtcProgram p, size_t* bytes) -> NvrtcResult {
    return *bytes = p->cubin.size(), kNvrtcSuccess;
  };
  t.nvrtcGetCUBIN = [](NvrtcProgram p, char* to) { return copy_out(p->cubin, to); };
  t.nvrtcGetPTXSize = [](NvrtcProgram p, size_t* bytes) -> NvrtcResult {
    return *bytes = p->ptx.size() + 1, kNvrtcSuccess;
  };
  t.nvrtcGetPTX = [](NvrtcProgram p, char* to) { return copy_out(p->ptx + '\0', to); };
  return t;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

}  // namespace

int64_t simulated_compilations() { return compiled; }

std::string entry_in(const std::string& text) {
  size_t at = text.find("__global__");
  if (at == std::string::npos) return "";
  const size_t bounds = text.find("__launch_bounds__", at);
  size_t open = text.find('(', at);
  if (bounds != std::string::npos && bounds < open) open = text.find('(', text.find(')', bounds));
  if (open == std::string::npos) return "";
  size_t end = open;
  while (end > at && !is_word(text[end - 1])) --end;
  size_t begin = end;
  while (begin > at && is_word(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

int launch_bounds_in(const std::string& text) {
  const std::string word = "__launch_bounds__(";
  const size_t at = text.find(word);
  return at == std::string::npos ? 1024 : std::atoi(text.c_str() + at + word.size());
}

const Nvrtc& simulated_nvrtc() {
  static const Nvrtc table = make_table();
  return table;
}

}  // namespace altrt::jit::gpu
