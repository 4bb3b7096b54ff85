#include "tuner/tune.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <utility>

#include <altrt/error.h>

#include "jit/compile/canonical.h"
#include "jit/compile/provide.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/base/trace.h"
#include "tuner/limits.h"
#include "tuner/search/scheduler.h"
#include "tuner/whole_plan.h"

namespace altrt::tuner {
namespace {

constexpr size_t kFirstBatch = 8, kBatch = 16;
constexpr double kInitialShare = 0.05;  // of the budget, for timing the untuned plan
constexpr int kMostComparisons = 3;
constexpr double kMostSlowdown = 1.01, kMostSlowdownOfTask = 1.02;  // that a comparison can't tell from noise

// What the options allow. Strict numerics leave out what does not compute the sum that the operator defines.
std::vector<std::string> allowed_algorithms(const TuneRequest& request, const Task& task) {
  std::vector<std::string> names = jit::algorithms(*task.computation);
  const bool direct = request.algorithm == "direct" || request.numerics == Numerics::strict;
  std::erase_if(names, [&](const std::string& name) {
    return direct ? !jit::is_direct(name) : !request.algorithm.empty() && name != request.algorithm;
  });
  return names;
}

// Floating-point work and memory traffic at cautious speeds: in which order to begin.
double guess_ms(const Task& task) {
  double bytes = 0;
  for (const jit::TensorDecl& tensor : task.computation->tensors) {
    double elements = 1;
    for (const jit::Extent& extent : tensor.shape) elements *= static_cast<double>(extent.bound);
    if (tensor.role != jit::Role::intermediate) bytes += elements * static_cast<double>(size_of(tensor.type));
  }
  return static_cast<double>(task.flops) / 50e6 + bytes / 10e6 + 0.005;
}

// A reason short enough to count by: what differs from candidate to candidate goes.
std::string reason_class(const std::string& reason) {
  std::string text;
  for (const char c : reason.substr(0, reason.find('\n'))) {
    if (c < '0' || c > '9') text += c;
  }
  return text.substr(0, 100);
}

struct TaskState {
  Candidate initial;
  std::unique_ptr<Evolution> evolution;
  std::unique_ptr<Measurer> measurer;
  Progress progress;
  TaskReport report;

  bool measured() const { return measurer && measurer->initial_ms() > 0; }
};

class Tuning {
 public:
  explicit Tuning(const TuneRequest& request)
      : request_(request),
        limits_(request.options, request.spent_seconds, request.spent_trials),
        tasks_(make_tasks(*request.graph, request.groups, request.initial)) {
    double weights = 0;
    for (const graph::Value& value : request.graph->values) {
      if (value.is_constant()) weights += static_cast<double>(value.data->bytes());
    }
    const jit::Target& target = request.target;
    cold_weights_ = weights > static_cast<double>(target.is_gpu() ? target.l2_bytes : target.l3_bytes);
    for (const Task& task : tasks_) {
      TaskState& state = states_.emplace_back();
      state.progress.weight = static_cast<double>(task.groups.size());
      state.progress.ms = guess_ms(task);
      state.report.name = task.name;
      state.report.ops = task.ops;
      state.report.groups = static_cast<int>(task.groups.size());
    }
    result_.decisions = request.initial;
    result_.code.resize(request.groups.size());
    result_.before_ms.resize(request.groups.size(), 0);
    result_.after_ms.resize(request.groups.size(), 0);
    result_.records = request.records;
  }

  TuneResult run() {
    compile_initial();
    if (limits_.trials_left() > 0 && !over()) {
      measure_initial();
      search();
    }
    finish();
    result_.seconds = limits_.seconds();
    result_.cancelled = limits_.cancelled();
    return std::move(result_);
  }

 private:
  bool over() {
    return limits_.over([this] { return progress(); });
  }

  TuningProgress progress() const {
    TuningProgress progress;
    progress.phase = phase_;
    progress.task = current_ < 0 ? "" : tasks_[static_cast<size_t>(current_)].name;
    progress.task_index = std::max(current_, 0);
    progress.task_count = static_cast<int>(tasks_.size());
    progress.trials = result_.trials;
    for (const TaskState& state : states_) progress.best_ms += state.progress.ms * state.progress.weight;
    progress.elapsed_s = limits_.seconds();
    progress.remaining_s = std::isfinite(limits_.seconds_left()) ? std::max(0.0, limits_.seconds_left()) : 0;
    return progress;
  }

