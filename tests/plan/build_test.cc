// What build_plan makes of small graphs: conversions, aliases, paddings, constants.
#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "runtime/plan/builder.h"
#include "tests/plan/hand_made.h"

namespace altrt::plan {
namespace {

class PlanBuild : public ::testing::Test {
 protected:
  Plan build() { return made_.build(store_, team_); }
  // Every element e of output `number` is e * factor + offset.
  void expect(const Plan& plan, size_t number, float factor, float offset) {
    const auto outputs = run(plan, team_, 2);
    for (int64_t e = 0; e < kElements; ++e) {
      ASSERT_EQ(outputs.at(number)[static_cast<size_t>(e)], static_cast<float>(e) * factor + offset)
          << "output " << number << ", element " << e << "\n"
          << to_string(plan);
    }
  }

  base::Team team_{2};
  WeightStore store_;
  HandMade made_;
};

TEST_F(PlanBuild, RowMajorInputsAndOutputsAreTheCallersMemory) {
  const int x = made_.add_input("x");
  made_.add_output(made_.add_group({{x, {}}}, {}, add_one));
  const Plan plan = build();
  ASSERT_EQ(plan.steps.size(), 1u);
  EXPECT_EQ(plan.steps[0].arguments, (std::vector<Location>{{Place::input, 0}, {Place::output, 0}}));
  EXPECT_EQ(plan.arena_bytes, 0);
  expect(plan, 0, 1, 1);
}

TEST_F(PlanBuild, OtherLayoutsOfInputsAndOutputsAreConverted) {
  const int x = made_.add_input("x");
  made_.add_output(made_.add_group({{x, transposed()}}, transposed(), add_one));
  const Plan plan = build();
  EXPECT_EQ(count(plan, StepKind::conversion), 2);
  EXPECT_EQ(plan.kernels.size(), 3u);
  expect(plan, 0, 1, 1);
}

TEST_F(PlanBuild, ReadersOfOneLayoutShareAConversion) {
  const int x = made_.add_input("x");
  const int a = made_.add_group({{x, {}}}, {}, add_one);
  const int b = made_.add_group({{a, transposed()}}, transposed(), add_one);
  const int c = made_.add_group({{a, transposed()}, {b, transposed()}}, {}, [](auto buffers, auto, auto, auto, auto) {
    const auto* first = static_cast<const float*>(buffers[0]);
    const auto* second = static_cast<const float*>(buffers[1]);
    auto* out = static_cast<float*>(const_cast<void*>(buffers[2]));
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t k = 0; k < kColumns; ++k) out[r * kColumns + k] = first[k * kRows + r] + second[k * kRows + r];
    }
  });
  made_.add_output(c);
  const Plan plan = build();
  EXPECT_EQ(count(plan, StepKind::conversion), 1) << to_string(plan);
  expect(plan, 0, 2, 3);
}

TEST_F(PlanBuild, AnOutputMayBeReadByOtherGroups) {
  const int x = made_.add_input("x");
  const int a = made_.add_group({{x, {}}}, {}, add_one);
  const int b = made_.add_group({{a, {}}}, transposed(), [](auto buffers, auto, auto, auto, auto) {
    const auto* in = static_cast<const float*>(buffers[0]);
    auto* out = static_cast<float*>(const_cast<void*>(buffers[1]));
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t c = 0; c < kColumns; ++c) out[c * kRows + r] = 2 * in[r * kColumns + c];
    }
  });
  const int c = made_.add_group({{b, transposed()}}, transposed(), add_one);
  for (const int output : {a, b, c}) made_.add_output(output);
  const Plan plan = build();
  expect(plan, 0, 1, 1);
  expect(plan, 1, 2, 2);
  expect(plan, 2, 2, 3);
}

TEST_F(PlanBuild, OneValueMayBeSeveralOutputs) {
  const int x = made_.add_input("x");
  const int a = made_.add_group({{x, transposed()}}, transposed(), add_one);
  for (int i = 0; i < 3; ++i) made_.add_output(a);
  const Plan plan = build();
  for (size_t i = 0; i < 3; ++i) expect(plan, i, 1, 1);
}

