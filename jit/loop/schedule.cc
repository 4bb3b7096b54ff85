#include "jit/loop/schedule.h"

#include <algorithm>
#include <array>
#include <utility>

#include <altrt/error.h>

#include "runtime/base/hash.h"

namespace altrt {

namespace {

struct KindName {
  LoopStepKind kind;
  const char* name;
};

constexpr std::array<KindName, 14> kKinds{{{LoopStepKind::split, "split"},
                                           {LoopStepKind::fuse, "fuse"},
                                           {LoopStepKind::reorder, "reorder"},
                                           {LoopStepKind::vectorize, "vectorize"},
                                           {LoopStepKind::unroll, "unroll"},
                                           {LoopStepKind::parallel, "parallel"},
                                           {LoopStepKind::bind, "bind"},
                                           {LoopStepKind::compute_at, "compute_at"},
                                           {LoopStepKind::hold_at, "hold_at"},
                                           {LoopStepKind::skip, "skip"},
                                           {LoopStepKind::prefetch, "prefetch"},
                                           {LoopStepKind::inline_stage, "inline_stage"},
                                           {LoopStepKind::cache_read, "cache_read"},
                                           {LoopStepKind::split_reduction, "split_reduction"}}};

constexpr std::array<std::pair<Tail, const char*>, 5> kTails{{{Tail::peel, "peel"},
                                                              {Tail::balance, "balance"},
                                                              {Tail::mask, "mask"},
                                                              {Tail::overlap, "overlap"},
                                                              {Tail::pad, "pad"}}};

const char* name_of(LoopStepKind kind) {
  for (const KindName& entry : kKinds)
    if (entry.kind == kind) return entry.name;
  return "?";
}

[[noreturn]] void bad_line(const std::string& line, const std::string& reason) {
  throw Error(ErrorCode::invalid_argument, "schedule: \"" + line + "\": " + reason);
}

std::string trim(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string> split_arguments(const std::string& text) {
  std::vector<std::string> arguments;
  if (trim(text).empty()) return arguments;
  size_t start = 0;
  while (true) {
    const size_t comma = text.find(',', start);
    arguments.push_back(trim(text.substr(start, comma - start)));
    if (comma == std::string::npos) return arguments;
    start = comma + 1;
  }
}

int64_t parse_number(const std::string& text, const std::string& line) {
  if (text.empty() || text.size() > 15 || text.find_first_not_of("0123456789") != std::string::npos)
    bad_line(line, "'" + text + "' is not a number");
  return std::stoll(text);
}

Tail parse_tail(const std::string& text, const std::string& line) {
  for (const auto& [tail, name] : kTails)
    if (text == name) return tail;
  bad_line(line, "'" + text + "' is not a tail");
}

/// Finds ".primitive(" from the right, since stage names may hold dots and brackets themselves.
std::pair<size_t, LoopStepKind> find_primitive(const std::string& line) {
  for (size_t open = line.rfind('('); open != std::string::npos && open > 0; open = line.rfind('(', open - 1)) {
    for (const KindName& entry : kKinds) {
      const std::string pattern = std::string(".") + entry.name;
      if (open > pattern.size() && line.compare(open - pattern.size(), pattern.size(), pattern) == 0)
        return {open - pattern.size(), entry.kind};
    }
  }
  bad_line(line, "expected stage.primitive(arguments)");
}

void expect_count(const std::vector<std::string>& arguments, size_t least, size_t most, const std::string& line) {
  if (arguments.size() < least || arguments.size() > most)
    bad_line(line, "wrong number of arguments (" + std::to_string(arguments.size()) + ")");
}

LoopStep parse_step(LoopStepKind kind, const std::vector<std::string>& arguments, const std::string& line) {
  LoopStep step;
  step.kind = kind;
  switch (kind) {
    case LoopStepKind::split:
      expect_count(arguments, 2, 3, line);
      step.loop = arguments[0];
      step.factor = parse_number(arguments[1], line);
      if (arguments.size() == 3) step.tail = parse_tail(arguments[2], line);
      break;
    case LoopStepKind::fuse:
    case LoopStepKind::reorder:
      expect_count(arguments, 1, 1000, line);
      step.loops = arguments;
      break;
    case LoopStepKind::vectorize:
    case LoopStepKind::unroll:
    case LoopStepKind::parallel:
    case LoopStepKind::bind:
    case LoopStepKind::skip:
      expect_count(arguments, 1, 1, line);
      step.loop = arguments[0];
      break;
    case LoopStepKind::compute_at:
    case LoopStepKind::hold_at:
      expect_count(arguments, 2, 2, line);
      step.at_stage = arguments[0];
      step.loop = arguments[1];
      break;
    case LoopStepKind::prefetch:
    case LoopStepKind::inline_stage:
      expect_count(arguments, 0, 0, line);
      break;
    case LoopStepKind::cache_read:
      expect_count(arguments, 2, 2, line);
      step.tensor = arguments[0];
      step.loop = arguments[1];
      break;
    case LoopStepKind::split_reduction:
      expect_count(arguments, 2, 2, line);
      step.loop = arguments[0];
      step.factor = parse_number(arguments[1], line);
      break;
  }
  return step;
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

StageSchedule& StageSchedule::split(std::string loop, int64_t factor, Tail tail) {
  LoopStep step{.kind = LoopStepKind::split, .loop = std::move(loop)};
  step.factor = factor;
  step.tail = tail;
  steps.push_back(std::move(step));
  return *this;
}

StageSchedule& StageSchedule::fuse(std::vector<std::string> loops) {
  steps.push_back(LoopStep{.kind = LoopStepKind::fuse, .loops = std::move(loops)});
  return *this;
}

StageSchedule& StageSchedule::reorder(std::vector<std::string> loops) {
  steps.push_back(LoopStep{.kind = LoopStepKind::reorder, .loops = std::move(loops)});
  return *this;
}

StageSchedule& StageSchedule::vectorize(std::string loop) {
  steps.push_back(LoopStep{.kind = LoopStepKind::vectorize, .loop = std::move(loop)});
  return *this;
}

StageSchedule& StageSchedule::unroll(std::string loop) {
  steps.push_back(LoopStep{.kind = LoopStepKind::unroll, .loop = std::move(loop)});
  return *this;
}

StageSchedule& StageSchedule::parallel(std::string loop) {
  steps.push_back(LoopStep{.kind = LoopStepKind::parallel, .loop = std::move(loop)});
  return *this;
}

StageSchedule& StageSchedule::bind(std::string loop) {
  steps.push_back(LoopStep{.kind = LoopStepKind::bind, .loop = std::move(loop)});
  return *this;
}

StageSchedule& StageSchedule::skip(std::string loop) {
  steps.push_back(LoopStep{.kind = LoopStepKind::skip, .loop = std::move(loop)});
  return *this;
}

StageSchedule& StageSchedule::compute_at(std::string stage, std::string loop) {
  steps.push_back(LoopStep{.kind = LoopStepKind::compute_at, .loop = std::move(loop), .at_stage = std::move(stage)});
  return *this;
}

StageSchedule& StageSchedule::hold_at(std::string stage, std::string loop) {
  steps.push_back(LoopStep{.kind = LoopStepKind::hold_at, .loop = std::move(loop), .at_stage = std::move(stage)});
  return *this;
}

StageSchedule& StageSchedule::prefetch() {
  steps.push_back(LoopStep{.kind = LoopStepKind::prefetch});
  return *this;
}

StageSchedule& StageSchedule::inline_stage() {
  steps.push_back(LoopStep{.kind = LoopStepKind::inline_stage});
  return *this;
}

StageSchedule& StageSchedule::cache_read(std::string tensor, std::string loop) {
  steps.push_back(LoopStep{.kind = LoopStepKind::cache_read, .loop = std::move(loop), .tensor = std::move(tensor)});
  return *this;
}

StageSchedule& StageSchedule::split_reduction(std::string axis, int64_t chunks) {
  LoopStep step{.kind = LoopStepKind::split_reduction, .loop = std::move(axis)};
  step.factor = chunks;
  steps.push_back(std::move(step));
  return *this;
}

bool jit::has_step(const StageSchedule& schedule, LoopStepKind kind) {
  return std::any_of(schedule.steps.begin(), schedule.steps.end(),
                     [kind](const LoopStep& step) { return step.kind == kind; });
}

const char* to_string(Tail tail) {
  for (const auto& [value, name] : kTails)
    if (value == tail) return name;
  return "?";
}

std::string to_string(const LoopStep& step) {
  std::string text = std::string(name_of(step.kind)) + "(";
  switch (step.kind) {
    case LoopStepKind::split:
      text += step.loop + ", " + std::to_string(step.factor) + ", " + to_string(step.tail);
      break;
    case LoopStepKind::fuse:
    case LoopStepKind::reorder:
      text += join(step.loops);
      break;
    case LoopStepKind::vectorize:
    case LoopStepKind::unroll:
    case LoopStepKind::parallel:
    case LoopStepKind::bind:
    case LoopStepKind::skip:
      text += step.loop;
      break;
    case LoopStepKind::compute_at:
    case LoopStepKind::hold_at:
      text += step.at_stage + ", " + step.loop;
      break;
    case LoopStepKind::prefetch:
    case LoopStepKind::inline_stage:
      break;
    case LoopStepKind::cache_read:
      text += step.tensor + ", " + step.loop;
      break;
    case LoopStepKind::split_reduction:
      text += step.loop + ", " + std::to_string(step.factor);
      break;
  }
  return text + ")";
}

std::string to_string(const Schedule& schedule) {
  std::string text;
  for (const auto& [stage, steps] : schedule.stages)
    for (const LoopStep& step : steps.steps) text += stage + "." + to_string(step) + "\n";
  return text;
}

Schedule parse_schedule(const std::string& text) {
  Schedule schedule;
  size_t start = 0;
  while (start < text.size()) {
    size_t end = text.find('\n', start);
    if (end == std::string::npos) end = text.size();
    const std::string line = trim(text.substr(start, end - start));
    start = end + 1;
    if (line.empty() || line[0] == '#') continue;
    if (line.back() != ')') bad_line(line, "no closing bracket");
    const auto [dot, kind] = find_primitive(line);
    const size_t open = line.find('(', dot);
    const std::string arguments = line.substr(open + 1, line.size() - open - 2);
    schedule[line.substr(0, dot)].steps.push_back(parse_step(kind, split_arguments(arguments), line));
  }
  return schedule;
}

uint64_t hash(const Schedule& schedule) {
  base::Hasher hasher;
  for (const auto& [stage, steps] : schedule.stages) {
    if (steps.steps.empty()) continue;
    hasher.add(stage).add(static_cast<int64_t>(steps.steps.size()));
    for (const LoopStep& step : steps.steps) {
      hasher.add(step.kind).add(step.loop).add(static_cast<int64_t>(step.loops.size()));
      for (const std::string& loop : step.loops) hasher.add(loop);
      hasher.add(step.factor).add(step.tail).add(step.at_stage).add(step.tensor);
    }
  }
  return hasher.value();
}

}  // namespace altrt
