// Tuned sessions: the same answers as untuned ones, within limits.
#include <altrt/altrt.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "../records/folder.h"
#include "../session/models.h"

namespace altrt {
namespace {

double difference(const Tensor& a, const Tensor& b) {
  double error = 0, size = 0;
  for (int64_t i = 0; i < element_count(a.shape()); ++i) {
    error += std::pow(a.as<float>()[i] - b.as<float>()[i], 2);
    size += std::pow(b.as<float>()[i], 2);
  }
  return std::sqrt(error / size);
}

SessionOptions tuned_options(int64_t trials) {
  SessionOptions options;
  options.cache.directory = "none";
  options.tuning.mode = TuningMode::load;
  options.tuning.max_trials = trials;
  return options;
}

TEST(TunedSession, AnswersAgree) {
  const Model model = conv_net();
  SessionOptions plain;
  plain.cache.directory = "none";
  const Session untuned(model, plain), tuned(model, tuned_options(40));
  EXPECT_EQ(untuned.info().trials, 0);
  EXPECT_EQ(tuned.info().trials, 40);
  EXPECT_GT(tuned.info().tune_ms, 0);
  const Tensor x = random_tensor({1, 3, 17, 17}, 4);
  const auto a = untuned.run({{"x", x.view()}}), b = tuned.run({{"x", x.view()}});
  EXPECT_LT(difference(b.at("y"), a.at("y")), 1e-5);
}

TEST(TunedSession, LeanKeepsWeightsSmall) {
  // So much work a byte that a tuning by speed alone takes Winograd, with four times the weights.
  GraphBuilder b("lean");
  b.input("x", DataType::f32, {1, 64, 32, 32});
  const auto w = b.constant("w", random_tensor({64, 64, 3, 3}, 1, 0.05f));
  b.output(b.op("Conv", {"x", w}, {{"pads", Ints{1, 1, 1, 1}}}, "y"));
  const Model model = b.build();
  const TestFolder folder;
  SessionOptions options = tuned_options(64);
  options.cache.directory = folder.path();
  const Session standard(model, options);
  options.memory = Memory::lean;
  const Session lean(model, options);
  EXPECT_EQ(lean.info().trials, 64) << "what was tuned without this option says nothing here";
  for (const KernelInfo& kernel : lean.info().plan) EXPECT_EQ(kernel.algorithm.rfind("winograd", 0), std::string::npos);
  const Tensor x = random_tensor({1, 64, 32, 32}, 4);
  EXPECT_LT(difference(lean.run({{"x", x.view()}}).at("y"), standard.run({{"x", x.view()}}).at("y")), 2e-5);
}

TEST(TunedSession, AnswersAgreeInEveryWayToSearch) {
  const Tensor x = random_tensor({1, 3, 17, 17}, 4);
  SessionOptions plain;
  plain.cache.directory = "none";
  const auto expected = Session(conv_net(), plain).run({{"x", x.view()}});
  for (const Search search : {Search::loops_only, Search::loops_packed, Search::propagate_only}) {
    for (const int64_t trials : {0, 24}) {
      SessionOptions options = tuned_options(trials);
      options.tuning.search = search;
      if (trials == 0) options.tuning.mode = TuningMode::off;
      const Session session(conv_net(), options);
      EXPECT_EQ(session.info().trials, trials);
      const auto answers = session.run({{"x", x.view()}});
      EXPECT_LT(difference(answers.at("y"), expected.at("y")), 1e-5) << static_cast<int>(search);
    }
  }
}

/// The workers that a process has started, whoever their parent is by now.
std::set<std::string> workers_of(pid_t host) {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline", std::ios::binary);
    const std::string line{std::istreambuf_iterator<char>(file), {}};
    const std::string wanted = std::string("altrt-worker") + '\0' + std::to_string(host) + '\0';
    if (line == wanted) found.insert(entry.path().filename());
  }
  return found;
}

// Tunes without end and tells how many trials it has made.
[[noreturn]] void tune_until_killed(const std::string& folder, int reports) {
  SessionOptions options = tuned_options(1'000'000);
  options.cache.directory = folder;
  options.tuning.progress = [&](const TuningProgress& progress) {
    return write(reports, &progress.trials, sizeof progress.trials) == sizeof progress.trials;
  };
  const Session session(conv_net(), options);
  _exit(1);
}

TEST(TunedSession, AKilledTuningLosesNoTrialAndLeavesNoWorker) {
  const TestFolder folder;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t host = fork();
  if (host == 0) tune_until_killed(folder.path(), ends[1]);
  close(ends[1]);
  int64_t trials = 0, reported = 0;
  while (trials < 40 && read(ends[0], &reported, sizeof reported) == sizeof reported) trials = reported;
  EXPECT_FALSE(workers_of(host).empty());
  kill(host, SIGKILL);
  ASSERT_EQ(waitpid(host, nullptr, 0), host);
  while (read(ends[0], &reported, sizeof reported) == sizeof reported) trials = reported;
  close(ends[0]);
  ASSERT_GE(trials, 40);
  for (int i = 0; i < 100 && !workers_of(host).empty(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(workers_of(host).empty());
  constexpr int64_t kMore = 30;
  SessionOptions options = tuned_options(trials + kMore);
  options.cache.directory = folder.path();
  const Session session(conv_net(), options);
  EXPECT_LE(session.info().trials, kMore) << "those that were reported are in the log";
  EXPECT_GT(session.info().trials, 0);
}

TEST(TunedSession, ProgressIsReported) {
  SessionOptions options = tuned_options(1000);
  int calls = 0;
  options.tuning.progress = [&](const TuningProgress& progress) {
    ++calls;
    EXPECT_GE(progress.task_index, 0);
    return calls < 3;
  };
  const Session session(attention_net(), options);
  EXPECT_EQ(calls, 3);
  EXPECT_LT(session.info().trials, 1000);
}

}  // namespace
}  // namespace altrt