TEST_F(PlanBuild, InputsAndConstantsMayBeOutputs) {
  const int x = made_.add_input("x");
  const int y = made_.add_input("y");
  const int k = made_.add_constant("k");
  made_.add_output(y);
  made_.add_output(k);
  made_.add_output(made_.add_group({{x, {}}, {k, {}}}, {}, add));
  const Plan plan = build();
  EXPECT_EQ(count(plan, StepKind::conversion), 2);
  expect(plan, 0, 2, 0);
  expect(plan, 1, 1, 0);
  expect(plan, 2, 2, 0);
}

TEST_F(PlanBuild, FilledPaddingIsThereInEveryRun) {
  const int x = made_.add_input("x");
  const int a = made_.add_group({{x, {}}}, padded(), add_one_into_padded);
  const int b = made_.add_group({{a, padded()}}, {}, add_padding);  // x + 1 + 7
  const int c = made_.add_group({{b, {}}}, padded(), add_one_into_padded);
  const int d = made_.add_group({{c, padded()}}, {}, add_padding);
  // Something that would overwrite the paddings if it shared their memory.
  const int e = made_.add_group({{d, transposed()}}, transposed(), add_one);
  made_.add_output(e);
  const Plan plan = build();
  EXPECT_EQ(plan.padded.size(), 1u) << "a and c live one after the other\n" << to_string(plan);
  expect(plan, 0, 1, 17);
}

TEST_F(PlanBuild, ConstantsArePackedOnceAndSharedWhileInUse) {
  const int x = made_.add_input("x");
  const int k = made_.add_constant("k");
  const int a = made_.add_group({{x, transposed()}, {k, transposed()}}, transposed(), add);
  const int b = made_.add_group({{a, transposed()}, {k, transposed()}}, transposed(), add);
  made_.add_output(b);
  auto plan = std::make_unique<Plan>(build());
  ASSERT_EQ(plan->constants.size(), 1u);
  expect(*plan, 0, 3, 0);
  const Plan second = build();
  EXPECT_EQ(second.constants[0], plan->constants[0]);
  EXPECT_TRUE(plan->graph->values[static_cast<size_t>(k)].is_constant());
  EXPECT_EQ(plan->graph->values[static_cast<size_t>(k)].data->bytes(), 0u) << "the plan keeps packed weights only";
  const std::weak_ptr<const void> watch = plan->constants[0];
  plan.reset();
  EXPECT_FALSE(watch.expired());
}

TEST_F(PlanBuild, ManyConstantsThatStepsReadLieSideBySide) {
  const int x = made_.add_input("x");
  const int k = made_.add_constant("k"), m = made_.add_constant("m", kShape, 10);
  const int a = made_.add_group({{x, transposed()}, {k, transposed()}}, transposed(), add);
  made_.add_output(made_.add_group({{a, transposed()}, {m, transposed()}}, transposed(), add));
  const auto distance = [](const Plan& plan) {
    return std::abs(static_cast<const uint8_t*>(plan.constants.at(1).get()) -
                    static_cast<const uint8_t*>(plan.constants.at(0).get()));
  };
  const int64_t bytes = buffer_bytes(DataType::f32, kShape, transposed());
  const Plan few = build();
  EXPECT_EQ(few.constants[0].use_count(), 1) << "not the memory of others";
  made_.add_constant("enough for huge pages", {1 << 19});
  WeightStore other;
  const Plan many = made_.build(other, team_);
  EXPECT_EQ(distance(many), bytes);
  expect(many, 0, 12, 0);
}

