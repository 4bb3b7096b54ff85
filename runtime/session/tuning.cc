
#include <algorithm>
#include <chrono>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/session/accuracy.h"
#include "runtime/session/cache.h"
#include "runtime/session/hand_made.h"
#include "runtime/session/options.h"
#include "runtime/session/providers.h"
#include "runtime/session/stages.h"
#ifdef ALTRT_HAS_TUNER
#include "tuner/tune.h"
#endif

namespace altrt::session {
namespace {

// Those of the records, but for groups whose decision the options hold.
graph::Decisions known_decisions(const graph::Graph& graph, const graph::Decisions& defaults,
                                 const std::vector<graph::Group>& groups, const jit::Target& target,
                                 const SessionOptions& options, SessionCache& cache) {
  graph::Decisions known = cache.with_records(defaults, groups);
  std::vector<bool> checked = hand_made(groups, options);
  for (size_t g = 0; g < groups.size(); ++g) {
    if (checked[g]) known[g] = defaults[g];
    checked[g] = known[g].algorithm == defaults[g].algorithm;  // of which choose_decisions has made sure
  }
  keep_accurate(graph, groups, target, checked, known);
  return known;
}

}  // namespace

#ifdef ALTRT_HAS_TUNER
namespace {

tuner::TaskRecords records_of(const SessionCache& cache) {
  tuner::TaskRecords records;
  for (const auto& [key, record] : cache.records().tasks) {
    if (key.where == cache.where())
      records[key.task] = {record.decision, record.ms, record.trials, record.ops, record.choice};
  }
  return records;
}

// What a killed tuning did counts as spent and is not done again; its best decisions count as records.
void resume(const std::vector<records::Trial>& trials, tuner::TuneRequest& request) {
  double seconds = 0;
  for (const records::Trial& trial : trials) {
    seconds = std::max(seconds, trial.seconds - request.spent_seconds);
    ++request.spent_trials;
    request.earlier.push_back({trial.task, trial.decision, trial.ms, trial.reason, trial.seconds});
    if (trial.ms <= 0) continue;
    tuner::TaskRecord& record = request.records[trial.task];
    if (record.decision.empty() || trial.ms < record.ms)
      record = {trial.decision, trial.ms, record.trials, record.ops, ""};
  }
  request.spent_seconds += seconds;
  if (trials.empty()) return;
  base::log(base::LogLevel::info,
            "a tuning that was killed goes on after " + std::to_string(trials.size()) + " trials");
}

records::Spent spent_after(const tuner::TuneRequest& request, const tuner::TuneResult& result,
                           const records::Spent& before) {
  records::Spent spent = before;
  spent.trials = request.spent_trials + result.trials;
  spent.seconds = request.spent_seconds + result.seconds;
  if (result.cancelled) return spent;
  const TuningOptions& options = request.options;
  const bool trials_ended_it = options.max_trials > 0 && spent.trials >= options.max_trials;
  if (options.max_trials > 0) spent.budget_trials = std::max(spent.budget_trials, options.max_trials);
  if (!trials_ended_it) {
    spent.budget_seconds = std::max(spent.budget_seconds, std::chrono::duration<double>(options.budget).count());
  }
  return spent;
}

void keep(const tuner::TuneResult& result, const std::vector<graph::Group>& groups, const std::string& name,
          const records::Spent& spent, SessionCache& cache) {
  records::ModelRecord plan;
  plan.name = name;
  for (size_t g = 0; g < groups.size(); ++g) {
    plan.decisions.push_back(groups[g].host ? "" : jit::to_string(result.decisions[g]));
  }
  plan.ms = result.tuned_ms;
  plan.spent = spent;
  std::map<uint64_t, records::TaskRecord> tasks;
  for (const auto& [task, record] : result.records) {
    if (record.ms <= 0) continue;
    tasks[task] = {record.ops, record.decision, record.ms, record.trials, 0, 0, record.choice};
  }
  cache.add(std::move(plan), std::move(tasks));
}

}  // namespace

Tuned tune_groups(const std::shared_ptr<const graph::Graph>& graph, const std::vector<graph::Group>& groups,
                  const graph::Decisions& defaults, const Machine& machine,
                  const std::shared_ptr<plan::Conversions>& conversions, const SessionOptions& options,
                  plan::WeightStore& weights, base::Team& team, SessionCache& cache, double spent_s) {
  const graph::Decisions known = known_decisions(*graph, defaults, groups, machine.target, options, cache);
  if (!cache.wants_tuning()) return {known, {}, {}, {}, {}, 0};
  tuner::TuneRequest request{graph, groups, known, defaults, machine.target, team, weights, options.tuning};
  request.fixed = hand_made(groups, options);
  request.device = machine.device;
  request.conversions = conversions;
  request.numerics = options.numerics;
  request.memory = options.memory;
  request.algorithm = options.algorithm;
  request.is_accurate = [&](size_t g, const std::string& algorithm) {
    return is_accurate(*graph, groups[g], algorithm);
  };
  for (const std::string& provider : options.providers) {
    if (provider != "own" && open_provider(provider)) request.providers.push_back(provider);
  }
  request.records = records_of(cache);
  request.spent_seconds = cache.spent().seconds + spent_s;
  request.spent_trials = cache.spent().trials;
  const std::unique_ptr<records::TrialLog> log = cache.open_log();
  if (log) {
    resume(log->earlier(), request);
    request.on_trial = [&](const tuner::TrialReport& trial) {
      log->append({trial.task, trial.decision, trial.ms, trial.reason, request.spent_seconds + trial.seconds});
    };
  }
  tuner::TuneResult result = tuner::tune(request);
  base::log(base::LogLevel::info, "tuning of " + graph->name + ":\n" + tuner::to_string(result));
  keep(result, groups, graph->name, spent_after(request, result, cache.spent()), cache);
  if (log) log->remove();
  return {std::move(result.decisions), std::move(result.code), std::move(result.plan),     std::move(result.before_ms),
          std::move(result.after_ms),  result.trials,          result.search_seconds * 1e3};
}

#else

Tuned tune_groups(const std::shared_ptr<const graph::Graph>& graph, const std::vector<graph::Group>& groups,
                  const graph::Decisions& defaults, const Machine& machine, const std::shared_ptr<plan::Conversions>&,
                  const SessionOptions& options, plan::WeightStore&, base::Team&, SessionCache& cache, double) {
  if (cache.wants_tuning()) base::log(base::LogLevel::warning, "this build of libaltrt has no tuner");
  return {known_decisions(*graph, defaults, groups, machine.target, options, cache), {}, {}, {}, {}, 0};
}

#endif

void report_times(const Tuned& tuned, const std::vector<graph::Group>& groups, std::vector<KernelInfo>& kernels) {
  for (size_t g = 0; g < groups.size() && g < tuned.after_ms.size(); ++g) {
    for (KernelInfo& kernel : kernels) {
      if (kernel.name != groups[g].name || kernel.op != groups[g].ops) continue;
      kernel.untuned_ms = tuned.before_ms[g];
      kernel.tuned_ms = tuned.after_ms[g];
    }
  }
}

}  // namespace altrt::session
