// What a cost model predicts with.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace altrt::tuner {

/// Rows of features, one after the other.
struct FeatureRows {
  size_t width = 0;
  std::vector<float> values;

  size_t count() const { return width ? values.size() / width : 0; }
};

/// Learns labels from rows. Deterministic. One thread at a time; different objects in different threads.
class Regressor {
 public:
  virtual ~Regressor() = default;
  virtual std::string name() const = 0;
  /// Forgets what it knew. There is at least one row, and everything is finite. Throws Error.
  virtual void fit(const FeatureRows& rows, const std::vector<float>& labels) = 0;
  /// After a fit, for rows of the same width. Throws Error.
  virtual std::vector<double> predict(const FeatureRows& rows) const = 0;
};

}  // namespace altrt::tuner