TEST_F(PlanBuild, ConstantsThatAreStoredAtOthersShareAMemory) {
  const int x = made_.add_input("x"), w = made_.add_constant("w");
  const int b = made_.add_constant("b", {kColumns}, 100), c = made_.add_constant("c", {kColumns}, 1000);
  const jit::Layout stored = jit::Layout().store_at("t1", 0);
  // The same weights with one bias, with another one, and alone.
  made_.add_output(made_.add_group({{x, {}}, {w, {}}, {b, stored}}, {}, add_with_row));
  made_.add_output(made_.add_group({{x, {}}, {w, {}}, {c, stored}}, {}, add_with_row));
  made_.add_output(made_.add_group({{x, {}}, {w, {}}}, {}, add));
  made_.add_output(made_.add_group({{x, {}}, {w, {}}, {b, stored}}, {}, add_with_row));
  made_.add_output(w);
  made_.add_output(b);
  const Plan plan = build();
  EXPECT_EQ(plan.constants.size(), 4u) << "w with b, w with c, w, b\n" << to_string(plan);
  const Plan second = build();
  EXPECT_EQ(second.constants, plan.constants);
  const auto outputs = run(plan, team_, 2);
  for (int64_t e = 0; e < kElements; ++e) {
    const auto i = static_cast<size_t>(e);
    const auto element = static_cast<float>(e), column = static_cast<float>(e % kColumns);
    ASSERT_EQ(outputs[0][i], 2 * element + 100 * column);
    ASSERT_EQ(outputs[1][i], 2 * element + 1000 * column);
    ASSERT_EQ(outputs[2][i], 2 * element);
    ASSERT_EQ(outputs[3][i], outputs[0][i]);
    ASSERT_EQ(outputs[4][i], element);
  }
  for (size_t k = 0; k < static_cast<size_t>(kColumns); ++k) ASSERT_EQ(outputs[5][k], static_cast<float>(k) * 100);
}

TEST_F(PlanBuild, WhatSharesAMemoryMustBeConstant) {
  const int x = made_.add_input("x"), w = made_.add_constant("w"), b = made_.add_constant("b", {kColumns});
  made_.add_output(made_.add_group({{x, {}}, {w, {}}, {b, jit::Layout().store_at("t0", 0)}}, {}, add_with_row));
  EXPECT_THROW(build(), Error);
}

std::atomic<int> constant_runs{0};

TEST_F(PlanBuild, ConstantKernelsRunOnceAtLoad) {
  const int x = made_.add_input("x");
  const int k = made_.add_constant("k");
  const int twice = made_.add_group({{k, {}}}, transposed(), [](auto buffers, auto, auto, auto, auto) {
    ++constant_runs;
    const auto* in = static_cast<const float*>(buffers[0]);
    auto* out = static_cast<float*>(const_cast<void*>(buffers[1]));
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t c = 0; c < kColumns; ++c) out[c * kRows + r] = 2 * in[r * kColumns + c];
    }
  });
  auto compiled = std::make_shared<jit::CompiledGroup>(*made_.code().back().compiled);
  compiled->kernels[0].constant = true;
  made_.code().back().compiled = compiled;
  made_.add_output(made_.add_group({{x, transposed()}, {twice, transposed()}}, transposed(), add));
  const Plan plan = build();
  EXPECT_EQ(count(plan, StepKind::kernel), 1);
  EXPECT_EQ(plan.constants.size(), 1u) << "what only the constant kernel read is gone";
  expect(plan, 0, 3, 0);
  const Plan second = build();
  EXPECT_EQ(constant_runs, 1);
}

TEST_F(PlanBuild, MoreTasksThanChunksAreAllDone) {
  const int x = made_.add_input("x");
  const int a = made_.add_group(
      {{x, {}}}, {},
      [](auto buffers, auto, auto, int64_t first, int64_t last) {
        const auto* in = static_cast<const float*>(buffers[0]);
        auto* out = static_cast<float*>(const_cast<void*>(buffers[1]));
        for (int64_t e = first; e < last; ++e) out[e] = in[e] + 1;
      },
      kElements);
  made_.add_output(a);
  Plan plan = build();
  EXPECT_FALSE(plan.steps[0].parallel) << "too small to share";
  expect(plan, 0, 1, 1);
  plan.steps[0].parallel = true;
  expect(plan, 0, 1, 1);
}

