// Task scheduler: which group gets the next batch of trials.
#pragma once

#include <vector>

namespace altrt::tuner {

/// What is known of a task's progress.
struct Progress {
  double weight = 1;      // how often the network runs the task
  double ms = 0;          // best time; of a task that was never measured, a guess
  bool measured = false;  // ms is no guess
  int stalled = 0;        // batches since the last gain
  double gain = 0;        // of the last batch that gained: the share of the time that it took off
  bool done = false;      // nothing is left to propose
};

/// The task whose next batch promises the largest gain in the network's time; -1 if all are done.
int choose_task(const std::vector<Progress>& tasks);

}  // namespace altrt::tuner
