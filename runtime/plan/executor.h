// Runs a plan on a caller's memory.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "runtime/base/buffer.h"
#include "runtime/base/team.h"
#include "runtime/plan/plan.h"

namespace altrt::plan {

/// What one caller needs to run a plan: arena, workspaces, and every argument of every step as a pointer. Keeps the
/// plan alive. One run at a time.
class Memory {
 public:
  /// Allocates and fills the paddings. `threads`: of the team that will run it. Error(out_of_memory).
  Memory(std::shared_ptr<const Plan> plan, int threads);

  /// The caller's memory for the next runs, row-major; one pointer per model input and output, null only for empty
  /// tensors.
  void bind(std::span<void* const> inputs, std::span<void* const> outputs);

  const Plan& plan() const { return *plan_; }

  /// All steps in order. Allocates nothing and takes no lock of its own; host operators may. An exception of a host
  /// operator passes through as Error and leaves the memory fit for further runs.
  void run(base::Team::Lease& lease);
  /// The same, adding the milliseconds of each step to its report: one entry per Plan::kernels.
  void profile(base::Team::Lease& lease, std::span<double> milliseconds);

 private:
  void run_step(size_t number, base::Team::Lease& lease);
  void run_host(size_t number);
  void* workspace(int worker) { return static_cast<uint8_t*>(workspaces_.data()) + worker * workspace_stride_; }

  std::shared_ptr<const Plan> plan_;
  base::AlignedBuffer arena_;
  base::AlignedBuffer workspaces_;
  int64_t workspace_stride_ = 0;
  std::vector<const void*> arguments_;               // of all steps, one after the other
  std::vector<size_t> first_argument_;               // by step
  std::vector<std::vector<TensorView>> host_views_;  // by step; empty for other steps
};

}  // namespace altrt::plan
