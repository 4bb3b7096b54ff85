// Layout proposers: the outer half of the joint search. A proposer names a point of a space's layout knobs; the caller
// searches loops under it and reports the best result as the point's reward.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tuner/space/space.h"

namespace altrt::tuner {

/// A layout's reward r = U - l with U = log(first time), l = log(best time found under the layout), so that it does not
/// depend on the unit or the task's size: 0 as fast as the first, 0.69 twice as fast. `ms` <= 0 is a layout of which
/// nothing ran; it gets the lowest reward that there is.
double layout_reward(double first_ms, double ms);
inline constexpr double kLowestReward = -2;

/// Predicted rewards of points, in their order, in the units of layout_reward (an offset is harmless, a factor is not).
using RewardModel = std::function<std::vector<double>(const std::vector<Point>&)>;

/// The same knobs, seed and calls give the same proposals. One thread at a time; different objects in different
/// threads.
class LayoutProposer {
 public:
  virtual ~LayoutProposer() = default;
  virtual std::string name() const = 0;

  /// One that was neither proposed nor reported before, unless the points are (nearly) exhausted: then it may repeat.
  virtual Point propose() = 0;
  /// The measured reward of any point, proposed or not. Throws Error(invalid_argument) where it is no point of the
  /// knobs or the reward is not finite.
  virtual void report(const Point& point, double reward) = 0;
  /// Learns from the predicted rewards of about `points` points of its own choice: many more than can be measured.
  /// Measured rewards go on to count; a wrong model is corrected by the reports that follow.
  virtual void learn_from_model(const RewardModel& /*model*/, size_t /*points*/) {}

  /// What was learned that helps with other knobs, too; empty where there is nothing of the kind. Bytes for the same
  /// processor architecture and version of the library.
  virtual std::string save() const { return {}; }
  /// Begins with what another proposer learned. False, changing nothing, where the bytes are of another kind.
  virtual bool load(const std::string& /*bytes*/) { return false; }
};

/// Uniformly random; learns nothing.
std::unique_ptr<LayoutProposer> make_random_proposer(const std::vector<Knob>& knobs, uint64_t seed);
/// Mutations and crossings of the best reported points. A model's best points are proposed first.
std::unique_ptr<LayoutProposer> make_evolutionary_proposer(const std::vector<Knob>& knobs, uint64_t seed);
/// "random", "evolutionary" or "ppo". PPO comes from the plug-in; without it, after one line in the log, evolutionary.
/// Throws Error(invalid_argument) for another name, for no knobs, or a knob without values.
std::unique_ptr<LayoutProposer> make_proposer(const std::string& name, const std::vector<Knob>& knobs, uint64_t seed);

}  // namespace altrt::tuner
