// Cost models on data with known answers.
#include "tuner/cost/cost_model.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <altrt/error.h>

#include "runtime/base/log.h"
#include "tests/learn/plugin.h"
#include "tests/learn/statistics.h"
#include "tests/learn/synthetic.h"
#include "tests/session/process_state.h"
#include "tuner/cost/ridge.h"

namespace altrt::tuner::learn {
namespace {

struct Data {
  FeatureRows rows;
  std::vector<double> scores;  // logarithms of throughputs

  std::vector<double> throughputs() const {
    std::vector<double> all;
    for (const double score : scores) all.push_back(std::exp(score));
    return all;
  }
};

// Thresholds and interactions of a few of the features, as a tree can say them; the rest says nothing.
Data tree_data(size_t count, double noise, uint64_t seed, size_t width = 40) {
  Dice dice(seed);
  Data data;
  data.rows.width = width;
  for (size_t i = 0; i < count; ++i) {
    std::vector<float> row;
    for (size_t k = 0; k < width; ++k) row.push_back(static_cast<float>(dice.below(10)));
    double score = row[0] > 4 ? (row[1] < 6 ? 0.7 : -0.3) : 0;
    score += row[2] > 5 ? (row[3] > 3 ? 0.5 : 0) : (row[4] > 7 ? -0.6 : 0.2);
    score += row[6] > 2 && row[7] < 8 ? 0.4 : 0;
    data.scores.push_back(score - 0.05 * std::abs(row[5] - 4) + noise * dice.normal());
    data.rows.values.insert(data.rows.values.end(), row.begin(), row.end());
  }
  return data;
}

// Random points of the synthetic search space.
Data space_data(size_t count, uint64_t seed) {
  const SyntheticSpace space;
  Dice dice(seed);
  Data data;
  for (size_t i = 0; i < count; ++i) {
    const Point point = dice.point(space.knobs());
    space.add_features(point, data.rows);
    data.scores.push_back(-std::log(space.measured_ms(point, dice)));
  }
  return data;
}

// The mean of the nearest rows, features standardised: what ridge regression was preferred to.
std::vector<double> nearest_neighbours(const Data& known, const FeatureRows& rows) {
  const size_t width = rows.width;
  std::vector<double> scale(width, 0), centre(width, 0);
  for (size_t i = 0; i < known.rows.values.size(); ++i) centre[i % width] += known.rows.values[i] / known.rows.count();
  for (size_t i = 0; i < known.rows.values.size(); ++i) {
    scale[i % width] += std::pow(known.rows.values[i] - centre[i % width], 2) / known.rows.count();
  }
  std::vector<double> predicted;
  for (size_t r = 0; r < rows.count(); ++r) {
    std::vector<std::pair<double, double>> near;
    for (size_t i = 0; i < known.rows.count(); ++i) {
      double distance = 0;
      for (size_t k = 0; k < width; ++k) {
        distance += std::pow(rows.values[r * width + k] - known.rows.values[i * width + k], 2) / (scale[k] + 1e-9);
      }
      near.emplace_back(distance, known.scores[i]);
    }
    std::partial_sort(near.begin(), near.begin() + 8, near.end());
    double sum = 0;
    for (int i = 0; i < 8; ++i) sum += near[static_cast<size_t>(i)].second;
    predicted.push_back(sum / 8);
  }
  return predicted;
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

TEST(BoostedTrees, RankHeldOutRowsOfTreeLikeData) {
  NEEDS_PLUGIN();
  const Data train = tree_data(300, 0.05, 1), held_out = tree_data(1000, 0, 2);
  const auto model = make_cost_model(1);
  ASSERT_EQ(model->name(), "xgboost");
  model->add(train.rows, train.throughputs(), 1);
  double fit_ms = 1e9, predict_ms = 1e9;
  std::vector<double> predicted;
  for (int round = 0; round < 5; ++round) {
    if (round > 0)
      model->add({40, std::vector<float>(train.rows.values.begin(), train.rows.values.begin() + 40)}, {1}, 1);
    auto start = std::chrono::steady_clock::now();
    model->fit();
    fit_ms = std::min(fit_ms, milliseconds_since(start));
    if (round == 0) {
      predicted = model->predict(held_out.rows);
      EXPECT_GE(spearman(predicted, held_out.scores), 0.9);
    }
    start = std::chrono::steady_clock::now();
    model->predict(held_out.rows);
    predict_ms = std::min(predict_ms, milliseconds_since(start));
  }
  std::printf("boosted trees: rank correlation %.3f; fit of 300 x 40 %.1f ms, prediction of 1000 rows %.2f ms\n",
              spearman(predicted, held_out.scores), fit_ms, predict_ms);
}

TEST(BoostedTrees, RankThePointsOfASpace) {
  NEEDS_PLUGIN();
  const Data train = space_data(200, 1), held_out = space_data(1000, 2);
  const auto model = make_cost_model(1);
  model->add(train.rows, train.throughputs(), 1);
  model->fit();
  EXPECT_GE(spearman(model->predict(held_out.rows), held_out.scores), 0.9);
}

TEST(Ridge, RanksBetterThanNearestNeighbours) {
  const auto compare = [](const char* name, const Data& train, const Data& held_out, double at_least) {
    Ridge ridge;
    const auto start = std::chrono::steady_clock::now();
    ridge.fit(train.rows, {train.scores.begin(), train.scores.end()});
    const std::vector<double> predicted = ridge.predict(held_out.rows);
    const double ms = milliseconds_since(start);
    const double ranks = spearman(predicted, held_out.scores);
    const double nearest = spearman(nearest_neighbours(train, held_out.rows), held_out.scores);
    std::printf("%s, %zu rows: ridge %.3f, nearest neighbours %.3f; ridge took %.1f ms\n", name, train.rows.count(),
                ranks, nearest, ms);
    EXPECT_GT(ranks, nearest);
    EXPECT_GT(ranks, at_least);
  };
  compare("trees", tree_data(300, 0.05, 1), tree_data(500, 0, 2), 0.5);
  compare("space", space_data(100, 1), space_data(500, 2), 0.75);
  compare("space", space_data(300, 3), space_data(500, 4), 0.75);
}

class EveryModel : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "xgboost") NEEDS_PLUGIN();
  }
  static std::unique_ptr<CostModel> make(uint64_t seed = 1) {
    if (GetParam() == "xgboost") return make_cost_model(seed);
    return std::make_unique<CostModel>(std::make_unique<Ridge>(), nullptr);
  }
};

