// Kernels on this process's threads: how one is run and timed, and what the caches hold before. A worker does it in the
// same way as the process that tunes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "jit/kernel/kernel.h"
#include "runtime/base/buffer.h"
#include "runtime/base/function_ref.h"
#include "runtime/base/team.h"

namespace altrt::tuner {

/// One kernel to run here.
struct HostCall {
  jit::KernelFunction function = nullptr;
  std::vector<const void*> arguments;
  int64_t tasks = 1;
  bool parallel = false;
  int64_t inner = 1;  // see base::TeamLoop
};

/// One thread at a time.
class HostRunner {
 public:
  HostRunner(base::Team& team, int64_t l2_bytes) : team_(team), l2_bytes_(l2_bytes) {}

  /// Room for the kernels' workspaces, filled with NaN.
  void prepare(int64_t workspace_bytes);
  /// Runs the calls one after the other; milliseconds. Nothing if `over` was true between two pieces of work, which
  /// ends it. Registers and stack are NaN before each piece: a kernel that relies on what they hold gives NaN.
  std::optional<double> run(std::span<const HostCall> calls, base::Team::Lease& lease, base::FunctionRef<bool()> over);
  /// The same without a break.
  double time(std::span<const HostCall> calls, base::Team::Lease& lease);
  /// Pushes what earlier runs left out of the caches next to the cores.
  void evict(base::Team::Lease& lease);
  /// Pushes memory out of all caches.
  static void flush(const void* memory, size_t bytes);
  /// Copies through the caches, as a producer leaves its results.
  static void restore(void* to, const void* from, size_t bytes, base::Team::Lease& lease);

 private:
  void call(const HostCall& call, base::Team::Lease& lease, int64_t first, int64_t last, bool poisoned);

  base::Team& team_;
  const int64_t l2_bytes_;
  std::vector<base::AlignedBuffer> workspaces_;
  base::AlignedBuffer filler_;
};

}  // namespace altrt::tuner
