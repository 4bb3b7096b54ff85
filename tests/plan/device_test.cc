// What build_plan and the runner do for a device: constants, conversions, paddings, launches.
#include "tests/plan/fake_device.h"
#include "tests/plan/hand_made.h"

namespace altrt::plan {
namespace {

class DevicePlan : public ::testing::Test {
 protected:
  int add_group(const std::vector<HandMade::Use>& reads, const jit::Layout& layout, jit::KernelFunction function) {
    const int value = made_.add_group(reads, layout, function);
    std::shared_ptr<jit::LoadedKernel>& loaded = made_.code().back().loaded[0];
    loaded = std::make_shared<FakeKernel>(loaded);
    return value;
  }
  Plan build() { return made_.build(store_, team_, device_, conversions_); }
  int count_calls(const std::string& begin) const {
    int count = 0;
    for (const std::string& call : device_->calls) count += call.rfind(begin, 0) == 0;
    return count;
  }
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
  std::shared_ptr<FakeDevice> device_ = std::make_shared<FakeDevice>();
  std::shared_ptr<Conversions> conversions_ = std::make_shared<Conversions>(device_);
  HandMade made_;
};

TEST_F(DevicePlan, LayoutsAreConvertedByKernels) {
  const int x = made_.add_input("x");
  const int a = add_group({{x, transposed()}}, transposed(), add_one);
  made_.add_output(add_group({{a, transposed()}}, transposed(), add_one));
  const Plan plan = build();
  EXPECT_EQ(count(plan, StepKind::conversion), 2) << to_string(plan);
  EXPECT_EQ(conversions_->compiled(), 2);
  for (const Step& step : plan.steps) EXPECT_TRUE(step.loaded && !step.permute && !step.function);
  expect(plan, 0, 1, 2);
}

TEST_F(DevicePlan, EqualConversionsShareAKernelInAllPlans) {
  const int x = made_.add_input("x"), y = made_.add_input("y");
  made_.add_output(add_group({{x, transposed()}, {y, transposed()}}, transposed(), add));
  const Plan one = build(), other = build();
  EXPECT_EQ(count(one, StepKind::conversion), 3);
  EXPECT_EQ(conversions_->compiled(), 2);
  EXPECT_EQ(count_calls("load"), 2);
  EXPECT_EQ(one.steps[0].loaded, one.steps[1].loaded);
  EXPECT_EQ(one.steps[0].loaded, other.steps[0].loaded);
  expect(other, 0, 3, 0);
}

TEST_F(DevicePlan, ConversionsThatWereKeptAreNotCompiled) {
  const int x = made_.add_input("x");
  made_.add_output(add_group({{x, transposed()}}, transposed(), add_one));
  build();
  const auto kept = std::exchange(conversions_, std::make_shared<Conversions>(device_));
  for (const auto& [key, conversion] : kept->all()) {
    EXPECT_TRUE(conversions_->keep(key, conversion.kernel));
    jit::CompiledKernel wrong = conversion.kernel;
    wrong.arguments = {0, 2};
    EXPECT_FALSE(conversions_->keep(key, wrong));
    wrong = conversion.kernel;
    wrong.written.flip();
    EXPECT_FALSE(conversions_->keep(key, wrong));
    wrong = conversion.kernel;
    wrong.object.bytes.clear();
    EXPECT_FALSE(conversions_->keep(key, wrong));
  }
  const Plan plan = build();
  EXPECT_EQ(conversions_->compiled(), 0);
  expect(plan, 0, 1, 1);
}

TEST_F(DevicePlan, FilledPaddingIsThereInEveryRunAndBehindConversions) {
  const int x = made_.add_input("x");
  const int a = add_group({{x, {}}}, padded(), add_one_into_padded);
  const int b = add_group({{a, padded()}}, {}, add_padding);  // x + 1 + 7
  const int c = add_group({{b, transposed()}}, transposed(), add_one);
  const int d = add_group({{c, padded()}}, {}, add_padding);
  made_.add_output(d);
  const Plan plan = build();
  EXPECT_EQ(plan.padded.size(), 1u) << to_string(plan);
  expect(plan, 0, 1, 16);
}

TEST_F(DevicePlan, ConstantsAreUploadedOnceAndSharedWhileInUse) {
  const int x = made_.add_input("x"), k = made_.add_constant("k");
  const int a = add_group({{x, {}}, {k, {}}}, {}, add);
  made_.add_output(add_group({{a, transposed()}, {k, transposed()}}, transposed(), add));
  auto plan = std::make_unique<Plan>(build());
  ASSERT_EQ(plan->constants.size(), 2u) << "row-major and transposed";
  for (const Constant& constant : plan->constants) EXPECT_TRUE(device_->owns(constant.get()));
  EXPECT_EQ(count_calls("upload"), 2);
  expect(*plan, 0, 3, 0);
  device_->take_calls();
  const Plan second = build();
  EXPECT_EQ(count_calls("upload"), 0);
  EXPECT_EQ(second.constants, plan->constants);
  plan.reset();
  expect(second, 0, 3, 0);
}

TEST_F(DevicePlan, ConstantsThatAreStoredAtOthersAreUploadedTogether) {
  const int x = made_.add_input("x"), w = made_.add_constant("w"), b = made_.add_constant("b", {kColumns}, 0);
  made_.add_output(add_group({{x, {}}, {w, {}}, {b, jit::Layout().store_at("t1", 0)}}, {}, add_with_row));
  const Plan plan = build();
  ASSERT_EQ(plan.constants.size(), 1u);
  EXPECT_TRUE(device_->owns(plan.constants[0].get()));
  EXPECT_EQ(count_calls("upload"), 1);
  expect(plan, 0, 2, 0);
}

TEST_F(DevicePlan, ConstantKernelsRunOnTheDeviceAtLoad) {
  const int x = made_.add_input("x"), k = made_.add_constant("k");
  const int twice = add_group({{k, {}}}, padded(), add_one_into_padded);
  auto compiled = std::make_shared<jit::CompiledGroup>(*made_.code().back().compiled);
  compiled->kernels[0].constant = true;
  made_.code().back().compiled = compiled;
  const int p = add_group({{twice, padded()}}, {}, add_padding);  // k + 1 + 7
  made_.add_output(add_group({{x, {}}, {p, {}}}, {}, add));
  const Plan plan = build();
  EXPECT_EQ(count_calls("launch"), 1);
  EXPECT_EQ(count(plan, StepKind::kernel), 2);
  EXPECT_EQ(plan.constants.size(), 1u) << "what only the constant kernel read is gone";
  expect(plan, 0, 2, 8);
  device_->take_calls();
  const Plan second = build();
  EXPECT_EQ(count_calls("launch"), 0);
}

TEST_F(DevicePlan, StepTimesAreTheDevices) {
  const int x = made_.add_input("x");
  made_.add_output(add_group({{x, transposed()}}, {}, add_one));
  const auto plan = std::make_shared<const Plan>(build());
  const std::unique_ptr<Runner> runner = make_runner(plan, 1);
  std::vector<float> in(kElements, 1.0f), out(kElements);
  const std::vector<Address> from{{in.data()}}, to{{out.data()}};
  runner->bind(from, to);
  std::vector<double> ms(plan->kernels.size(), 0.0);
  base::Team::Lease lease(team_);
  runner->profile(lease, ms);
  EXPECT_EQ(ms, (std::vector<double>{1, 1})) << "a launch takes a millisecond";
  EXPECT_EQ(out[5], 2.0f);
}

TEST_F(DevicePlan, TheTextNamesBlocksAndDevice) {
  const int x = made_.add_input("x");
  made_.add_output(add_group({{x, {}}}, {}, add_one));
  EXPECT_EQ(to_string(build()),
            "0 kernel node0 blocks 1: input 0, -> output 0\n"
            "arena 0 bytes, workspace 0 bytes a thread, 0 constants\n"
            "on fake device\n");
}

TEST_F(DevicePlan, VerifyFindsStepsWithoutCode) {
  const int x = made_.add_input("x");
  made_.add_output(add_group({{x, transposed()}}, transposed(), add_one));
  Plan plan = build();
  plan.steps[0].loaded = nullptr;
  EXPECT_THROW(verify(plan), Error);
  plan.steps[0].tasks = 0;
  verify(plan);
  plan.device = nullptr;
  EXPECT_THROW(verify(plan), Error);
}

}  // namespace
}  // namespace altrt::plan
