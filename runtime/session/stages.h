// The stages between a simplified graph and a plan, one function each.
#pragma once

#include <altrt/session.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/team.h"
#include "runtime/graph/groups.h"
#include "runtime/graph/layouts.h"
#include "runtime/plan/build.h"

namespace altrt::session {

class SessionCache;
struct Machine;

/// How every group is computed: the defaults, with the algorithm that the options ask for where it fits, and the
/// decisions that the options hold. Error(invalid_argument) names the algorithms that there are if it fits nowhere, and
/// what apply_hand_made refuses.
graph::Decisions choose_decisions(const graph::Graph& graph, const std::vector<graph::Group>& groups,
                                  const jit::Target& target, const SessionOptions& options);

/// The model's graph with the options' operators. Errors of ops::CustomOperators.
graph::Graph graph_of(const Model& model, const std::vector<CustomOperator>& operators);

/// Better decisions, found by measuring within what the cache says is left of the options' budget, and how the tuning
/// went; the cache keeps them. Without a budget, or in a build without the tuner, those that are given.
struct Tuned {
  graph::Decisions decisions;
  std::vector<plan::GroupCode> code;        // per group: what the tuning has compiled already; may be empty
  std::shared_ptr<const plan::Plan> plan;   // keeps packed weights until the session's own plan holds them
  std::vector<double> before_ms, after_ms;  // per group, as measured alone; 0 = not measured
  int64_t trials = 0;
  double search_ms = 0;  // proposing and learning
};
/// `spent_s` of the budget were gone when it was called. `conversions`: of the machine's device.
Tuned tune_groups(const std::shared_ptr<const graph::Graph>& graph, const std::vector<graph::Group>& groups,
                  const graph::Decisions& defaults, const Machine& machine,
                  const std::shared_ptr<plan::Conversions>& conversions, const SessionOptions& options,
                  plan::WeightStore& weights, base::Team& team, SessionCache& cache, double spent_s);
/// Puts the times into the plan's reports.
void report_times(const Tuned& tuned, const std::vector<graph::Group>& groups, std::vector<KernelInfo>& kernels);

/// Code that no group has loaded yet. Groups that differ in names only are compiled once.
struct CompiledGroups {
  std::vector<std::shared_ptr<const jit::CompiledGroup>> compiled;  // distinct ones
  std::vector<int> sources;                                         // per distinct one: the group it was made from
  std::vector<int> of_group;   // per group: number in `compiled`; -1 for host groups
  graph::Decisions decisions;  // per group: as compiled
  int kernels() const;
};

/// Code in executable memory.
struct LoadedGroups {
  CompiledGroups groups;
  std::vector<plan::GroupCode> code;  // one entry per group
};

/// Groups with equal keys can use each other's code.
std::string code_key(const jit::Computation& c, const jit::GroupDecision& decision);

/// Compiles the distinct groups, as many at a time as the team has threads; not those that `ready` holds (one entry per
/// group, or none at all). Where the compiler refuses a decision (Error(invalid_argument | unsupported)) a simpler one
/// takes its place (jit::simpler_decision) and a warning says why; not so where `hand_made` (one entry per group, or
/// none at all) says that the user chose it: then the error names the group. Any other error passes through.
CompiledGroups compile_groups(const std::vector<graph::Group>& groups, const graph::Decisions& decisions,
                              const jit::Target& target, base::Team& team,
                              const std::vector<plan::GroupCode>& ready = {}, const std::vector<bool>& hand_made = {});

/// Puts the code into executable memory, or into the device; one entry per group, which refers to `groups`'
/// Computations.
std::vector<plan::GroupCode> load_groups(const CompiledGroups& compiled, const std::vector<graph::Group>& groups,
                                         jit::Device* device = nullptr);

}  // namespace altrt::session
