// What the networks see of knobs: in one width for every space, so that what was learned on one task helps on others.
#pragma once

#include <string>
#include <vector>

#include "tuner/space/space.h"

namespace altrt::tuner::learn {

/// Kinds of primitives; each has an actor of its own.
enum class KnobKind { height, width, depth, output, input, unfold, pad, order, unroll, threads, other };
inline constexpr int kKnobKinds = static_cast<int>(KnobKind::other) + 1;

/// By what the name contains: "output_block" is a split of the output channels, "rows" of a matrix product's height,
/// "k_block" of its reduction. Knobs of two values 0 and 1 are order flags whatever their name, but for unfold and pad.
KnobKind kind_of(const Knob& knob);

/// Knobs as numbers.
class KnobStates {
 public:
  explicit KnobStates(const std::vector<Knob>& knobs);

  static constexpr int kWidth = kKnobKinds * 5 + 10;

  KnobKind kind(size_t knob) const { return kinds_[knob]; }
  /// The state before knob `next` is chosen, all before it being as in `point`; kWidth numbers.
  void write(const Point& point, size_t next, float* state) const;

 private:
  std::vector<Knob> knobs_;
  std::vector<KnobKind> kinds_;
};

}  // namespace altrt::tuner::learn
