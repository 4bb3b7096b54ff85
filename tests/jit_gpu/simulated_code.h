// What the simulated NVRTC hands to the simulated driver.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/jit_gpu/host_kernel.h"

namespace altrt::jit::gpu {

struct SimulatedCode {
  bool is_ptx = false;
  int architecture = 0;  // 90
  std::string entry;
  std::string text;  // of the CUDA source
};

/// A cubin as far as anybody reads one: an ELF file with the section .text.ENTRY, which holds the text. PTX is the text
/// behind a line of its own.
std::string image_of(const SimulatedCode& code);
/// Nothing where the image isn't one of those.
std::optional<SimulatedCode> code_in(const void* image);

/// With the checks that are set.
cuda_host::HostKernel compile_simulated(const std::string& text, const std::string& entry);
int64_t simulated_compilations();

}  // namespace altrt::jit::gpu
