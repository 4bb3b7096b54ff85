// The GPU back end: CUDA lives behind this header and nowhere else. libcuda and libnvrtc are opened at run time;
// without them everything but compile() and open_device() works.
#pragma once

#include <memory>
#include <string>

#include "jit/kernel/device.h"
#include "jit/kernel/kernel.h"
#include "jit/loop/nest.h"

namespace altrt::jit::gpu {

/// The nest as CUDA C: one __global__ function named entry_name(nest), no includes. A task of the nest is a block, a
/// thread loop runs over the block's threads. Parameters: one pointer per argument, in order. Error(unsupported) names
/// what a GPU kernel can't hold (run-time sizes, more shared memory than Target::group_bytes, helpers that CUDA lacks).
std::string cuda_source(const Nest& nest, const Target& target);
/// The symbol of the nest's kernel: its name with nothing but letters, digits and underscores.
std::string entry_name(const Nest& nest);

/// cuda_source() through NVRTC: a cubin for the target's architecture; where NVRTC does not know that one, PTX for the
/// newest older one that it knows. Thread-safe. Error(unavailable) says what is missing where there is no NVRTC;
/// Error(internal) with NVRTC's log where it refuses the source.
KernelObject compile(const Nest& nest, const Target& target);
/// "13.0"; "" where there is no NVRTC.
std::string nvrtc_version();

/// The process's device of that number (its primary context). Error(unavailable) says what is missing: library, driver
/// version, device.
std::shared_ptr<Device> open_device(int number);

}  // namespace altrt::jit::gpu
