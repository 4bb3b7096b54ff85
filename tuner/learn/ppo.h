// Proximal policy optimisation as a layout proposer.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tuner/learn/policy.h"
#include "tuner/search/proposer.h"
#include "tuner/search/proposer_points.h"

namespace altrt::tuner::learn {

/// An episode chooses the knobs one after the other. The actor of a knob's kind emits a in (0, 1); the value is number
/// floor(a * n) of the knob's n sorted values. The paper's R(D * a), the value nearest to a share of the extent, would
/// give nearly all of (0, 1) to the few largest factors, since lists of factors are about evenly spaced in their
/// logarithm; by number, neighbours are as likely as each other, and so they are under the first policy. The reward
/// comes at the end, undiscounted.
///
/// Measurements are few, so all of them are used again at each update (the latest and the best): their old
/// probabilities are then those of the policy at the beginning of the update, which the clipping keeps near.
class Ppo : public LayoutProposer {
 public:
  Ppo(const std::vector<Knob>& knobs, uint64_t seed);

  std::string name() const override { return "ppo"; }
  Point propose() override;
  void report(const Point& point, double reward) override;
  void learn_from_model(const RewardModel& model, size_t points) override;
  std::string save() const override;
  bool load(const std::string& bytes) override;

 private:
  struct Episode {
    Point point;
    std::vector<float> actions;
    double reward = 0;
  };

  Episode sample();
  /// What leads to the point, with the middle of each value's share of (0, 1).
  Episode episode_of(const Point& point) const;
  Experience<float> experience_of(const std::vector<const Episode*>& episodes);
  void train(const std::vector<const Episode*>& episodes, int epochs);
  std::vector<const Episode*> measured_to_learn_from(size_t latest, size_t best) const;
  /// What to add to predictions to have them in the scale of the measured rewards.
  double offset_of(const RewardModel& model) const;

  std::vector<Knob> knobs_;
  KnobStates states_;
  Dice dice_;
  Policy<float> policy_;
  SeenPoints seen_;
  std::map<Point, std::vector<float>> proposed_;  // not reported yet: the actions
  std::vector<Episode> measured_;
  std::map<Point, double> reward_of_;
  int fresh_ = 0;  // reports since the last update
};

}  // namespace altrt::tuner::learn
