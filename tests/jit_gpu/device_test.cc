// Devices, streams and graphs against the fake driver: what is passed, how long things live, what each failure becomes.
#include <memory>
#include <thread>

#include "jit/gpu/gpu.h"
#include "tests/jit_gpu/expect_error.h"
#include "tests/jit_gpu/fake_driver.h"

namespace altrt::jit::gpu {
namespace {

class GpuDevice : public ::testing::Test {
 protected:
  ~GpuDevice() override { EXPECT_EQ(fake.violations(), ""); }
  void expect_nothing_alive() {
    EXPECT_EQ(fake.alive(), "");
    EXPECT_TRUE(fake.context_stack().empty());
  }
  std::shared_ptr<LoadedKernel> load(Device& device, const std::string& name, int parameters = 1) {
    return device.load({fake_kernel(name, parameters)})[0];
  }

  FakeDriver fake;
  UseTables tables{&fake.table(), nullptr};
};

TEST_F(GpuDevice, IsDescribed) {
  const auto device = open_device(1);
  EXPECT_EQ(device->description(), "Fake 1 (sm_90), driver 13.0");
  const Target& target = device->target();
  EXPECT_EQ(to_string(target), "nvptx64-nvidia-cuda sm_90 multiprocessors=132 group=48K l2=51200K");
  EXPECT_EQ(target.lanes, 4);
  EXPECT_EQ(target.vector_registers, 255);
}

TEST_F(GpuDevice, IsOneForTheProcessAndOpensAgain) {
  auto device = open_device(0);
  EXPECT_EQ(open_device(0), device);
  EXPECT_NE(open_device(1), device);
  EXPECT_EQ(fake.calls("cuDevicePrimaryCtxRetain"), 2);
  device.reset();
  expect_nothing_alive();
  EXPECT_EQ(open_device(0)->description(), "Fake 0 (sm_90), driver 13.0");
}

TEST_F(GpuDevice, SaysWhyThereIsNone) {
  EXPECT_TRUE(
      contains(error_of(ErrorCode::unavailable, [] { open_device(2); }), "no GPU number 2; found: numbers 0 to 1"));
  EXPECT_TRUE(contains(error_of(ErrorCode::unavailable, [] { open_device(-1); }), "no GPU number -1"));
  fake.version = 11020;
  const std::string old = error_of(ErrorCode::unavailable, [] { open_device(0); });
  EXPECT_TRUE(contains(old, "11.2"));
  EXPECT_TRUE(contains(old, "11.4"));
  fake.version = 11040;
  fake.devices = 1;
  EXPECT_TRUE(contains(error_of(ErrorCode::unavailable, [] { open_device(1); }), "found: one, number 0"));
  fake.devices = 0;
  EXPECT_TRUE(contains(error_of(ErrorCode::unavailable, [] { open_device(0); }), "cuInit: CUDA_ERROR_NO_DEVICE"));
  expect_nothing_alive();
}

TEST_F(GpuDevice, LeavesTheHostsContextCurrent) {
  const CuContext host = fake.foreign_context();
  fake.context_stack() = {host};
  {
    const auto device = open_device(0);
    const auto memory = device->allocate(1024);
    const auto kernel = load(*device, "k");
    const auto stream = device->make_stream();
    char bytes[16] = {};
    stream->upload(memory.get(), bytes, 16);
    stream->launch({kernel, {memory.get()}, 3});
    const auto graph = stream->make_graph({{kernel, {memory.get()}, 3}});
    stream->launch(*graph);
    const auto event = stream->record();
    stream->wait();
    EXPECT_THROW(device->allocate(2 << 20), Error);
    EXPECT_EQ(fake.context_stack(), std::vector{host});
  }
  EXPECT_EQ(fake.context_stack(), std::vector{host});
}

TEST_F(GpuDevice, MemoryOutlivesTheDeviceAndIsFreed) {
  auto memory = open_device(0)->allocate(100);
  EXPECT_EQ(fake.alive(), "context primary\nmemory of 100 bytes\n");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.get()) % 256, 0u);
  std::thread([&] { memory.reset(); }).join();  // any thread may drop the last reference
  expect_nothing_alive();
  EXPECT_NE(open_device(0)->allocate(0), nullptr);
  expect_nothing_alive();
}

