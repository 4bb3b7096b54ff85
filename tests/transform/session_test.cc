// Hand-made decisions and operators of the user's own under tuning and with a cache.
#include <filesystem>

#include "tests/transform/operators.h"

namespace altrt {
namespace {

using testing::expect_near;
using testing::expect_says;
using testing::gated_model;
using testing::kImage;
using testing::noise;
using testing::plain_options;
using testing::refusal;

/// A cache folder of this test's own.
class HandMade : public ::testing::Test {
 protected:
  HandMade() : image_(noise(kImage, 5)), model_(two_groups()) {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ("altrt_transform_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder_);
    expected_ = std::move(evaluate_reference(model_, {{"x", image_.view()}}, plain_options().operators).at("y"));
  }
  ~HandMade() override { std::filesystem::remove_all(folder_); }

  /// gate (GatedBox+Relu), then mix (Conv).
  static Model two_groups() {
    GraphBuilder b("two groups");
    b.input("x", DataType::f32, kImage);
    b.constant("bias", noise({kImage[1]}, 7));
    b.constant("w", noise({8, kImage[1], 3, 3}, 8));
    b.op("example::GatedBox", {"x", "bias"}, {{"radius", 1}}, "gate");
    b.op("Relu", {"gate"}, {}, "positive");
    b.output(b.op("Conv", {"positive", "w"}, {}, "y"));
    return b.build({testing::gated_box()});
  }

  static GroupDecision decision() {
    GroupDecision d;
    d.layouts["y0"].split(1, {0, 8}).reorder({0, 1, 3, 4, 2});
    return d;
  }

  SessionOptions options() const {
    SessionOptions o = plain_options();
    o.decisions["gate"] = decision();
    return o;
  }

  /// Of gate.
  std::string last_stage() const { return inspect_groups(model_, plain_options())[0].computation.stages.back().name; }

  void check(const Session& session) const { expect_near(session.run({{"x", image_.view()}}).at("y"), expected_); }

  std::filesystem::path folder_;
  Tensor image_;
  Model model_;
  Tensor expected_;
};

TEST_F(HandMade, replacesTheDefaultAndIsSeen) {
  const std::vector<GroupInfo> before = inspect_groups(model_, plain_options());
  const std::vector<GroupInfo> after = inspect_groups(model_, options());
  ASSERT_EQ(before.size(), 2u);
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[0].name, "gate");
  EXPECT_EQ(after[0].op, "GatedBox+Relu");
  EXPECT_FALSE(before[0].decision == decision());
  EXPECT_EQ(after[0].decision, decision());
  EXPECT_EQ(after[1].decision, before[1].decision);

