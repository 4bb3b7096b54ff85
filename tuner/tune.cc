#include "tuner/tune.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

#include <altrt/error.h>

#include "jit/compile/canonical.h"
#include "jit/compile/provide.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/base/trace.h"
#include "tuner/search/scheduler.h"
#include "tuner/whole_plan.h"

namespace altrt::tuner {
namespace {

constexpr double kCallbackSeconds = 0.1;
constexpr double kPackedBytesPerSecond = 500e6;
constexpr size_t kFirstBatch = 8, kBatch = 16;

// What the options allow. Strict numerics leave out what does not compute the sum that the operator defines.
std::vector<std::string> allowed_algorithms(const TuneRequest& request, const Task& task) {
  if (!request.algorithm.empty()) return {request.algorithm};
  if (request.numerics == Numerics::strict) return {"direct"};
  return jit::algorithms(*task.computation);
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
  std::unique_ptr<Evolution> evolution;
  std::unique_ptr<Measurer> measurer;
  Progress progress;
  TaskReport report;
};

class Tuning {
 public:
  explicit Tuning(const TuneRequest& request)
      : request_(request), tasks_(make_tasks(*request.graph, request.groups, request.initial)) {
    const double budget = std::chrono::duration<double>(request.options.budget).count();
    if (budget > 0) limit_s_ = std::max(0.0, budget - request.spent_seconds);
    if (request.options.max_trials > 0) trials_left_ = request.options.max_trials - request.spent_trials;
    double weights = 0;
    for (const graph::Value& value : request.graph->values) {
      if (value.is_constant()) weights += static_cast<double>(value.data->bytes());
    }
    cold_weights_ = weights > static_cast<double>(request.target.l3_bytes);
    packing_s_ = 2 * weights / kPackedBytesPerSecond;
    for (size_t t = 0; t < tasks_.size(); ++t) {
      TaskState& state = states_.emplace_back();
      state.progress.weight = static_cast<double>(tasks_[t].groups.size());
      state.progress.ms = guess_ms(tasks_[t]);
      state.report.name = tasks_[t].name;
      state.report.ops = tasks_[t].ops;
      state.report.groups = static_cast<int>(tasks_[t].groups.size());
    }
    result_.decisions = request.initial;
    result_.before_ms.resize(request.groups.size(), 0);
    result_.after_ms.resize(request.groups.size(), 0);
    result_.records = request.records;
  }

  TuneResult run() {
    search();
    finish();
    result_.seconds = watch_.seconds();
    result_.cancelled = cancelled_;
    return std::move(result_);
  }

 private:
  // Calls the user back if it is time to; true to end the search.
  bool stop() {
    const double now = watch_.seconds();
    if (!cancelled_ && request_.options.progress && now - last_callback_ >= kCallbackSeconds) {
      last_callback_ = now;
      cancelled_ = !request_.options.progress(progress());
    }
    return cancelled_ || now >= search_s_;
  }

  TuningProgress progress() const {
    TuningProgress progress;
    progress.phase = phase_;
    progress.task = current_ < 0 ? "" : tasks_[static_cast<size_t>(current_)].name;
    progress.task_index = std::max(current_, 0);
    progress.task_count = static_cast<int>(tasks_.size());
    progress.trials = result_.trials;
    for (const TaskState& state : states_) progress.best_ms += state.progress.ms * state.progress.weight;
    progress.elapsed_s = watch_.seconds();
    progress.remaining_s = std::isfinite(limit_s_) ? std::max(0.0, limit_s_ - progress.elapsed_s) : 0;
    return progress;
  }

  // Time for the comparison of whole plans: two are packed, and each runs a few times.
  void keep_time_back() {
    const double runs = 10e-3 * progress().best_ms;
    if (std::isinf(limit_s_)) return;
    search_s_ = limit_s_ - std::clamp(packing_s_ + runs, 0.1 * limit_s_, 0.4 * limit_s_);
  }

  void search() {
    for (;;) {
      std::vector<Progress> all;
      for (const TaskState& state : states_) all.push_back(state.progress);
      current_ = choose_task(all);
      keep_time_back();
      if (current_ < 0 || trials_left_ <= 0 || stop()) return;
      step(static_cast<size_t>(current_));
    }
  }

