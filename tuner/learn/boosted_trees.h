// Gradient boosted regression trees by XGBoost.
#pragma once

#include <cstdint>

#include "tuner/cost/regressor.h"
#include "tuner/learn/xgboost.h"

namespace altrt::tuner::learn {

/// Squared error on the labels: on a few hundred rows it ranks better than XGBoost's pairwise ranking, as fast. Calls
/// start no threads, print nothing, and leave the floating-point environment and XGBoost's settings as they were.
class BoostedTrees : public Regressor {
 public:
  BoostedTrees(const XgboostApi& api, uint64_t seed) : api_(api), seed_(seed) {}
  ~BoostedTrees() override;
  BoostedTrees(const BoostedTrees&) = delete;
  BoostedTrees& operator=(const BoostedTrees&) = delete;

  std::string name() const override { return "xgboost"; }
  void fit(const FeatureRows& rows, const std::vector<float>& labels) override;
  std::vector<double> predict(const FeatureRows& rows) const override;

 private:
  void check(int result) const;

  const XgboostApi& api_;
  uint64_t seed_;
  BoosterHandle booster_ = nullptr;
};

}  // namespace altrt::tuner::learn