  // Code of every task as it would be used without tuning. Where the compiler refuses a schedule the session would run
  // plain loops: so does the first incumbent.
  void compile_initial() {
    std::vector<std::exception_ptr> errors(tasks_.size());
    request_.team.run(static_cast<int64_t>(tasks_.size()), 1, [&](int64_t first, int64_t last, int) {
      for (int64_t i = first; i < last; ++i) {
        const auto t = static_cast<size_t>(i);
        try {
          compile_task(t);
        } catch (...) {
          errors[t] = std::current_exception();
        }
      }
    });
    for (const std::exception_ptr& error : errors) {
      if (error) std::rethrow_exception(error);
    }
  }

  void compile_task(size_t t) {
    const Task& task = tasks_[t];
    jit::GroupDecision decision = task.initial;
    try {
      states_[t].initial =
          load(decision, jit::compile(*task.computation, decision, request_.target, prefix(t) + "initial"),
               request_.device.get());
      return;
    } catch (const Error& error) {
      const bool refused = error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::unsupported;
      if (!refused || decision.provider != "own") throw;
    }
    decision.schedule = {};
    states_[t].initial = load(decision, jit::compile(*task.computation, decision, request_.target, prefix(t) + "plain"),
                              request_.device.get());
  }

  static std::string prefix(size_t task) { return "altrt_t" + std::to_string(task) + "_"; }

  std::vector<const Candidate*> initial_choice() const {
    std::vector<const Candidate*> choice;
    for (const TaskState& state : states_) choice.push_back(&state.initial);
    return choice;
  }

  // Times the plan that would be used without tuning: where the time goes, and what a comparison costs.
  void measure_initial() {
    phase_ = "untuned plan";
    try {
      const base::Stopwatch watch;
      before_ = std::make_unique<PlanRunner>(build_plan(request_, tasks_, initial_choice()), request_.team);
      packing_s_ = watch.seconds();
      const double most_s = std::min(1.0, limits_.budget_s() * kInitialShare);
      do {
        before_->run();
      } while (!over() && before_->runs() < 8 && watch.seconds() - packing_s_ < most_s);
      const std::vector<double> ms = before_->group_ms();
      for (size_t t = 0; t < tasks_.size(); ++t) {
        double sum = 0;
        for (const int g : tasks_[t].groups) sum += ms[static_cast<size_t>(g)];
        states_[t].progress.ms = sum / states_[t].progress.weight;
      }
      result_.initial_ms = before_->ms();
    } catch (const Error& error) {
      base::log(base::LogLevel::warning, std::string("tuning: the untuned plan was not timed: ") + error.what());
      before_.reset();
    }
  }

  bool is_changed(size_t t) const { return !(best(t).decision == states_[t].initial.decision); }

  // Time for the comparison of whole plans, once there is something to compare: another one is packed, and both run a
  // few times.
  void keep_time_back() {
    bool any = false;
    for (size_t t = 0; t < tasks_.size() && !any; ++t) any = is_changed(t);
    if (!any || !before_ || !std::isfinite(limits_.budget_s())) return;
    const double comparison = 1.5 * packing_s_ + 8e-3 * result_.initial_ms;
    limits_.keep_back(std::clamp(comparison, 0.05 * limits_.budget_s(), 0.4 * limits_.budget_s()));
  }

  void search() {
    phase_ = "search";
    for (;;) {
      std::vector<Progress> all;
      for (const TaskState& state : states_) all.push_back(state.progress);
      current_ = choose_task(all);
      keep_time_back();
      if (current_ < 0 || limits_.trials_left() <= 0 || over()) return;
      step(static_cast<size_t>(current_));
    }
  }

  void begin(size_t number) {
    const Task& task = tasks_[number];
    TaskState& state = states_[number];
    if (state.measurer) return;
    const uint64_t seed = base::Hasher(request_.options.seed).add(task.key).value();
    const jit::GroupDecision& initial = state.initial.decision;
    const jit::GroupDecision& start =
        initial.provider == "own" ? task.initial : request_.defaults[static_cast<size_t>(task.groups.front())];
    state.evolution = std::make_unique<Evolution>(
        make_spaces(*task.computation, start, request_.target, allowed_algorithms(request_, task)), initial, seed);
    state.report.space = state.evolution->size();
    state.measurer = std::make_unique<Measurer>(
        task, state.initial, prefix(number),
        MeasurerOptions{request_.target, request_.team, request_.device, cold_weights_, seed, workers()});
    for (const std::string& provider : request_.providers) {
      for (const jit::GroupDecision& decision :
           jit::provider_candidates(provider, *task.computation, request_.team.threads())) {
        state.evolution->suggest(decision);
      }
    }
    const auto record = request_.records.find(task.key);
    const std::string best = record == request_.records.end() ? "" : record->second.decision;
    const auto named = [&](const std::string& text) {
      return jit::with_names(jit::parse_decision(text), *task.computation);
    };
    try {
      for (const TrialReport& trial : request_.earlier) {
        if (trial.task == task.key && trial.decision != best) state.evolution->skip(named(trial.decision));
      }
      if (!best.empty()) state.evolution->suggest(named(best));
    } catch (const Error& error) {
      base::log(base::LogLevel::warning, "record of group '" + task.name + "': " + error.what());
    }
  }

