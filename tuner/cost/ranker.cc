#include "tuner/cost/ranker.h"

namespace altrt::tuner {
namespace {

FeatureRows rows_of(const std::vector<Features>& features) {
  FeatureRows rows{kFeatures, {}};
  for (const Features& one : features) rows.values.insert(rows.values.end(), one.data(), one.data() + kFeatures);
  return rows;
}

}  // namespace

std::vector<double> Ranker::operator()(const std::vector<Features>& features) {
  if (!model_ || !model_->ready() || features.empty()) return {};
  return model_->predict(rows_of(features));
}

void Ranker::learn(uint64_t task, const std::vector<Sample>& samples) {
  std::vector<Features> features;
  std::vector<double> throughputs;
  for (const Sample& sample : samples) {
    if (sample.ms <= 0) continue;
    features.push_back(sample.features);
    throughputs.push_back(1 / sample.ms);
  }
  if (!model_) model_ = make_cost_model(seed_);
  model_->add(rows_of(features), throughputs, task);
  model_->fit();
}

}  // namespace altrt::tuner
