// Random computations, layouts and GPU schedules on a real GPU against the reference evaluator. Skipped where there is
// none.
#include <altrt/error.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <thread>

#include "jit/gpu/gpu.h"
#include "runtime/base/buffer.h"
#include "tests/jit_gpu/gpu_case.h"
#include "tests/property/harness.h"

namespace altrt::jit {
namespace {

struct Compiled {
  property::Case c;
  std::vector<KernelObject> kernels;
  std::string trouble;
};

/// Kernel objects of the cases, made by as many threads as the machine has.
std::vector<Compiled> compile_cases(uint64_t first, int count, const Target& target) {
  std::vector<Compiled> cases(static_cast<size_t>(count));
  std::atomic<int> next{0};
  const auto work = [&] {
    for (int i = next++; i < count; i = next++) {
      Compiled& one = cases[static_cast<size_t>(i)];
      try {
        one.c = property::make_threaded_case(first + static_cast<uint64_t>(i));
        for (const LoweredKernel& kernel : one.c.kernels) one.kernels.push_back(gpu::compile(kernel.nest, target));
      } catch (const Error& e) {
        one.trouble = e.code() == ErrorCode::unsupported ? "unsupported" : e.what();
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < std::max(1u, std::thread::hardware_concurrency()); ++t) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  return cases;
}

/// One kernel on the device, each argument between marked zones; false if one was written to.
bool run_on(Device& device, const KernelObject& object, const Nest& nest, const std::vector<void*>& arguments) {
  constexpr size_t kZone = 512;
  const std::shared_ptr<LoadedKernel> kernel = device.load({object})[0];
  const std::unique_ptr<DeviceStream> stream = device.make_stream();
  Launch launch{kernel, {}, nest.tasks()};
  std::vector<std::shared_ptr<void>> rooms;
  std::vector<size_t> sizes;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Buffer& b = nest.buffers[i];
    sizes.push_back(static_cast<size_t>(b.elements()) * size_of(b.type));
    rooms.push_back(device.allocate(sizes.back() + 2 * kZone));
    stream->fill(rooms.back().get(), 0xa7, sizes.back() + 2 * kZone);
    launch.arguments.push_back(static_cast<uint8_t*>(rooms.back().get()) + kZone);
    stream->upload(launch.arguments.back(), arguments[i], sizes.back());
  }
  stream->launch(launch);
  stream->wait();
  bool intact = true;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::vector<uint8_t> bytes(sizes[i] + 2 * kZone);
    stream->download(bytes.data(), rooms[i].get(), bytes.size());
    stream->wait();
    for (size_t z = 0; z < kZone; ++z) intact = intact && bytes[z] == 0xa7 && bytes[kZone + sizes[i] + z] == 0xa7;
    if (nest.buffers[i].written) std::memcpy(arguments[i], bytes.data() + kZone, sizes[i]);
  }
  return intact;
}

std::string difference_of(Device& device, const Compiled& one) {
  try {
    bool intact = true;
    size_t next = 0;
    const std::string difference = property::check(one.c, [&](const Nest& nest, const std::vector<void*>& arguments) {
      intact = run_on(device, one.kernels[next++], nest, arguments) && intact;
    });
    return intact ? difference : "bytes beside a buffer were written";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(DeviceProperty, GivesTheEvaluatorsBits) {
  std::shared_ptr<Device> device;
  try {
    device = gpu::open_device(0);
  } catch (const Error& e) {
    GTEST_SKIP() << e.what();
  }
  constexpr int kTogether = 250;
  const uint64_t first = property::test_seed(1);
  const int count = property::test_cases(1000);
  int run = 0, failures = 0;
  for (int done = 0; done < count && failures < 5; done += kTogether) {
    for (const Compiled& one :
         compile_cases(first + static_cast<uint64_t>(done), std::min(kTogether, count - done), device->target())) {
      if (one.trouble == "unsupported") continue;
      ++run;
      const std::string difference = one.trouble.empty() ? difference_of(*device, one) : one.trouble;
      if (difference.empty() || failures >= 5) continue;
      ++failures;
      ADD_FAILURE() << "seed " << one.c.seed << ": " << difference << "\n" << to_string(one.c);
    }
  }
  std::printf("%d of %d cases run on %s\n", run, count, device->description().c_str());
  EXPECT_GE(run, count * 9 / 10);
}

}  // namespace
}  // namespace altrt::jit
