#include "tuner/tune.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <altrt/error.h>

#include "jit/compile/canonical.h"
#include "jit/compile/provide.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/base/trace.h"
#include "runtime/graph/channels_last.h"
#include "tuner/finish.h"
#include "tuner/lean.h"
#include "tuner/limits.h"
#include "tuner/state.h"
#include "tuner/whole_plan.h"

namespace altrt::tuner {
namespace {

constexpr size_t kFirstBatch = 8, kBatch = 16;
constexpr double kInitialShare = 0.05;         // of the budget, for timing the untuned plan
constexpr double kJointShare = 0.4;            // of the budget, for layouts and loops together
const char* const kProposer = "evolutionary";  // where the options name none
constexpr double kLeanGrowth = 0.125;          // of all weights: what lean sessions may keep more
constexpr size_t kSimilar = 3;                 // groups whose choices a search begins with

// What the options allow, and the weights of all the task's groups. Strict numerics leave out what does not compute the
// sum that the operator defines.
std::vector<std::string> allowed_algorithms(const TuneRequest& request, const Task& task,
                                            const std::set<std::string>* lean) {
  std::vector<std::string> names = jit::algorithms(*task.computation);
  if (lean) std::erase_if(names, [&](const std::string& name) { return !lean->contains(name); });
  const bool direct = request.algorithm == "direct" || request.numerics == Numerics::strict;
  std::erase_if(names, [&](const std::string& name) {
    const bool refused = direct ? !jit::is_direct(name) : !request.algorithm.empty() && name != request.algorithm;
    return refused || (request.is_accurate && !std::all_of(task.groups.begin(), task.groups.end(), [&](int group) {
                         return request.is_accurate(static_cast<size_t>(group), name);
                       }));
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

std::string first_of(const std::string& ops) { return ops.substr(0, ops.find('+')); }

// A reason short enough to count by: what differs from candidate to candidate goes.
std::string reason_class(const std::string& reason) {
  std::string text;
  for (const char c : reason.substr(0, reason.find('\n'))) {
    if (c < '0' || c > '9') text += c;
  }
  return text.substr(0, 100);
}

class Tuning {
 public:
  explicit Tuning(const TuneRequest& request)
      : request_(request),
        limits_(request.options, request.spent_seconds, request.spent_trials),
        ranker_(request.options.seed),
        tasks_(make_tasks(*request.graph, request.groups, request.initial, request.fixed)) {
    double weights = 0;
    for (const graph::Value& value : request.graph->values) {
      if (value.is_constant()) weights += static_cast<double>(value.data->bytes());
    }
    const jit::Target& target = request.target;
    cold_weights_ = weights > static_cast<double>(target.is_gpu() ? target.l2_bytes : target.l3_bytes);
    if (request.memory == Memory::lean && request.algorithm.empty()) {
      lean_ = lean_algorithms(tasks_, static_cast<int64_t>(kLeanGrowth * weights));
    }
    for (const Task& task : tasks_) {
      TaskState& state = states_.emplace_back();
      state.progress.weight = static_cast<double>(task.groups.size());
      state.progress.ms = guess_ms(task);
      state.progress.done = task.fixed;
      state.report.name = task.name;
      state.report.ops = task.ops;
      state.report.groups = static_cast<int>(task.groups.size());
    }
    result_.decisions = request.initial;
    result_.code.resize(request.groups.size());
    result_.before_ms.resize(request.groups.size(), 0);
    result_.after_ms.resize(request.groups.size(), 0);
    result_.records = request.records;
    read_choices();
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

  void read_choices() {
    for (const Task& task : tasks_) recorded_[first_of(task.ops)];
    for (const auto& [key, record] : request_.records) {
      const auto choices = recorded_.find(first_of(record.ops));
      if (choices == recorded_.end() || record.choice.empty()) continue;
      try {
        choices->second.push_back(parse_choice(record.choice));
      } catch (const Error& error) {
        base::log(base::LogLevel::warning, "record of '" + record.ops + "': " + error.what());
      }
    }
  }

  // Code of every task as a session without tuning uses it: by a simpler decision where the compiler refuses one.
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
    for (const char* name = "initial";; name = "simpler") {
      try {
        states_[t].initial =
            load(decision, jit::compile(*task.computation, decision, request_.target, prefix(t) + name),
                 request_.device.get());
        return;
      } catch (const Error& error) {
        const bool refused = error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::unsupported;
        if (task.fixed) throw Error(error.code(), "group '" + task.name + "' (" + task.ops + "): " + error.what());
        std::optional<jit::GroupDecision> simpler = jit::simpler_decision(decision, *task.computation, request_.target);
        if (!refused || decision.provider != "own" || !simpler) throw;
        decision = std::move(*simpler);
      }
    }
  }

  static std::string prefix(size_t task) { return "altrt_t" + std::to_string(task) + "_"; }

  Selection initial_selection() const {
    Selection selection(request_.groups.size());
    for (size_t t = 0; t < tasks_.size(); ++t) {
      const auto candidate = std::make_shared<const Candidate>(states_[t].initial);
      for (const int g : tasks_[t].groups) selection[static_cast<size_t>(g)] = {tasks_[t].computation, candidate};
    }
    return selection;
  }

  // Times the plan that would be used without tuning: where the time goes, and what a comparison costs.
  void measure_initial() {
    phase_ = "untuned plan";
    try {
      const base::Stopwatch watch;
      before_ = std::make_unique<PlanRunner>(build_plan(request_, initial_selection()), request_.team);
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

  bool is_changed(size_t t) const { return !(states_[t].best().decision == states_[t].initial.decision); }

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

  uint64_t seed_of(const Task& task) const { return base::Hasher(request_.options.seed).add(task.key).value(); }

  Measurer& measurer(size_t number) {
    const Task& task = tasks_[number];
    TaskState& state = states_[number];
    if (!state.measurer) {
      state.measurer = std::make_unique<Measurer>(
          task, state.initial, prefix(number),
          MeasurerOptions{request_.target, request_.team, request_.device, cold_weights_, seed_of(task), workers()});
    }
    return *state.measurer;
  }

  void begin(size_t number) {
    const Task& task = tasks_[number];
    TaskState& state = states_[number];
    if (state.search) return;
    const jit::GroupDecision& initial = state.initial.decision;
    const jit::GroupDecision& start =
        initial.provider == "own" ? task.initial : request_.defaults[static_cast<size_t>(task.groups.front())];
    std::vector<std::unique_ptr<LayoutSpace>> spaces =
        make_spaces(*task.computation, start, request_.target,
                    allowed_algorithms(request_, task, lean_.empty() ? nullptr : &lean_[number]),
                    {.layouts = request_.options.search == Search::joint,
                     .pack_weights = request_.options.search != Search::loops_only});
    add_plain_weights(task, start, spaces);
    state.search = std::make_unique<TaskSearch>(std::move(spaces), initial, proposers(), seed_of(task));
    state.report.space = state.search->size();
    state.report.of_divisors = state.search->size_of_divisors();
    measurer(number);
    for (const std::string& provider : request_.providers) {
      for (const jit::GroupDecision& decision :
           jit::provider_candidates(provider, *task.computation, request_.team.threads())) {
        state.search->suggest(decision);
      }
    }
    begin_from_records(task, *state.search);
  }

  // Templates of layouts pack an image operator's weights always. Where they stay in plain order, channels last, is one
  // more layout: a search of everything finds what a search of loops alone does.
  void add_plain_weights(const Task& task, const jit::GroupDecision& start,
                         std::vector<std::unique_ptr<LayoutSpace>>& spaces) const {
    const jit::Computation& c = *task.computation;
    const jit::AnchorKind kind = c.anchor.kind;
    if (request_.options.search != Search::joint || request_.target.is_gpu() || c.anchor.weights < 0) return;
    if (kind != jit::AnchorKind::conv && kind != jit::AnchorKind::conv_transpose) return;
    if (!request_.algorithm.empty() && !jit::is_direct(request_.algorithm)) return;
    if (c.tensors[static_cast<size_t>(c.anchor.weights)].role != jit::Role::constant) return;
    try {
      const graph::Group& group = request_.groups[static_cast<size_t>(task.groups.front())];
      const jit::GroupDecision direct = jit::is_direct(start.algorithm)
                                            ? start
                                            : jit::with_algorithm(start, c, jit::default_algorithm(c), request_.target);
      const jit::GroupDecision plain = graph::channels_last(group, direct, request_.target, false);
      spaces.push_back(make_layout_space(c, plain, request_.target, {.layouts = false, .pack_weights = false}));
    } catch (const Error&) {  // there are no such weights by this algorithm
    }
  }

  void begin_from_records(const Task& task, TaskSearch& search) const {
    const auto named = [&](const std::string& text) {
      return jit::with_names(jit::parse_decision(text), *task.computation);
    };
    try {
      for (const TrialReport& trial : request_.earlier) {
        if (trial.task == task.key) search.recall(named(trial.decision), trial.ms);
      }
      const auto record = request_.records.find(task.key);
      if (record != request_.records.end()) search.suggest(named(record->second.decision));
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
      const base::Stopwatch before_proposing;
      begin(number);
      suggest_similar(number);
      const bool first = !state.measured();
      const size_t count = std::min<size_t>(first ? kFirstBatch : kBatch, static_cast<size_t>(limits_.trials_left()));
      if (joint_stage_is_over()) state.search->end_joint_stage();
      const std::vector<jit::GroupDecision> proposal = state.search->propose(count, ranker_);
      result_.search_seconds += before_proposing.seconds();
      if (proposal.empty()) {
        state.progress.done = true;
        return;
      }
      const double before = state.measurer->incumbent_ms();
      const std::vector<Outcome> outcomes = state.measurer->measure(proposal, [this] { return over(); });
      const base::Stopwatch before_learning;
      ranker_.learn(tasks_[number].key, state.search->report(outcomes));
      state.search->learn_from_model(ranker_);
      result_.search_seconds += before_learning.seconds();
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

  // What did best for similar groups since the last time.
  void suggest_similar(size_t number) {
    TaskState& state = states_[number];
    const auto flops = static_cast<double>(tasks_[number].flops);
    for (const Choice& choice : most_similar(choices_of(number), flops, kSimilar)) {
      if (state.suggested.insert(to_string(choice)).second) state.search->suggest(choice);
    }
  }

  // Of other groups with the same first operator, in this tuning and in earlier ones.
  std::vector<Choice> choices_of(size_t number) const {
    const std::string ops = first_of(tasks_[number].ops);
    std::vector<Choice> choices;
    for (size_t t = 0; t < tasks_.size(); ++t) {
      if (t == number || first_of(tasks_[t].ops) != ops || !states_[t].search) continue;
      Choice choice = states_[t].search->best_choice();
      choice.flops = static_cast<double>(tasks_[t].flops);
      if (!choice.algorithm.empty()) choices.push_back(std::move(choice));
    }
    const std::vector<Choice>& recorded = recorded_.at(ops);
    choices.insert(choices.end(), recorded.begin(), recorded.end());
    return choices;
  }

  MakeProposer proposers() const {
    const std::string& name = request_.options.proposer;
    return [name = name.empty() ? kProposer : name](const std::vector<Knob>& layouts, uint64_t seed) {
      return make_proposer(name, layouts, seed);
    };
  }

  bool joint_stage_is_over() const {
    const TuningOptions& options = request_.options;
    double used = 0;
    if (std::isfinite(limits_.budget_s())) used = limits_.seconds() / limits_.budget_s();
    if (options.max_trials > 0) {
      const auto left = static_cast<double>(limits_.trials_left());
      used = std::max(used, 1 - left / static_cast<double>(result_.trials + limits_.trials_left()));
    }
    return used > kJointShare;
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
      if (outcome.measured) state.ways.add(*tasks_[number].computation, proposal[i], outcome.kernels_ms);
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

  void finish() {
    phase_ = "whole plan";
    current_ = -1;
    limits_.keep_back(0);
    Finish(
        request_, tasks_, states_, limits_, [this] { return over(); },
        [this](size_t task) -> Measurer& { return measurer(task); }, before_.get(), packing_s_)
        .into(result_);
  }

  const TuneRequest& request_;
  Limits limits_;
  Ranker ranker_;
  const std::vector<Task> tasks_;
  std::vector<std::set<std::string>> lean_;              // algorithms by task; empty: memory is no object
  std::map<std::string, std::vector<Choice>> recorded_;  // by first operator, of earlier tunings
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

}  // namespace altrt::tuner
