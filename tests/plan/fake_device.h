// A device that is this CPU with memory of its own. What is enqueued is done by wait() and not before, so that whoever
// reads too early reads what was there; whatever is no address of the device is found; every call is written down.
#pragma once

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jit/cpu/cpu.h"
#include "jit/kernel/device.h"
#include "runtime/base/buffer.h"

namespace altrt {

// A kernel for the CPU that only the device can run.
class FakeKernel : public jit::LoadedKernel {
 public:
  explicit FakeKernel(std::shared_ptr<jit::LoadedKernel> kernel, int64_t workspace_bytes = 0)
      : kernel_(std::move(kernel)), workspace_bytes_(workspace_bytes) {}
  jit::KernelFunction function() const override { return nullptr; }

  void run(const std::vector<void*>& arguments, int64_t blocks) const {
    base::AlignedBuffer workspace(static_cast<size_t>(workspace_bytes_));
    const std::vector<const void*> buffers(arguments.begin(), arguments.end());
    const int64_t sizes[1] = {0};
    kernel_->function()(buffers.data(), sizes, workspace.data(), 0, blocks);
  }

 private:
  std::shared_ptr<jit::LoadedKernel> kernel_;
  int64_t workspace_bytes_;
};

class FakeDevice : public jit::Device, public std::enable_shared_from_this<FakeDevice> {
 public:
  // "upload 160", "make_graph 3", "set_arguments 1", "run_graph 3", "launch", "wait", "allocate 256", "load 2";
  // what is done in a caller's stream begins with "caller's ".
  std::vector<std::string> calls;
  std::string failing;            // calls that begin with this throw Error(internal); "" = none
  size_t memory_left = SIZE_MAX;  // then out_of_memory
  std::deque<std::function<void()>>& queue(void* stream) { return queues_[stream]; }

  // The calls since the last time.
  std::vector<std::string> take_calls() { return std::exchange(calls, {}); }
  bool owns(const void* address) const {
    const auto* at = static_cast<const uint8_t*>(address);
    auto next = memory_.upper_bound(at);
    return next != memory_.begin() && at < (--next)->first + next->second;
  }
  // What a caller does with his own stream.
  void synchronize(void* stream) {
    std::deque<std::function<void()>> work = std::exchange(queues_[stream], {});
    for (const auto& item : work) item();
  }

  const jit::Target& target() const override { return target_; }
  std::string description() const override { return "fake device"; }
  std::shared_ptr<void> allocate(size_t bytes) override;
  std::vector<std::shared_ptr<jit::LoadedKernel>> load(const std::vector<jit::KernelObject>& objects) override;
  std::unique_ptr<jit::DeviceStream> make_stream() override;
  std::unique_ptr<jit::DeviceStream> wrap_stream(void* stream) override;

  void call(const std::string& what) {
    calls.push_back(what);
    if (!failing.empty() && what.rfind(failing, 0) == 0) throw Error(ErrorCode::internal, "fake: " + what + " failed");
  }

 private:
  jit::Target target_ = jit::host_target();
  std::map<const uint8_t*, size_t> memory_;
  std::map<const void*, std::deque<std::function<void()>>> queues_;
};

class FakeEvent : public jit::DeviceEvent {
 public:
  explicit FakeEvent(double ms_in) : ms(ms_in) {}
  double ms;
};

class FakeGraph : public jit::DeviceGraph {
 public:
  FakeGraph(FakeDevice& device, std::vector<jit::Launch> launches_in)
      : launches(std::move(launches_in)), device_(device) {}
  void set_arguments(size_t launch, std::span<void* const> arguments) override {
    device_.call("set_arguments " + std::to_string(launch));
    launches.at(launch).arguments.assign(arguments.begin(), arguments.end());
  }
  std::vector<jit::Launch> launches;

 private:
  FakeDevice& device_;
};

class FakeStream : public jit::DeviceStream {
 public:
  FakeStream(std::shared_ptr<FakeDevice> device, void* handle, std::string prefix)
      : device_(std::move(device)), handle_(handle ? handle : this), prefix_(std::move(prefix)) {}
  ~FakeStream() override { device_->synchronize(handle_); }

