// Ranker: what trials teach about all candidates of a tuning, whatever their task.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tuner/cost/cost_model.h"
#include "tuner/space/features.h"

namespace altrt::tuner {

/// One trial: what was tried, and how long it took.
struct Sample {
  Features features;
  double ms = 0;  // 0: it failed
};

/// One thread at a time. Repeatable.
class Ranker {
 public:
  explicit Ranker(uint64_t seed) : seed_(seed) {}

  /// Scores, higher is faster, comparable within one task; empty as long as too little is known.
  std::vector<double> operator()(const std::vector<Features>& features);
  void learn(uint64_t task, const std::vector<Sample>& samples);

 private:
  const uint64_t seed_;
  std::unique_ptr<CostModel> model_;  // made with the first samples
};

}  // namespace altrt::tuner
