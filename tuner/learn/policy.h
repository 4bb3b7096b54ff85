// The networks of PPO: an actor for each kind of primitive and one critic for all, with the clipped surrogate loss.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "tuner/learn/knob_state.h"
#include "tuner/learn/network.h"

namespace altrt::tuner::learn {

/// What was done in some states, and how it turned out.
template <typename Scalar>
struct Experience {
  typename Network<Scalar>::Matrix states;    // a column each
  std::vector<KnobKind> kinds;                // whose actor decided
  std::vector<Scalar> actions;                // in logit space
  std::vector<Scalar> old_log_probabilities;  // when they were taken
  std::vector<Scalar> advantages, returns;

  size_t size() const { return kinds.size(); }
};

struct LossOptions {
  double clip = 0.2, value_weight = 0.5, entropy_weight = 0.01;
};

/// An actor's answer: the action a in (0, 1) is the logistic function of a normal variable with this mean and
/// deviation. Near deviation 1.6 and mean 0 all of (0, 1) is about equally likely.
template <typename Scalar>
struct Gaussian {
  Scalar mean, log_deviation;

  static constexpr double kMostMean = 4, kLowest = -1.4, kHighest = 0.8;  // outermost mean; range of log deviations
  static Gaussian of(Scalar z0, Scalar z1) {
    const Scalar share = 1 / (1 + std::exp(-z1));
    return {Scalar(kMostMean) * std::tanh(z0 / Scalar(kMostMean)),
            Scalar(kLowest) + Scalar(kHighest - kLowest) * share};
  }
  Scalar log_probability(Scalar action) const {
    const Scalar x = (action - mean) * std::exp(-log_deviation);
    return Scalar(-0.5) * x * x - log_deviation - Scalar(0.5 * std::log(2 * std::numbers::pi));
  }
};

template <typename Scalar>
class Policy {
 public:
  using Net = Network<Scalar>;
  using Matrix = typename Net::Matrix;

  /// Actors for the kinds that occur.
  Policy(const std::vector<KnobKind>& kinds, Dice& dice) : critic_(KnobStates::kWidth, 1, dice) {
    for (const KnobKind kind : kinds) {
      Net& actor = actors_[static_cast<size_t>(kind)];
      if (!actor.empty()) continue;
      actor = Net(KnobStates::kWidth, 2, dice);
      actor.output_bias()[1] = Scalar(1.7);  // deviation 1.6
    }
  }

  Net& actor(KnobKind kind) { return actors_[static_cast<size_t>(kind)]; }
  const Net& actor(KnobKind kind) const { return actors_[static_cast<size_t>(kind)]; }
  Net& critic() { return critic_; }
  const Net& critic() const { return critic_; }

  Gaussian<Scalar> act(KnobKind kind, const Matrix& state) {
    actor(kind).forward(state, layers_);
    return Gaussian<Scalar>::of(layers_.output(0, 0), layers_.output(1, 0));
  }

  std::vector<Scalar> values(const Matrix& states) {
    critic_.forward(states, layers_);
    return {layers_.output.data(), layers_.output.data() + layers_.output.size()};
  }

  /// Log probabilities of the actions as the policy is now.
  std::vector<Scalar> log_probabilities(const Experience<Scalar>& experience) {
    std::vector<Scalar> all(experience.size());
    for_each_actor(experience, [&](Net&, const std::vector<Eigen::Index>& columns) {
      for (size_t c = 0; c < columns.size(); ++c) {
        const auto i = static_cast<size_t>(columns[c]);
        const auto column = static_cast<Eigen::Index>(c);
        all[i] = Gaussian<Scalar>::of(layers_.output(0, column), layers_.output(1, column))
                     .log_probability(experience.actions[i]);
      }
    });
    return all;
  }

