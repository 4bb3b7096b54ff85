// Whole sessions with device=cuda on the simulated GPU: kernels run from the very text that NVRTC would get.
#include <altrt/altrt.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/jit_gpu/networks.h"
#include "tests/jit_gpu/simulated_driver.h"
#include "tests/session/models.h"

namespace altrt {
namespace {

class SimulatedSession : public testing::Test {
 protected:
  void SetUp() override {
    if (!cuda_host::compiler_trouble().empty()) GTEST_SKIP() << cuda_host::compiler_trouble();
    jit::gpu::set_simulated({.checks = cuda_host::Checks::order});
    options.device = Device::cuda;
    options.cache.directory = "none";
    options.log = [this](LogLevel level, const std::string& line) {
      if (level == LogLevel::warning || level == LogLevel::error) warnings.push_back(line);
    };
  }
  void TearDown() override { EXPECT_EQ(jit::gpu::simulated_trouble(), ""); }

  void expect_right(const Model& model, double tolerance = 1e-5) {
    const Session session(model, options);
    const Tensors inputs = make_inputs(session.inputs(), 5);
    expect_close(session.run(views(inputs)), evaluate_reference(model, views(inputs)), tolerance);
    for (const KernelInfo& kernel : session.info().plan) EXPECT_NE(kernel.provider, "onednn");
  }

  const jit::gpu::UseTables tables{&jit::gpu::simulated_driver(), &jit::gpu::simulated_nvrtc()};
  SessionOptions options;
  std::vector<std::string> warnings;
};

TEST_F(SimulatedSession, NetworksGiveTheEvaluatorsResults) {
  expect_right(conv_net());
  expect_right(conv_net(3));
  expect_right(attention_net());
  expect_right(alias_net());
  EXPECT_TRUE(warnings.empty()) << warnings[0];
}

TEST_F(SimulatedSession, NineKindsGiveTheEvaluatorsResults) {
  for (const test::Kind& kind : test::nine_kinds(true)) {
    SCOPED_TRACE(kind.name);
    expect_right(kind.model);
  }
  EXPECT_TRUE(warnings.empty()) << warnings[0];
}

TEST_F(SimulatedSession, RunsAsOneGraph) {
  const Session session(conv_net(), options);
  const Tensors inputs = make_inputs(session.inputs(), 1);
  Context context = session.context();
  for (const auto& [name, tensor] : inputs) context.bind(name, tensor.view());
  session.run(context);
  const jit::gpu::SimulatedCounts before = jit::gpu::simulated_counts();
  session.run(context);
  const jit::gpu::SimulatedCounts after = jit::gpu::simulated_counts();
  EXPECT_EQ(after.graphs - before.graphs, 1);
  EXPECT_EQ(after.kernels - before.kernels, session.info().kernels);
}

TEST_F(SimulatedSession, IsTunedAndComesBackFromTheCache) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "altrt_simulated";
  std::filesystem::remove_all(folder);
  options.cache.directory = folder.string();
  options.tuning.mode = TuningMode::load;
  options.tuning.max_trials = 24;
  const Model model = conv_net();
  Tensors inputs, first;
  {
    const Session session(model, options);
    inputs = make_inputs(session.inputs(), 5);
    first = session.run(views(inputs));
    EXPECT_GE(session.info().trials, 16);
    expect_close(first, evaluate_reference(model, views(inputs)));
  }
  const int64_t compiled = jit::gpu::simulated_counts().compiled;
  const Session again(model, options);
  EXPECT_EQ(again.info().trials, 0);
  EXPECT_TRUE(again.info().from_bundle);
  EXPECT_EQ(jit::gpu::simulated_counts().compiled, compiled) << "a start from the cache compiles nothing";
  for (const auto& [name, tensor] : again.run(views(inputs))) EXPECT_TRUE(same_bits(tensor, first.at(name))) << name;
  std::filesystem::remove_all(folder);
}

TEST_F(SimulatedSession, TakesAndGivesMemoryOfTheDevice) {
  const Session session(conv_net(), options);
  const Tensors inputs = make_inputs(session.inputs(), 3);
  Context context = session.context();
  std::vector<std::shared_ptr<void>> memory;
  const auto place = [&](const ValueInfo& info) {
    memory.push_back(session.allocate(static_cast<size_t>(element_count(info.shape)) * size_of(info.type)));
    return TensorView(memory.back().get(), info.type, info.shape, Device::cuda);
  };
  const TensorView x = place(session.inputs()[0]), y = place(session.outputs()[0]);
  session.copy(inputs.at("x").view(), x);
  context.bind("x", x);
  context.bind("y", y);
  session.run(context);
  Tensor result(y.type, y.shape);
  session.copy(y, result.view());
  EXPECT_TRUE(same_bits(result, session.run(views(inputs)).at("y")));
  const Tensor other(DataType::f32, {3});
  EXPECT_THROW(session.copy(y, other.view()), Error);
  const Session on_cpu(conv_net(), {});
  EXPECT_THROW(on_cpu.copy(y, result.view()), Error);
}

TEST_F(SimulatedSession, LeavesNothingBehind) {
  { expect_right(attention_net()); }
  const jit::gpu::SimulatedCounts counts = jit::gpu::simulated_counts();
  EXPECT_EQ(counts.live_bytes, 0);
  EXPECT_EQ(counts.live_handles, 0);
  EXPECT_EQ(counts.retained, 0);
}

}  // namespace
}  // namespace altrt
