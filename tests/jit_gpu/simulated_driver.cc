// The functions of the simulated driver's table.
#include "tests/jit_gpu/simulated_driver.h"

#include <cstdio>
#include <cstring>

#include "tests/jit_gpu/simulated_world.h"

namespace altrt::jit::gpu {
namespace simulated {
namespace {

CuResult module_load(CuModule* module, const void* image, unsigned options, int* option, void** values) {
  return in_context({}, [&](World&) -> CuResult {
    const auto code = code_in(image);
    if (code && (code->is_ptx ? code->architecture <= kArchitecture : code->architecture == kArchitecture)) {
      return make(module, CuModuleTag{*code, {}});
    }
    char* log = nullptr;
    size_t bytes = 0;
    for (unsigned i = 0; i < options; ++i) {
      if (option[i] == kCuJitErrorLog) log = static_cast<char*>(values[i]);
      if (option[i] == kCuJitErrorLogBytes) bytes = reinterpret_cast<size_t>(values[i]);
    }
    if (code && log && bytes) std::snprintf(log, bytes, "code for sm_%d", code->architecture);
    return code ? kCuNoBinaryForGpu : kCuInvalidImage;
  });
}

CuResult module_get_function(CuFunction* function, CuModule module, const char* name) {
  return in_context({module}, [&](World& w) -> CuResult {
    const SimulatedCode& code = module->code;
    if (code.entry != name) return kCuNotFound;
    if (!module->function) {
      module->function.reset(new CuFunctionTag{compile_simulated(code.text, name), launch_bounds_in(code.text)});
      w.handles[module->function.get()] = [] {};  // goes with its module
    }
    *function = module->function.get();
    return kCuSuccess;
  });
}

CuResult module_unload(CuModule module) {
  const std::lock_guard lock(world().mutex);
  if (module && is_live(module)) world().handles.erase(module->function.get());
  return destroy(module);
}

CuResult func_get_attribute(int* value, int attribute, CuFunction function) {
  return in_context({function}, [&](World&) -> CuResult {
    *value = attribute == kCuFunctionMaxThreads ? function->most_threads : attribute == kCuFunctionRegisters ? 32 : 0;
    return kCuSuccess;
  });
}

CuResult mem_alloc(CuAddress* address, size_t bytes) {
  return in_context({}, [&](World&) -> CuResult {
    if (bytes == 0) return kCuInvalidValue;
    *address = allocate(bytes);
    return *address ? kCuSuccess : kCuOutOfMemory;
  });
}

/// After all work, as the driver does.
CuResult mem_free(CuAddress address) {
  return in_context({}, [&](World& w) -> CuResult {
    if (!w.memory.contains(address)) return kCuInvalidValue;
    drain(nullptr);
    for (const CuStream stream : w.streams) drain(stream);
    return release(address) ? kCuSuccess : end_context(kCuIllegalAddress, "bytes beside an allocation were written");
  });
}

CuResult copy_in(CuAddress to, const void* from, size_t bytes, CuStream stream) {
  return in_context({stream}, [&](World&) -> CuResult {
    if (!is_allocated(to, bytes)) return kCuInvalidValue;
    const auto* begin = static_cast<const char*>(from);
    return enqueue(stream, [to, data = std::vector<char>(begin, begin + bytes)] {
      std::memcpy(at(to), data.data(), data.size());
    });
  });
}

CuResult copy_out(void* to, CuAddress from, size_t bytes, CuStream stream) {
  return in_context({stream}, [&](World&) -> CuResult {
    if (!is_allocated(from, bytes)) return kCuInvalidValue;
    return enqueue(stream, [=] { std::memcpy(to, at(from), bytes); });
  });
}

CuResult copy_within(CuAddress to, CuAddress from, size_t bytes, CuStream stream) {
  return in_context({stream}, [&](World&) -> CuResult {
    if (!is_allocated(to, bytes) || !is_allocated(from, bytes)) return kCuInvalidValue;
    return enqueue(stream, [=] { std::memmove(at(to), at(from), bytes); });
  });
}

CuResult fill(CuAddress to, unsigned char byte, size_t bytes, CuStream stream) {
  return in_context({stream}, [&](World&) -> CuResult {
    if (!is_allocated(to, bytes)) return kCuInvalidValue;
    return enqueue(stream, [=] { std::memset(at(to), byte, bytes); });
  });
}

CuResult stream_create(CuStream* stream, unsigned) {
  return in_context({}, [&](World& w) -> CuResult {
    make(stream, CuStreamTag{});
    w.streams.insert(*stream);
    return kCuSuccess;
  });
}

/// Its work is done all the same.
CuResult stream_destroy(CuStream stream) {
  return in_context({stream}, [&](World& w) -> CuResult {
    if (stream) drain(stream);
    w.streams.erase(stream);
    return destroy(stream);
  });
}

CuResult stream_context(CuStream stream, CuContext* context) {
  return in_context({stream}, [&](World& w) -> CuResult { return *context = &w.context, kCuSuccess; });
}

CuResult event_record(CuEvent event, CuStream stream) {
  return in_context({event, stream}, [&](World&) -> CuResult {
    event->time->reset();
    return enqueue(stream, [time = event->time] { *time = CuEventTag::Clock::now(); });
  });
}

CuResult event_elapsed(float* milliseconds, CuEvent from, CuEvent to) {
  return in_context({from, to}, [&](World&) -> CuResult {
    if (!*from->time || !*to->time) return kCuNotReady;
    *milliseconds = std::chrono::duration<float, std::milli>(**to->time - **from->time).count();
    return kCuSuccess;
  });
}

CuResult launch_kernel(CuFunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                       unsigned block_y, unsigned block_z, unsigned shared, CuStream stream, void** parameters,
                       void** extra) {
  return in_context({function, stream}, [&](World&) -> CuResult {
    auto node = launch_of({function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, parameters, extra});
    if (const auto* result = std::get_if<CuResult>(&node)) return *result;
    return enqueue(stream, [node = std::get<SimulatedLaunch>(std::move(node))] { run(node); });
  });
}

/// Only chains: each node depends on the one before.
CuResult graph_add(CuGraphNode* handle, CuGraph graph, const CuGraphNode* dependencies, size_t count,
                   const CuKernelNode* kernel) {
  return in_context({graph}, [&](World&) -> CuResult {
    const size_t number = graph->nodes.size();
    const bool chained = number == 0 ? count == 0 : count == 1 && dependencies[0]->number == number - 1;
    auto node = launch_of(*kernel);
    if (const auto* result = std::get_if<CuResult>(&node)) return *result;
    if (!chained) return kCuInvalidValue;
    graph->nodes.push_back(std::get<SimulatedLaunch>(std::move(node)));
    graph->handles.push_back(std::make_unique<CuGraphNodeTag>(CuGraphNodeTag{number}));
    *handle = graph->handles.back().get();
    return kCuSuccess;
  });
}

CuResult graph_set(CuGraphExec exec, CuGraphNode node, const CuKernelNode* kernel) {
  return in_context({exec}, [&](World&) -> CuResult {
    auto changed = launch_of(*kernel);
    if (const auto* result = std::get_if<CuResult>(&changed)) return *result;
    if (node->number >= exec->nodes.size()) return kCuInvalidValue;
    exec->nodes[node->number] = std::get<SimulatedLaunch>(std::move(changed));
    return kCuSuccess;
  });
}

/// With the arguments of this moment.
CuResult graph_launch(CuGraphExec exec, CuStream stream) {
  return in_context({exec, stream}, [&](World&) -> CuResult {
    return enqueue(stream, [nodes = exec->nodes] {
      ++world().counts.graphs;
      for (const SimulatedLaunch& node : nodes) {
        if (run(node) != kCuSuccess) return;
      }
    });
  });
}

// --- the table ---

const std::pair<CuResult, const char*> kNames[] = {{kCuSuccess, "CUDA_SUCCESS"},
                                                   {kCuInvalidValue, "CUDA_ERROR_INVALID_VALUE"},
                                                   {kCuOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY"},
                                                   {kCuNotInitialized, "CUDA_ERROR_NOT_INITIALIZED"},
                                                   {kCuInvalidDevice, "CUDA_ERROR_INVALID_DEVICE"},
                                                   {kCuInvalidImage, "CUDA_ERROR_INVALID_IMAGE"},
                                                   {kCuInvalidContext, "CUDA_ERROR_INVALID_CONTEXT"},
                                                   {kCuNoBinaryForGpu, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
                                                   {kCuInvalidHandle, "CUDA_ERROR_INVALID_HANDLE"},
                                                   {kCuNotFound, "CUDA_ERROR_NOT_FOUND"},
                                                   {kCuNotReady, "CUDA_ERROR_NOT_READY"},
                                                   {kCuIllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS"},
                                                   {kCuLaunchOutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"},
                                                   {kCuLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED"}};

CuResult error_name(CuResult result, const char** name) {
  for (const auto& [code, text] : kNames) {
    if (code == result) return *name = text, kCuSuccess;
  }
  return kCuInvalidValue;
}

/// What happened, where the simulation knows more than a driver would.
CuResult error_string(CuResult result, const char** text) {
  const std::lock_guard lock(world().mutex);
  if (result != kCuSuccess && result == world().fault) return *text = world().trouble.c_str(), kCuSuccess;
  return error_name(result, text);
}

CuResult device_attribute(int* value, int attribute, CuDevice device) {
  if (device != 0) return kCuInvalidDevice;
  switch (attribute) {
    case kCuMaxThreadsPerBlock:
      return *value = 1024, kCuSuccess;
    case kCuMaxGridX:
      return *value = 0x7fffffff, kCuSuccess;
    case kCuSharedBytesPerBlock:
      return *value = kSharedBytes, kCuSuccess;
    case kCuMultiprocessors:
      return *value = kMultiprocessors, kCuSuccess;
    case kCuL2Bytes:
      return *value = 4 << 20, kCuSuccess;
    case kCuComputeMajor:
      return *value = kArchitecture / 10, kCuSuccess;
    case kCuComputeMinor:
      return *value = kArchitecture % 10, kCuSuccess;
    default:
      return kCuInvalidValue;
  }
}

void add_device_functions(Driver& t) {
  t.cuInit = [](unsigned) -> CuResult { return world().initialised = true, kCuSuccess; };
  t.cuDriverGetVersion = [](int* version) -> CuResult { return *version = kVersion, kCuSuccess; };
  t.cuGetErrorName = error_name;
  t.cuGetErrorString = error_string;
  t.cuDeviceGetCount = [](int* count) -> CuResult {
    return *count = 1, world().initialised ? kCuSuccess : kCuNotInitialized;
  };
  t.cuDeviceGet = [](CuDevice* device, int number) -> CuResult {
    return *device = 0, number == 0 ? kCuSuccess : kCuInvalidDevice;
  };
  t.cuDeviceGetName = [](char* name, int bytes, CuDevice) -> CuResult {
    return std::snprintf(name, static_cast<size_t>(bytes), "simulated"), kCuSuccess;
  };
  t.cuDeviceGetAttribute = device_attribute;
  t.cuDeviceTotalMem = [](size_t* bytes, CuDevice) -> CuResult {
    return *bytes = world().options.memory_bytes, kCuSuccess;
  };
  t.cuDevicePrimaryCtxRetain = [](CuContext* context, CuDevice) -> CuResult {
    const std::lock_guard lock(world().mutex);
    ++world().counts.retained;
    return *context = &world().context, kCuSuccess;
  };
  t.cuDevicePrimaryCtxRelease = [](CuDevice) -> CuResult {
    const std::lock_guard lock(world().mutex);
    return --world().counts.retained, kCuSuccess;
  };
  t.cuCtxPushCurrent = [](CuContext context) -> CuResult {
    if (context != &world().context) return kCuInvalidContext;
    return contexts().push_back(context), kCuSuccess;
  };
  t.cuCtxPopCurrent = [](CuContext* context) -> CuResult {
    if (contexts().empty()) return kCuInvalidContext;
    return *context = contexts().back(), contexts().pop_back(), kCuSuccess;
  };
}

Driver make_table() {
  Driver t = {};
  add_device_functions(t);
  t.cuModuleLoadDataEx = module_load;
  t.cuModuleUnload = module_unload;
  t.cuModuleGetFunction = module_get_function;
  t.cuFuncGetAttribute = func_get_attribute;
  t.cuMemAlloc = mem_alloc;
  t.cuMemFree = mem_free;
  t.cuMemcpyHtoDAsync = copy_in;
  t.cuMemcpyDtoHAsync = copy_out;
  t.cuMemcpyDtoDAsync = copy_within;
  t.cuMemsetD8Async = fill;
  t.cuStreamCreate = stream_create;
  t.cuStreamDestroy = stream_destroy;
  t.cuStreamSynchronize = [](CuStream stream) { return in_context({stream}, [&](World&) { return drain(stream); }); };
  t.cuStreamGetCtx = stream_context;
  t.cuEventCreate = [](CuEvent* event, unsigned) {
    return in_context({}, [&](World&) {
      return make(event, CuEventTag{std::make_shared<std::optional<CuEventTag::Clock::time_point>>()});
    });
  };
  t.cuEventDestroy = destroy<CuEventTag>;
  t.cuEventRecord = event_record;
  t.cuEventElapsedTime = event_elapsed;
  t.cuLaunchKernel = launch_kernel;
  t.cuGraphCreate = [](CuGraph* graph, unsigned) {
    return in_context({}, [&](World&) { return make(graph, CuGraphTag{}); });
  };
  t.cuGraphDestroy = destroy<CuGraphTag>;
  t.cuGraphAddKernelNode = graph_add;
  t.cuGraphInstantiate = [](CuGraphExec* exec, CuGraph graph, unsigned long long) {
    return in_context({graph}, [&](World&) { return make(exec, CuGraphExecTag{graph->nodes}); });
  };
  t.cuGraphExecDestroy = destroy<CuGraphExecTag>;
  t.cuGraphExecKernelNodeSetParams = graph_set;
  t.cuGraphLaunch = graph_launch;
  return t;
}

}  // namespace
}  // namespace simulated

const Driver& simulated_driver() {
  static const Driver table = simulated::make_table();
  return table;
}

}  // namespace altrt::jit::gpu
