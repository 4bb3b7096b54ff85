// What lowering works on: the Computation after the steps that rewrite it, with layouts and schedules by number.
#pragma once

#include <string>
#include <vector>

#include "jit/expr/computation.h"
#include "jit/layout/layout.h"
#include "jit/loop/lower.h"
#include "jit/loop/padding.h"

namespace altrt::jit {

/// Where a stage is computed. A root stage has at == -1.
struct Placement {
  int at = -1;       // consumer stage
  std::string loop;  // of the consumer
  std::string hold;  // loop of the consumer at which the storage lives; empty = `loop`
};

struct Prepared {
  Computation computation;
  std::vector<Layout> layouts;           // by tensor, store_at resolved
  std::vector<int> memory;               // by tensor: the tensor in whose memory it lies, itself for most
  std::vector<StageSchedule> schedules;  // by stage
  std::vector<Placement> placements;     // by stage
  std::vector<bool> copies;              // by stage: made by cache_read, its loops are chosen by lowering
  OutsideValues outside;                 // by tensor
  std::vector<Exprs> contributing;       // by stage: contributing_conditions, before padding makes any superfluous

  const Stage& stage(int i) const { return computation.stages[static_cast<size_t>(i)]; }
  const TensorDecl& tensor(int i) const { return computation.tensors[static_cast<size_t>(i)]; }
  const Placement& placement(int i) const { return placements[static_cast<size_t>(i)]; }
  /// Stages computed (directly) at this loop, in topological order.
  std::vector<int> attached(int stage, const std::string& loop) const;
  /// Per dimension of the stage's output: reads outside are defined by a border value.
  std::vector<bool> has_border(int stage) const;
};

/// inline_stage, split_reduction and cache_read as rewritings of the Computation; placements checked; predicates that
/// padding makes superfluous dropped; results of stages with a border value selected by their domain.
/// Error(invalid_argument) names stage, step and reason.
Prepared prepare(const Computation& c, const Layouts& layouts, const Schedule& schedule);

/// The stage writes exactly one element per axis point, in place: its loops follow the output's physical dimensions.
bool stores_identity(const Computation& c, const Stage& stage);

/// Error(invalid_argument) names tensor, step and reason unless the layout fits the shape and keeps every element.
void check_layout(const TensorDecl& tensor, const Layout& layout, const std::vector<Extent>& shape);

// --- the rewritings; each takes its steps out of the schedule ---
void inline_stages(Computation& c, Schedule& schedule);
void split_reductions(Computation& c, Schedule& schedule);
/// Adds a copy stage computed at the loop and redirects the stage's reads to it; returns the copies' names.
std::vector<std::string> cache_reads(Computation& c, Layouts& layouts, Schedule& schedule);

}  // namespace altrt::jit
