#include "tests/jit_gpu/fake_driver.h"

#include <cstdio>
#include <cstring>
#include <sstream>

namespace altrt::jit::gpu {
namespace {

FakeDriver* instance = nullptr;

template <typename Handle>
uint64_t number(Handle handle) {
  return reinterpret_cast<uint64_t>(handle);
}

}  // namespace

FakeDriver::FakeDriver() {
  instance = this;
  table_.cuGetErrorName = [](CuResult result, const char** name) -> CuResult {
    *name = result == kCuOutOfMemory      ? "CUDA_ERROR_OUT_OF_MEMORY"
            : result == kCuNoDevice       ? "CUDA_ERROR_NO_DEVICE"
            : result == kCuIllegalAddress ? "CUDA_ERROR_ILLEGAL_ADDRESS"
            : result == kCuNoBinaryForGpu ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
                                          : nullptr;
    return *name ? kCuSuccess : kCuInvalidValue;
  };
  table_.cuGetErrorString = [](CuResult, const char** text) -> CuResult {
    *text = "as the fake driver says";
    return kCuSuccess;
  };
  set_devices();
  set_contexts();
  set_modules();
  set_memory();
  set_streams();
  set_graphs();
  set_graph_runs();
}

FakeDriver::~FakeDriver() {
  instance = nullptr;
  context_stack().clear();
}

std::vector<CuContext>& FakeDriver::context_stack() {
  thread_local std::vector<CuContext> stack;
  return stack;
}

void FakeDriver::fail(const std::string& call, CuResult result, int skip) { failures_[call] = {skip, result}; }

void FakeDriver::fail_call(int number, CuResult result) {
  until_failure_ = number;
  failure_ = result;
}

int FakeDriver::calls(const std::string& name) const {
  const auto found = calls_.find(name);
  return found == calls_.end() ? 0 : found->second;
}

std::string FakeDriver::alive() const {
  static const char* const names[] = {"context", "module", "function", "stream", "event", "graph", "node", "exec"};
  std::string text;
  for (const auto& [handle, object] : objects_) {
    if (object.alive) text += std::string(names[static_cast<int>(object.kind)]) + " " + object.entry + "\n";
  }
  for (const auto& [address, memory] : memory_) text += "memory of " + std::to_string(memory.bytes) + " bytes\n";
  return text;
}

CuResult FakeDriver::violation(const std::string& text, CuResult result) {
  violations_ += name_ + ": " + text + "\n";
  return result;
}

/// Every call comes through here. Failing calls do nothing, but that what destroys destroys.
CuResult FakeDriver::call(const char* name, unsigned traits, const std::function<CuResult(FakeDriver&)>& body) {
  if (!instance) std::abort();  // a call after the test's end
  FakeDriver& fake = *instance;
  const std::lock_guard guard(fake.lock_);
  fake.name_ = name;
  ++fake.calls_[name];
  if (fake.down_) return kCuDeinitialized;
  CuResult failure = kCuSuccess;
  if (const auto planned = fake.failures_.find(name); planned != fake.failures_.end() && planned->second.first-- == 0) {
    failure = planned->second.second;
    fake.failures_.erase(planned);
  } else if (fake.until_failure_ >= 0 && fake.until_failure_-- == 0) {
    failure = fake.failure_;
    fake.failed_call_ = name;
  } else if (!(traits & kLasts)) {
    failure = fake.sticky_;
  }
  if (failure != kCuSuccess && !(traits & kAlways)) return failure;
  if ((traits & kNeedsContext) && !fake.current()) return fake.violation("no context is current", kCuInvalidContext);
  const CuResult result = body(fake);
  return failure != kCuSuccess ? failure : result;
}

FakeDriver::Object* FakeDriver::current() {
  if (context_stack().empty()) return nullptr;
  return find(context_stack().back(), Kind::context);
}

CuContext FakeDriver::foreign_context() { return make<CuContext>({.kind = Kind::context, .entry = "foreign"}); }

CuStream FakeDriver::foreign_stream(CuContext context) {
  return make<CuStream>({.kind = Kind::stream, .context = number(context), .entry = "foreign"});
}

void FakeDriver::set_devices() {
  table_.cuInit = [](unsigned flags) {
    return call("cuInit", kPlain, [&](FakeDriver& fake) -> CuResult {
      if (flags != 0) return fake.violation("flags");
      fake.initialised_ = true;
      return fake.devices == 0 ? kCuNoDevice : kCuSuccess;
    });
  };
  table_.cuDriverGetVersion = [](int* version) {
    return call("cuDriverGetVersion", kLasts, [&](FakeDriver& fake) -> CuResult {
      *version = fake.version;
      return kCuSuccess;
    });
  };
  table_.cuDeviceGetCount = [](int* count) {
    return call("cuDeviceGetCount", kLasts, [&](FakeDriver& fake) -> CuResult {
      if (!fake.initialised_) return fake.violation("before cuInit", kCuNotInitialized);
      *count = fake.devices;
      return kCuSuccess;
    });
  };
  table_.cuDeviceGet = [](CuDevice* device, int number) {
    return call("cuDeviceGet", kLasts, [&](FakeDriver& fake) -> CuResult {
      if (number < 0 || number >= fake.devices) return fake.violation("no such device", kCuInvalidDevice);
      *device = number + 40;
      return kCuSuccess;
    });
  };
  table_.cuDeviceGetName = [](char* name, int bytes, CuDevice device) {
    return call("cuDeviceGetName", kLasts, [&](FakeDriver&) -> CuResult {
      std::snprintf(name, static_cast<size_t>(bytes), "Fake %d", device - 40);
      return kCuSuccess;
    });
  };
  table_.cuDeviceGetAttribute = [](int* value, int attribute, CuDevice device) {
    return call("cuDeviceGetAttribute", kLasts, [&](FakeDriver& fake) -> CuResult {
      const std::map<int, int> values = {{kCuComputeMajor, 9},
                                         {kCuComputeMinor, 0},
                                         {kCuMultiprocessors, 132},
                                         {kCuL2Bytes, 50 << 20},
                                         {kCuSharedBytesPerBlock, 48 << 10}};
      const auto found = values.find(attribute);
      if (found == values.end() || device < 40) return fake.violation("attribute " + std::to_string(attribute));
      *value = found->second;
      return kCuSuccess;
    });
  };
  table_.cuDeviceTotalMem = [](size_t* bytes, CuDevice) {
    return call("cuDeviceTotalMem", kLasts, [&](FakeDriver& fake) -> CuResult {
      *bytes = fake.memory_bytes;
      return kCuSuccess;
    });
  };
}

void FakeDriver::set_contexts() {
  table_.cuDevicePrimaryCtxRetain = [](CuContext* context, CuDevice device) {
    return call("cuDevicePrimaryCtxRetain", kPlain, [&](FakeDriver& fake) -> CuResult {
      auto& [handle, references] = fake.primary_[device];
      if (references++ == 0) handle = number(fake.make<CuContext>({.kind = Kind::context, .entry = "primary"}));
      *context = reinterpret_cast<CuContext>(handle);
      return kCuSuccess;
    });
  };
  table_.cuDevicePrimaryCtxRelease = [](CuDevice device) {
    return call("cuDevicePrimaryCtxRelease", kAlways, [&](FakeDriver& fake) -> CuResult {
      auto& [handle, references] = fake.primary_[device];
      if (references == 0) return fake.violation("not retained", kCuInvalidContext);
      if (--references > 0) return kCuSuccess;
      fake.objects_[handle].alive = false;
      fake.sticky_ = kCuSuccess;
      bool in_use = false;
      for (const auto& [other, object] : fake.objects_) {
        in_use |= object.alive && object.context == handle && object.entry != "foreign";
      }
      for (const auto& [address, memory] : fake.memory_) in_use |= memory.context == handle;
      return in_use ? fake.violation("the context is in use: " + fake.alive()) : CuResult(kCuSuccess);
    });
  };
  table_.cuCtxPushCurrent = [](CuContext context) {
    return call("cuCtxPushCurrent", kLasts, [&](FakeDriver& fake) -> CuResult {
      if (!fake.find(context, Kind::context)) return kCuInvalidContext;
      context_stack().push_back(context);
      return kCuSuccess;
    });
  };
  table_.cuCtxPopCurrent = [](CuContext* context) {
    return call("cuCtxPopCurrent", kLasts | kAlways, [&](FakeDriver& fake) -> CuResult {
      if (context_stack().empty()) return fake.violation("nothing to pop", kCuInvalidContext);
      *context = context_stack().back();
      context_stack().pop_back();
      return kCuSuccess;
    });
  };
}

KernelObject fake_kernel(const std::string& name, int parameters, int threads, const std::string& architecture) {
  const std::string image = "FAKE " + architecture + " " + name + "_entry " + std::to_string(parameters);
  KernelObject object;
  object.name = name;
  object.entry = name + "_entry";
  object.bytes.assign(image.begin(), image.end());
  object.bytes.push_back(0);
  object.threads = threads;
  return object;
}

CuResult FakeDriver::load(CuModule* module, const char* image, char* log, size_t log_bytes) {
  std::istringstream stream(image);
  std::string magic, architecture;
  Object object = {.kind = Kind::module};
  if (!(stream >> magic >> architecture >> object.entry >> object.parameters) || magic != "FAKE") {
    std::snprintf(log, log_bytes, "no FAKE at the start");
    return kCuInvalidImage;
  }
  if (architecture != "sm_90") return kCuNoBinaryForGpu;
  *module = make<CuModule>(std::move(object));
  return kCuSuccess;
}

/// Work under way, or a launch of a graph.
bool FakeDriver::uses(const Object& object, uint64_t module) {
  for (const uint64_t function : object.functions) {
    if (objects_[function].owner == module) return true;
  }
  return object.pending.count(module) > 0;
}

void FakeDriver::set_modules() {
  table_.cuModuleLoadDataEx = [](CuModule* module, const void* image, unsigned options, int* option, void** values) {
    return call("cuModuleLoadDataEx", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      char* log = nullptr;
      size_t bytes = 0;
      for (unsigned i = 0; i < options; ++i) {
        if (option[i] == kCuJitErrorLog) log = static_cast<char*>(values[i]);
        if (option[i] == kCuJitErrorLogBytes) bytes = reinterpret_cast<size_t>(values[i]);
      }
      if (!image || !log || bytes == 0) return fake.violation("image or log");
      return fake.load(module, static_cast<const char*>(image), log, bytes);
    });
  };
  table_.cuModuleUnload = [](CuModule module) {
    return call("cuModuleUnload", kNeedsContext | kAlways, [&](FakeDriver& fake) -> CuResult {
      for (const auto& [handle, object] : fake.objects_) {
        if (object.alive && fake.uses(object, number(module))) fake.violation("the module is in use");
      }
      for (auto& [handle, object] : fake.objects_) {
        if (object.kind == Kind::function && object.owner == number(module)) object.alive = false;
      }
      return fake.destroy(module, Kind::module);
    });
  };
  table_.cuModuleGetFunction = [](CuFunction* function, CuModule module, const char* name) {
    return call("cuModuleGetFunction", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      const Object* object = fake.find(module, Kind::module);
      if (!object) return kCuInvalidHandle;
      if (object->entry != name) return kCuNotFound;
      *function = fake.make<CuFunction>(
          {.kind = Kind::function, .owner = number(module), .entry = object->entry, .parameters = object->parameters});
      return kCuSuccess;
    });
  };
  table_.cuFuncGetAttribute = [](int* value, int attribute, CuFunction function) {
    return call("cuFuncGetAttribute", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      if (!fake.find(function, Kind::function)) return kCuInvalidHandle;
      if (attribute != kCuFunctionMaxThreads) return fake.violation("attribute");
      *value = fake.most_threads;
      return kCuSuccess;
    });
  };
}

