// Layout proposers on a space with a known optimum.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <altrt/error.h>

#include "tests/learn/plugin.h"
#include "tests/learn/statistics.h"
#include "tests/learn/synthetic.h"
#include "tuner/cost/cost_model.h"
#include "tuner/search/proposer.h"

namespace altrt::tuner::learn {
namespace {

constexpr int kSeeds = 20;

// One search: after each trial, the logarithm of the best true time found over the optimum.
struct History {
  std::vector<double> regret;
  std::vector<double> reward;  // of each trial
  std::vector<Point> points;
};

struct Setting {
  std::string proposer;
  int trials = 100;
  bool model = false;  // the proposer learns from a cost model of what was measured
  std::string weights = {};
};

History search(const SyntheticSpace& space, double optimum, const Setting& setting, uint64_t seed,
               std::string* weights = nullptr) {
  const std::unique_ptr<LayoutProposer> proposer = make_proposer(setting.proposer, space.knobs(), seed);
  if (!setting.weights.empty() && !proposer->load(setting.weights)) ADD_FAILURE() << "weights are refused";
  const std::unique_ptr<CostModel> model = setting.model ? make_cost_model(seed) : nullptr;
  Dice noise(seed + 1000);
  History run;
  double best = std::numeric_limits<double>::infinity(), first = 0;
  for (int trial = 0; trial < setting.trials; ++trial) {
    if (model && trial >= 12 && trial % 4 == 0) {
      model->fit();
      const auto predict = [&](const std::vector<Point>& points) {
        FeatureRows rows;
        for (const Point& point : points) space.add_features(point, rows);
        return model->predict(rows);
      };
      proposer->learn_from_model(predict, 128);
    }
    const Point point = proposer->propose();
    const double ms = space.measured_ms(point, noise);
    if (trial == 0) first = ms;
    best = std::min(best, space.ms(point));
    run.points.push_back(point);
    run.regret.push_back(std::log(best / optimum));
    run.reward.push_back(layout_reward(first, ms));
    proposer->report(point, run.reward.back());
    if (!model) continue;
    FeatureRows rows;
    space.add_features(point, rows);
    model->add(rows, {1 / ms}, 0);
  }
  if (weights) *weights = proposer->save();
  return run;
}

std::vector<History> searches(const SyntheticSpace& space, const Setting& setting) {
  const double optimum = space.best_ms();
  std::vector<History> runs;
  for (int seed = 0; seed < kSeeds; ++seed)
    runs.push_back(search(space, optimum, setting, static_cast<uint64_t>(seed)));
  return runs;
}

std::vector<double> last_regrets(const std::vector<History>& runs) {
  std::vector<double> last;
  for (const History& run : runs) last.push_back(run.regret.back());
  return last;
}

// For tests/performance/plot_rewards.py: the regret after each trial, of each seed, where a file is asked for.
void write_curves(const std::map<std::string, std::vector<History>>& all) {
  const char* const name = std::getenv("ALTRT_REWARD_CURVES");
  if (!name) return;
  std::FILE* const file = std::fopen(name, "w");
  ASSERT_NE(file, nullptr) << name;
  std::fputs("proposer,seed,trial,regret\n", file);
  for (const auto& [proposer, runs] : all) {
    for (size_t seed = 0; seed < runs.size(); ++seed) {
      for (size_t trial = 0; trial < runs[seed].regret.size(); ++trial) {
        std::fprintf(file, "%s,%zu,%zu,%.6f\n", proposer.c_str(), seed, trial + 1, runs[seed].regret[trial]);
      }
    }
  }
  std::fclose(file);
}

double compare(const std::string& name, const std::vector<History>& runs, const std::vector<History>& random) {
  const double p = probability_of_lower(last_regrets(runs), last_regrets(random));
  std::printf("%s: log(best / optimum) %.3f, random %.3f, after %zu trials, %d seeds; p = %.2g\n", name.c_str(),
              mean(last_regrets(runs)), mean(last_regrets(random)), runs[0].regret.size(), kSeeds, p);
  return p;
}

TEST(Proposers, BeatRandomAtEqualTrials) {
  const SyntheticSpace space;
  ASSERT_GT(space.size(), 1e6);
  std::map<std::string, std::vector<History>> all;
  all["random"] = searches(space, {"random"});
  all["evolutionary"] = searches(space, {"evolutionary"});
  EXPECT_GT(mean(last_regrets(all["random"])), 0.1);  // there is something to beat
  EXPECT_LT(compare("evolutionary", all["evolutionary"], all["random"]), 0.01);
#ifdef ALTRT_LEARNING_FILE
  open_learning_file(ALTRT_LEARNING_FILE);
  all["ppo"] = searches(space, {"ppo"});
  EXPECT_LT(compare("ppo", all["ppo"], all["random"]), 0.01);
#endif
  write_curves(all);
}

// A tuning of 300 trials has some 20 layouts.
TEST(Proposers, PpoBeatsRandomInFewTrialsByACostModel) {
  NEEDS_PLUGIN();
  const SyntheticSpace space;
  const std::vector<History> random = searches(space, {"random", 32});
  EXPECT_LT(compare("ppo with cost model", searches(space, {"ppo", 32, true}), random), 0.01);
}

TEST(Proposers, EvolutionBeatsRandomInFewTrialsByACostModel) {
  const SyntheticSpace space;
  const std::vector<History> random = searches(space, {"random", 48});
  EXPECT_LT(compare("evolutionary with cost model", searches(space, {"evolutionary", 48, true}), random), 0.01);
}

TEST(Ppo, WhatItLearnedOnOtherShapesHelps) {
  NEEDS_PLUGIN();
  std::string weights;
  for (const auto& [image, channels] : {std::pair<int64_t, int64_t>{28, 128}, {112, 32}, {14, 256}}) {
    const SyntheticSpace other(image, channels);
    search(other, 1, {"ppo", 80, false, weights}, 77, &weights);
  }
  const SyntheticSpace space;
  const std::vector<History> cold = searches(space, {"ppo", 16}), warm = searches(space, {"ppo", 16, false, weights});
  EXPECT_LT(compare("ppo, pre-trained, against untrained", warm, cold), 0.01);
}

TEST(Ppo, LoadsOnlyItsOwnBytes) {
  NEEDS_PLUGIN();
  const SyntheticSpace space;
  const auto ppo = make_proposer("ppo", space.knobs(), 1);
  const std::string good = ppo->save();
  EXPECT_FALSE(ppo->load(""));
  EXPECT_FALSE(ppo->load("altppo00" + good.substr(8)));
  EXPECT_FALSE(ppo->load(good.substr(0, good.size() - 1)));
  EXPECT_FALSE(ppo->load(good + "x"));
  std::string nan = good;
  for (int i = 0; i < 4; ++i) nan[nan.size() - 4 + static_cast<size_t>(i)] = '\xff';
  EXPECT_FALSE(ppo->load(nan));
  EXPECT_EQ(ppo->save(), good) << "refused bytes changed something";
  EXPECT_TRUE(ppo->load(good));
}

class EveryProposer : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "ppo") NEEDS_PLUGIN();
  }
};