  // Null where candidates are compiled and run in this process.
  std::shared_ptr<Workers> workers() {
    if (!std::exchange(asked_for_workers_, true) && request_.options.isolate && !request_.device) {
      workers_ = request_.workers ? request_.workers : Workers::start(request_.team, request_.target);
    }
    return workers_;
  }

  // One batch of trials for one task.
  void step(size_t number) {
    TaskState& state = states_[number];
    try {
      begin(number);
      const bool first = !state.measured();
      const size_t count = std::min<size_t>(first ? kFirstBatch : kBatch, static_cast<size_t>(limits_.trials_left()));
      const std::vector<jit::GroupDecision> proposal = state.evolution->propose(count);
      if (proposal.empty()) {
        state.progress.done = true;
        return;
      }
      const double before = state.measurer->incumbent_ms();
      const std::vector<Outcome> outcomes = state.measurer->measure(proposal, [this] { return over(); });
      state.evolution->report(outcomes);
      count_trials(number, proposal, outcomes);
      if (!state.measured()) return;
      learn(state, first ? state.measurer->initial_ms() : before);
    } catch (const Error& error) {
      // A group that can't be measured keeps its decision.
      ++result_.rejected[reason_class(error.what())];
      base::log(base::LogLevel::warning, "group '" + tasks_[number].name + "' is not tuned: " + error.what());
      state.progress.done = true;
    }
  }

  void count_trials(size_t number, const std::vector<jit::GroupDecision>& proposal,
                    const std::vector<Outcome>& outcomes) {
    TaskState& state = states_[number];
    for (size_t i = 0; i < outcomes.size(); ++i) {
      const Outcome& outcome = outcomes[i];
      if (outcome.reason == "stopped") continue;
      if (request_.on_trial) {
        const Task& task = tasks_[number];
        request_.on_trial({task.key, jit::to_string(jit::canonical(proposal[i], *task.computation)),
                           outcome.measured ? outcome.ms : 0, outcome.reason, limits_.seconds()});
      }
      if (!outcome.reason.empty()) ++result_.rejected[reason_class(outcome.reason)];
      ++state.report.trials;
      ++result_.trials;
      limits_.count_trial();
    }
  }

  void learn(TaskState& state, double before) {
    Progress& progress = state.progress;
    const double now = state.measurer->incumbent_ms();
    progress.ms = now;
    progress.measured = true;
    if (now < before) {
      progress.gain = 1 - now / before;
      progress.stalled = 0;
    } else {
      ++progress.stalled;
    }
  }

  const Candidate& best(size_t t) const {
    return states_[t].measurer ? states_[t].measurer->incumbent_candidate() : states_[t].initial;
  }

  void finish() {
    phase_ = "whole plan";
    current_ = -1;
    limits_.keep_back(0);
    std::vector<bool> changed(tasks_.size(), false);
    bool any = false;
    for (size_t t = 0; t < tasks_.size(); ++t) {
      changed[t] = is_changed(t);
      any |= changed[t];
    }
    // Cut short, the races of single groups have to do.
    if (any && before_ && !over() && limits_.seconds_left() > packing_s_) {
      try {
        confirm(changed);
      } catch (const Error& error) {
        base::log(base::LogLevel::warning, std::string("tuning: plans were not compared: ") + error.what());
      }
    }
    publish(changed);
  }

