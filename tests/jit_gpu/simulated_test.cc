// Devices on a GPU that is this CPU: everything from NVRTC to graphs with kernels that really run.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "jit/gpu/gpu.h"
#include "jit/gpu/nvrtc.h"
#include "tests/jit_gpu/host_texts.h"
#include "tests/jit_gpu/simulated_driver.h"

namespace altrt::jit::gpu {
namespace {

class Simulated : public testing::Test {
 protected:
  void SetUp() override {
    if (!cuda_host::compiler_trouble().empty()) GTEST_SKIP() << cuda_host::compiler_trouble();
  }
  /// Nothing may stay behind. After a fault the device itself is gone.
  void TearDown() override {
    const SimulatedCounts counts = simulated_counts();
    EXPECT_EQ(counts.retained, 0);
    if (simulated_trouble().empty()) {
      EXPECT_EQ(counts.live_bytes, 0);
      EXPECT_EQ(counts.live_handles, 0);
    }
    revive_simulated();
    set_simulated({});
  }

  std::shared_ptr<LoadedKernel> load(Device& device, const std::string& text, const std::string& entry) {
    const KernelObject object = compile_source(text, entry, entry, launch_bounds_in(text), device.target());
    return device.load({object})[0];
  }

  UseTables tables_{&simulated_driver(), &simulated_nvrtc()};
};

std::vector<float> counting(size_t n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

std::string error_of(const std::function<void()>& call, ErrorCode code) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}
void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' not in: " << text;
}

TEST_F(Simulated, IsADevice) {
  const auto device = open_device(0);
  EXPECT_EQ(device->description(), "simulated (sm_90), driver 12.4");
  EXPECT_TRUE(device->target().is_gpu());
  EXPECT_EQ(device->target().multiprocessors, 8);
  EXPECT_EQ(device->target().group_bytes, 48 << 10);
  expect_part(error_of([] { open_device(1); }, ErrorCode::unavailable), "no GPU number 1");
}

TEST_F(Simulated, RunsWhenSomebodyWaits) {
  const auto device = open_device(0);
  const auto kernel = load(*device, cuda_host::kAddOne, "add_one");
  const auto x = device->allocate(400), y = device->allocate(400);
  const auto stream = device->make_stream();
  std::vector<float> in = counting(100), out(100, 0);
  stream->upload(x.get(), in.data(), 400);
  const std::vector<float> expected = in;
  in.assign(100, -5);
  stream->launch({kernel, {x.get(), y.get()}, 4});
  stream->launch({kernel, {y.get(), x.get()}, 4});
  stream->download(out.data(), x.get(), 400);
  EXPECT_EQ(out[0], 0);
  stream->wait();
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(out[i], expected[i] + 2);
}

TEST_F(Simulated, GraphsRunWithNewArguments) {
  const auto device = open_device(0);
  const auto add = load(*device, cuda_host::kAddOne, "add_one");
  const auto a = device->allocate(400), b = device->allocate(400), c = device->allocate(400);
  const auto stream = device->make_stream();
  const std::vector<float> in = counting(100);
  std::vector<float> out(100, 0);
  stream->upload(a.get(), in.data(), 400);
  const auto graph = stream->make_graph({{add, {a.get(), b.get()}, 4}, {add, {b.get(), c.get()}, 4}});
  const auto start = stream->record();
  stream->launch(*graph);
  const auto end = stream->record();
  stream->download(out.data(), c.get(), 400);
  stream->wait();
  EXPECT_EQ(out[99], in[99] + 2);
  EXPECT_GT(stream->milliseconds(*start, *end), 0);
  void* const arguments[] = {c.get(), b.get()};
  graph->set_arguments(0, arguments);
  stream->launch(*graph);
  stream->download(out.data(), c.get(), 400);
  stream->wait();
  EXPECT_EQ(out[99], in[99] + 4);
}

TEST_F(Simulated, SharedMemoryAndShuffles) {
  const auto device = open_device(0);
  const auto reverse = load(*device, cuda_host::kReverse, "reverse"), sum = load(*device, cuda_host::kSum, "sum");
  const auto x = device->allocate(2048), y = device->allocate(2048), z = device->allocate(8);
  const auto stream = device->make_stream();
  const std::vector<float> in = counting(512);
  std::vector<float> out(512, 0), sums(2, 0);
  stream->upload(x.get(), in.data(), 2048);
  stream->launch({reverse, {x.get(), y.get()}, 2});
  stream->launch({sum, {y.get(), z.get()}, 2});
  stream->download(out.data(), y.get(), 2048);
  stream->download(sums.data(), z.get(), 8);
  stream->wait();
  EXPECT_EQ(out[0], 256);
  EXPECT_EQ(out[511], 257);
  EXPECT_EQ(sums, (std::vector<float>{256 * 257 / 2, 256 * 257 / 2 + 256 * 256}));
}

TEST_F(Simulated, FaultsEndTheContext) {
  const auto device = open_device(0);
  const auto kernel = load(*device, cuda_host::replaced(cuda_host::kReverse, "__syncthreads();", ";"), "reverse");
  const auto x = device->allocate(1024), y = device->allocate(1024);
  const auto stream = device->make_stream();
  stream->fill(x.get(), 0, 1024);
  stream->launch({kernel, {x.get(), y.get()}, 1});
  const std::string text = error_of([&] { stream->wait(); }, ErrorCode::internal);
  expect_part(text, "a data race in shared memory");
  expect_part(text, "after launching reverse");
  expect_part(error_of([&] { device->allocate(16); }, ErrorCode::unavailable), "was lost");
}

TEST_F(Simulated, AccessesOutsideTheArguments) {
  const auto device = open_device(0);
  const auto kernel = load(*device, cuda_host::kAddOne, "add_one");
  const auto x = device->allocate(396), y = device->allocate(400);
  const auto stream = device->make_stream();
  stream->launch({kernel, {x.get(), y.get()}, 4});
  expect_part(error_of([&] { stream->wait(); }, ErrorCode::internal), "a read from memory that is not the kernel's");
}

/// Code without checks: what it leaves beside an allocation is found when that is freed.
TEST_F(Simulated, RedZones) {
  set_simulated({.checks = cuda_host::Checks::order});
  const auto device = open_device(0);
  {
    const auto kernel = load(*device, cuda_host::kAddOne, "add_one");
    const auto x = device->allocate(400), y = device->allocate(396);
    const auto stream = device->make_stream();
    stream->launch({kernel, {x.get(), y.get()}, 4});
    stream->wait();
    EXPECT_EQ(simulated_trouble(), "");
  }
  EXPECT_EQ(simulated_trouble(), "bytes beside an allocation were written");
}

TEST_F(Simulated, RefusesBadTexts) {
  const auto device = open_device(0);
  expect_part(
      error_of([&] { load(*device, "extern \"C\" __global__ void f(float* x) { x = y; }", "f"); }, ErrorCode::internal),
      "was not declared in this scope");
  const std::string large =
      cuda_host::replaced(cuda_host::replaced(cuda_host::kReverse, "tile[256]", "tile[256 * 50]"), "reverse", "large");
  expect_part(error_of([&] { load(*device, large, "large"); }, ErrorCode::internal), "too much shared data");
}

TEST_F(Simulated, RunsOutOfMemory) {
  set_simulated({.memory_bytes = 1 << 20});
  const auto device = open_device(0);
  const auto most = device->allocate(1 << 20);
  expect_part(error_of([&] { device->allocate(1); }, ErrorCode::out_of_memory), "OUT_OF_MEMORY");
}

TEST_F(Simulated, RefusesThreadsWithoutAContext) {
  const auto device = open_device(0);
  CuAddress address = 0;
  EXPECT_EQ(simulated_driver().cuMemAlloc(&address, 16), kCuInvalidContext);
  std::shared_ptr<void> memory;
  std::thread([&] { memory = device->allocate(16); }).join();
  EXPECT_TRUE(memory);
}

TEST_F(Simulated, ReadsEntriesAndBounds) {
  EXPECT_EQ(entry_in(cuda_host::kSum), "sum");
  EXPECT_EQ(launch_bounds_in(cuda_host::kSum), 256);
  EXPECT_EQ(entry_in("__global__ void f(int* x) {}"), "f");
  EXPECT_EQ(launch_bounds_in("__global__ void f(int* x) {}"), 1024);
  EXPECT_EQ(entry_in("extern \"C\" __global__ void __launch_bounds__(64)\nk_1(int* x) {"), "k_1");
  EXPECT_EQ(entry_in("void f() {}"), "");
}

}  // namespace
}  // namespace altrt::jit::gpu