  /// PPO's loss: minus the clipped surrogate, plus the critic's squared error, minus the entropy, each the mean over
  /// the experience. Adds its gradient to that of every network.
  Scalar loss(const Experience<Scalar>& experience, const LossOptions& options) {
    const auto count = static_cast<Scalar>(experience.size());
    Scalar loss = 0;
    for_each_actor(experience, [&](Net& actor, const std::vector<Eigen::Index>& columns) {
      Matrix by_output(2, static_cast<Eigen::Index>(columns.size()));
      for (size_t c = 0; c < columns.size(); ++c) {
        const auto column = static_cast<Eigen::Index>(c);
        loss += sample_loss(experience, static_cast<size_t>(columns[c]), layers_.output.col(column), options,
                            by_output.col(column)) /
                count;
      }
      by_output /= count;
      actor.backward(layers_, by_output);
    });
    critic_.forward(experience.states, layers_);
    Matrix by_value(1, layers_.output.cols());
    for (Eigen::Index i = 0; i < by_value.cols(); ++i) {
      const Scalar error = layers_.output(0, i) - experience.returns[static_cast<size_t>(i)];
      loss += Scalar(options.value_weight) * error * error / count;
      by_value(0, i) = 2 * Scalar(options.value_weight) * error / count;
    }
    critic_.backward(layers_, by_value);
    return loss;
  }

  void step(Scalar rate) {
    for (Net& actor : actors_) {
      if (!actor.empty()) actor.step(rate);
    }
    critic_.step(rate);
  }

 private:
  // One sample's loss by its actor, and the derivatives by the actor's outputs.
  template <typename Outputs, typename Derivatives>
  static Scalar sample_loss(const Experience<Scalar>& experience, size_t i, const Outputs& z,
                            const LossOptions& options, Derivatives by_output) {
    const Gaussian<Scalar> now = Gaussian<Scalar>::of(z[0], z[1]);
    const Scalar advantage = experience.advantages[i], action = experience.actions[i];
    const Scalar most = 10;  // of the logarithm: the ratio stays finite
    const Scalar ratio = std::exp(std::min(now.log_probability(action) - experience.old_log_probabilities[i], most));
    const Scalar clipped = std::clamp(ratio, Scalar(1 - options.clip), Scalar(1 + options.clip));
    const bool is_clipped = clipped * advantage < ratio * advantage;
    const Scalar by_log_probability = is_clipped ? Scalar(0) : -ratio * advantage;
    const Scalar deviation = std::exp(now.log_deviation), x = (action - now.mean) / deviation;
    const Scalar by_mean = by_log_probability * x / deviation;
    const Scalar by_log_deviation = by_log_probability * (x * x - 1) - Scalar(options.entropy_weight);
    const Scalar share = now.mean / Scalar(Gaussian<Scalar>::kMostMean);
    const Scalar range = Scalar(Gaussian<Scalar>::kHighest - Gaussian<Scalar>::kLowest);
    const Scalar part = (now.log_deviation - Scalar(Gaussian<Scalar>::kLowest)) / range;
    by_output[0] = by_mean * (1 - share * share);
    by_output[1] = by_log_deviation * range * part * (1 - part);
    const Scalar entropy = now.log_deviation + Scalar(0.5 * std::log(2 * std::numbers::pi * std::numbers::e));
    return -std::min(ratio * advantage, clipped * advantage) - Scalar(options.entropy_weight) * entropy;
  }

  // For each actor that decided something: its forward pass over those states is in layers_.
  template <typename Body>
  void for_each_actor(const Experience<Scalar>& experience, Body body) {
    std::array<std::vector<Eigen::Index>, kKnobKinds> columns;
    for (size_t i = 0; i < experience.size(); ++i) {
      columns[static_cast<size_t>(experience.kinds[i])].push_back(static_cast<Eigen::Index>(i));
    }
    for (size_t kind = 0; kind < columns.size(); ++kind) {
      if (columns[kind].empty()) continue;
      Matrix states(experience.states.rows(), static_cast<Eigen::Index>(columns[kind].size()));
      for (size_t c = 0; c < columns[kind].size(); ++c) {
        states.col(static_cast<Eigen::Index>(c)) = experience.states.col(columns[kind][c]);
      }
      actors_[kind].forward(states, layers_);
      body(actors_[kind], columns[kind]);
    }
  }

  std::array<Net, kKnobKinds> actors_;
  Net critic_;
  typename Net::Layers layers_;
};

}  // namespace altrt::tuner::learn