TEST_F(PlanBuild, VerifyFindsWhatIsWrong) {
  const int x = made_.add_input("x");
  const int a = made_.add_group({{x, transposed()}}, transposed(), add_one);
  const int b = made_.add_group({{a, transposed()}}, transposed(), add_one);
  made_.add_output(made_.add_group({{a, transposed()}, {b, transposed()}}, transposed(), add));
  const Plan good = build();
  const auto broken = [&](auto change) {
    Plan plan = good;
    change(plan);
    try {
      verify(plan);
    } catch (const Error& error) {
      return error.code() == ErrorCode::internal;
    }
    return false;
  };
  EXPECT_TRUE(broken([](Plan& plan) {
    for (Storage& storage : plan.storages) storage.offset = 0;
  }));
  EXPECT_TRUE(broken([](Plan& plan) { plan.arena_bytes -= 64; }));
  EXPECT_TRUE(broken([](Plan& plan) { plan.storages[0].offset += 4; }));
  EXPECT_TRUE(broken([](Plan& plan) { std::swap(plan.steps[1], plan.steps[2]); }));
  EXPECT_TRUE(broken([](Plan& plan) { plan.steps.pop_back(); }));
  EXPECT_TRUE(broken([](Plan& plan) { plan.steps[0].written[0] = true; }));
  EXPECT_TRUE(broken([](Plan& plan) { plan.storages[1].last_step = 1; }));
  EXPECT_FALSE(broken([](Plan&) {}));
}

TEST_F(PlanBuild, TheTextNamesStepsAndStorages) {
  const int x = made_.add_input("x");
  made_.add_output(made_.add_group({{x, transposed()}}, {}, add_one));
  EXPECT_EQ(to_string(build()),
            "0 convert x tasks 1 alone: input 0, -> %0 x\n"
            "1 kernel node0 tasks 1 alone: %0 x, -> output 0\n"
            "%0 'x' at 0+256 steps 0 to 1\n"
            "arena 256 bytes, workspace 0 bytes a thread, 0 constants\n");
}

TEST_F(PlanBuild, AHostFunctionsExceptionIsAnErrorAndLeavesThePlanUsable) {
  static bool fail = false;
  Plan plan;
  auto graph = std::make_shared<graph::Graph>();
  plan.graph = graph;
  plan.kernels.resize(1);
  auto call = std::make_shared<HostCall>();
  call->info.where = "model: node 'n' (Op)";
  call->function = [](const ops::NodeInfo&, std::span<const TensorView>, std::span<TensorView>) {
    if (fail) throw std::runtime_error("boom");
  };
  Step step;
  step.kind = StepKind::host;
  step.report = 0;
  step.host = call;
  plan.steps.push_back(step);
  const std::unique_ptr<Runner> runner = make_runner(std::make_shared<const Plan>(plan), 2);
  base::Team::Lease lease(team_);
  fail = true;
  try {
    runner->run(lease);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::internal);
    EXPECT_STREQ(error.what(), "model: node 'n' (Op): boom");
  }
  fail = false;
  runner->run(lease);
}

TEST(WeightStore, StoresBelongToAModelAndAShape) {
  const auto model = std::make_shared<const graph::Graph>();
  const auto other = std::make_shared<const graph::Graph>();
  const auto store = weight_store(model, "x[1]");
  EXPECT_EQ(weight_store(model, "x[1]"), store);
  EXPECT_NE(weight_store(model, "x[2]"), store);
  EXPECT_NE(weight_store(other, "x[1]"), store);
}

TEST(WeightStore, ConstantsLiveAsLongAsSomebodyUsesThem) {
  WeightStore store;
  int made = 0;
  const auto make = [&]() -> std::shared_ptr<const void> { return ++made, std::make_shared<const int>(5); };
  auto first = store.get("k", make);
  EXPECT_EQ(store.get("k", make), first);
  EXPECT_EQ(made, 1);
  first.reset();
  first = store.get("k", make);
  EXPECT_EQ(made, 2);
}

}  // namespace
}  // namespace altrt::plan