  void begin(size_t number) {
    const Task& task = tasks_[number];
    TaskState& state = states_[number];
    if (state.measurer) return;
    const uint64_t seed = base::Hasher(request_.options.seed).add(task.key).value();
    state.evolution = std::make_unique<Evolution>(
        make_spaces(*task.computation, task.initial, request_.target, allowed_algorithms(request_, task)), seed);
    state.report.space = state.evolution->size();
    state.measurer = std::make_unique<Measurer>(task, request_.target, request_.team, cold_weights_, seed);
    for (const std::string& provider : request_.providers) {
      for (const jit::GroupDecision& decision :
           jit::provider_candidates(provider, *task.computation, request_.team.threads())) {
        state.evolution->suggest(decision);
      }
    }
    const auto record = request_.records.find(task.key);
    if (record == request_.records.end()) return;
    try {
      state.evolution->suggest(jit::with_names(jit::parse_decision(record->second.decision), *task.computation));
    } catch (const Error& error) {
      base::log(base::LogLevel::warning, "record of group '" + task.name + "': " + error.what());
    }
  }

  // One batch of trials for one task.
  void step(size_t number) {
    TaskState& state = states_[number];
    try {
      begin(number);
      const size_t batch = state.measurer->initial_ms() == 0 ? kFirstBatch : kBatch;
      const size_t count = std::min<size_t>(batch, static_cast<size_t>(trials_left_));
      const std::vector<jit::GroupDecision> proposal = state.evolution->propose(count);
      if (proposal.empty()) {
        state.progress.done = true;
        return;
      }
      const bool first = state.measurer->initial_ms() == 0;
      const double before = state.measurer->incumbent_ms();
      const std::vector<Outcome> outcomes = state.measurer->measure(proposal, [this] { return stop(); });
      state.evolution->report(outcomes);
      count_trials(number, proposal, outcomes);
      if (state.measurer->initial_ms() == 0) return;
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
                           outcome.measured ? outcome.ms : 0, outcome.reason, watch_.seconds()});
      }
      if (!outcome.reason.empty()) ++result_.rejected[reason_class(outcome.reason)];
      ++state.report.trials;
      ++result_.trials;
      --trials_left_;
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

  // Code of every task: what was measured, and the initial decision compiled where a task was never reached.
  bool collect(std::vector<Candidate>& initial, std::vector<Candidate>& best) {
    initial.resize(tasks_.size());
    best.resize(tasks_.size());
    std::vector<std::string> failed(tasks_.size());
    request_.team.run(static_cast<int64_t>(tasks_.size()), 1, [&](int64_t first, int64_t last, int) {
      for (int64_t i = first; i < last; ++i) {
        const auto t = static_cast<size_t>(i);
        const Measurer* measurer = states_[t].measurer.get();
        if (measurer && measurer->initial_ms() > 0) {
          initial[t] = measurer->initial_candidate();
          best[t] = measurer->incumbent_candidate();
          continue;
        }
        try {
          initial[t] = best[t] = load(tasks_[t].initial, jit::compile(*tasks_[t].computation, tasks_[t].initial,
                                                                      request_.target, "altrt_p" + std::to_string(t)));
        } catch (const std::exception& error) {
          failed[t] = error.what();
        }
      }
    });
    return std::all_of(failed.begin(), failed.end(), [](const std::string& text) { return text.empty(); });
  }

  void finish() {
    phase_ = "whole plan";
    current_ = -1;
    search_s_ = std::numeric_limits<double>::infinity();
    std::vector<bool> changed(tasks_.size(), false);
    bool any = false;
    for (size_t t = 0; t < tasks_.size(); ++t) {
      changed[t] = states_[t].measurer && !(states_[t].measurer->incumbent() == tasks_[t].initial);
      any |= changed[t];
    }
    // Cut short, the races of single groups have to do.
    if (any && !cancelled_ && watch_.seconds() + packing_s_ < limit_s_) {
      try {
        confirm(changed);
      } catch (const Error& error) {
        base::log(base::LogLevel::warning, std::string("tuning: plans were not compared: ") + error.what());
      }
    }
    publish(changed);
  }