TEST_P(EveryModel, IsTheSameForASeed) {
  const Data train = tree_data(120, 0.1, 5), held_out = tree_data(60, 0, 6);
  std::vector<double> predicted[2];
  for (std::vector<double>& each : predicted) {
    const auto model = make();
    for (size_t half = 0; half < 2; ++half) {  // with a fit in between
      const auto first = train.rows.values.begin() + static_cast<std::ptrdiff_t>(half * 60 * 40);
      const std::vector<double> throughputs = train.throughputs();
      const auto score = throughputs.begin() + static_cast<std::ptrdiff_t>(half * 60);
      model->add({40, {first, first + 60 * 40}}, {score, score + 60}, 1);
      model->fit();
    }
    each = model->predict(held_out.rows);
  }
  EXPECT_EQ(predicted[0], predicted[1]);
}

TEST_P(EveryModel, HasNothingToSayOfFewRows) {
  const auto model = make();
  EXPECT_EQ(model->name(), GetParam());
  model->fit();
  const FeatureRows rows{3, {1, 2, 3, 4, 5, 6}};
  EXPECT_EQ(model->predict(rows), std::vector<double>(2, 0.0));
  EXPECT_TRUE(model->predict({}).empty());
  model->add({3, {1, 2, 3}}, {10}, 1);
  model->fit();
  EXPECT_FALSE(model->ready());
  EXPECT_EQ(model->predict(rows), std::vector<double>(2, 0.0));
  model->add({3, {4, 5, 6}}, {20}, 1);
  model->fit();
  EXPECT_TRUE(model->ready());
  const std::vector<double> two = model->predict(rows);
  EXPECT_TRUE(std::isfinite(two[0]) && std::isfinite(two[1]));
  EXPECT_LE(two[0], two[1]);
}

