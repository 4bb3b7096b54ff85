// Who computes what: along which parallel loop each step's tasks are cut into the workers' parts.
#pragma once

#include <vector>

#include "jit/compile/compile.h"
#include "runtime/plan/plan.h"

namespace altrt::plan {

/// What is known of a step's kernel.
struct StepReach {
  const std::vector<jit::LoopReach>* loops = nullptr;  // of its tasks; null = nothing
  std::vector<int64_t> bytes;                          // of its arguments
};

/// Sets Step::inner of all shared steps so that workers read little of what others wrote: between cores that share no
/// cache, that costs more than many a kernel's arithmetic. Counted are bytes of storages that a worker reads and did
/// not write, constants that several workers read, and tasks that can't be dealt evenly; steps take turns to choose the
/// loop that costs least beside their writers' and readers' present choices, until none changes. `reaches`: by step.
void share_steps(Plan& plan, const std::vector<StepReach>& reaches, int workers);

}  // namespace altrt::plan
