#include "tuner/finish.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include <altrt/error.h>

#include "jit/compile/canonical.h"
#include "jit/compile/compile.h"
#include "runtime/base/log.h"
#include "runtime/base/trace.h"
#include "tuner/placement.h"

namespace altrt::tuner {
namespace {

constexpr int kMostComparisons = 3;
constexpr double kMostSlowdown = 1.01, kMostSlowdownOfTask = 1.02;  // that a comparison can't tell from noise
constexpr double kLeastGain = 0.01;  // of the whole plan, for which conversions are placed anew
constexpr size_t kWays = 6;

std::string milliseconds(double ms) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f ms", ms);
  return text;
}

}  // namespace

Finish::Finish(const TuneRequest& request, const std::vector<Task>& tasks, const std::vector<TaskState>& states,
               const Limits& limits, Stop over, MeasurerOf measurer, PlanRunner* before, double packing_s)
    : request_(request),
      tasks_(tasks),
      states_(states),
      limits_(limits),
      over_(std::move(over)),
      measurer_(std::move(measurer)),
      before_(before),
      packing_s_(packing_s),
      initial_(selection(false)) {}

Selection Finish::selection(bool tuned) const {
  Selection selection(request_.groups.size());
  for (size_t t = 0; t < tasks_.size(); ++t) {
    const auto candidate = std::make_shared<const Candidate>(tuned ? states_[t].best() : states_[t].initial);
    for (const int g : tasks_[t].groups) selection[static_cast<size_t>(g)] = {tasks_[t].computation, candidate};
  }
  return selection;
}

bool Finish::is_changed(size_t group, const Selection& chosen) const {
  if (!chosen[group].candidate) return false;
  return !(chosen[group].candidate->decision == initial_[group].candidate->decision);
}

// Per group the ways that were measured, what is chosen now first.
std::vector<graph::Alternatives> Finish::points() const {
  std::vector<graph::Alternatives> points(request_.groups.size());
  for (size_t t = 0; t < tasks_.size(); ++t) {
    const TaskState& state = states_[t];
    const jit::Computation& c = *tasks_[t].computation;
    std::vector<Way> known = state.ways.best(kWays);
    const double ms = state.measured() ? state.measurer->incumbent_kernels_ms() : state.progress.ms;
    known.insert(known.begin(), {state.best().decision, ms});
    for (const int g : tasks_[t].groups) {
      const auto number = static_cast<size_t>(g);
      for (const Way& way : known) {
        points[number].push_back({jit::with_names(jit::canonical(way.decision, c), request_.groups[number].computation),
                                  way.kernels_ms, state.measured()});
      }
    }
  }
  return points;
}

// The decision as code, once it has passed the gate; null if it does not.
std::shared_ptr<const Candidate> Finish::make(size_t task, const jit::GroupDecision& decision) {
  for (const Candidate* known : {&states_[task].best(), &states_[task].initial}) {
    if (known->decision == decision) return std::make_shared<const Candidate>(*known);
  }
  std::string fault;
  std::optional<Candidate> candidate = measurer_(task).make(decision, over_, fault);
  if (candidate) return std::make_shared<const Candidate>(std::move(*candidate));
  base::log(base::LogLevel::info, "tuning: placement of conversions: group '" + tasks_[task].name + "': " + fault);
  return nullptr;
}

std::optional<Selection> Finish::placed(const Selection& best) {
  const base::TraceScope trace("tuner: placement");
  const std::vector<graph::Alternatives> known = points();
  ConversionTimes times(request_.team, request_.device != nullptr);
  const Placed placed = place({*request_.graph,
                               request_.groups,
                               request_.target,
                               known,
                               conversion_ms(*request_.graph, times),
                               PlacementMode::joint,
                               {}});
  if (placed.cost.total_ms() >= placed.in_use.total_ms() * (1 - kLeastGain)) return std::nullopt;
  Selection selection = best;
  for (size_t t = 0; t < tasks_.size(); ++t) {
    std::map<std::string, std::shared_ptr<const Candidate>> made;
    for (const int g : tasks_[t].groups) {
      const auto number = static_cast<size_t>(g);
      if (placed.decisions[number] == known[number].front().decision) continue;
      const jit::GroupDecision nameless = jit::canonical(placed.decisions[number], request_.groups[number].computation);
      const auto [found, is_new] = made.emplace(jit::to_string(nameless), nullptr);
      if (is_new) found->second = make(t, jit::with_names(nameless, *tasks_[t].computation));
      if (!found->second) return std::nullopt;
      selection[number].candidate = found->second;
    }
  }
  return selection;
}

