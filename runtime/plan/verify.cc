// Printer and verifier of plans.
#include <altrt/error.h>

#include <algorithm>
#include <set>
#include <utility>

#include "runtime/base/buffer.h"
#include "runtime/plan/plan.h"

namespace altrt::plan {
namespace {

const char* name_of(StepKind kind) {
  switch (kind) {
    case StepKind::kernel:
      return "kernel";
    case StepKind::host:
      return "host";
    case StepKind::conversion:
      return "convert";
  }
  return "?";
}

std::string to_text(const Location& location, const Plan& plan) {
  const std::string number = std::to_string(location.index);
  switch (location.place) {
    case Place::arena:
      return "%" + number + " " + plan.storages[static_cast<size_t>(location.index)].name;
    case Place::constant:
      return "constant " + number;
    case Place::input:
      return "input " + number;
    case Place::output:
      return "output " + number;
  }
  return "?";
}

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::internal, "plan: " + message); }

std::string describe(const Storage& storage) {
  return "'" + storage.name + "' at " + std::to_string(storage.offset) + "+" + std::to_string(storage.bytes);
}

bool share_bytes(int64_t a, int64_t a_bytes, int64_t b, int64_t b_bytes) { return a < b + b_bytes && b < a + a_bytes; }

void check_storages(const Plan& plan) {
  for (size_t i = 0; i < plan.storages.size(); ++i) {
    const Storage& a = plan.storages[i];
    if (a.offset < 0 || a.bytes < 0 || a.offset + a.bytes > plan.arena_bytes) fail(describe(a) + " leaves the arena");
    if (a.offset % static_cast<int64_t>(base::kAlignment) != 0) fail(describe(a) + " is not aligned");
    for (size_t j = i + 1; j < plan.storages.size(); ++j) {
      const Storage& b = plan.storages[j];
      if (!share_bytes(a.offset, a.bytes, b.offset, b.bytes)) continue;
      const bool together = a.first_step <= b.last_step && b.first_step <= a.last_step;
      if (together) fail(describe(a) + " and " + describe(b) + " live at the same time");
      if (a.padded != b.padded) fail(describe(a) + " and " + describe(b) + " would overwrite each other's padding");
    }
    if (a.padded < 0) continue;
    const PaddedRegion& region = plan.padded.at(static_cast<size_t>(a.padded));
    if (a.offset != region.offset || a.bytes > region.bytes) fail(describe(a) + " is not in its padded region");
  }
}

bool has_work(const Step& step, bool on_device) {
  if (step.kind == StepKind::host) return step.host != nullptr;
  if (on_device) return step.loaded != nullptr || step.tasks == 0;
  return step.kind == StepKind::kernel ? step.function != nullptr : step.permute != nullptr;
}

void check_steps(const Plan& plan) {
  std::set<std::pair<Place, int64_t>> written;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    const std::string where = "step " + std::to_string(i) + " '" + step.name + "': ";
    if (step.written.size() != step.arguments.size()) fail(where + "arguments without access");
    if (!plan.device && (step.inner < 0 || (step.tasks > 0 && (step.inner < 1 || step.tasks % step.inner != 0))))
      fail(where + "tasks that are no multiple of the inner ones");
    if (step.report < 0 || static_cast<size_t>(step.report) >= plan.kernels.size()) fail(where + "no report");
    if (!has_work(step, plan.device != nullptr)) fail(where + "nothing to run");
    for (size_t a = 0; a < step.arguments.size(); ++a) {
      const Location& argument = step.arguments[a];
      const std::string what = where + "argument " + std::to_string(a) + ", " + to_text(argument, plan) + ", ";
      const bool ours = argument.place == Place::arena || argument.place == Place::output;
      if (step.written[a]) {
        if (!ours) fail(what + "is written");
        written.insert({argument.place, argument.index});
      } else if (ours && !written.contains({argument.place, argument.index})) {
        fail(what + "is read before it is written");
      }
      if (argument.place != Place::arena) continue;
      const Storage& storage = plan.storages[static_cast<size_t>(argument.index)];
      const int now = static_cast<int>(i);
      if (now < storage.first_step || now > storage.last_step) fail(what + "is used outside its life");
    }
  }
  for (size_t o = 0; plan.graph && o < plan.graph->outputs.size(); ++o) {
    if (!written.contains({Place::output, static_cast<int64_t>(o)})) {
      fail("model output " + std::to_string(o) + " is never written");
    }
  }
}

}  // namespace

std::string to_string(const Plan& plan) {
  std::string text;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    text += std::to_string(i) + " " + name_of(step.kind) + " " + step.name;
    if (plan.device && step.kind != StepKind::host) {
      text += " blocks " + std::to_string(step.tasks);
    } else {
      text += " tasks " + std::to_string(step.tasks) + (step.parallel ? "" : " alone");
      if (step.inner != step.tasks) text += " cut in " + std::to_string(step.inner);
    }
    if (step.workspace_bytes > 0) text += " workspace " + std::to_string(step.workspace_bytes);
    text += ":";
    for (size_t a = 0; a < step.arguments.size(); ++a) {
      text += (a ? ", " : " ") + std::string(step.written[a] ? "-> " : "") + to_text(step.arguments[a], plan);
    }
    text += "\n";
  }
  for (size_t s = 0; s < plan.storages.size(); ++s) {
    const Storage& storage = plan.storages[s];
    text += "%" + std::to_string(s) + " " + describe(storage) + " steps " + std::to_string(storage.first_step) +
            " to " + std::to_string(storage.last_step) +
            (storage.padded >= 0 ? " padded region " + std::to_string(storage.padded) : "") + "\n";
  }
  text += "arena " + std::to_string(plan.arena_bytes) + " bytes, workspace " + std::to_string(plan.workspace_bytes) +
          " bytes a thread, " + std::to_string(plan.constants.size()) + " constants\n";
  if (plan.device) text += "on " + plan.device->description() + "\n";
  return text;
}

void verify(const Plan& plan) {
  check_storages(plan);
  check_steps(plan);
}

}  // namespace altrt::plan