bool FakeDriver::is_memory(CuAddress address, size_t bytes) {
  auto next = memory_.upper_bound(address);
  if (next == memory_.begin()) return false;
  --next;
  const size_t offset = address - next->first, size = next->second.bytes;
  return offset <= size && size - offset >= bytes && next->second.context == number(context_stack().back());
}

void FakeDriver::set_memory() {
  table_.cuMemAlloc = [](CuAddress* address, size_t bytes) {
    return call("cuMemAlloc", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      if (bytes == 0) return fake.violation("no bytes");
      if (bytes > fake.memory_bytes - fake.used_bytes_) return kCuOutOfMemory;
      fake.used_bytes_ += bytes;
      *address = fake.next_address_;
      fake.memory_[*address] = {bytes, number(context_stack().back())};
      fake.next_address_ += (bytes + 511) / 256 * 256;  // never adjacent
      return kCuSuccess;
    });
  };
  table_.cuMemFree = [](CuAddress address) {
    return call("cuMemFree", kNeedsContext | kAlways, [&](FakeDriver& fake) -> CuResult {
      const auto found = fake.memory_.find(address);
      if (found == fake.memory_.end()) return fake.violation("no such memory");
      fake.used_bytes_ -= found->second.bytes;
      fake.memory_.erase(found);
      return kCuSuccess;
    });
  };
  table_.cuMemcpyHtoDAsync = [](CuAddress to, const void* from, size_t bytes, CuStream stream) {
    return call("cuMemcpyHtoDAsync", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      ++fake.pending_reads_;
      return fake.copy(to, bytes, stream, from);
    });
  };
  table_.cuMemcpyDtoHAsync = [](void* to, CuAddress from, size_t bytes, CuStream stream) {
    return call("cuMemcpyDtoHAsync", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      if (to) std::memset(to, 0xfa, bytes);  // a sanitizer sees whether the bytes are there
      return fake.copy(from, bytes, stream, to);
    });
  };
  table_.cuMemcpyDtoDAsync = [](CuAddress to, CuAddress from, size_t bytes, CuStream stream) {
    return call("cuMemcpyDtoDAsync", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      if (!fake.is_memory(to, bytes)) return fake.violation("destination");
      return fake.copy(from, bytes, stream, &fake);
    });
  };
  table_.cuMemsetD8Async = [](CuAddress to, unsigned char, size_t bytes, CuStream stream) {
    return call("cuMemsetD8Async", kNeedsContext,
                [&](FakeDriver& fake) -> CuResult { return fake.copy(to, bytes, stream, &fake); });
  };
}

