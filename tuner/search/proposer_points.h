// What layout proposers share.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <set>
#include <vector>

#include <altrt/error.h>

#include "tuner/space/space.h"

namespace altrt::tuner {

/// Random numbers that are the same with every standard library.
class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}

  size_t below(size_t limit) { return static_cast<size_t>(random_() % limit); }
  /// In (0, 1).
  double uniform() { return (static_cast<double>(random_() >> 11) + 0.5) * 0x1p-53; }
  double normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }
  bool chance(double probability) { return uniform() < probability; }
  Point point(const std::vector<Knob>& knobs) {
    Point point;
    for (const Knob& knob : knobs) point.push_back(static_cast<int>(below(knob.values.size())));
    return point;
  }

 private:
  std::mt19937_64 random_;
};

/// Which points were proposed or reported.
class SeenPoints {
 public:
  void add(const Point& point) { seen_.insert(point); }
  bool has(const Point& point) const { return seen_.count(point) != 0; }
  /// The first unseen one of several that `make` makes, else the last one. It is seen from then on.
  template <typename Make>
  Point first_new(Make make) {
    Point point = make();
    for (int tries = 1; tries < kMostTries && has(point); ++tries) point = make();
    add(point);
    return point;
  }

 private:
  static constexpr int kMostTries = 64;
  std::set<Point> seen_;
};

inline void check_knobs(const std::vector<Knob>& knobs) {
  if (knobs.empty()) throw Error(ErrorCode::invalid_argument, "a layout proposer needs knobs");
  for (const Knob& knob : knobs) {
    if (knob.values.empty()) throw Error(ErrorCode::invalid_argument, "knob '" + knob.name + "' has no values");
  }
}

inline void check_report(const std::vector<Knob>& knobs, const Point& point, double reward) {
  if (!std::isfinite(reward)) throw Error(ErrorCode::invalid_argument, "a layout's reward is not finite");
  bool fits = point.size() == knobs.size();
  for (size_t k = 0; fits && k < knobs.size(); ++k) {
    fits = point[k] >= 0 && static_cast<size_t>(point[k]) < knobs[k].values.size();
  }
  if (!fits) throw Error(ErrorCode::invalid_argument, "a reported layout is no point of the knobs");
}

}  // namespace altrt::tuner
