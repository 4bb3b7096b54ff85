// Decisions: everything that is chosen about a group, as a value. Tuner, heuristics, records and compiler exchange only
// this.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jit/expr/algorithms.h"
#include "jit/expr/computation.h"
#include "jit/kernel/kernel.h"
#include "jit/layout/layout.h"
#include "jit/loop/lower.h"
#include "jit/loop/schedule.h"

namespace altrt::jit {

/// How one group is computed.
struct GroupDecision {
  std::string provider = "own";
  std::string algorithm = "direct";
  Layouts layouts;    // by tensor name of the algorithm's Computation; constants are packed once, others are what the
                      // group wants and makes
  Schedule schedule;  // by stage name
  int parts = 1;      // tasks that another provider's kernel is cut into; the compiler has its schedule

  bool operator==(const GroupDecision&) const = default;
};

/// A script of primitive calls; parse_decision reads it back. Error(invalid_argument) names the line.
std::string to_string(const GroupDecision& decision);
GroupDecision parse_decision(const std::string& text);
uint64_t hash(const GroupDecision& decision);

/// Layouts given from outside: by tensor name, the layouts that inputs have and outputs must have. A tensor that is
/// absent is free.
using FixedLayouts = Layouts;

/// What is done with a group untuned: the default algorithm with its default layouts and schedule.
GroupDecision default_decision(const Computation& c, const Target& target, const FixedLayouts& fixed);
/// The layouts that suit a group untuned (blocked channels, packed weights, ...), for its free tensors. `c` is what the
/// algorithm has made of it, here and below.
Layouts default_layouts(const Computation& c, const Target& target, const FixedLayouts& fixed);
/// A schedule that is good without measuring: register tiles from the target, cache-fit by formula.
Schedule default_schedule(const Computation& c, const Layouts& layouts, const Target& target);

/// The defaults by another algorithm, with the layouts that the group's neighbours see.
GroupDecision with_algorithm(const GroupDecision& decision, const Computation& c, const std::string& algorithm,
                             const Target& target);

}  // namespace altrt::jit
