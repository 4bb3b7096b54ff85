// What a cubin says about its kernels.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace altrt::jit::gpu {

struct CubinUse {
  int64_t code_bytes = 0;
  int64_t frame_bytes = 0;  // local memory of a thread: spilled registers and arrays with computed indices
  int registers = 0;        // of a thread
};

/// Nothing where the bytes are no cubin with such a kernel. Reads only inside of `bytes`.
std::optional<CubinUse> cubin_use(std::span<const uint8_t> bytes, const std::string& entry);

}  // namespace altrt::jit::gpu
