#pragma once

#include <cstdint>

#include "runtime/base/team.h"

namespace altrt::base {

// Team::run() of a body that may throw. One of the errors is thrown when all tasks are done or given up.
void run_throwing(Team& team, int64_t tasks, int64_t grain, TeamFunction function);

}  // namespace altrt::base