TEST_F(GpuDevice, NoMemoryIsLeft) {
  const auto device = open_device(0);
  const auto most = device->allocate(1 << 20);
  const std::string message = error_of(ErrorCode::out_of_memory, [&] { device->allocate(4096); });
  EXPECT_TRUE(contains(message, "cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY, as the fake driver says (4096 bytes)"));
}

TEST_F(GpuDevice, LoadsKernelsAndUnloadsThem) {
  auto kernels = open_device(0)->load({fake_kernel("a", 1), fake_kernel("b", 2)});
  ASSERT_EQ(kernels.size(), 2u);
  EXPECT_EQ(kernels[0]->function(), nullptr);
  EXPECT_EQ(fake.calls("cuModuleLoadDataEx"), 2);
  kernels.erase(kernels.begin());
  EXPECT_EQ(fake.calls("cuModuleUnload"), 1);
  kernels.clear();
  expect_nothing_alive();
}

TEST_F(GpuDevice, RefusesCodeThatDoesNotFit) {
  const auto device = open_device(0);
  const std::string other =
      error_of(ErrorCode::unavailable, [&] { device->load({fake_kernel("k", 1, 128, "sm_80")}); });
  EXPECT_TRUE(contains(other, "CUDA_ERROR_NO_BINARY_FOR_GPU"));
  EXPECT_TRUE(contains(other, "kernel k"));
  KernelObject torn = fake_kernel("torn", 1);
  torn.bytes[0] = 'x';
  EXPECT_TRUE(
      contains(error_of(ErrorCode::unavailable, [&] { device->load({torn}); }), "kernel torn: no FAKE at the start"));
  KernelObject lost = fake_kernel("lost", 1);
  lost.entry = "elsewhere";
  EXPECT_TRUE(contains(error_of(ErrorCode::internal,
                                [&] {
                                  device->load({fake_kernel("k", 1), lost});
                                }),
                       "kernel lost"));
  fake.most_threads = 256;
  const std::string large = error_of(ErrorCode::unavailable, [&] { device->load({fake_kernel("large", 1, 512)}); });
  EXPECT_TRUE(contains(large, "kernel large has blocks of 512 threads; 1 to 256 are possible"));
  EXPECT_EQ(fake.alive(), "context primary\n");
}

TEST_F(GpuDevice, StreamsCopyAndFill) {
  const auto device = open_device(0);
  const auto memory = device->allocate(64);
  auto* const address = static_cast<char*>(memory.get());
  const auto stream = device->make_stream();
  EXPECT_EQ(fake.stream_flags, std::vector{kCuStreamNonBlocking});
  char host[64] = {};
  stream->upload(address, host, 64);
  EXPECT_EQ(fake.pending_reads(), 0);  // the caller may change its memory
  stream->copy(address + 32, address, 32);
  stream->fill(address + 60, 0, 4);
  stream->download(host, address, 64);
  stream->wait();
  const int calls = fake.calls("cuMemcpyHtoDAsync");
  stream->upload(nullptr, nullptr, 0);
  stream->download(nullptr, nullptr, 0);
  stream->copy(nullptr, nullptr, 0);
  stream->fill(nullptr, 0, 0);
  EXPECT_EQ(fake.calls("cuMemcpyHtoDAsync"), calls);
}

