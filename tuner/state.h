// What a tuning knows of one task.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tuner/measure/measurer.h"
#include "tuner/search/scheduler.h"
#include "tuner/search/task_search.h"
#include "tuner/tune.h"

namespace altrt::tuner {

/// A decision that was measured: what placement chooses from.
struct Way {
  jit::GroupDecision decision;  // in the names of the task's Computation
  double kernels_ms = 0;        // without conversions at the group's border
};

/// The fastest ways for each set of layouts that the neighbours see.
class Ways {
 public:
  void add(const jit::Computation& c, const jit::GroupDecision& decision, double kernels_ms);
  /// The fastest ones, at most `count`, best first.
  std::vector<Way> best(size_t count) const;

 private:
  std::map<std::string, Way> by_border_;
};

struct TaskState {
  Candidate initial;
  std::unique_ptr<TaskSearch> search;
  std::unique_ptr<Measurer> measurer;
  Progress progress;
  TaskReport report;
  Ways ways;

  bool measured() const { return measurer && measurer->initial_ms() > 0; }
  const Candidate& best() const { return measurer ? measurer->incumbent_candidate() : initial; }
};

}  // namespace altrt::tuner
