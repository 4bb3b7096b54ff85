#include "tuner/search/proposer.h"

#include <algorithm>
#include <cmath>

#include <altrt/error.h>

#include "tuner/learn/plugin.h"
#include "tuner/search/proposer_points.h"

namespace altrt::tuner {
namespace {

class RandomProposer : public LayoutProposer {
 public:
  RandomProposer(const std::vector<Knob>& knobs, uint64_t seed) : knobs_(knobs), dice_(seed) { check_knobs(knobs); }

  std::string name() const override { return "random"; }
  Point propose() override {
    return seen_.first_new([this] { return dice_.point(knobs_); });
  }
  void report(const Point& point, double reward) override {
    check_report(knobs_, point, reward);
    seen_.add(point);
  }

 private:
  std::vector<Knob> knobs_;
  Dice dice_;
  SeenPoints seen_;
};

class EvolutionaryProposer : public LayoutProposer {
 public:
  EvolutionaryProposer(const std::vector<Knob>& knobs, uint64_t seed) : knobs_(knobs), dice_(seed) {
    check_knobs(knobs);
  }

  std::string name() const override { return "evolutionary"; }

  Point propose() override {
    // Every other one without the model's advice: it may be wrong, and would never see why.
    by_model_ = !by_model_;
    while (by_model_ && !promising_.empty()) {
      const Point point = promising_.back();
      promising_.pop_back();
      if (seen_.has(point)) continue;
      seen_.add(point);
      return point;
    }
    const bool random = parents_.size() < kParents || dice_.chance(kRandomShare);
    return seen_.first_new([&] { return random ? dice_.point(knobs_) : breed(parents_); });
  }

  void report(const Point& point, double reward) override {
    check_report(knobs_, point, reward);
    seen_.add(point);
    insert(parents_, {point, reward}, kParents);
  }

  void learn_from_model(const RewardModel& model, size_t points) override {
    Population population = parents_;
    promising_.clear();
    while (points > 0) {
      std::vector<Point> children;
      for (size_t i = 0; i < std::min(points, kGeneration); ++i) {
        const bool random = population.size() < kParents || dice_.chance(kRandomShare);
        children.push_back(random ? dice_.point(knobs_) : breed(population));
      }
      const std::vector<double> rewards = model(children);
      for (size_t i = 0; i < children.size(); ++i) insert(population, {children[i], rewards.at(i)}, kSurvivors);
      points -= children.size();
    }
    for (const Individual& individual : population) {
      if (promising_.size() < kPromising && !seen_.has(individual.point)) promising_.push_back(individual.point);
    }
    std::reverse(promising_.begin(), promising_.end());
  }

 private:
  struct Individual {
    Point point;
    double reward;
  };
  using Population = std::vector<Individual>;  // best first, each point once

  static constexpr size_t kParents = 8;                       // measurements are few: only the best count
  static constexpr size_t kGeneration = 64, kSurvivors = 24;  // where a model answers
  static constexpr size_t kPromising = 16;
  static constexpr double kRandomShare = 0.05;

  static void insert(Population& population, Individual individual, size_t most) {
    const auto same = std::find_if(population.begin(), population.end(),
                                   [&](const Individual& other) { return other.point == individual.point; });
    if (same != population.end()) population.erase(same);  // the later reward counts
    const auto worse = std::find_if(population.begin(), population.end(),
                                    [&](const Individual& other) { return other.reward < individual.reward; });
    population.insert(worse, std::move(individual));
    if (population.size() > most) population.pop_back();
  }

  // The better ones more often: the best of two.
  const Point& parent(const Population& population) {
    return population[std::min(dice_.below(population.size()), dice_.below(population.size()))].point;
  }

  Point breed(const Population& population) {
    Point child = parent(population);
    if (dice_.chance(0.5)) {
      const Point& other = parent(population);
      for (size_t k = 0; k < child.size(); ++k) {
        if (dice_.chance(0.5)) child[k] = other[k];
      }
    }
    const size_t changes = 1 + dice_.below(2);
    for (size_t i = 0; i < changes; ++i) mutate(child);
    return child;
  }

  // Mostly to a neighbouring value.
  void mutate(Point& point) {
    const size_t k = dice_.below(point.size());
    const auto count = static_cast<int>(knobs_[k].values.size());
    if (dice_.chance(0.3)) {
      point[k] = static_cast<int>(dice_.below(static_cast<size_t>(count)));
    } else {
      point[k] = std::clamp(point[k] + (dice_.chance(0.5) ? 1 : -1), 0, count - 1);
    }
  }

  std::vector<Knob> knobs_;
  Dice dice_;
  SeenPoints seen_;
  Population parents_;
  std::vector<Point> promising_;  // by a model; best last
  bool by_model_ = false;
};

}  // namespace

double layout_reward(double first_ms, double ms) {
  if (!(first_ms > 0) || !(ms > 0) || !std::isfinite(first_ms) || !std::isfinite(ms)) return kLowestReward;
  return std::max(std::log(first_ms / ms), kLowestReward);
}

std::unique_ptr<LayoutProposer> make_random_proposer(const std::vector<Knob>& knobs, uint64_t seed) {
  return std::make_unique<RandomProposer>(knobs, seed);
}

std::unique_ptr<LayoutProposer> make_evolutionary_proposer(const std::vector<Knob>& knobs, uint64_t seed) {
  return std::make_unique<EvolutionaryProposer>(knobs, seed);
}

std::unique_ptr<LayoutProposer> make_proposer(const std::string& name, const std::vector<Knob>& knobs, uint64_t seed) {
  if (name == "random") return make_random_proposer(knobs, seed);
  if (name == "evolutionary") return make_evolutionary_proposer(knobs, seed);
  if (name != "ppo") throw Error(ErrorCode::invalid_argument, "no layout proposer '" + name + "'");
  if (const Learning* learning = open_learning()) return learning->ppo(knobs, seed);
  return make_evolutionary_proposer(knobs, seed);
}

}  // namespace altrt::tuner
