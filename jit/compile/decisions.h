// Decisions that are good without measuring; the public <altrt/decision.h> has the type.
#pragma once

#include <optional>
#include <string>

#include <altrt/decision.h>

#include "jit/expr/algorithms.h"
#include "jit/expr/computation.h"
#include "jit/kernel/kernel.h"
#include "jit/layout/layout.h"
#include "jit/loop/lower.h"
#include "jit/loop/schedule.h"

namespace altrt::jit {

using altrt::GroupDecision;

using altrt::hash;
using altrt::parse_decision;
using altrt::to_string;

/// Layouts given from outside: by tensor name, the layouts that inputs have and outputs must have. A tensor that is
/// absent is free.
using FixedLayouts = Layouts;

/// What is done with a group untuned: the default algorithm with its default layouts and schedule.
GroupDecision default_decision(const Computation& c, const Target& target, const FixedLayouts& fixed);
/// The algorithm that promises to be faster than the decision's own by more than the model may err, for the decision's
/// layouts of inputs and outputs; the decision's own where none does. Accuracy is the caller's business.
std::string predicted_algorithm(const Computation& c, const GroupDecision& decision, const Target& target);
/// The layouts that suit a group untuned (blocked channels, packed weights, ...), for its free tensors. `c` is what the
/// algorithm has made of it, here and below.
Layouts default_layouts(const Computation& c, const Target& target, const FixedLayouts& fixed);
/// A schedule that is good without measuring: register tiles from the target, cache-fit by formula.
Schedule default_schedule(const Computation& c, const Layouts& layouts, const Target& target);

/// The defaults by another algorithm, with the layouts that the group's neighbours see.
GroupDecision with_algorithm(const GroupDecision& decision, const Computation& c, const std::string& algorithm,
                             const Target& target);
/// What to compile in place of a decision that the compiler refuses: the default one with the layouts that the group's
/// neighbours see; that one in plain loops; then nothing.
std::optional<GroupDecision> simpler_decision(const GroupDecision& decision, const Computation& c,
                                              const Target& target);

}  // namespace altrt::jit