  // Times the plan of the best decisions against the one before tuning; takes back what is slower in its place.
  void confirm(std::vector<bool>& changed) {
    for (int attempt = 0; attempt < kMostComparisons; ++attempt) {
      std::vector<const Candidate*> choice = initial_choice();
      for (size_t t = 0; t < tasks_.size(); ++t) {
        if (changed[t]) choice[t] = &best(t);
      }
      PlanRunner after(build_plan(request_, tasks_, choice), request_.team);
      const double left = std::isfinite(limits_.seconds_left()) ? std::max(0.0, limits_.seconds_left()) : 5.0;
      alternate(*before_, after, std::min(left / 2, 3.0), [this] { return over(); });
      result_.plan = after.plan();
      result_.initial_ms = before_->ms();
      result_.tuned_ms = after.ms();
      const bool reverted = revert_slower(after, changed);
      const bool again = reverted && attempt + 1 < kMostComparisons && !over() &&
                         limits_.seconds_left() > packing_s_ / 2 + 9e-3 * result_.initial_ms;
      if (again) continue;
      if (reverted || result_.tuned_ms <= result_.initial_ms * kMostSlowdown) return;
      base::log(base::LogLevel::info, "tuning: the new plan takes " + std::to_string(result_.tuned_ms) +
                                          " ms against " + std::to_string(result_.initial_ms) + " and is dropped");
      std::fill(changed.begin(), changed.end(), false);
      result_.tuned_ms = result_.initial_ms;
      return;
    }
  }

  // True if anything was taken back.
  bool revert_slower(const PlanRunner& after, std::vector<bool>& changed) const {
    const std::vector<double> old_ms = before_->group_ms(), new_ms = after.group_ms();
    bool reverted = false;
    for (size_t t = 0; t < tasks_.size(); ++t) {
      double old_sum = 0, new_sum = 0;
      for (const int g : tasks_[t].groups) {
        old_sum += old_ms[static_cast<size_t>(g)];
        new_sum += new_ms[static_cast<size_t>(g)];
      }
      if (!changed[t] || new_sum <= old_sum * kMostSlowdownOfTask) continue;
      changed[t] = false;
      reverted = true;
    }
    return reverted;
  }

  void publish(const std::vector<bool>& changed) {
    for (size_t t = 0; t < tasks_.size(); ++t) {
      TaskState& state = states_[t];
      const Candidate& chosen = changed[t] ? best(t) : state.initial;
      if (state.measured()) {
        state.report.initial_ms = state.measurer->initial_ms();
        state.report.best_ms = changed[t] ? state.measurer->incumbent_ms() : state.report.initial_ms;
      }
      state.report.decision = jit::to_string(chosen.decision);
      publish_task(tasks_[t], chosen, state.report);
      result_.tasks.push_back(state.report);
    }
  }

  void publish_task(const Task& task, const Candidate& chosen, const TaskReport& report) {
    const jit::GroupDecision nameless = jit::canonical(chosen.decision, *task.computation);
    for (const int g : task.groups) {
      const auto number = static_cast<size_t>(g);
      result_.decisions[number] = jit::with_names(nameless, request_.groups[number].computation);
      result_.code[number] = {task.computation, chosen.group, chosen.loaded};
      result_.before_ms[number] = report.initial_ms;
      result_.after_ms[number] = report.best_ms;
    }
    if (report.best_ms <= 0) return;
    TaskRecord& record = result_.records[task.key];
    record.decision = jit::to_string(nameless);
    record.ms = report.best_ms;
    record.ops = task.ops;
    record.trials += report.trials;
  }

  const TuneRequest& request_;
  Limits limits_;
  const std::vector<Task> tasks_;
  std::shared_ptr<Workers> workers_;
  std::vector<TaskState> states_;
  std::unique_ptr<PlanRunner> before_;  // the plan that would be used without tuning; null if it can't be run
  TuneResult result_;
  double packing_s_ = 0;
  bool cold_weights_ = false, asked_for_workers_ = false;
  int current_ = -1;
  std::string phase_ = "compile";
};

}  // namespace

TuneResult tune(const TuneRequest& request) {
  const base::TraceScope trace("tune");
  return Tuning(request).run();
}

std::string to_string(const TuneResult& result) {
  std::string text;
  char line[256];
  for (const TaskReport& task : result.tasks) {
    std::snprintf(line, sizeof line, "%4d x %8.4f ms -> %8.4f ms  %5lld trials of %.0f  ", task.groups, task.initial_ms,
                  task.best_ms, static_cast<long long>(task.trials), task.space);
    text += line + task.name + " " + task.ops + "\n";
  }
  for (const auto& [reason, count] : result.rejected) text += std::to_string(count) + " rejected: " + reason + "\n";
  std::snprintf(line, sizeof line, "%lld trials in %.1f s; whole plan %.3f ms -> %.3f ms\n",
                static_cast<long long>(result.trials), result.seconds, result.initial_ms, result.tuned_ms);
  return text + line;
}

}  // namespace altrt::tuner