  const Session session(model_, options());
  check(session);
  EXPECT_NE(session.inspect("nests").find(nests(after[0].computation, decision())), std::string::npos);
  EXPECT_EQ(session.inspect("nests"), inspect(model_, options(), "nests"));
  EXPECT_NE(session.inspect("nests"), inspect(model_, plain_options(), "nests"));
  EXPECT_EQ(session.info().plan[0].layout, to_string(decision().layouts.at("y0")));
}

TEST_F(HandMade, chunksOfAReductionLieInThePlan) {
  SessionOptions o = plain_options();
  o.decisions["gate"].schedule[last_stage()].split_reduction("kh", 3);
  o.cache.directory = folder_;
  for (const bool again : {false, true}) {
    const Session session(model_, o);
    EXPECT_EQ(session.info().from_bundle, again);
    check(session);
  }
}

TEST_F(HandMade, illegalOnesAreRefusedWithGroupStepAndReason) {
  SessionOptions o = options();
  o.decisions["gate"].schedule[last_stage()].vectorize("depth");
  const auto message = [&] { return refusal([&] { Session session(model_, o); }); };
  expect_says(message(), {"option decisions", "'gate' (GatedBox+Relu)", "vectorize(depth)"});
  EXPECT_EQ(refusal([&] { inspect(model_, o, "nests"); }), message());
  o = options();
  o.decisions["gate"].layouts["x0"].split(1, {0, 5});
  expect_says(message(), {"'gate'", "split(1, 0x5)", "16"});
  o = options();
  o.decisions["gate"].layouts["t9"].fuse(0, 2);
  expect_says(message(), {"'gate'", "t9"});
  o = options();
  o.decisions["gate"].algorithm = "winograd2";
  expect_says(message(), {"'gate'", "winograd2", "direct"});
  o = options();
  o.decisions["gate"].provider = "onednn";
  expect_says(message(), {"'gate'", "onednn", "providers"});
  o = options();
  o.decisions["gates"] = decision();
  expect_says(message(), {"'gates'", "'gate'", "'y'"});
  o = plain_options();
  o.numerics = Numerics::strict;
  o.decisions["y"].algorithm = "winograd2";
  expect_says(message(), {"'y'", "winograd2", "strict"});
}

TEST_F(HandMade, tooMuchCodeIsRefusedRatherThanReplaced) {
  SessionOptions o = plain_options();
  StageSchedule& stage = o.decisions["gate"].schedule[last_stage()];
  stage.unroll("c").unroll("h").unroll("w").unroll("kh");
  expect_says(refusal([&] { Session session(model_, o); }, ErrorCode::unsupported), {"option decisions", "'gate'"});
}

TEST_F(HandMade, cacheTellsSessionsWithAndWithoutApart) {
  SessionOptions with = options(), without = plain_options(), other = options();
  other.decisions["gate"].layouts["y0"].steps.clear();
  with.cache.directory = without.cache.directory = other.cache.directory = folder_;
  for (const bool again : {false, true}) {
    for (const SessionOptions* o : {&with, &without, &other}) {
      const Session session(model_, *o);
      EXPECT_EQ(session.info().from_bundle, again);
      check(session);
      EXPECT_EQ(session.inspect("nests"), inspect(model_, *o, "nests"));
    }
  }
}

TEST_F(HandMade, cacheKnowsWhatOperatorsCompute) {
  const Model model = gated_model();
  SessionOptions o = plain_options();
  o.cache.directory = folder_;
  for (const bool again : {false, true}) EXPECT_EQ(Session(model, o).info().from_bundle, again);
  CustomOperator other = testing::gated_box();
  other.define = [](const NodeInfo&, ComputationBuilder& b) {
    const std::vector<Axis> axes = b.axes(b.shape(b.input(0)));
    b.map(b.output(), axes, b.at(b.input(0), variables(axes)) + constant(DataType::f32, 1));
  };
  o.operators = {other};
  for (const bool again : {false, true}) {
    const Session session(model, o);
    EXPECT_EQ(session.info().from_bundle, again);
    expect_near(session.run({{"x", image_.view()}}).at("y"),
                evaluate_reference(model, {{"x", image_.view()}}, o.operators).at("y"));
  }
}

TEST_F(HandMade, tuningLeavesItAloneAndTunesTheRest) {
  SessionOptions o = options();
  o.cache.directory = folder_;
  o.tuning.mode = TuningMode::load;
  o.tuning.max_trials = 12;
  const Session first(model_, o);
  EXPECT_GT(first.info().trials, 0);
  check(first);
  const auto shown = [&](const Session& session) {
    return session.inspect("nests").find(nests(inspect_groups(model_, o)[0].computation, decision()));
  };
  EXPECT_NE(shown(first), std::string::npos);
  for (const KernelInfo& kernel : first.info().plan) {
    if (kernel.name == "gate") {
      EXPECT_EQ(kernel.tuned_ms, 0);
    }
  }
  const Session second(model_, o);
  EXPECT_EQ(second.info().trials, 0);
  EXPECT_TRUE(second.info().from_bundle);
  EXPECT_NE(shown(second), std::string::npos);
  check(second);
  o.cache.objects = false;  // records alone
  const Session third(model_, o);
  EXPECT_EQ(third.info().trials, 0);
  EXPECT_NE(shown(third), std::string::npos);
  check(third);
}

TEST_F(HandMade, operatorsOfTheUsersOwnAreTuned) {
  const Model model = gated_model();
  SessionOptions o = plain_options();
  o.cache.directory = folder_;
  o.tuning.mode = TuningMode::load;
  o.tuning.max_trials = 10;
  const Tensor expected = std::move(evaluate_reference(model, {{"x", image_.view()}}, o.operators).at("y"));
  const Session first(model, o);
  EXPECT_GT(first.info().trials, 0);
  expect_near(first.run({{"x", image_.view()}}).at("y"), expected);
  const Session second(model, o);
  EXPECT_EQ(second.info().trials, 0);
  EXPECT_TRUE(second.info().from_bundle);
  expect_near(second.run({{"x", image_.view()}}).at("y"), expected);
}

TEST_F(HandMade, scriptsAreReplayed) {
  SessionOptions o = plain_options();
  o.decisions["gate"] = parse_decision(to_string(decision()));
  const Session session(model_, o);
  EXPECT_EQ(session.inspect("nests"), inspect(model_, options(), "nests"));
  check(session);
}

}  // namespace
}  // namespace altrt