TEST_F(GpuDevice, LaunchesPassTheirArguments) {
  const auto device = open_device(0);
  const auto a = device->allocate(64), b = device->allocate(64);
  const auto stream = device->make_stream();
  stream->launch({device->load({fake_kernel("k", 2, 192)})[0], {b.get(), a.get()}, 7});
  ASSERT_EQ(fake.launched().size(), 1u);
  const FakeDriver::Launched& launched = fake.launched()[0];
  EXPECT_EQ(launched.entry, "k_entry");
  EXPECT_EQ(launched.grid, 7u);
  EXPECT_EQ(launched.block, 192u);
  const std::vector<CuAddress> expected = {reinterpret_cast<CuAddress>(b.get()), reinterpret_cast<CuAddress>(a.get())};
  EXPECT_EQ(launched.arguments, expected);
  EXPECT_EQ(fake.calls("cuModuleUnload"), 0);  // dropped by the caller, but under way
  stream->wait();
  EXPECT_EQ(fake.calls("cuModuleUnload"), 1);
}

TEST_F(GpuDevice, ManyLaunchesWithoutAWaitAreWaitedFor) {
  const auto device = open_device(0);
  const auto memory = device->allocate(64);
  const auto stream = device->make_stream();
  for (int i = 0; i < 1500; ++i) stream->launch({load(*device, "k" + std::to_string(i)), {memory.get()}, 1});
  EXPECT_EQ(fake.calls("cuStreamSynchronize"), 1);
  EXPECT_EQ(fake.calls("cuModuleUnload"), 1024);
  const auto kernel = load(*device, "again");
  for (int i = 0; i < 3000; ++i) stream->launch({kernel, {memory.get()}, 1});
  EXPECT_EQ(fake.calls("cuStreamSynchronize"), 1);
}

TEST_F(GpuDevice, RefusesLaunchesThatCannotBe) {
  const auto first = open_device(0), second = open_device(1);
  const auto memory = first->allocate(64);
  const auto kernel = load(*first, "k"), foreign = load(*second, "k");
  const auto stream = first->make_stream();
  error_of(ErrorCode::internal, [&] { stream->launch({foreign, {memory.get()}, 1}); });
  error_of(ErrorCode::internal, [&] { stream->launch({nullptr, {memory.get()}, 1}); });
  error_of(ErrorCode::internal, [&] {
    stream->make_graph({{kernel, {memory.get()}, 1}, {foreign, {memory.get()}, 1}});
  });
  for (const int64_t blocks : {int64_t{-1}, int64_t{0}, int64_t{1} << 31}) {
    error_of(ErrorCode::internal, [&] { stream->launch({kernel, {memory.get()}, blocks}); });
  }
  const auto graph = stream->make_graph({{kernel, {memory.get()}, 1}});
  error_of(ErrorCode::internal, [&] { second->make_stream()->launch(*graph); });
  EXPECT_TRUE(fake.launched().empty());
  fake.fail("cuLaunchKernel", kCuLaunchOutOfResources);
  EXPECT_TRUE(contains(error_of(ErrorCode::internal,
                                [&] {
                                  stream->launch({kernel, {memory.get()}, 1});
                                }),
                       "cuLaunchKernel: CUDA error 701, as the fake driver says (kernel k)"));
}

TEST_F(GpuDevice, GraphsRunInOrderWithOtherArguments) {
  const auto device = open_device(0);
  const auto a = device->allocate(64);
  auto b = device->allocate(64);
  const auto stream = device->make_stream();
  auto graph = stream->make_graph({{load(*device, "first"), {a.get()}, 2}, {load(*device, "second"), {a.get()}, 3}});
  stream->launch(*graph);
  void* const other[] = {b.get()};
  graph->set_arguments(1, other);
  stream->launch(*graph);
  stream->wait();
  ASSERT_EQ(fake.launched().size(), 4u);
  EXPECT_EQ(fake.launched()[1].entry, "second_entry");
  EXPECT_EQ(fake.launched()[1].arguments[0], reinterpret_cast<CuAddress>(a.get()));
  EXPECT_EQ(fake.launched()[2].arguments[0], reinterpret_cast<CuAddress>(a.get()));
  EXPECT_EQ(fake.launched()[3].arguments[0], reinterpret_cast<CuAddress>(b.get()));
  EXPECT_EQ(fake.launched()[3].grid, 3u);
  error_of(ErrorCode::internal, [&] { graph->set_arguments(2, other); });
  error_of(ErrorCode::internal, [&] { graph->set_arguments(0, {}); });
  stream->launch(*graph);
  graph.reset();  // under way: its kernels stay
  EXPECT_EQ(fake.calls("cuModuleUnload"), 0);
  stream->wait();
  EXPECT_EQ(fake.calls("cuModuleUnload"), 2);
}