  void upload(void* to, const void* from, size_t bytes) override {
    call("upload " + std::to_string(bytes), {to}, {from});
    const auto* begin = static_cast<const uint8_t*>(from);
    enqueue([to, data = std::vector<uint8_t>(begin, begin + bytes)] { std::memcpy(to, data.data(), data.size()); });
  }
  void download(void* to, const void* from, size_t bytes) override {
    call("download " + std::to_string(bytes), {from}, {to});
    enqueue([=] { std::memcpy(to, from, bytes); });
  }
  void copy(void* to, const void* from, size_t bytes) override {
    call("copy " + std::to_string(bytes), {to, from}, {});
    enqueue([=] { std::memcpy(to, from, bytes); });
  }
  void fill(void* to, uint8_t byte, size_t bytes) override {
    call("fill " + std::to_string(bytes), {to}, {});
    enqueue([=] { std::memset(to, byte, bytes); });
  }
  void launch(const jit::Launch& launch) override {
    call("launch", {}, {});
    run({launch});
  }
  std::unique_ptr<jit::DeviceGraph> make_graph(const std::vector<jit::Launch>& launches) override {
    call("make_graph " + std::to_string(launches.size()), {}, {});
    return std::make_unique<FakeGraph>(*device_, launches);
  }
  void launch(jit::DeviceGraph& graph) override {
    const auto& launches = dynamic_cast<FakeGraph&>(graph).launches;
    call("run_graph " + std::to_string(launches.size()), {}, {});
    run(launches);
  }
  std::unique_ptr<jit::DeviceEvent> record() override {
    enqueue([this] { ++now_; });
    return std::make_unique<FakeEvent>(++recorded_);
  }
  void wait() override {
    call("wait", {}, {});
    device_->synchronize(handle_);
  }
  double milliseconds(const jit::DeviceEvent& from, const jit::DeviceEvent& to) override {
    EXPECT_EQ(now_, recorded_) << "events that have not passed";
    return dynamic_cast<const FakeEvent&>(to).ms - dynamic_cast<const FakeEvent&>(from).ms;
  }

 private:
  void call(const std::string& what, std::vector<const void*> on_device, std::vector<const void*> on_host) {
    for (const void* address : on_device) EXPECT_TRUE(device_->owns(address)) << what;
    for (const void* address : on_host) EXPECT_FALSE(device_->owns(address)) << what;
    device_->call(prefix_ + what);
  }
  void enqueue(std::function<void()> work) { device_->queue(handle_).push_back(std::move(work)); }
  void run(const std::vector<jit::Launch>& launches) {
    for (const jit::Launch& launch : launches) {
      const auto kernel = std::dynamic_pointer_cast<const FakeKernel>(launch.kernel);
      ASSERT_TRUE(kernel) << "not loaded by the device";
      for (void* argument : launch.arguments) EXPECT_TRUE(device_->owns(argument)) << "argument of a launch";
      enqueue([kernel, launch] { kernel->run(launch.arguments, launch.blocks); });
    }
  }

  std::shared_ptr<FakeDevice> device_;
  void* handle_;
  std::string prefix_;
  double recorded_ = 0, now_ = 0;
};

inline std::shared_ptr<void> FakeDevice::allocate(size_t bytes) {
  call("allocate " + std::to_string(bytes));
  if (bytes > memory_left) throw Error(ErrorCode::out_of_memory, "fake: no " + std::to_string(bytes) + " bytes");
  void* memory = std::aligned_alloc(256, base::round_up(bytes + 1, 256));
  std::memset(memory, 0xff, bytes);  // NaN
  memory_[static_cast<const uint8_t*>(memory)] = bytes;
  return std::shared_ptr<void>(memory, [device = shared_from_this()](void* gone) {
    device->memory_.erase(static_cast<const uint8_t*>(gone));
    std::free(gone);
  });
}

inline std::vector<std::shared_ptr<jit::LoadedKernel>> FakeDevice::load(const std::vector<jit::KernelObject>& objects) {
  call("load " + std::to_string(objects.size()));
  std::vector<std::shared_ptr<jit::LoadedKernel>> kernels = jit::cpu::load(objects);
  for (size_t k = 0; k < kernels.size(); ++k) {
    kernels[k] = std::make_shared<FakeKernel>(kernels[k], objects[k].workspace_bytes);
  }
  return kernels;
}

inline std::unique_ptr<jit::DeviceStream> FakeDevice::make_stream() {
  call("make_stream");
  return std::make_unique<FakeStream>(shared_from_this(), nullptr, "");
}

inline std::unique_ptr<jit::DeviceStream> FakeDevice::wrap_stream(void* stream) {
  call("wrap_stream");
  return std::make_unique<FakeStream>(shared_from_this(), stream, "caller's ");
}

}  // namespace altrt
