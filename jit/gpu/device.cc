#include <altrt/error.h>

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <utility>

#include "jit/gpu/context.h"
#include "jit/gpu/gpu.h"
#include "jit/gpu/loaded.h"
#include "jit/gpu/stream.h"

namespace altrt::jit::gpu {
namespace {

CuModule load_module(const Context& context, const KernelObject& object) {
  char log[2048] = "";
  int options[] = {kCuJitErrorLog, kCuJitErrorLogBytes};
  void* values[] = {log, std::bit_cast<void*>(sizeof log)};
  CuModule module = nullptr;
  const CuResult result = context.driver().cuModuleLoadDataEx(&module, object.bytes.data(), 2, options, values);
  if (result == kCuSuccess) return module;
  log[sizeof log - 1] = 0;
  context.fail(result, "cuModuleLoadDataEx", "kernel " + object.name + (log[0] ? std::string(": ") + log : ""));
}

class GpuDevice final : public Device {
 public:
  explicit GpuDevice(std::shared_ptr<const Context> context) : context_(std::move(context)) {}

  const Target& target() const override { return context_->target(); }
  std::string description() const override { return context_->description(); }

  std::shared_ptr<void> allocate(size_t bytes) override {
    const Current current(*context_);
    CuAddress address = 0;
    const CuResult result = context_->driver().cuMemAlloc(&address, std::max<size_t>(bytes, 1));
    if (result != kCuSuccess) context_->fail(result, "cuMemAlloc", std::to_string(bytes) + " bytes");
    return {std::bit_cast<void*>(address), [context = context_](void* pointer) {
              const Current in_deleter(*context, std::nothrow);
              if (in_deleter.is_set()) context->driver().cuMemFree(reinterpret_cast<CuAddress>(pointer));
            }};
  }

  std::vector<std::shared_ptr<LoadedKernel>> load(const std::vector<KernelObject>& objects) override {
    const Current current(*context_);
    std::vector<std::shared_ptr<LoadedKernel>> kernels;
    for (const KernelObject& object : objects) kernels.push_back(std::make_shared<GpuKernel>(context_, object));
    return kernels;
  }

  std::unique_ptr<DeviceStream> make_stream() override { return std::make_unique<GpuStream>(context_); }
  std::unique_ptr<DeviceStream> wrap_stream(void* stream) override {
    return std::make_unique<GpuStream>(context_, static_cast<CuStream>(stream));
  }

 private:
  std::shared_ptr<const Context> context_;
};

}  // namespace

GpuKernel::GpuKernel(const std::shared_ptr<const Context>& context, const KernelObject& object)
    : context_(context.get()),
      name_(object.name),
      threads_(object.threads),
      module_(context, load_module(*context, object), context->driver().cuModuleUnload) {
  const Driver& driver = context->driver();
  const std::string subject = "kernel " + object.name;
  context->check(driver.cuModuleGetFunction(&function_, module_.get(), object.entry.c_str()), "cuModuleGetFunction",
                 subject);
  int most = 0;
  context->check(driver.cuFuncGetAttribute(&most, kCuFunctionMaxThreads, function_), "cuFuncGetAttribute", subject);
  if (object.threads >= 1 && object.threads <= most) return;
  throw Error(ErrorCode::unavailable, context->description() + ": " + subject + " has blocks of " +
                                          std::to_string(object.threads) + " threads; 1 to " + std::to_string(most) +
                                          " are possible");
}

std::shared_ptr<Device> open_device(int number) {
  static std::mutex lock;
  static std::map<std::pair<const Driver*, int>, std::weak_ptr<Device>> open;
  const Driver& table = driver();
  const std::lock_guard guard(lock);
  std::weak_ptr<Device>& known = open[{&table, number}];
  if (std::shared_ptr<Device> device = known.lock()) return device;
  auto device = std::make_shared<GpuDevice>(std::make_shared<Context>(table, number));
  known = device;
  return device;
}

}  // namespace altrt::jit::gpu
