#include <algorithm>

#include "jit/compile/defaults.h"

namespace altrt::jit {

namespace {

StageSchedule schedule_stage(const Computation& c, int number, const Layouts& layouts, const Target& target) {
  const Stage& stage = c.stages[number];
  const bool anchor = number == c.anchor.stage;
  const bool blocked = channel_block(layout_of(c, stage.outputs[0], layouts)) > 1;
  if (anchor && c.anchor.kind == AnchorKind::matmul) return schedule_matmul(c, stage, layouts, target);
  if (anchor && c.anchor.kind == AnchorKind::conv && blocked && !is_depthwise(c)) {
    return schedule_conv(c, stage, layouts, target);
  }
  if (anchor && blocked && (c.anchor.kind == AnchorKind::conv || c.anchor.kind == AnchorKind::pool)) {
    return schedule_window(c, stage, layouts, target);
  }
  return stage.reduce.empty() ? schedule_map(c, stage, layouts, target) : schedule_reduction(c, stage, layouts, target);
}

}  // namespace

Schedule default_schedule(const Computation& c, const Layouts& layouts, const Target& target) {
  Schedule schedule;
  if (c.stages.size() > 1 && schedule_rows(c, layouts, target, schedule)) return schedule;
  for (size_t i = 0; i < c.stages.size(); ++i) {
    schedule[c.stages[i].name] = schedule_stage(c, static_cast<int>(i), layouts, target);
  }
  return schedule;
}

}  // namespace altrt::jit
