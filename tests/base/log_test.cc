#include "runtime/base/log.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/env.h"

namespace altrt::base {
namespace {

class Log : public testing::Test {
 protected:
  void listen(LogLevel threshold) {
    set_log_sink([this](LogLevel level,
                        std::string_view text) { lines_.push_back(to_string(level) + (": " + std::string(text))); },
                 threshold);
  }
  void TearDown() override { set_log_sink(nullptr, LogLevel::off); }

  std::vector<std::string> lines_;
};

TEST_F(Log, SinkGetsThresholdAndAbove) {
  listen(LogLevel::warning);
  EXPECT_FALSE(log_enabled(LogLevel::info));
  EXPECT_TRUE(log_enabled(LogLevel::error));
  log(LogLevel::debug, "a");
  log(LogLevel::warning, "b");
  log(LogLevel::error, "c");
  EXPECT_EQ(lines_, (std::vector<std::string>{"warning: b", "error: c"}));
}

TEST_F(Log, SilentWithoutSink) {
  set_log_sink(nullptr, LogLevel::debug);
  EXPECT_FALSE(log_enabled(LogLevel::error));
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  log(LogLevel::error, "nobody listens");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(Log, LinesOfSeveralThreadsAreWhole) {
  listen(LogLevel::info);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int k = 0; k < 100; ++k) log(LogLevel::info, "line");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lines_, std::vector<std::string>(400, "info: line"));
}

TEST_F(Log, ScopeHearsItsThreadOnly) {
  listen(LogLevel::error);
  std::vector<std::string> heard, inner_heard;
  {
    LogScope scope([&](LogLevel, std::string_view text) { heard.emplace_back(text); }, LogLevel::info);
    EXPECT_TRUE(log_enabled(LogLevel::info));
    log(LogLevel::info, "mine");
    log(LogLevel::debug, "below the threshold");
    log(LogLevel::error, "both");
    std::thread([] { log(LogLevel::info, "of another thread"); }).join();
    {
      LogScope inner([&](LogLevel, std::string_view text) { inner_heard.emplace_back(text); }, LogLevel::info);
      log(LogLevel::info, "inner");
    }
    LogScope deaf(nullptr, LogLevel::debug);
    log(LogLevel::warning, "unheard");
  }
  EXPECT_FALSE(log_enabled(LogLevel::info));
  log(LogLevel::info, "late");
  EXPECT_EQ(heard, (std::vector<std::string>{"mine", "both"}));
  EXPECT_EQ(inner_heard, (std::vector<std::string>{"inner"}));
  EXPECT_EQ(lines_, (std::vector<std::string>{"error: both"}));
}

TEST_F(Log, EnvironmentIntegersAreCheckedStrictly) {
  listen(LogLevel::warning);
  const char* name = "ALTRT_TEST_INTEGER";
  unsetenv(name);
  EXPECT_EQ(env_int(name, 5, 0, 9), 5);
  setenv(name, "7", 1);
  EXPECT_EQ(env_int(name, 5, 0, 9), 7);
  EXPECT_TRUE(lines_.empty());
  for (const char* nonsense : {"10", "-1", "7x", "x", " 7"}) {
    setenv(name, nonsense, 1);
    EXPECT_EQ(env_int(name, 5, 0, 9), 5) << nonsense;
  }
  EXPECT_EQ(lines_.size(), 5u);
  setenv(name, "", 1);
  EXPECT_EQ(env(name), std::nullopt);
  unsetenv(name);
}

}  // namespace
}  // namespace altrt::base
