#include "tuner/cost/ridge.h"

#include <algorithm>
#include <cmath>

namespace altrt::tuner {
namespace {

constexpr double kPenalty = 3;     // as strong as so many rows
constexpr double kFarthest = 6.0;  // standard deviations: beyond them a square would swamp everything else

// Solves a x = b, a symmetric and positive definite (its lower half is given and overwritten); the answer replaces b.
void solve(std::vector<double>& a, std::vector<double>& b) {
  const size_t n = b.size();
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = i == j ? std::sqrt(std::max(sum, 1e-9)) : sum / a[j * n + j];
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
}

}  // namespace

void Ridge::expand(const float* row, std::vector<double>& terms) const {
  const size_t width = mean_.size();
  terms[0] = 1;
  for (size_t k = 0; k < width; ++k) {
    const double x = std::clamp((row[k] - mean_[k]) * scale_[k], -kFarthest, kFarthest);
    terms[1 + k] = x;
    terms[1 + width + k] = x * x;
  }
}

void Ridge::fit(const FeatureRows& rows, const std::vector<float>& labels) {
  const size_t width = rows.width, count = rows.count();
  mean_.assign(width, 0);
  scale_.assign(width, 0);
  for (size_t i = 0; i < rows.values.size(); ++i) mean_[i % width] += rows.values[i] / static_cast<double>(count);
  for (size_t i = 0; i < rows.values.size(); ++i) {
    const double x = rows.values[i] - mean_[i % width];
    scale_[i % width] += x * x / static_cast<double>(count);
  }
  for (size_t k = 0; k < width; ++k) {
    const bool varies = scale_[k] > 1e-12 * (1 + mean_[k] * mean_[k]);
    scale_[k] = varies ? 1 / std::sqrt(scale_[k]) : 0;
  }
  const size_t n = 2 * width + 1;
  std::vector<double> a(n * n, 0), b(n, 0), terms(n);
  for (size_t r = 0; r < count; ++r) {
    expand(&rows.values[r * width], terms);
    for (size_t i = 0; i < n; ++i) {
      b[i] += terms[i] * labels[r];
      for (size_t j = 0; j <= i; ++j) a[i * n + j] += terms[i] * terms[j];
    }
  }
  a[0] += 1e-6;  // the mean is not held back
  for (size_t i = 1; i < n; ++i) a[i * n + i] += kPenalty;
  solve(a, b);
  weights_ = std::move(b);
}

std::vector<double> Ridge::predict(const FeatureRows& rows) const {
  std::vector<double> predicted(rows.count(), 0), terms(weights_.size());
  for (size_t r = 0; r < predicted.size(); ++r) {
    expand(&rows.values[r * rows.width], terms);
    for (size_t i = 0; i < terms.size(); ++i) predicted[r] += weights_[i] * terms[i];
  }
  return predicted;
}

}  // namespace altrt::tuner
