// Machine code by the real NVRTC; skipped where it can't be opened.
#include "jit/gpu/nvrtc.h"

#include <elf.h>

#include <cstring>
#include <span>
#include <thread>
#include <vector>

#include "jit/gpu/cubin.h"
#include "jit/gpu/driver.h"
#include "jit/gpu/gpu.h"
#include "tests/jit_gpu/expect_error.h"

namespace altrt::jit::gpu {
namespace {

constexpr const char* kScale = R"(
extern "C" __global__ void __launch_bounds__(128) scale(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ float tile[128];
  tile[threadIdx.x] = x[blockIdx.x * 128 + threadIdx.x];
  __syncthreads();
  y[blockIdx.x * 128 + threadIdx.x] = fmaf(tile[127 - threadIdx.x], 2.0f, 1.0f);
}
)";

class RealNvrtc : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      nvrtc();
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
    int count = 0;
    nvrtc().nvrtcGetNumSupportedArchs(&count);
    known.resize(static_cast<size_t>(count));
    nvrtc().nvrtcGetSupportedArchs(known.data());
  }
  bool knows(int architecture) const { return std::find(known.begin(), known.end(), architecture) != known.end(); }
  static std::string text(const KernelObject& object) { return {object.bytes.begin(), object.bytes.end()}; }

  std::vector<int> known;
};

TEST_F(RealNvrtc, MakesCubins) {
  int made = 0;
  for (const int architecture : {80, 90, 100}) {
    if (!knows(architecture)) continue;
    const Target target = named_target("sm_" + std::to_string(architecture));
    const KernelObject object = compile_source(kScale, "scale-1", "scale", 128, target);
    EXPECT_EQ(object.name, "scale-1");
    EXPECT_EQ(object.entry, "scale");
    EXPECT_EQ(object.threads, 128);
    EXPECT_EQ(object.workspace_bytes, 0);
    EXPECT_EQ(object.frame_bytes, 0);
    EXPECT_GE(object.code_bytes, 128);
    EXPECT_LE(object.code_bytes, static_cast<int64_t>(object.bytes.size()));
    EXPECT_EQ(text(object).substr(0, 4), ELFMAG);
    const auto use = cubin_use(object.bytes, "scale");
    ASSERT_TRUE(use);
    EXPECT_GE(use->registers, 4);
    EXPECT_LE(use->registers, 32);
    ++made;
  }
  EXPECT_GE(made, 1) << "NVRTC " << nvrtc_version();
}

TEST_F(RealNvrtc, SeesSpilledRegisters) {
  const std::string source = R"(
extern "C" __global__ void __launch_bounds__(1024, 2) spill(const float* x, float* y) {
  float sums[64];
  for (int i = 0; i < 64; ++i) sums[i] = x[i * 1024 + threadIdx.x];
  for (int k = 1; k < 64; ++k) {
#pragma unroll
    for (int i = 0; i < 64; ++i) sums[i] = fmaf(sums[i], x[k], sums[(i * 7 + 1) % 64]);
  }
  for (int i = 0; i < 64; ++i) y[i * 1024 + threadIdx.x] = sums[i];
})";
  const KernelObject object = compile_source(source, "spill", "spill", 1024, named_target("sm_90"));
  EXPECT_GE(object.frame_bytes, 64);
}

TEST_F(RealNvrtc, MakesPtxForAnArchitectureItDoesNotKnow) {
  ASSERT_FALSE(knows(95));
  const KernelObject object = compile_source(kScale, "scale", "scale", 128, named_target("sm_95"));
  EXPECT_TRUE(contains(text(object), ".target sm_90"));
  EXPECT_EQ(object.bytes.back(), 0);
  const std::string message =
      error_of(ErrorCode::unavailable, [] { compile_source(kScale, "scale", "scale", 128, named_target("sm_20")); });
  EXPECT_TRUE(contains(message, "makes no code for sm_20; it knows sm_"));
}

TEST_F(RealNvrtc, ContractsNothingByItself) {
  const std::string source =
      R"(extern "C" __global__ void f(const float* a, float* b) { b[threadIdx.x] = a[0] * a[1] + a[2]; })";
  const std::string ptx = text(compile_source(source, "f", "f", 32, named_target("sm_95")));
  EXPECT_TRUE(contains(ptx, "mul"));
  EXPECT_EQ(ptx.find("fma"), std::string::npos) << ptx;
}

TEST_F(RealNvrtc, ErrorsBringTheLog) {
  const std::string message = error_of(ErrorCode::internal, [] {
    compile_source("extern \"C\" __global__ void f() { undeclared = 1; }", "broken", "f", 32, named_target("sm_90"));
  });
  EXPECT_TRUE(contains(message, "NVRTC_ERROR_COMPILATION"));
  EXPECT_TRUE(contains(message, "broken(1): error: identifier \"undeclared\" is undefined"));
  EXPECT_TRUE(contains(
      error_of(ErrorCode::internal, [] { compile_source(kScale, "scale", "other", 128, named_target("sm_90")); }),
      "has no entry other"));
}

TEST_F(RealNvrtc, CompilesOnManyThreads) {
  std::vector<std::vector<uint8_t>> results(4);
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back(
        [&result] { result = compile_source(kScale, "scale", "scale", 128, named_target("sm_90")).bytes; });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
}

TEST_F(RealNvrtc, TornCubinsAreReadWithinTheirBytes) {
  const KernelObject object = compile_source(kScale, "scale", "scale", 128, named_target("sm_90"));
  for (size_t size = 0; size < object.bytes.size(); size += 7) {
    const std::vector<uint8_t> part(object.bytes.begin(), object.bytes.begin() + static_cast<ptrdiff_t>(size));
    cubin_use(part, "scale");  // a sanitizer sees more
  }
  EXPECT_FALSE(cubin_use(std::span(object.bytes).first(100), "scale"));
  EXPECT_FALSE(cubin_use(object.bytes, "elsewhere"));
}

}  // namespace
}  // namespace altrt::jit::gpu
