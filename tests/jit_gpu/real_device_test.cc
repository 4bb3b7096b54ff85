// A real GPU with its own driver; skipped where there is none.
#include <cmath>
#include <memory>
#include <thread>
#include <vector>

#include "jit/gpu/driver.h"
#include "jit/gpu/gpu.h"
#include "jit/gpu/nvrtc.h"
#include "tests/jit_gpu/expect_error.h"

namespace altrt::jit::gpu {
namespace {

constexpr const char* kSource = R"(
extern "C" __global__ void reverse(const float* x, float* y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[blockIdx.x * 64 + threadIdx.x];
  __syncthreads();
  y[blockIdx.x * 64 + threadIdx.x] = fmaf(tile[63 - threadIdx.x], 2.0f, 1.0f);
}
extern "C" __global__ void stray(float* x) { x[1ll << 40] = 1.0f; }
)";
constexpr int kThreads = 64, kBlocks = 1000, kElements = kThreads * kBlocks;

class RealDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      device = open_device(0);
      nvrtc();
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
    for (int i = 0; i < kElements; ++i) input.push_back(static_cast<float>(i % 1013));
    a = device->allocate(kElements * sizeof(float));
    b = device->allocate(kElements * sizeof(float));
  }
  std::shared_ptr<LoadedKernel> load(const std::string& entry, const Target& target) {
    return device->load({compile_source(kSource, entry, entry, kThreads, target)})[0];
  }
  std::vector<float> expected(std::vector<float> x, int times) const {
    for (; times > 0; --times) {
      std::vector<float> y(x.size());
      for (size_t i = 0; i < x.size(); ++i) y[i] = x[i / kThreads * kThreads + kThreads - 1 - i % kThreads] * 2 + 1;
      x = y;
    }
    return x;
  }
  std::vector<float> fetch(DeviceStream& stream, const std::shared_ptr<void>& memory) const {
    std::vector<float> result(kElements);
    stream.download(result.data(), memory.get(), kElements * sizeof(float));
    stream.wait();
    return result;
  }

  std::shared_ptr<Device> device;
  std::shared_ptr<void> a, b;
  std::vector<float> input;
};

TEST_F(RealDevice, RunsKernelsAndGraphs) {
  RecordProperty("device", device->description());
  EXPECT_GE(device->target().multiprocessors, 1);
  EXPECT_GE(device->target().l2_bytes, 256 << 10);
  EXPECT_EQ(device->target().group_bytes, 48 << 10);
  const auto kernel = load("reverse", device->target());
  for (const auto& stream : {std::shared_ptr(device->make_stream()), std::shared_ptr(device->wrap_stream(nullptr))}) {
    stream->upload(a.get(), input.data(), kElements * sizeof(float));
    const auto from = stream->record();
    stream->launch({kernel, {a.get(), b.get()}, kBlocks});
    const auto to = stream->record();
    EXPECT_EQ(fetch(*stream, b), expected(input, 1));
    EXPECT_GT(stream->milliseconds(*from, *to), 0);
    const auto graph = stream->make_graph({{kernel, {a.get(), b.get()}, kBlocks},
                                           {kernel, {b.get(), a.get()}, kBlocks},
                                           {kernel, {a.get(), b.get()}, kBlocks}});
    stream->launch(*graph);
    EXPECT_EQ(fetch(*stream, b), expected(input, 3));
    const auto c = device->allocate(kElements * sizeof(float));
    void* const other[] = {a.get(), c.get()};
    graph->set_arguments(2, other);
    stream->upload(a.get(), input.data(), kElements * sizeof(float));
    stream->launch(*graph);
    EXPECT_EQ(fetch(*stream, c), expected(input, 3));
    stream->copy(a.get(), c.get(), kElements * sizeof(float));
    EXPECT_EQ(fetch(*stream, a), expected(input, 3));
    stream->fill(a.get(), 0, kElements * sizeof(float));
    EXPECT_EQ(fetch(*stream, a), std::vector<float>(kElements));
  }
}

