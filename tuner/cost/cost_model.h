// The cost model: from measured candidates, which of the others promise to be fast.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tuner/cost/regressor.h"

namespace altrt::tuner {

/// Learns on line: add what was measured, fit, predict. The same calls give the same predictions. One thread at a time;
/// tunings in several threads have one each.
class CostModel {
 public:
  /// `fallback` takes over, with one line in the log (warning), where `regressor` throws an Error; null: the model is
  /// off then and predicts nothing.
  CostModel(std::unique_ptr<Regressor> regressor, std::unique_ptr<Regressor> fallback);

  /// Measured candidates of one task: features, and how fast each was (1 / time, in any unit; failed ones are left
  /// out). Throws Error(invalid_argument), taking nothing, where a throughput is not a positive number, a feature is
  /// not finite, or the width is not that of all rows before.
  void add(const FeatureRows& rows, const std::vector<double>& throughputs, uint64_t task);
  /// Brings the predictions up to date with all rows that are remembered; nothing to do where none was added. Throws
  /// nothing but std::bad_alloc.
  void fit();
  /// Whether predictions say anything: a fit has seen at least two rows, and the model is not off.
  bool ready() const { return ready_; }
  /// For each row the logarithm of the throughput relative to the best that was added for its task: about 0 and below,
  /// higher is faster; comparable within one task. All 0 until ready. Throws Error(invalid_argument) as `add`.
  std::vector<double> predict(const FeatureRows& rows);

  /// What predicts: "xgboost", "ridge", "none".
  std::string name() const { return regressor_ ? regressor_->name() : "none"; }
  size_t rows() const { return labels_.size(); }

  /// Beyond so many rows the oldest are forgotten: a fit keeps its price through a long tuning.
  static constexpr size_t kMostRows = 4096;

 private:
  struct Label {
    double log_throughput;
    uint64_t task;
  };

  void check(const FeatureRows& rows) const;
  void forget_oldest();
  void switch_off(const std::string& reason);

  std::unique_ptr<Regressor> regressor_, fallback_;
  FeatureRows rows_;
  std::vector<Label> labels_;
  std::map<uint64_t, double> best_;  // log throughput by task, forgotten rows too
  bool changed_ = false, ready_ = false;
};

/// Boosted trees (XGBoost) by the plug-in libaltrt_tuner.so; without it, after one line in the log, ridge regression.
std::unique_ptr<CostModel> make_cost_model(uint64_t seed);

}  // namespace altrt::tuner