TEST_P(EveryModel, ConstantLabelsAndConstantFeatures) {
  const auto model = make();
  model->add({2, {1, 7, 2, 7, 3, 7, 4, 7}}, {5, 5, 5, 5}, 1);
  model->fit();
  EXPECT_TRUE(model->ready());
  for (const double value : model->predict({2, {1, 7, 9, 9, -1e30f, 1e30f}})) EXPECT_NEAR(value, 0, 1e-6);
}

TEST_P(EveryModel, RefusesWhatIsNoData) {
  const auto model = make();
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const auto refused = [&](const FeatureRows& rows, const std::vector<double>& throughputs) {
    try {
      model->add(rows, throughputs, 1);
    } catch (const Error& error) {
      return error.code() == ErrorCode::invalid_argument;
    }
    return false;
  };
  EXPECT_TRUE(refused({2, {1, 2}}, {double(nan)}));
  EXPECT_TRUE(refused({2, {1, 2}}, {double(inf)}));
  EXPECT_TRUE(refused({2, {1, 2}}, {0}));
  EXPECT_TRUE(refused({2, {1, 2}}, {-1}));
  EXPECT_TRUE(refused({2, {1, nan}}, {1}));
  EXPECT_TRUE(refused({2, {1, inf}}, {1}));
  EXPECT_TRUE(refused({2, {1, 2, 3}}, {1}));
  EXPECT_TRUE(refused({2, {1, 2}}, {1, 2}));
  EXPECT_TRUE(refused({0, {}}, {1}));
  EXPECT_EQ(model->rows(), 0u);
  model->add({2, {1, 2, 3, 4}}, {1, 2}, 1);
  EXPECT_TRUE(refused({3, {1, 2, 3}}, {1}));
  model->fit();
  EXPECT_THROW(model->predict({3, {1, 2, 3}}), Error);
  EXPECT_THROW(model->predict({2, {1, nan}}), Error);
  EXPECT_EQ(model->rows(), 2u);
}

// One task runs a thousand times as long as the other: only the order within each counts.
TEST_P(EveryModel, ComparesWithinATask) {
  const auto model = make();
  for (const uint64_t task : {1, 2}) {
    FeatureRows rows{2, {}};
    std::vector<double> throughputs;
    for (int i = 0; i < 30; ++i) {
      rows.values.insert(rows.values.end(), {static_cast<float>(task), static_cast<float>(i)});
      throughputs.push_back((task == 1 ? 1 : 1000) * (1 + i));
    }
    model->add(rows, throughputs, task);
  }
  model->fit();
  const std::vector<double> predicted = model->predict({2, {1, 2, 1, 28, 2, 2, 2, 28}});
  EXPECT_LT(predicted[0], predicted[1] - 0.5);
  EXPECT_LT(predicted[2], predicted[3] - 0.5);
  EXPECT_NEAR(predicted[1], predicted[3], 0.3);
}

TEST_P(EveryModel, ForgetsTheOldest) {
  const auto model = make();
  const Data data = tree_data(1000, 0, 3, 4);
  for (int i = 0; i < 5; ++i) model->add(data.rows, data.throughputs(), 1);
  EXPECT_EQ(model->rows(), CostModel::kMostRows);
  model->fit();
  EXPECT_TRUE(model->ready());
}

INSTANTIATE_TEST_SUITE_P(All, EveryModel, testing::Values("ridge", "xgboost"));

// A regressor that fails when told to.
class Failing : public Regressor {
 public:
  explicit Failing(int good_calls) : left_(good_calls) {}
  std::string name() const override { return "failing"; }
  void fit(const FeatureRows&, const std::vector<float>&) override { count(); }
  std::vector<double> predict(const FeatureRows& rows) const override {
    count();
    return std::vector<double>(rows.count(), 42);
  }

