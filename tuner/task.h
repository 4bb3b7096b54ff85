// Tasks: the distinct groups of a graph, each tuned once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jit/compile/decisions.h"
#include "runtime/graph/groups.h"
#include "runtime/graph/layouts.h"

namespace altrt::tuner {

/// By tensor name: the layouts in which the neighbours make (one layout) or read (distinct ones) the value. Where a
/// group's own layout differs, the plan converts.
using Neighbours = std::map<std::string, std::vector<jit::Layout>>;

/// Groups that differ in names only and have the same neighbours. Refers to the groups that it was made from.
struct Task {
  std::string name;         // of the first group
  std::string ops;          // "Conv+Add+Relu"
  uint64_t key = 0;         // names the task in records: Computation and layouts at its border
  std::vector<int> groups;  // numbers; the first one is measured
  const jit::Computation* computation = nullptr;
  jit::GroupDecision initial;
  Neighbours neighbours;
  int64_t flops = 0;
  bool fixed = false;  // its decision is not to be changed
};

/// In order of their first groups. Host groups have no task. `fixed`: per group, or empty.
std::vector<Task> make_tasks(const graph::Graph& graph, const std::vector<graph::Group>& groups,
                             const graph::Decisions& decisions, const std::vector<bool>& fixed = {});

}  // namespace altrt::tuner