CuResult FakeDriver::copy(CuAddress address, size_t bytes, CuStream stream, const void* host) {
  if (stream && !find(stream, Kind::stream)) return kCuInvalidHandle;
  if (!host || bytes == 0) return violation("host memory or size");
  if (!is_memory(address, bytes)) return violation("not in device memory");
  return kCuSuccess;
}

void FakeDriver::set_streams() {
  table_.cuStreamCreate = [](CuStream* stream, unsigned flags) {
    return call("cuStreamCreate", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      fake.stream_flags.push_back(flags);
      *stream = fake.make<CuStream>({.kind = Kind::stream});
      return kCuSuccess;
    });
  };
  table_.cuStreamDestroy = [](CuStream stream) {
    return call("cuStreamDestroy", kNeedsContext | kAlways,
                [&](FakeDriver& fake) -> CuResult { return fake.destroy(stream, Kind::stream); });
  };
  table_.cuStreamSynchronize = [](CuStream stream) {
    return call("cuStreamSynchronize", kNeedsContext | kAlways, [&](FakeDriver& fake) -> CuResult {
      fake.pending_reads_ = 0;
      Object* object = stream ? fake.find(stream, Kind::stream) : nullptr;
      if (stream && !object) return kCuInvalidHandle;
      if (object) object->pending.clear();
      for (auto& [handle, event] : fake.objects_) {
        if (event.kind == Kind::event && event.stream == number(stream)) event.passed = event.recorded;
      }
      return fake.sticky_;
    });
  };
  table_.cuStreamGetCtx = [](CuStream stream, CuContext* context) {
    return call("cuStreamGetCtx", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      const auto found = fake.objects_.find(number(stream));  // of whichever context
      if (found == fake.objects_.end()) return fake.violation("no such handle", kCuInvalidHandle);
      *context = reinterpret_cast<CuContext>(found->second.context);
      return kCuSuccess;
    });
  };
  table_.cuEventCreate = [](CuEvent* event, unsigned flags) {
    return call("cuEventCreate", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      if (flags != 0) return fake.violation("flags: an event without times");
      *event = fake.make<CuEvent>({.kind = Kind::event});
      return kCuSuccess;
    });
  };
  table_.cuEventDestroy = [](CuEvent event) {
    return call("cuEventDestroy", kNeedsContext | kAlways,
                [&](FakeDriver& fake) -> CuResult { return fake.destroy(event, Kind::event); });
  };
  table_.cuEventRecord = [](CuEvent event, CuStream stream) {
    return call("cuEventRecord", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      Object* object = fake.find(event, Kind::event);
      if (!object || (stream && !fake.find(stream, Kind::stream))) return kCuInvalidHandle;
      object->recorded = true;
      object->passed = false;
      object->stream = number(stream);
      return kCuSuccess;
    });
  };
  table_.cuEventElapsedTime = [](float* milliseconds, CuEvent from, CuEvent to) {
    return call("cuEventElapsedTime", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      const Object *first = fake.find(from, Kind::event), *last = fake.find(to, Kind::event);
      if (!first || !last) return kCuInvalidHandle;
      if (!first->recorded || !last->recorded) return fake.violation("an event was not recorded", kCuInvalidHandle);
      if (!first->passed || !last->passed) return kCuNotReady;
      *milliseconds = 2.5f;
      return kCuSuccess;
    });
  };
}

}  // namespace altrt::jit::gpu
