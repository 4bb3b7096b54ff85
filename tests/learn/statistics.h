// Rank statistics.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

namespace altrt::tuner::learn {

/// Ranks from 1; equal values share the mean of theirs.
inline std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t first = 0; first < order.size();) {
    size_t last = first;
    while (last < order.size() && values[order[last]] == values[order[first]]) ++last;
    for (size_t i = first; i < last; ++i) ranks[order[i]] = static_cast<double>(first + last + 1) / 2;
    first = last;
  }
  return ranks;
}

/// Spearman's rank correlation; 0 where one side is constant.
inline double spearman(const std::vector<double>& a, const std::vector<double>& b) {
  const std::vector<double> ra = ranks(a), rb = ranks(b);
  const double mean = static_cast<double>(a.size() + 1) / 2;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (ra[i] - mean) * (rb[i] - mean);
    aa += (ra[i] - mean) * (ra[i] - mean);
    bb += (rb[i] - mean) * (rb[i] - mean);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

/// Mann and Whitney's test, one-sided: the probability of ranks as low as those of `low` if both came from one
/// distribution. By the normal approximation with corrections for ties and continuity, good from 8 values a side.
inline double probability_of_lower(const std::vector<double>& low, const std::vector<double>& high) {
  std::vector<double> all = low;
  all.insert(all.end(), high.begin(), high.end());
  const std::vector<double> rank = ranks(all);
  const auto n = static_cast<double>(low.size()), m = static_cast<double>(high.size()), total = n + m;
  const double u =
      std::accumulate(rank.begin(), rank.begin() + static_cast<std::ptrdiff_t>(low.size()), 0.0) - n * (n + 1) / 2;
  std::vector<double> sorted = all;
  std::sort(sorted.begin(), sorted.end());
  double ties = 0;
  for (size_t first = 0; first < sorted.size();) {
    size_t last = first;
    while (last < sorted.size() && sorted[last] == sorted[first]) ++last;
    const auto t = static_cast<double>(last - first);
    ties += t * t * t - t;
    first = last;
  }
  const double variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)));
  if (variance <= 0) return 1;
  const double z = (u + 0.5 - n * m / 2) / std::sqrt(variance);
  return 0.5 * std::erfc(-z / std::sqrt(2.0));
}

inline double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace altrt::tuner::learn
