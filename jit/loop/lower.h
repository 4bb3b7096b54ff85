// Lowering: Computation x layouts x schedule -> one nest per root stage.
#pragma once

#include <vector>

#include <altrt/decision.h>

#include "jit/expr/computation.h"
#include "jit/layout/layout.h"
#include "jit/loop/nest.h"
#include "jit/loop/schedule.h"

namespace altrt::jit {

using altrt::Layouts;

/// One kernel of a lowered group.
struct LoweredKernel {
  Nest nest;
  /// Nest argument i is this tensor of the Computation. Intermediates between root stages appear here: they live in the
  /// plan. Numbers past the Computation's tensors are scratch between its kernels that lowering added (chunk states of
  /// split_reduction): plain arrays of the nest buffer's type and shape. A tensor that is stored at another one is
  /// never an argument: its host is.
  std::vector<int> arguments;
};

/// How elementary functions appear in the nests.
enum class MathMode : uint8_t {
  expanded,  // expand_math: the real thing
  surrogate  // surrogate_math: exact on small integers, for the gate
};

/// Root stages (not computed at another's loop, not inlined) become kernels in topological order. A pure function; the
/// nests are verified. Error(invalid_argument) names stage, step and reason where the schedule or a layout can't be
/// applied.
std::vector<LoweredKernel> lower(const Computation& c, const Layouts& layouts, const Schedule& schedule,
                                 MathMode math = MathMode::expanded);

}  // namespace altrt::jit
