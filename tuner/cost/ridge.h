// Ridge regression on the features and their squares: the cost model where the plug-in with boosted trees is missing.
#pragma once

#include "tuner/cost/regressor.h"

namespace altrt::tuner {

/// Squares, because most features have a best value in the middle (a tile that just fits). Against the nearest
/// neighbours it ranks better from as few rows, and costs far less (tests/learn compares them).
class Ridge : public Regressor {
 public:
  std::string name() const override { return "ridge"; }
  void fit(const FeatureRows& rows, const std::vector<float>& labels) override;
  std::vector<double> predict(const FeatureRows& rows) const override;

 private:
  // 1, the standardised features, their squares.
  void expand(const float* row, std::vector<double>& terms) const;

  std::vector<double> mean_, scale_;  // by feature; scale 0: it never varied
  std::vector<double> weights_;       // by term
};

}  // namespace altrt::tuner