void Finish::into(TuneResult& result) {
  Selection chosen = selection(true);
  bool any = false;
  for (size_t g = 0; g < chosen.size(); ++g) any |= is_changed(g, chosen);
  // Cut short, the races of single groups have to do.
  if (any && before_ && !over_() && limits_.seconds_left() > packing_s_) {
    try {
      confirm(chosen, result);
    } catch (const Error& error) {
      base::log(base::LogLevel::warning, std::string("tuning: plans were not compared: ") + error.what());
    }
  }
  publish(chosen, result);
}

void Finish::choose(Selection& chosen, const Selection& other) {
  PlanRunner one(build_plan(request_, chosen), request_.team), two(build_plan(request_, other), request_.team);
  const double left = std::isfinite(limits_.seconds_left()) ? std::max(0.0, limits_.seconds_left()) : 5.0;
  alternate({&one, &two}, std::min(left / 3, 2.0), over_);
  base::log(base::LogLevel::info, "tuning: with conversions placed anew the plan takes " + milliseconds(two.ms()) +
                                      " against " + milliseconds(one.ms()));
  if (two.ms() < one.ms()) chosen = other;
}

void Finish::confirm(Selection& chosen, TuneResult& result) {
  if (const std::optional<Selection> other = placed(chosen)) choose(chosen, *other);
  for (int attempt = 0; attempt < kMostComparisons; ++attempt) {
    PlanRunner after(build_plan(request_, chosen), request_.team);
    const double left = std::isfinite(limits_.seconds_left()) ? std::max(0.0, limits_.seconds_left()) : 5.0;
    alternate({before_, &after}, std::min(left / 2, 3.0), over_);
    result.plan = after.plan();
    result.initial_ms = before_->ms();
    result.tuned_ms = after.ms();
    const bool reverted = revert_slower(after, chosen);
    const bool again = reverted && attempt + 1 < kMostComparisons && !over_() &&
                       limits_.seconds_left() > packing_s_ / 2 + 9e-3 * result.initial_ms;
    if (again) continue;
    if (reverted || result.tuned_ms <= result.initial_ms * kMostSlowdown) return;
    base::log(base::LogLevel::info, "tuning: the new plan takes " + milliseconds(result.tuned_ms) + " against " +
                                        milliseconds(result.initial_ms) + " and is dropped");
    chosen = initial_;
    result.tuned_ms = result.initial_ms;
    return;
  }
}

// True if anything was taken back.
bool Finish::revert_slower(const PlanRunner& after, Selection& chosen) const {
  const std::vector<double> old_ms = before_->group_ms(), new_ms = after.group_ms();
  bool reverted = false;
  for (const Task& task : tasks_) {
    double old_sum = 0, new_sum = 0;
    bool changed = false;
    for (const int g : task.groups) {
      changed |= is_changed(static_cast<size_t>(g), chosen);
      old_sum += old_ms[static_cast<size_t>(g)];
      new_sum += new_ms[static_cast<size_t>(g)];
    }
    if (!changed || new_sum <= old_sum * kMostSlowdownOfTask) continue;
    for (const int g : task.groups) chosen[static_cast<size_t>(g)] = initial_[static_cast<size_t>(g)];
    reverted = true;
  }
  return reverted;
}

void Finish::publish(const Selection& chosen, TuneResult& result) const {
  for (size_t t = 0; t < tasks_.size(); ++t) {
    const Task& task = tasks_[t];
    const TaskState& state = states_[t];
    TaskReport report = state.report;
    const auto first = static_cast<size_t>(task.groups.front());
    if (state.measured()) {
      report.initial_ms = state.measurer->initial_ms();
      report.best_ms = is_changed(first, chosen) ? state.measurer->incumbent_ms() : report.initial_ms;
    }
    report.decision = jit::to_string(chosen[first].candidate->decision);
    if (state.search) report.layouts = state.search->tallies();
    for (const int g : task.groups) {
      const auto number = static_cast<size_t>(g);
      const Candidate& candidate = *chosen[number].candidate;
      result.decisions[number] =
          jit::with_names(jit::canonical(candidate.decision, *task.computation), request_.groups[number].computation);
      result.code[number] = {task.computation, candidate.group, candidate.loaded};
      result.before_ms[number] = report.initial_ms;
      result.after_ms[number] = report.best_ms;
    }
    result.tasks.push_back(std::move(report));
    publish_record(t, result);
  }
}

void Finish::publish_record(size_t number, TuneResult& result) const {
  const Task& task = tasks_[number];
  const TaskState& state = states_[number];
  if (!state.measured()) return;
  TaskRecord& record = result.records[task.key];
  record.decision = jit::to_string(jit::canonical(state.best().decision, *task.computation));
  record.ms = state.measurer->incumbent_ms();
  record.ops = task.ops;
  record.trials += state.report.trials;
  Choice choice = state.search ? state.search->best_choice() : Choice{};
  choice.flops = static_cast<double>(task.flops);
  if (!choice.algorithm.empty()) record.choice = to_string(choice);
}

}  // namespace altrt::tuner
