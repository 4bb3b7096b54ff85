// A GPU that is this CPU: tables for jit/gpu/driver.h behind which everything really runs. NVRTC's cubin holds the
// text; the driver compiles it with the host's compiler. One device: "simulated", sm_90.
//
// Meaner than a real driver where that finds faults: what is enqueued runs when somebody waits for it and no sooner;
// pageable memory is read within the call; every handle is checked; a thread without a current context is refused; new
// memory is NaN; what lies beside an allocation is checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "jit/gpu/driver.h"
#include "tests/jit_gpu/host_kernel.h"

namespace altrt::jit::gpu {

/// Never change and live for ever.
const Driver& simulated_driver();
const Nvrtc& simulated_nvrtc();

struct SimulatedOptions {
  cuda_host::Checks checks = cuda_host::Checks::accesses;
  uint64_t seed = 1;               // of the orders in which threads and blocks run
  size_t memory_bytes = 1u << 30;  // what can be allocated
};
/// For whatever is compiled and launched from here on.
void set_simulated(const SimulatedOptions& options);

/// Since the start of the process, or live now.
struct SimulatedCounts {
  int64_t kernels = 0;       // run, those of graphs too
  int64_t graphs = 0;        // run
  int64_t compiled = 0;      // programs
  int64_t live_handles = 0;  // modules, streams, events, graphs
  int64_t live_bytes = 0;    // allocated
  int64_t retained = 0;      // of the primary context
};
SimulatedCounts simulated_counts();

/// What ended the context ("data race ..."); "" while it lives. As on a real device, every call fails from then on;
/// revive() takes the place of a new process.
std::string simulated_trouble();
void revive_simulated();

/// The name of the text's __global__ function; "" if there is none.
std::string entry_in(const std::string& cuda_text);
/// N of its __launch_bounds__(N); 1024 without.
int launch_bounds_in(const std::string& cuda_text);

}  // namespace altrt::jit::gpu