 private:
  void count() const {
    if (left_-- <= 0) throw Error(ErrorCode::internal, "broken on purpose");
  }
  mutable int left_;
};

TEST(CostModel, GoesOnWithTheFallbackAfterAnError) {
  for (const int good_calls : {0, 1, 2}) {
    std::vector<std::string> lines;
    const base::LogScope scope([&](base::LogLevel, std::string_view line) { lines.emplace_back(line); },
                               base::LogLevel::info);
    CostModel model(std::make_unique<Failing>(good_calls), std::make_unique<Ridge>());
    model.add({1, {1, 2, 3, 4}}, {1, 2, 4, 8}, 1);
    model.fit();
    std::vector<double> predicted = model.predict({1, {1, 4}});
    if (good_calls == 2) {
      EXPECT_EQ(predicted[0], 42);
      predicted = model.predict({1, {1, 4}});
    }
    EXPECT_LT(predicted[0], predicted[1]);
    EXPECT_EQ(model.name(), "ridge");
    ASSERT_EQ(lines.size(), 1u) << good_calls;
    EXPECT_EQ(lines[0], "cost model 'failing' is off: broken on purpose; used instead: ridge");
  }
  CostModel off(std::make_unique<Failing>(0), nullptr);
  off.add({1, {1, 2}}, {1, 2}, 1);
  off.fit();
  EXPECT_FALSE(off.ready());
  EXPECT_EQ(off.name(), "none");
  EXPECT_EQ(off.predict({1, {1, 2}}), std::vector<double>(2, 0.0));
}

size_t threads_now() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) count += entry.exists();
  return count;
}

double resident_mb() {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  long total = 0, resident = 0;
  const int read = std::fscanf(file, "%ld %ld", &total, &resident);
  std::fclose(file);
  return read == 2 ? static_cast<double>(resident) * 4096 / 1e6 : 0;
}

TEST(BoostedTrees, ThousandFitsLeaveThreadsAndMemoryFlat) {
  NEEDS_PLUGIN();
  const Data data = tree_data(60, 0.1, 4, 8);
  const auto fit = [&](int times) {
    for (int i = 0; i < times; ++i) {
      const auto model = make_cost_model(static_cast<uint64_t>(i));
      model->add(data.rows, data.throughputs(), 1);
      model->fit();
      model->predict(data.rows);
      EXPECT_EQ(model->name(), "xgboost");
    }
  };
  const size_t threads = threads_now();
  fit(200);
  const double before = resident_mb();
  fit(1000);
  EXPECT_LT(resident_mb() - before, 1.5);
  EXPECT_EQ(threads_now(), threads);
}

TEST(BoostedTrees, LeaveTheProcessAsItWasAndSayNothing) {
  NEEDS_PLUGIN();
  const Data data = tree_data(200, 0.1, 4);
  const auto predict = [&] {
    const auto model = make_cost_model(3);
    model->add(data.rows, data.throughputs(), 1);
    model->fit();
    return model->predict(data.rows);
  };
  CapturedOutput output;
  const std::vector<double> usual = predict();
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | 0x8040);  // denormals are zeros, as some hosts have it
#endif
  std::fesetround(FE_UPWARD);
  const ProcessState before;
  const std::vector<double> unusual = predict();
  const std::string difference = ProcessState().difference_from(before);
  std::fesetround(FE_TONEAREST);
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() & ~0x8040u);
#endif
  EXPECT_EQ(output.stop(), 0);
  EXPECT_EQ(difference, "");
  // Labels are made by the host's rounding, trees are not.
  ASSERT_EQ(usual.size(), unusual.size());
  for (size_t i = 0; i < usual.size(); ++i) EXPECT_NEAR(usual[i], unusual[i], 1e-3);
}

}  // namespace
}  // namespace altrt::tuner::learn