TEST_F(GpuDevice, EventsMeasure) {
  const auto device = open_device(0);
  const auto stream = device->make_stream();
  const auto from = stream->record(), to = stream->record();
  EXPECT_TRUE(contains(error_of(ErrorCode::internal, [&] { stream->milliseconds(*from, *to); }), "cuEventElapsedTime"));
  stream->wait();
  EXPECT_EQ(stream->milliseconds(*from, *to), 2.5);
  error_of(ErrorCode::internal, [&] { open_device(1)->make_stream()->milliseconds(*from, *to); });
}

TEST_F(GpuDevice, WrapsTheCallersStream) {
  const auto device = open_device(0);
  CuContext primary = nullptr;
  fake.table().cuDevicePrimaryCtxRetain(&primary, 40);
  {
    const auto memory = device->allocate(64);
    const auto kernel = load(*device, "k");
    const auto stream = device->wrap_stream(fake.foreign_stream(primary));
    stream->launch({kernel, {memory.get()}, 1});
    const auto usual = device->wrap_stream(nullptr);
    usual->fill(memory.get(), 0, 64);
  }
  EXPECT_EQ(fake.calls("cuStreamSynchronize"), 2);  // destroyed with work under way
  EXPECT_EQ(fake.calls("cuStreamDestroy"), 0);
  const CuStream other = fake.foreign_stream(fake.foreign_context());
  EXPECT_TRUE(contains(error_of(ErrorCode::invalid_argument, [&] { device->wrap_stream(other); }), "primary context"));
  fake.table().cuDevicePrimaryCtxRelease(40);
}

TEST_F(GpuDevice, AFaultNamesTheKernelsAndLosesTheDevice) {
  for (const bool as_graph : {false, true}) {
    auto device = open_device(0);
    {
      const auto memory = device->allocate(64);
      const auto stream = device->make_stream();
      const Launch good = {load(*device, "good"), {memory.get()}, 1}, bad = {load(*device, "bad"), {memory.get()}, 1};
      stream->launch(good);
      stream->wait();
      fake.break_next_kernel(kCuIllegalAddress);
      if (as_graph) {
        stream->launch(*stream->make_graph({bad}));
      } else {
        stream->launch(bad);
      }
      const std::string message = error_of(ErrorCode::internal, [&] { stream->wait(); });
      EXPECT_TRUE(contains(message, "cuStreamSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS"));
      EXPECT_TRUE(contains(message, "(after launching bad)"));
      const std::string later = error_of(ErrorCode::unavailable, [&] { device->allocate(8); });
      EXPECT_TRUE(contains(later, "was lost: cuStreamSynchronize"));
      EXPECT_TRUE(contains(later, "bad"));
      error_of(ErrorCode::unavailable, [&] { stream->wait(); });
      error_of(ErrorCode::unavailable, [&] { stream->launch(good); });
      error_of(ErrorCode::unavailable, [&] { device->make_stream(); });
    }
    device.reset();
    expect_nothing_alive();
  }
}

