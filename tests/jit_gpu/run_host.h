// CUDA text on the CPU as an executor of nests.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "jit/gpu/gpu.h"
#include "tests/jit_gpu/host_kernel.h"

namespace altrt::jit {

/// The kernel on device memory, which is aligned and holds the arguments and nothing else: copied in, run, copied out.
inline void run_on_host(const cuda_host::HostKernel& kernel, const Nest& nest, const std::vector<void*>& arguments,
                        uint64_t seed) {
  constexpr size_t kAlignment = 256;
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::vector<std::unique_ptr<void, Free>> memory;
  std::vector<void*> addresses;
  std::vector<cuda_host::Range> ranges;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Buffer& buffer = nest.buffers[i];
    const size_t bytes = static_cast<size_t>(buffer.elements()) * size_of(buffer.type);
    memory.emplace_back(std::aligned_alloc(kAlignment, (bytes / kAlignment + 1) * kAlignment));
    addresses.push_back(memory.back().get());
    ranges.push_back({addresses.back(), bytes, buffer.written});
    std::memcpy(addresses.back(), arguments[i], bytes);
  }
  kernel.run(addresses,
             {.blocks = nest.tasks(), .threads = static_cast<int>(nest.threads()), .seed = seed, .memory = ranges});
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (nest.buffers[i].written) std::memcpy(arguments[i], addresses[i], ranges[i].bytes);
  }
}

}  // namespace altrt::jit
