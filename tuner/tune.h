// The tuner: better decisions for the groups of a graph, found by measuring within a budget.
#pragma once

#include <altrt/session.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "jit/kernel/device.h"
#include "runtime/base/team.h"
#include "runtime/graph/groups.h"
#include "runtime/graph/layouts.h"
#include "runtime/plan/build.h"
#include "runtime/plan/weights.h"
#include "tuner/search/task_search.h"

namespace altrt::tuner {

class Workers;

/// The best decision known of a task, without names (jit::canonical), so that it fits every group of the task.
struct TaskRecord {
  std::string decision;  // jit::to_string of the canonical decision
  double ms = 0;
  int64_t trials = 0;
  std::string ops;     // "Conv+Add+Relu"
  std::string choice;  // to_string(Choice): a start for similar groups; may be empty
};
/// One trial that has ended.
struct TrialReport {
  uint64_t task = 0;     // Task::key
  std::string decision;  // as in TaskRecord
  double ms = 0;         // 0: it failed
  std::string reason;    // why
  double seconds = 0;    // since the tuning began
};
/// By Task::key.
using TaskRecords = std::map<uint64_t, TaskRecord>;

struct TuneRequest {
  std::shared_ptr<const graph::Graph> graph;
  const std::vector<graph::Group>& groups;
  const graph::Decisions& initial;   // what would be used without this tuning
  const graph::Decisions& defaults;  // without any tuning: spaces are made round them where `initial` is a provider's
  const jit::Target& target;
  base::Team& team;
  plan::WeightStore& weights;
  TuningOptions options;
  Numerics numerics = Numerics::standard;
  Memory memory = Memory::standard;  // lean: see lean.h
  std::string algorithm = {};        // "" = all
  /// Whether an algorithm is within the operator's bound on the weights of the group with this number; empty = all are.
  std::function<bool(size_t group, const std::string& algorithm)> is_accurate = {};
  std::vector<std::string> providers = {};  // beside the compiler; known to jit::find_provider
  TaskRecords records = {};                 // where earlier tunings ended
  double spent_seconds = 0;                 // of the budget, by earlier tunings and by what came before this one
  int64_t spent_trials = 0;
  std::vector<bool> fixed = {};                         // per group: keeps its decision of `initial`; empty = none does
  std::shared_ptr<jit::Device> device = {};             // what `target` is the target of; null = this CPU
  std::shared_ptr<plan::Conversions> conversions = {};  // of the device
  std::function<void(const TrialReport&)> on_trial = {};  // called in the thread that tunes; may be empty
  std::vector<TrialReport> earlier = {};                  // of a tuning that was killed: they are not made again
  std::shared_ptr<Workers> workers = {};                  // null = the tuning's own, see TuningOptions::isolate
};

struct TaskReport {
  std::string name, ops;
  int groups = 1;
  double space = 0, of_divisors = 0;  // points; those whose tiles divide what they cut
  int64_t trials = 0;
  double initial_ms = 0, best_ms = 0;  // 0: not reached within the budget
  std::string decision;
  std::map<std::string, Tally> layouts;  // TaskSearch::tallies
};

struct TuneResult {
  graph::Decisions decisions;               // the initial ones where nothing better was found
  std::vector<plan::GroupCode> code;        // per group: its decision as code; empty for host groups
  std::shared_ptr<const plan::Plan> plan;   // the last one that was timed: keeps its packed weights in the store
  std::vector<double> before_ms, after_ms;  // per group, as measured alone; 0 = not measured
  std::vector<TaskReport> tasks;
  int64_t trials = 0;
  double seconds = 0, search_seconds = 0;   // all; of them for proposing and learning
  std::map<std::string, int64_t> rejected;  // by reason
  TaskRecords records;                      // the request's, with what was learned
  double initial_ms = 0, tuned_ms = 0;      // the whole plan, before and after; 0 = not compared
  bool cancelled = false;
};

/// Tunes until the budget is spent, the progress callback returns false, or nothing is left to try. The new plan is
/// timed against the one of the initial decisions; groups that are slower in it go back, and if it is still slower all
/// do. Errors of candidates are counted, not thrown.
TuneResult tune(const TuneRequest& request);

/// A table: groups, trials, times before and after, layouts.
std::string to_string(const TuneResult& result);

}  // namespace altrt::tuner
