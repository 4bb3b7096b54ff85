// The five Computations of the proof, each with its hand-made layouts and schedule.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jit/expr/computation.h"
#include "jit/kernel/kernel.h"
#include "jit/loop/lower.h"

namespace altrt::performance {

struct Case {
  std::string name, algorithm = "direct";
  jit::Computation computation;
  jit::Layouts layouts;
  jit::Schedule schedule;
  double flops = 0;  // of the direct form
};

/// (a) to (e), scheduled for the target; (e) as one group and as its two halves.
std::vector<Case> proof_cases(const jit::Target& target);

}  // namespace altrt::performance