TEST_P(EveryProposer, SameSeedSameProposals) {
  const SyntheticSpace space;
  const History once = search(space, 1, {GetParam(), 30, true}, 5), again = search(space, 1, {GetParam(), 30, true}, 5);
  EXPECT_EQ(once.points, again.points);
  EXPECT_NE(once.points, search(space, 1, {GetParam(), 30, true}, 6).points);
}

TEST_P(EveryProposer, TwoThreadsAtOnceProposeAsEachAlone) {
  const SyntheticSpace space;
  const Setting setting{GetParam(), 40, true};
  const History alone[2] = {search(space, 1, setting, 1), search(space, 1, setting, 2)};
  History together[2];
  std::thread threads[2];
  for (uint64_t i = 0; i < 2; ++i) threads[i] = std::thread([&, i] { together[i] = search(space, 1, setting, i + 1); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(alone[0].points, together[0].points);
  EXPECT_EQ(alone[1].points, together[1].points);
}

TEST_P(EveryProposer, ProposesEachPointOnceWhileThereAreEnough) {
  const std::vector<Knob> knobs{{"height", {1, 2, 4, 7}}, {"order", {0, 1}}, {"single", {3}}, {"o_t", {1, 8, 16, 64}}};
  const auto proposer = make_proposer(GetParam(), knobs, 9);
  std::set<Point> seen;
  proposer->report({0, 0, 0, 0}, 0.1);
  seen.insert({0, 0, 0, 0});
  for (int i = 0; i < 16; ++i) {
    const Point point = proposer->propose();
    ASSERT_EQ(point.size(), knobs.size());
    for (size_t k = 0; k < knobs.size(); ++k) {
      ASSERT_GE(point[k], 0);
      ASSERT_LT(static_cast<size_t>(point[k]), knobs[k].values.size());
    }
    EXPECT_TRUE(seen.insert(point).second) << "proposed again at " << i;
    proposer->report(point, -0.1 * i);
  }
  for (int i = 0; i < 40; ++i) proposer->report(proposer->propose(), 0);  // repeats by now, but goes on
}

TEST_P(EveryProposer, LearnsFromPointsOfOthers) {
  const SyntheticSpace space;
  const auto proposer = make_proposer(GetParam(), space.knobs(), 2);
  EXPECT_THROW(proposer->report({0}, 1), Error);
  EXPECT_THROW(proposer->report(Point(space.knobs().size(), 9), 1), Error);
  EXPECT_THROW(proposer->report(Point(space.knobs().size(), -1), 1), Error);
  EXPECT_THROW(proposer->report(Point(space.knobs().size(), 0), std::nan("")), Error);
  for (int i = 0; i < 20; ++i) proposer->report(Point(space.knobs().size(), i % 2), i % 2 ? 0.5 : kLowestReward);
  const auto wild = [](const std::vector<Point>& points) { return std::vector<double>(points.size(), 1e6); };
  proposer->learn_from_model(wild, 100);
  proposer->learn_from_model(wild, 0);
  EXPECT_EQ(proposer->propose().size(), space.knobs().size());
}

INSTANTIATE_TEST_SUITE_P(All, EveryProposer, testing::Values("random", "evolutionary", "ppo"));

TEST(Proposers, RefuseWhatIsNoSpace) {
  EXPECT_THROW(make_proposer("annealing", {{"a", {1, 2}}}, 1), Error);
  EXPECT_THROW(make_proposer("random", {}, 1), Error);
  EXPECT_THROW(make_proposer("evolutionary", {{"a", {}}}, 1), Error);
}

TEST(LayoutReward, DoesNotDependOnTheUnit) {
  EXPECT_NEAR(layout_reward(2, 1), std::log(2.0), 1e-12);
  EXPECT_DOUBLE_EQ(layout_reward(2, 1), layout_reward(2e3, 1e3));
  EXPECT_EQ(layout_reward(1, 0), kLowestReward);
  EXPECT_EQ(layout_reward(1, 1e9), kLowestReward);
  EXPECT_EQ(layout_reward(0, 1), kLowestReward);
  EXPECT_EQ(layout_reward(1, std::nan("")), kLowestReward);
}

TEST(RankStatistics, KnownValues) {
  EXPECT_DOUBLE_EQ(spearman({1, 2, 3, 4}, {10, 20, 30, 40}), 1);
  EXPECT_DOUBLE_EQ(spearman({1, 2, 3, 4}, {4, 3, 2, 1}), -1);
  EXPECT_NEAR(spearman({1, 2, 3, 4, 5}, {2, 1, 4, 3, 5}), 0.8, 1e-12);
  const std::vector<double> low{1, 2, 3, 4, 5, 6, 7, 8}, high{9, 10, 11, 12, 13, 14, 15, 16};
  EXPECT_NEAR(probability_of_lower(low, high), 4.7e-4, 1e-4);
  EXPECT_GT(probability_of_lower(high, low), 0.999);
  EXPECT_NEAR(probability_of_lower(low, low), 0.5, 0.05);
}

}  // namespace
}  // namespace altrt::tuner::learn
