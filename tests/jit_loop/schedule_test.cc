#include <gtest/gtest.h>

#include <altrt/error.h>

#include "jit/loop/schedule.h"

namespace altrt::jit {
namespace {

Schedule example() {
  Schedule schedule;
  schedule["conv"]
      .split("w", 6, Tail::balance)
      .fuse({"n", "h"})
      .reorder({"o.0", "w.0"})
      .vectorize("o.1")
      .unroll("w.1")
      .parallel("o.0")
      .skip("kh");
  schedule["conv"].cache_read("x", "w.0").split_reduction("i", 4);
  schedule["relu"].inline_stage();
  schedule["a.b(c)"].compute_at("conv", "h").hold_at("conv", "n*h");
  return schedule;
}

TEST(Schedule, PrintsAsAScriptThatParsesBack) {
  const Schedule schedule = example();
  EXPECT_EQ(to_string(schedule),
            "a.b(c).compute_at(conv, h)\n"
            "a.b(c).hold_at(conv, n*h)\n"
            "conv.split(w, 6, balance)\n"
            "conv.fuse(n, h)\n"
            "conv.reorder(o.0, w.0)\n"
            "conv.vectorize(o.1)\n"
            "conv.unroll(w.1)\n"
            "conv.parallel(o.0)\n"
            "conv.skip(kh)\n"
            "conv.cache_read(x, w.0)\n"
            "conv.split_reduction(i, 4)\n"
            "relu.inline_stage()\n");
  EXPECT_EQ(parse_schedule(to_string(schedule)), schedule);
  EXPECT_EQ(hash(parse_schedule(to_string(schedule))), hash(schedule));
}

TEST(Schedule, HashSeesEveryField) {
  const Schedule schedule = example();
  for (size_t i = 0; i < schedule.stages.at("conv").steps.size(); ++i) {
    Schedule changed = schedule;
    LoopStep& step = changed["conv"].steps[i];
    step.factor += 1;
    EXPECT_NE(hash(changed), hash(schedule));
    changed = schedule;
    changed["conv"].steps[i].loop += "x";
    EXPECT_NE(hash(changed), hash(schedule));
  }
  Schedule changed = schedule;
  changed["conv"].steps[0].tail = Tail::mask;
  EXPECT_NE(hash(changed), hash(schedule));
}

TEST(Schedule, RefusesNonsenseWithTheLine) {
  for (const char* line :
       {"conv", "conv.split(w)", "conv.split(w, x)", "conv.split(w, 3, none)", "conv.jump(w)", "conv.unroll(w",
        ".unroll(w)", "conv.inline_stage(w)", "conv.split(w, -3)", "conv.split(w, 99999999999999999999)"}) {
    try {
      parse_schedule(std::string("# comment\n\n") + line);
      ADD_FAILURE() << line;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
      EXPECT_NE(std::string(e.what()).find(line), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace altrt::jit
