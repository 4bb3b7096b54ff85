// From compiled groups to a plan: which steps, in which order, on which storage.
#pragma once

#include <memory>
#include <vector>

#include "runtime/base/team.h"
#include "runtime/plan/conversions.h"
#include "runtime/plan/plan.h"
#include "runtime/plan/weights.h"

namespace altrt::plan {

/// A group's code, loaded. Groups whose Computations and decisions differ in names only share it.
struct GroupCode {
  /// The Computation that `compiled` was made from: tensor numbers are those of the group's own one, names may differ.
  const jit::Computation* source = nullptr;
  std::shared_ptr<const jit::CompiledGroup> compiled;      // null for host groups
  std::vector<std::shared_ptr<jit::LoadedKernel>> loaded;  // one per kernel
};

/// What a plan is made from. `code` has one entry per group.
struct PlanInput {
  std::shared_ptr<const graph::Graph> graph;  // shapes known
  std::vector<graph::Group> groups;
  graph::Decisions decisions;
  std::vector<GroupCode> code;
  std::shared_ptr<jit::Device> device = nullptr;  // whose code it is; null = the CPU
  /// On a device: where kernels of conversions come from, and stay for other plans of the device. Null = made for this
  /// plan alone.
  std::shared_ptr<Conversions> conversions = nullptr;
};

/// Packs constants (through the store), runs constant kernels, places conversions where a reader's layout differs from
/// the writer's (readers that want the same one share it), lets readers of model inputs and writers of model outputs
/// use the caller's memory where they want it row-major, plans the arena. The team helps with packing. On a device,
/// constants are packed on the host and lie in its memory, and conversions become kernels. Error(internal) if code and
/// graph contradict each other; errors of the device.
Plan build_plan(PlanInput input, WeightStore& weights, base::Team& team);

}  // namespace altrt::plan
