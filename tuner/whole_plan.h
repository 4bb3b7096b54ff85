// Whole plans against each other: what counts in the end.
#pragma once

#include <memory>
#include <vector>

#include "runtime/plan/executor.h"
#include "tuner/measure/measurer.h"
#include "tuner/tune.h"

namespace altrt::tuner {

/// A plan of one candidate a task. `candidates` has one entry per task; the groups are those of the request.
std::shared_ptr<const plan::Plan> build_plan(const TuneRequest& request, const std::vector<Task>& tasks,
                                             const std::vector<const Candidate*>& candidates);

struct Comparison {
  double before_ms = 0, after_ms = 0;             // sums over the groups
  std::vector<double> before_group, after_group;  // near the fastest run of each, in its place in the plan, with the
                                                  // conversions that it asked for
};

/// Runs both plans alternately on made-up inputs, three times each and then until `seconds` are over or `stop`.
Comparison compare(const std::shared_ptr<const plan::Plan>& before, const std::shared_ptr<const plan::Plan>& after,
                   base::Team& team, double seconds, const Stop& stop);

}  // namespace altrt::tuner
