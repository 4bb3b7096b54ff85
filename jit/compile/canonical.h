// Decisions without names: Computations that differ in names only take each other's decisions.
#pragma once

#include <cstdint>

#include "jit/compile/decisions.h"

namespace altrt::jit {

/// The decision with names of tensors, stages and axes of apply_algorithm(c, decision.algorithm) replaced by their
/// numbers ("t3", "s0", "a5"). Equal for two groups exactly when they are decided alike, provided that their
/// Computations are equal but for names (equal hash). Names that `c` does not have stay.
GroupDecision canonical(const GroupDecision& decision, const Computation& c);
/// The inverse: a canonical decision in the names of `c`.
GroupDecision with_names(const GroupDecision& canonical, const Computation& c);

}  // namespace altrt::jit
