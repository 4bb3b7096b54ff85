// Decisions: everything that is chosen about a group of operators, as a value. Tuner, heuristics, records and compiler
// exchange only this, and a user may make his own. Values without locks; all functions are pure, for any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <altrt/export.h>
#include <altrt/layout.h>
#include <altrt/schedule.h>

namespace altrt {

/// By tensor name; a tensor without an entry is row-major. The layout of an intermediate that is computed at a loop
/// applies to its region.
using Layouts = std::map<std::string, Layout>;

/// How one group is computed.
struct ALTRT_API GroupDecision {
  std::string provider = "own";
  std::string algorithm = "direct";
  Layouts layouts;    // by tensor name of the algorithm's Computation; constants are packed once, others are what the
                      // group wants and makes
  Schedule schedule;  // by stage name
  int parts = 1;      // tasks that another provider's kernel is cut into; the compiler has its schedule

  bool operator==(const GroupDecision&) const = default;
};

/// A script of primitive calls; parse_decision reads it back. Error(invalid_argument) names the line.
ALTRT_API std::string to_string(const GroupDecision& decision);
ALTRT_API GroupDecision parse_decision(const std::string& text);
ALTRT_API uint64_t hash(const GroupDecision& decision);

}  // namespace altrt
