// XGBoost fails: its errors become one line in the log, and the search goes on without it. ALTRT_XGBOOST, set by CTest,
// names a library that fails in training, or none.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "runtime/base/log.h"
#include "tests/learn/plugin.h"
#include "tuner/cost/cost_model.h"

namespace altrt::tuner {
namespace {

TEST(BrokenXgboost, OneLineAndRidgeRegression) {
  NEEDS_PLUGIN();
  const char* const file = std::getenv("ALTRT_XGBOOST");
  if (!file) GTEST_SKIP() << "run by CTest, with ALTRT_XGBOOST set";
  const bool absent = std::string(file).find("/nowhere/") == 0;
  std::vector<std::string> lines;
  const base::LogScope scope([&](base::LogLevel, std::string_view line) { lines.emplace_back(line); },
                             base::LogLevel::info);
  const auto model = make_cost_model(1);
  EXPECT_EQ(model->name(), absent ? "ridge" : "xgboost");
  model->add({1, {1, 2, 3, 4}}, {1, 2, 3, 4}, 1);
  model->fit();
  EXPECT_EQ(model->name(), "ridge");
  const std::vector<double> predicted = model->predict({1, {1, 4}});
  EXPECT_LT(predicted[0], predicted[1]);
  ASSERT_EQ(lines.size(), 1u);
  if (absent) {
    EXPECT_NE(lines[0].find(file), std::string::npos) << lines[0];
  } else {
    EXPECT_EQ(lines[0], "cost model 'xgboost' is off: XGBoost: out of luck; used instead: ridge");
  }
  EXPECT_EQ(make_proposer("ppo", {{"height", {1, 2, 4}}}, 1)->name(), "ppo");  // needs no XGBoost
}

}  // namespace
}  // namespace altrt::tuner
