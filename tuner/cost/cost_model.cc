#include "tuner/cost/cost_model.h"

#include <algorithm>
#include <cmath>

#include <altrt/error.h>

#include "runtime/base/log.h"
#include "tuner/cost/ridge.h"
#include "tuner/learn/plugin.h"

namespace altrt::tuner {
namespace {

// A candidate that is slower by more is as bad as any: such labels would take the attention from those near the best.
constexpr double kLowestLabel = -4;

}  // namespace

CostModel::CostModel(std::unique_ptr<Regressor> regressor, std::unique_ptr<Regressor> fallback)
    : regressor_(std::move(regressor)), fallback_(std::move(fallback)) {}

void CostModel::check(const FeatureRows& rows) const {
  if (rows.width == 0 || rows.values.size() % rows.width != 0) {
    throw Error(ErrorCode::invalid_argument, "cost model: " + std::to_string(rows.values.size()) +
                                                 " features are no rows of width " + std::to_string(rows.width));
  }
  if (rows_.width != 0 && rows.width != rows_.width) {
    throw Error(ErrorCode::invalid_argument, "cost model: rows of " + std::to_string(rows.width) +
                                                 " features after rows of " + std::to_string(rows_.width));
  }
  for (const float value : rows.values) {
    if (!std::isfinite(value)) throw Error(ErrorCode::invalid_argument, "cost model: a feature is not finite");
  }
}

void CostModel::add(const FeatureRows& rows, const std::vector<double>& throughputs, uint64_t task) {
  if (rows.values.empty() && throughputs.empty()) return;
  check(rows);
  if (rows.count() != throughputs.size()) {
    throw Error(ErrorCode::invalid_argument, "cost model: " + std::to_string(rows.count()) + " rows, but " +
                                                 std::to_string(throughputs.size()) + " throughputs");
  }
  for (const double throughput : throughputs) {
    if (!std::isfinite(throughput) || throughput <= 0) {
      throw Error(ErrorCode::invalid_argument, "cost model: a throughput is no positive number");
    }
  }
  rows_.width = rows.width;
  rows_.values.insert(rows_.values.end(), rows.values.begin(), rows.values.end());
  for (const double throughput : throughputs) {
    const double label = std::log(throughput);
    labels_.push_back({label, task});
    const auto [best, added] = best_.emplace(task, label);
    best->second = std::max(best->second, label);
  }
  forget_oldest();
  changed_ = true;
}

void CostModel::forget_oldest() {
  if (labels_.size() <= kMostRows) return;
  const auto extra = static_cast<std::ptrdiff_t>(labels_.size() - kMostRows);
  labels_.erase(labels_.begin(), labels_.begin() + extra);
  rows_.values.erase(rows_.values.begin(), rows_.values.begin() + extra * static_cast<std::ptrdiff_t>(rows_.width));
}

void CostModel::switch_off(const std::string& reason) {
  std::string line = "cost model '" + name() + "' is off: " + reason + "; used instead: ";
  regressor_ = std::move(fallback_);
  base::log(base::LogLevel::warning, line + name());
}

void CostModel::fit() {
  if (!changed_) return;
  changed_ = false;
  std::vector<float> labels;
  labels.reserve(labels_.size());
  for (const Label& label : labels_) {
    labels.push_back(static_cast<float>(std::max(label.log_throughput - best_.at(label.task), kLowestLabel)));
  }
  ready_ = false;
  while (regressor_ && labels.size() >= 2) {
    try {
      regressor_->fit(rows_, labels);
      ready_ = true;
      return;
    } catch (const Error& error) {
      switch_off(error.what());
    }
  }
}

std::vector<double> CostModel::predict(const FeatureRows& rows) {
  if (rows.values.empty()) return {};
  check(rows);
  while (ready_) {
    try {
      return regressor_->predict(rows);
    } catch (const Error& error) {
      switch_off(error.what());
      changed_ = true;
      fit();
    }
  }
  return std::vector<double>(rows.count(), 0);
}

std::unique_ptr<CostModel> make_cost_model(uint64_t seed) {
  std::unique_ptr<Regressor> trees;
  if (const Learning* learning = open_learning()) {
    try {
      trees = learning->boosted_trees(seed);
    } catch (const Error& error) {
      base::log(base::LogLevel::warning, std::string("no boosted trees: ") + error.what() + "; used instead: ridge");
    }
  }
  if (!trees) return std::make_unique<CostModel>(std::make_unique<Ridge>(), nullptr);
  return std::make_unique<CostModel>(std::move(trees), std::make_unique<Ridge>());
}

}  // namespace altrt::tuner
