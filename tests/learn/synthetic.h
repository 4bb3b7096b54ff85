// A search space with a known optimum that behaves like a convolution's layouts and loops: lists of factors,
// interactions, a cliff where registers run out, and multiplicative noise.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tuner/cost/regressor.h"
#include "tuner/search/proposer_points.h"

namespace altrt::tuner::learn {

/// Divisors of `extent` up to `most`.
inline std::vector<int64_t> factors_of(int64_t extent, int64_t most) {
  std::vector<int64_t> factors;
  for (int64_t f = 1; f <= std::min(extent, most); ++f) {
    if (extent % f == 0) factors.push_back(f);
  }
  return factors;
}

/// A convolution with a square image and as many input as output channels.
class SyntheticSpace {
 public:
  explicit SyntheticSpace(int64_t image = 56, int64_t channels = 64, double noise = 0.03) : noise_(noise) {
    knobs_ = {{"height", factors_of(image, image)},
              {"width", factors_of(image, image)},
              {"output_block", factors_of(channels, channels)},
              {"input_block", factors_of(channels, channels)},
              {"weight_output_block", factors_of(channels, channels)},
              {"weight_input_block", factors_of(channels, channels)},
              {"unroll", {1, 2, 4, 8, 16}},
              {"rows_first", {0, 1}},
              {"unfold", {0, 1}},
              {"row_padding", {0, 16}}};
  }

  const std::vector<Knob>& knobs() const { return knobs_; }

  /// Time without noise, in ms.
  double ms(const Point& point) const {
    const auto value = [&](size_t k) { return static_cast<double>(knobs_[k].values[static_cast<size_t>(point[k])]); };
    const double h = value(0), w = value(1), o = value(2), i = value(3), wo = value(4), wi = value(5),
                 unroll = value(6);
    const auto off = [](double x, double best) { return std::abs(std::log2(x / best)); };
    double cost = 0;  // in logarithms
    const double accumulators = std::min(w, 7.0) * std::max(o / 8, 1.0);
    cost += 0.12 * off(accumulators, 14);  // too few: latency shows
    if (accumulators > 14) cost += 0.5;    // spilled
    if (o < 8) cost += 0.25 * off(o, 8);   // vectors half empty
    const double tile_bytes = 4 * ((h + 2) * (w + 2) * i + h * w * o), weight_bytes = 4 * 9 * wi * wo;
    cost += 0.10 * std::max(0.0, std::log2((tile_bytes + weight_bytes) / 32768));  // beyond the cache
    cost += 0.05 * off(tile_bytes, 16384);
    cost += 0.10 * off(wo, o) + 0.05 * off(wi, i);  // packs that fit the tiles
    cost += 0.04 * off(unroll, o >= 16 ? 2 : 8);
    if ((value(7) > 0) != (h < w)) cost += 0.08;
    if ((value(8) > 0) != (h * w < 200)) cost += 0.12;  // halos stored twice pay in small tiles only
    if (value(9) > 0 && w >= 8) cost += 0.05;
    return std::exp(cost);
  }
  double measured_ms(const Point& point, Dice& dice) const { return ms(point) * std::exp(noise_ * dice.normal()); }

  /// The least time of all points, by trying them all.
  double best_ms() const {
    Point point(knobs_.size(), 0);
    double best = ms(point);
    for (size_t k = 0; k < knobs_.size();) {
      if (static_cast<size_t>(++point[k]) < knobs_[k].values.size()) {
        best = std::min(best, ms(point));
        k = 0;
      } else {
        point[k++] = 0;
      }
    }
    return best;
  }
  double size() const {
    double size = 1;
    for (const Knob& knob : knobs_) size *= static_cast<double>(knob.values.size());
    return size;
  }

  /// What a cost model would see: logarithms of the factors, and of what they make together.
  void add_features(const Point& point, FeatureRows& rows) const {
    std::vector<float> row;
    for (size_t k = 0; k < knobs_.size(); ++k) {
      row.push_back(
          static_cast<float>(std::log2(1.0 + static_cast<double>(knobs_[k].values[static_cast<size_t>(point[k])]))));
    }
    const size_t first = row.size();
    for (size_t a = 0; a < 6; ++a) {
      for (size_t b = a + 1; b < 6; ++b) row.push_back(row[a] + row[b]);
    }
    row.push_back(row[0] + row[1] + row[2]);
    row.push_back(row[0] + row[1] + row[3]);
    rows.width = row.size();
    (void)first;
    rows.values.insert(rows.values.end(), row.begin(), row.end());
  }

 private:
  std::vector<Knob> knobs_;
  double noise_;
};

}  // namespace altrt::tuner::learn
