// Who computes what: along which parallel loop each step's tasks are cut into the workers' parts.
#pragma once

#include <cstdint>
#include <vector>

#include "jit/loop/reach.h"

namespace altrt::plan {

/// A step as far as sharing goes.
struct SharedStep {
  struct Argument {
    int64_t tensor = -1;  // that steps write and read; -1 = nobody writes it in a run, or it is the caller's
    bool written = false, constant = false;
    int64_t bytes = 0;
  };
  int64_t tasks = 1;
  bool parallel = true;               // else the first worker does it
  std::vector<jit::LoopReach> loops;  // of the tasks; none = nothing is known
  std::vector<Argument> arguments;
};

/// For each step, the inner tasks (see base::TeamLoop), such that workers read little of what others wrote: between
/// cores that share no cache, lines that both have touched cost more than many a kernel's arithmetic. Counted are bytes
/// that a worker reads and did not write, constants that several workers read, and tasks that can't be dealt evenly.
/// From several beginnings (all steps along one dimension of what they write), steps take turns to choose the loop that
/// costs least beside their writers' and readers' present choices, until none changes.
std::vector<int64_t> share(const std::vector<SharedStep>& steps, int workers);

}  // namespace altrt::plan
