// Sessions on a GPU that is this CPU: what the cache makes of other NVRTCs and of none; the device's memory ends.
#include <cstdlib>
#include <optional>

#include "tests/jit_gpu/simulated_driver.h"
#include "tests/records/folder.h"
#include "tests/session/models.h"

namespace altrt {
namespace {

class SimulatedSession : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cuda_host::compiler_trouble().empty()) GTEST_SKIP() << cuda_host::compiler_trouble();
    options_.device = Device::cuda;
    options_.threads = 2;
    options_.cache.directory = "none";
  }
  void TearDown() override {
    EXPECT_EQ(jit::gpu::simulated_trouble(), "");
    EXPECT_EQ(jit::gpu::simulated_counts().live_bytes, 0);
    EXPECT_EQ(jit::gpu::simulated_counts().live_handles, 0);
  }

  std::optional<jit::gpu::UseTables> tables_{std::in_place, &jit::gpu::simulated_driver(),
                                             &jit::gpu::simulated_nvrtc()};
  SessionOptions options_;
};

TEST_F(SimulatedSession, CodeOfAnotherNvrtcIsMadeAnew) {
  const TestFolder folder;
  options_.cache.directory = folder.path();
  const Model model = conv_net();
  { const Session first(model, options_); }
  jit::gpu::Nvrtc other = jit::gpu::simulated_nvrtc();
  other.nvrtcVersion = [](int* major, int* minor) {
    *major = *minor = 77;
    return jit::gpu::kNvrtcSuccess;
  };
  const jit::gpu::UseTables tables(nullptr, &other);
  const Session second(model, options_);
  EXPECT_FALSE(second.info().from_bundle);
  ASSERT_EQ(second.info().cache_reasons.size(), 1u);
  EXPECT_NE(second.info().cache_reasons[0].find("nvrtc differs"), std::string::npos) << second.info().cache_reasons[0];
}

TEST_F(SimulatedSession, WhereThereIsNoNvrtcKeptCodeRuns) {
  const TestFolder folder;
  options_.cache.directory = folder.path();
  const Model model = conv_net();
  const Tensors inputs = make_inputs(model.inputs(), 3);
  const Tensors wanted = Session(model, options_).run(views(inputs));
  tables_.reset();
  setenv("ALTRT_NVRTC", "/nowhere/libnvrtc.so", 1);
  tables_.emplace(&jit::gpu::simulated_driver(), nullptr);
  const Session session(model, options_);
  EXPECT_TRUE(session.info().from_bundle);
  EXPECT_TRUE(same_bits(session.run(views(inputs)).at("y"), wanted.at("y")));
  options_.cache.directory = "none";
  try {
    Session(model, options_);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
  }
  unsetenv("ALTRT_NVRTC");
}

TEST_F(SimulatedSession, MemoryThatIsNotThereIsAnErrorAndNoFault) {
  const Session session(conv_net(), options_);
  const Tensors inputs = make_inputs(session.inputs(), 2);
  const Tensors wanted = session.run(views(inputs));
  jit::gpu::SimulatedOptions poor;
  poor.memory_bytes = static_cast<size_t>(jit::gpu::simulated_counts().live_bytes);
  jit::gpu::set_simulated(poor);
  try {
    session.context();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory) << error.what();
  }
  jit::gpu::set_simulated({});
  EXPECT_TRUE(same_bits(session.run(views(inputs)).at("y"), wanted.at("y")));
}

}  // namespace
}  // namespace altrt
