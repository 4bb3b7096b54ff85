// The gradient of PPO's loss against central differences, in double precision.
#include <gtest/gtest.h>

#include <vector>

#include "tuner/learn/policy.h"

namespace altrt::tuner::learn {
namespace {

const std::vector<KnobKind> kKinds{KnobKind::height, KnobKind::output, KnobKind::unfold};

Experience<double> random_experience(Policy<double>& policy, size_t count, Dice& dice) {
  Experience<double> experience;
  experience.states.resize(KnobStates::kWidth, static_cast<Eigen::Index>(count));
  for (Eigen::Index i = 0; i < experience.states.size(); ++i) experience.states.data()[i] = dice.normal() / 2;
  for (size_t i = 0; i < count; ++i) {
    experience.kinds.push_back(kKinds[i % kKinds.size()]);
    experience.actions.push_back(1.5 * dice.normal());
    experience.advantages.push_back(dice.normal());
    experience.returns.push_back(dice.normal());
  }
  // Ratios from 0.6 to 1.6: some samples are clipped on either side, and none lies at an edge.
  experience.old_log_probabilities = policy.log_probabilities(experience);
  for (size_t i = 0; i < count; ++i) experience.old_log_probabilities[i] += 0.45 * (2 * dice.uniform() - 1);
  return experience;
}

// Far from the initial parameters, where the outputs barely depend on the states.
void shake(Network<double>& network, Dice& dice) {
  for (Eigen::Index i = 0; i < network.parameters().size(); ++i) network.parameters()[i] += 0.1 * dice.normal();
}

struct Errors {
  double relative = 0;  // length of the difference over the length of the gradient
  double length = 0;
};

Errors compare(Policy<double>& policy, Network<double>& network, const Experience<double>& experience,
               const LossOptions& options, Dice& dice) {
  const auto clear = [&] {
    for (const KnobKind kind : kKinds) policy.actor(kind).gradient().setZero();
    policy.critic().gradient().setZero();
  };
  clear();
  policy.loss(experience, options);
  const Network<double>::Vector gradient = network.gradient();
  double difference = 0, length = 0;
  const Eigen::Index size = gradient.size();
  for (int i = 0; i < 250; ++i) {
    // Every parameter of the last layer's bias, and others at random.
    const Eigen::Index at = i < 2 ? size - 1 - i : static_cast<Eigen::Index>(dice.below(static_cast<size_t>(size)));
    double& parameter = network.parameters()[at];
    const double middle = parameter, step = 1e-5;
    parameter = middle + step;
    const double above = policy.loss(experience, options);
    parameter = middle - step;
    const double below = policy.loss(experience, options);
    parameter = middle;
    const double numeric = (above - below) / (2 * step);
    difference += (numeric - gradient[at]) * (numeric - gradient[at]);
    length += numeric * numeric;
  }
  clear();
  return {std::sqrt(difference / std::max(length, 1e-300)), std::sqrt(length)};
}

class Gradient : public testing::TestWithParam<LossOptions> {};

TEST_P(Gradient, IsThatOfTheLoss) {
  Dice dice(7);
  Policy<double> policy(kKinds, dice);
  for (const KnobKind kind : kKinds) shake(policy.actor(kind), dice);
  shake(policy.critic(), dice);
  const Experience<double> experience = random_experience(policy, 48, dice);
  int clipped = 0;
  const std::vector<double> now = policy.log_probabilities(experience);
  for (size_t i = 0; i < experience.size(); ++i) {
    clipped += std::abs(std::exp(now[i] - experience.old_log_probabilities[i]) - 1) > GetParam().clip;
  }
  EXPECT_GT(clipped, 5);
  EXPECT_LT(clipped, 43);
  for (const KnobKind kind : kKinds) {
    const Errors errors = compare(policy, policy.actor(kind), experience, GetParam(), dice);
    EXPECT_GT(errors.length, 1e-3);
    EXPECT_LT(errors.relative, 1e-5) << "actor " << static_cast<int>(kind);
  }
  const Errors errors = compare(policy, policy.critic(), experience, GetParam(), dice);
  EXPECT_EQ(errors.length > 0, GetParam().value_weight > 0);
  EXPECT_LT(errors.relative, 1e-5) << "critic";
}

INSTANTIATE_TEST_SUITE_P(Terms, Gradient,
                         testing::Values(LossOptions{0.2, 0, 0}, LossOptions{0.2, 0.5, 0}, LossOptions{0.2, 0, 1},
                                         LossOptions{0.1, 0.7, 0.05}));

TEST(PolicyLoss, StepsDownTheGradientLowerIt) {
  Dice dice(3);
  Policy<double> policy(kKinds, dice);
  const Experience<double> experience = random_experience(policy, 60, dice);
  const double before = policy.loss(experience, {});
  for (int i = 0; i < 50; ++i) {
    policy.step(1e-3);
    policy.loss(experience, {});
  }
  policy.step(0);
  EXPECT_LT(policy.loss(experience, {}), before - 0.05);
}

}  // namespace
}  // namespace altrt::tuner::learn
