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

TEST_F(SimulatedSession, LeavesNothingBehind) {
  { expect_right(attention_net()); }
  const jit::gpu::SimulatedCounts counts = jit::gpu::simulated_counts();
  EXPECT_EQ(counts.live_bytes, 0);
  EXPECT_EQ(counts.live_handles, 0);
  EXPECT_EQ(counts.retained, 0);
}

}  // namespace
}  // namespace altrt
