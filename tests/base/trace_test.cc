#include "runtime/base/trace.h"

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace altrt::base {
namespace {

nlohmann::json written() {
  const std::string path = testing::TempDir() + "altrt_trace.json";
  trace_write(path);
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

TEST(Trace, WritesScopesOfAllThreads) {
  trace_start();
  {
    TraceScope outer("outer");
    TraceScope inner("inner");
    std::thread([] { TraceScope scope("elsewhere"); }).join();
  }
  const nlohmann::json events = written();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["name"], "elsewhere");
  EXPECT_EQ(events[1]["name"], "inner");
  EXPECT_EQ(events[2]["name"], "outer");
  EXPECT_NE(events[0]["tid"], events[1]["tid"]);
  EXPECT_LE(events[2]["ts"].get<double>(), events[1]["ts"].get<double>());
  EXPECT_GE(events[2]["dur"].get<double>(), events[1]["dur"].get<double>());
}

TEST(Trace, CollectsNothingWhenOff) {
  written();
  EXPECT_FALSE(trace_enabled());
  { TraceScope scope("off"); }
  EXPECT_EQ(written().size(), 0u);
}

TEST(Trace, UnwritablePathIsAnIoError) {
  try {
    trace_write("/nowhere/trace.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::io);
  }
}

TEST(Stopwatch, CountsForward) {
  Stopwatch watch;
  const double before = watch.seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_GE(watch.seconds(), before + 0.002);
  EXPECT_GE(watch.milliseconds(), 2.0);
}

}  // namespace
}  // namespace altrt::base