  // Times the plans; takes back what is slower.
  void confirm(std::vector<bool>& changed) {
    std::vector<Candidate> initial, best;
    if (!collect(initial, best)) return;
    const auto stop_now = [this] {
      stop();
      return cancelled_ || watch_.seconds() >= limit_s_;
    };
    std::vector<const Candidate*> old_choice, choice;
    for (size_t t = 0; t < tasks_.size(); ++t) {
      old_choice.push_back(&initial[t]);
      choice.push_back(changed[t] ? &best[t] : &initial[t]);
    }
    const std::shared_ptr<const plan::Plan> before = build_plan(request_, tasks_, old_choice);
    if (stop_now()) return;
    for (int attempt = 0; attempt < 2; ++attempt) {
      const auto after = build_plan(request_, tasks_, choice);
      const double left = std::isfinite(limit_s_) ? std::max(0.0, limit_s_ - watch_.seconds()) : 5.0;
      const Comparison times = compare(before, after, request_.team, std::min(left / (2 - attempt), 3.0), stop_now);
      result_.initial_ms = times.before_ms;
      result_.tuned_ms = times.after_ms;
      bool reverted = false;
      for (size_t t = 0; t < tasks_.size() && attempt == 0; ++t) {
        double old_ms = 0, new_ms = 0;
        for (const int g : tasks_[t].groups) {
          old_ms += times.before_group[static_cast<size_t>(g)];
          new_ms += times.after_group[static_cast<size_t>(g)];
        }
        if (!changed[t] || new_ms <= old_ms * 1.02) continue;
        changed[t] = false;
        choice[t] = &initial[t];
        reverted = true;
      }
      const double again = packing_s_ / 2 + 4e-3 * times.before_ms;
      const bool time_left = watch_.seconds() + again < limit_s_ && !cancelled_;
      if (times.after_ms <= times.before_ms * 1.01 && (!reverted || !time_left)) return;
      if (attempt == 0 && reverted && time_left) continue;
      if (times.after_ms <= times.before_ms * 1.01) return;
      base::log(base::LogLevel::info, "tuning: the new plan takes " + std::to_string(times.after_ms) + " ms against " +
                                          std::to_string(times.before_ms) + " and is dropped");
      std::fill(changed.begin(), changed.end(), false);
      result_.tuned_ms = times.before_ms;
      return;
    }
  }

  void publish(const std::vector<bool>& changed) {
    for (size_t t = 0; t < tasks_.size(); ++t) {
      TaskState& state = states_[t];
      const bool measured = state.measurer && state.measurer->initial_ms() > 0;
      const jit::GroupDecision& decision = changed[t] ? state.measurer->incumbent() : tasks_[t].initial;
      if (measured) {
        state.report.initial_ms = state.measurer->initial_ms();
        state.report.best_ms = changed[t] ? state.measurer->incumbent_ms() : state.report.initial_ms;
        publish_task(tasks_[t], decision, state.report);
      }
      state.report.decision = jit::to_string(decision);
      result_.tasks.push_back(state.report);
    }
  }

  void publish_task(const Task& task, const jit::GroupDecision& decision, const TaskReport& report) {
    const jit::GroupDecision nameless = jit::canonical(decision, *task.computation);
    for (const int g : task.groups) {
      const auto number = static_cast<size_t>(g);
      result_.decisions[number] = jit::with_names(nameless, request_.groups[number].computation);
      result_.before_ms[number] = report.initial_ms;
      result_.after_ms[number] = report.best_ms;
    }
    TaskRecord& record = result_.records[task.key];
    record.decision = jit::to_string(nameless);
    record.ms = report.best_ms;
    record.ops = task.ops;
    record.trials += report.trials;
  }

  const TuneRequest& request_;
  const std::vector<Task> tasks_;
  std::vector<TaskState> states_;
  TuneResult result_;
  base::Stopwatch watch_;
  double limit_s_ = std::numeric_limits<double>::infinity();
  double search_s_ = std::numeric_limits<double>::infinity();
  int64_t trials_left_ = std::numeric_limits<int64_t>::max();
  double packing_s_ = 0;
  bool cold_weights_ = false;
  bool cancelled_ = false;
  double last_callback_ = -1;
  int current_ = -1;
  std::string phase_ = "search";
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