TEST_F(RealDevice, UploadedMemoryMayBeChangedAtOnce) {
  const auto stream = device->make_stream();
  for (int round = 0; round < 20; ++round) {
    std::vector<float> changing(kElements, static_cast<float>(round));
    stream->upload(a.get(), changing.data(), kElements * sizeof(float));
    std::fill(changing.begin(), changing.end(), -1.0f);
    EXPECT_EQ(fetch(*stream, a), std::vector<float>(kElements, static_cast<float>(round)));
  }
}

TEST_F(RealDevice, TranslatesPtx) {
  // No toolkit knows an architecture between that one and the next.
  const int capability = std::stoi(device->target().features.substr(3));
  Target target = device->target();
  target.features = "sm_" + std::to_string(capability + (capability % 10 == 9 ? 0 : 9));
  const KernelObject object = compile_source(kSource, "reverse", "reverse", kThreads, target);
  if (object.bytes[0] == 0x7f) GTEST_SKIP() << "NVRTC " << nvrtc_version() << " makes a cubin for " << target.features;
  std::shared_ptr<LoadedKernel> kernel;
  try {
    kernel = device->load({object})[0];
  } catch (const Error& error) {
    ASSERT_EQ(error.code(), ErrorCode::unavailable) << error.what();
    GTEST_SKIP() << error.what();  // a driver older than NVRTC
  }
  const auto stream = device->make_stream();
  stream->upload(a.get(), input.data(), kElements * sizeof(float));
  stream->launch({kernel, {a.get(), b.get()}, kBlocks});
  EXPECT_EQ(fetch(*stream, b), expected(input, 1));
}

TEST_F(RealDevice, IsUsedByManyThreadsAtOnce) {
  const auto kernel = load("reverse", device->target());
  std::vector<int> good(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < good.size(); ++t) {
    threads.emplace_back([&, t] {
      const auto x = device->allocate(kElements * sizeof(float)), y = device->allocate(kElements * sizeof(float));
      const auto stream = device->make_stream();
      for (int round = 0; round < 20; ++round) {
        stream->upload(x.get(), input.data(), kElements * sizeof(float));
        stream->launch({kernel, {x.get(), y.get()}, kBlocks});
        stream->launch({kernel, {y.get(), x.get()}, kBlocks});
        good[t] += fetch(*stream, x) == expected(input, 2);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, std::vector<int>(4, 20));
}

TEST_F(RealDevice, RefusesWhatDoesNotFit) {
  error_of(ErrorCode::out_of_memory, [&] { device->allocate(size_t{1} << 46); });
  KernelObject torn = compile_source(kSource, "reverse", "reverse", kThreads, device->target());
  torn.bytes.assign(4096, 0x5a);
  EXPECT_TRUE(contains(error_of(ErrorCode::unavailable, [&] { device->load({torn}); }), "kernel reverse"));
  const Target other = named_target(device->target().features == "sm_80" ? "sm_90" : "sm_80");
  EXPECT_TRUE(contains(error_of(ErrorCode::unavailable, [&] { load("reverse", other); }), "kernel reverse"));
  // All of that leaves the device as it was.
  const auto stream = device->make_stream();
  stream->upload(a.get(), input.data(), kElements * sizeof(float));
  EXPECT_EQ(fetch(*stream, a), input);
}

/// The last test of this program.
/// Last: drivers may keep the device from the process that had the fault.
TEST_F(RealDevice, ZFaultsNameTheKernelAndLoseTheDevice) {
  {
    const auto stray = load("stray", device->target());
    const auto stream = device->make_stream();
    stream->launch({stray, {a.get()}, 1});
    const std::string message = error_of(ErrorCode::internal, [&] { stream->wait(); });
    EXPECT_TRUE(contains(message, "after launching stray"));
    EXPECT_TRUE(contains(error_of(ErrorCode::unavailable, [&] { device->allocate(64); }), "was lost"));
  }
  a.reset();
  b.reset();
  device.reset();
  try {
    device = open_device(0);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_TRUE(contains(error.what(), "a new process has it again"));
    return;
  }
  a = device->allocate(kElements * sizeof(float));
  const auto stream = device->make_stream();
  stream->upload(a.get(), input.data(), kElements * sizeof(float));
  EXPECT_EQ(fetch(*stream, a), input);
}

}  // namespace
}  // namespace altrt::jit::gpu
