// Runs a kernel that was compiled for the host: blocks one after the other in random order, the threads of a block as
// fibres in orders meant to bring faults to light.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tests/jit_gpu/host_abi.h"

namespace altrt::cuda_host {

struct Range {
  const void* begin = nullptr;
  size_t bytes = 0;
  bool writable = true;
};

struct Run {
  int64_t blocks = 1;
  int threads = 1;    // of a block, at most 1024
  uint64_t seed = 0;  // of the orders
  /// All that the kernel may touch besides its own memory; empty = anything. Seen by checked code only.
  std::span<const Range> memory = {};
};

/// What a run was made of.
struct RunCounts {
  int64_t switches = 0;  // times a thread was resumed
  int64_t barriers = 0;  // of all blocks together
};

/// The calls that a library gets.
Calls machine_calls();

/// Shared memory is filled with 0xff at the start of each block. Between barriers each thread runs until it ends or has
/// to wait, in a new random order each time. Throws Error(internal), saying where the threads were, where not all
/// threads of a block meet at the same barrier or not all lanes of a warp at the same shuffle; and for what checked
/// code finds: data races, misaligned accesses, accesses outside an array or outside Run::memory. The kernel is
/// abandoned then. One run at a time in a process; others wait.
RunCounts run_program(const Program& program, void* const* parameters, const Run& run);

}  // namespace altrt::cuda_host