TEST_F(GpuDevice, AFaultIsReportedByWhateverCallComesNext) {
  const auto device = open_device(0);
  const auto memory = device->allocate(64);
  const auto stream = device->make_stream();
  fake.break_next_kernel(kCuLaunchFailed);
  stream->launch({load(*device, "bad"), {memory.get()}, 1});
  EXPECT_TRUE(
      contains(error_of(ErrorCode::internal, [&] { stream->fill(memory.get(), 0, 64); }), "after launching bad"));
}

TEST_F(GpuDevice, ADeviceThatGoesAwayIsUnavailable) {
  const auto device = open_device(0);
  fake.fail("cuMemAlloc", kCuDeviceUnavailable);
  error_of(ErrorCode::unavailable, [&] { device->allocate(8); });
  fake.fail("cuDevicePrimaryCtxRetain", kCuDeviceUnavailable);
  error_of(ErrorCode::unavailable, [&] { open_device(1); });
  fake.fail("cuDevicePrimaryCtxRetain", kCuIllegalAddress);
  EXPECT_TRUE(contains(error_of(ErrorCode::unavailable, [&] { open_device(1); }), "a new process has it again"));
}

TEST_F(GpuDevice, MayOutliveTheDriver) {
  const auto device = open_device(0);
  const auto memory = device->allocate(64);
  const auto kernel = load(*device, "k");
  const auto stream = device->make_stream();
  const auto graph = stream->make_graph({{kernel, {memory.get()}, 1}});
  const auto event = stream->record();
  stream->launch(*graph);
  fake.shut_down();
  error_of(ErrorCode::unavailable, [&] { stream->wait(); });
  // All destructors run after this line.
}

/// Everything a session does.
void use_device() {
  const auto device = open_device(0);
  const auto in = device->allocate(256), out = device->allocate(256);
  const auto kernels = device->load({fake_kernel("a", 2), fake_kernel("b", 2)});
  const auto stream = device->make_stream();
  char host[256] = {};
  stream->upload(in.get(), host, 256);
  const auto from = stream->record();
  stream->launch({kernels[0], {in.get(), out.get()}, 4});
  const auto graph =
      stream->make_graph({{kernels[0], {in.get(), out.get()}, 4}, {kernels[1], {out.get(), in.get()}, 2}});
  void* const other[] = {in.get(), in.get()};
  graph->set_arguments(1, other);
  stream->launch(*graph);
  stream->copy(out.get(), in.get(), 128);
  stream->fill(out.get(), 0, 64);
  const auto to = stream->record();
  stream->download(host, out.get(), 256);
  stream->wait();
  stream->milliseconds(*from, *to);
}

TEST(GpuFailures, EveryCallMayFail) {
  int failed = 0, reported = 0;
  for (const CuResult result : {CuResult(kCuOutOfMemory), CuResult(kCuUnknown), CuResult(kCuIllegalAddress)}) {
    for (int number = 0;; ++number) {
      FakeDriver fake;
      const UseTables tables(&fake.table(), nullptr);
      fake.fail_call(number, result);
      bool threw = false;
      try {
        use_device();
      } catch (const Error& error) {
        threw = true;
        if (fake.failed_call() != "cuDriverGetVersion") {
          EXPECT_EQ(error.code() == ErrorCode::out_of_memory, result == kCuOutOfMemory) << error.what();
        }
        EXPECT_TRUE(contains(error.what(), fake.failed_call()));
      }
      const std::string call = fake.failed_call();
      if (call.empty()) break;
      ++failed;
      reported += threw;
      SCOPED_TRACE(call + ", call number " + std::to_string(number));
      EXPECT_TRUE(fake.context_stack().empty());
      // Where a destructor could not make its context current, what it holds stays.
      if (!threw && call == "cuCtxPushCurrent") continue;
      EXPECT_EQ(fake.alive() + fake.violations(), "");
    }
  }
  EXPECT_GT(reported, 3 * 40);
  EXPECT_LT(reported, failed);  // destructors
}

}  // namespace
}  // namespace altrt::jit::gpu
