// CUDA C to machine code.
#pragma once

#include <string>

#include "jit/kernel/kernel.h"

namespace altrt::jit::gpu {

/// A cubin for the target's architecture, or PTX (with its terminating 0) for the newest older one that NVRTC knows.
/// `entry` is an extern "C" __global__ function for blocks of that many threads. Products and sums are contracted only
/// where the source says fmaf. Thread-safe. Errors: see gpu::compile().
KernelObject compile_source(const std::string& source, const std::string& name, const std::string& entry, int threads,
                            const Target& target);

}  // namespace altrt::jit::gpu
