// Schedules inside the compiler; the public <altrt/schedule.h> has them.
#pragma once

#include <altrt/schedule.h>

namespace altrt::jit {

using altrt::LoopStep;
using altrt::LoopStepKind;
using altrt::Schedule;
using altrt::StageSchedule;
using altrt::Tail;

using altrt::hash;
using altrt::parse_schedule;
using altrt::to_string;

bool has_step(const StageSchedule& schedule, LoopStepKind kind);

}  // namespace altrt::jit
