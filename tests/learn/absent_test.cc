// Without the plug-in everything else works, and one line says so. With it beside the program, it is found.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <altrt/error.h>

#include "runtime/base/dynlib.h"
#include "runtime/base/log.h"
#include "tests/learn/plugin.h"
#include "tuner/cost/cost_model.h"
#include "tuner/search/proposer.h"

namespace altrt::tuner {
namespace {

namespace fs = std::filesystem;

const std::vector<Knob> kKnobs{{"height", {1, 2, 4}}, {"width", {1, 2, 4}}};

TEST(Absent, OneLineAndTheFallbacks) {
  ASSERT_FALSE(fs::exists(fs::path(base::library_folder()) / kLearningFile)) << "a plug-in lies beside this program";
  std::vector<std::string> lines;
  const base::LogScope scope([&](base::LogLevel, std::string_view line) { lines.emplace_back(line); },
                             base::LogLevel::info);
  EXPECT_EQ(make_proposer("ppo", kKnobs, 1)->name(), "evolutionary");
  EXPECT_EQ(make_cost_model(1)->name(), "ridge");
  EXPECT_EQ(open_learning(), nullptr);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("libaltrt_tuner.so"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("used instead: ridge regression and evolution"), std::string::npos) << lines[0];

  const auto model = make_cost_model(1);
  model->add({1, {1, 2, 3, 4}}, {1, 2, 3, 4}, 1);
  model->fit();
  const std::vector<double> predicted = model->predict({1, {1, 4}});
  EXPECT_LT(predicted[0], predicted[1]);
  EXPECT_EQ(make_proposer("ppo", kKnobs, 1)->propose().size(), 2u);
}

TEST(Absent, AFileThatIsNoLibrary) {
  const fs::path file = fs::path(testing::TempDir()) / "no_library.so";
  std::ofstream(file) << "not ELF";
  EXPECT_THROW(open_learning_file(file.string()), Error);
  fs::remove(file);
}

// Run by the test below in a folder that holds this program and the plug-in.
TEST(Beside, DISABLED_IsFound) {
  EXPECT_EQ(make_proposer("ppo", kKnobs, 1)->name(), "ppo");
  EXPECT_EQ(make_cost_model(1)->name(), "xgboost");
}

TEST(Beside, IsFoundByAProgramInItsFolder) {
#ifdef ALTRT_LEARNING_FILE
  const fs::path folder = fs::path(testing::TempDir()) / "altrt_learn_beside";
  fs::remove_all(folder);
  fs::create_directory(folder);
  fs::copy_file("/proc/self/exe", folder / "program");
  fs::copy_file(ALTRT_LEARNING_FILE, folder / kLearningFile);
  const std::string command = (folder / "program").string() +
                              " --gtest_brief=1 --gtest_also_run_disabled_tests --gtest_filter=Beside.DISABLED_IsFound";
  unsetenv("GTEST_TOTAL_SHARDS");
  EXPECT_EQ(std::system(command.c_str()), 0);
  fs::remove_all(folder);
#else
  GTEST_SKIP() << "the tuner's plug-in is not built";
#endif
}

}  // namespace
}  // namespace altrt::tuner
