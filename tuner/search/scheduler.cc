#include "tuner/search/scheduler.h"

#include <algorithm>
#include <cmath>

namespace altrt::tuner {
namespace {

constexpr double kFirstGain = 0.3;    // what a first batch is expected to take off
constexpr double kPatience = 0.65;    // by how much less each further batch without gain promises
constexpr double kLeastGain = 0.002;  // so that long tunings go round all tasks

double promise(const Progress& task) {
  const double prior = task.measured ? std::max(0.15, task.gain / 2) : kFirstGain;
  return task.weight * task.ms * (prior * std::pow(kPatience, task.stalled) + kLeastGain / (1 + task.stalled));
}

}  // namespace

int choose_task(const std::vector<Progress>& tasks) {
  int best = -1;
  for (size_t t = 0; t < tasks.size(); ++t) {
    if (tasks[t].done) continue;
    if (best < 0 || promise(tasks[t]) > promise(tasks[static_cast<size_t>(best)])) best = static_cast<int>(t);
  }
  return best;
}

}  // namespace altrt::tuner
