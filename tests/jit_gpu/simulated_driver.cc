#include "tests/jit_gpu/simulated_driver.h"

#include <altrt/error.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "tests/jit_gpu/simulated_code.h"

namespace altrt::jit::gpu {

using Clock = std::chrono::steady_clock;
using cuda_host::HostKernel;

struct CuContextTag {};
struct CuFunctionTag {
  HostKernel kernel;
  int most_threads;
};
struct CuModuleTag {
  SimulatedCode code;
  std::unique_ptr<CuFunctionTag> function;
};
struct CuStreamTag {
  std::vector<std::function<void()>> work;
};
struct CuEventTag {
  std::shared_ptr<std::optional<Clock::time_point>> time;
};

namespace {

struct Node {
  CuFunction function;
  HostKernel kernel;
  int64_t blocks;
  int threads;
  std::vector<uint64_t> values;  // of the parameters, all of them pointers
};

}  // namespace

struct CuGraphNodeTag {
  size_t number;
};
struct CuGraphTag {
  std::vector<Node> nodes;
  std::vector<std::unique_ptr<CuGraphNodeTag>> handles;
};
struct CuGraphExecTag {
  std::vector<Node> nodes;
};

namespace {

constexpr size_t kRedZone = 256;
constexpr unsigned char kRed = 0xa5;
constexpr int kVersion = 12040, kArchitecture = 90, kMultiprocessors = 8, kSharedBytes = 48 << 10;

/// Everything behind the tables. One call at a time.
struct World {
  std::recursive_mutex mutex;
  SimulatedOptions options;
  SimulatedCounts counts;
  bool initialised = false;
  CuContextTag context;
  CuStreamTag default_stream;
  std::map<CuAddress, size_t> memory;
  std::map<const void*, std::function<void()>> handles;  // and how they are deleted
  std::set<CuStream> streams;
  CuResult fault = kCuSuccess;
  std::string trouble;
};
World& world() {
  static World& w = *new World;
  return w;
}
thread_local std::vector<CuContext> current;

CuResult end_context(CuResult fault, const std::string& why) {
  World& w = world();
  w.fault = fault;
  w.trouble = why;
  return fault;
}

/// What every call in a context meets first.
CuResult ready() {
  World& w = world();
  if (!w.initialised) return kCuNotInitialized;
  if (current.empty() || !current.back() || w.counts.retained == 0) return kCuInvalidContext;
  return w.fault;
}

bool is_live(const void* handle) { return world().handles.contains(handle); }

/// The body of a call in a context, with valid handles, under the lock.
template <typename Body>
CuResult in_context(std::initializer_list<const void*> handles, Body body) {
  const std::lock_guard lock(world().mutex);
  if (const CuResult result = ready(); result != kCuSuccess) return result;
  for (const void* handle : handles) {
    if (handle && !is_live(handle)) return kCuInvalidHandle;
  }
  return body(world());
}

template <typename Tag>
CuResult make(Tag** handle, Tag value) {
  Tag* tag = new Tag(std::move(value));
  world().handles[tag] = [tag] { delete tag; };
  *handle = tag;
  return kCuSuccess;
}
template <typename Tag>
CuResult destroy(Tag* handle) {
  return in_context({handle}, [&](World& w) -> CuResult {
    if (!handle) return kCuInvalidHandle;
    const auto found = w.handles.find(handle);
    found->second();
    w.handles.erase(found);
    return kCuSuccess;
  });
}

/// The allocation that holds all of the bytes; end() if there is none.
std::map<CuAddress, size_t>::iterator allocation_of(CuAddress address, size_t bytes) {
  auto& memory = world().memory;
  auto after = memory.upper_bound(address);
  if (after == memory.begin()) return memory.end();
  --after;
  const size_t offset = address - after->first;
  return offset <= after->second && bytes <= after->second - offset ? after : memory.end();
}
bool is_allocated(CuAddress address, size_t bytes) { return allocation_of(address, bytes) != world().memory.end(); }
char* at(CuAddress address) { return reinterpret_cast<char*>(address); }

// --- work ---

CuStreamTag& stream_of(CuStream stream) { return stream ? *stream : world().default_stream; }

CuResult enqueue(CuStream stream, std::function<void()> work) {
  stream_of(stream).work.push_back(std::move(work));
  return kCuSuccess;
}

CuResult drain(CuStream stream) {
  CuStreamTag& s = stream_of(stream);
  const auto work = std::move(s.work);
  s.work.clear();
  for (const auto& step : work) {
    if (world().fault != kCuSuccess) break;
    step();
  }
  return world().fault;
}

CuResult run_node(const Node& node) {
  World& w = world();
  if (!is_live(node.function)) return end_context(kCuLaunchFailed, "a kernel was unloaded before it ran");
  std::vector<cuda_host::Range> ranges;
  std::vector<void*> parameters;
  for (const uint64_t& value : node.values) {
    const auto found = allocation_of(value, 0);
    // An argument from elsewhere gives access to nothing.
    if (found == w.memory.end()) {
      ranges.push_back({nullptr, 0});
    } else {
      ranges.push_back({at(found->first), found->second});
    }
    parameters.push_back(const_cast<uint64_t*>(&value));
  }
  ++w.counts.kernels;
  try {
    node.kernel.launch(parameters.data(), {.blocks = node.blocks,
                                           .threads = node.threads,
                                           .seed = w.options.seed + static_cast<uint64_t>(w.counts.kernels),
                                           .memory = ranges});
  } catch (const Error& e) {
    return end_context(kCuLaunchFailed, e.what());
  }
  return kCuSuccess;
}

std::variant<CuResult, Node> node_of(const CuKernelNode& k) {
  if (!is_live(k.function)) return kCuInvalidHandle;
  const bool flat = k.grid_y == 1 && k.grid_z == 1 && k.block_y == 1 && k.block_z == 1;
  if (!flat || k.shared_bytes != 0 || k.extra || k.grid_x == 0 || k.block_x == 0) return kCuInvalidValue;
  if (static_cast<int>(k.block_x) > k.function->most_threads) return kCuLaunchOutOfResources;
  Node node{k.function, k.function->kernel, k.grid_x, static_cast<int>(k.block_x), {}};
  for (int i = 0; i < node.kernel.parameters(); ++i) {
    if (!k.parameters || !k.parameters[i]) return kCuInvalidValue;
    node.values.push_back(*static_cast<const uint64_t*>(k.parameters[i]));
  }
  return node;
}

// --- functions ---

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
  return in_context({}, [&](World& w) -> CuResult {
    if (bytes == 0) return kCuInvalidValue;
    if (bytes > w.options.memory_bytes - static_cast<size_t>(w.counts.live_bytes)) return kCuOutOfMemory;
    const size_t whole = (bytes + kRedZone - 1) / kRedZone * kRedZone;
    auto* memory = static_cast<unsigned char*>(std::aligned_alloc(kRedZone, whole + 2 * kRedZone));
    if (!memory) return kCuOutOfMemory;
    std::memset(memory, kRed, whole + 2 * kRedZone);
    std::memset(memory + kRedZone, 0xff, bytes);
    *address = reinterpret_cast<CuAddress>(memory + kRedZone);
    w.memory[*address] = bytes;
    w.counts.live_bytes += static_cast<int64_t>(bytes);
    return kCuSuccess;
  });
}

/// Whether nothing beside it was written.
bool release(std::map<CuAddress, size_t>::iterator allocation) {
  const size_t bytes = allocation->second, whole = (bytes + kRedZone - 1) / kRedZone * kRedZone;
  auto* memory = reinterpret_cast<unsigned char*>(allocation->first);
  const auto is_red = [](unsigned char c) { return c == kRed; };
  const bool intact =
      std::all_of(memory - kRedZone, memory, is_red) && std::all_of(memory + bytes, memory + whole + kRedZone, is_red);
  world().memory.erase(allocation);
  world().counts.live_bytes -= static_cast<int64_t>(bytes);
  std::free(memory - kRedZone);
  return intact;
}

/// After all work, as the driver does.
CuResult mem_free(CuAddress address) {
  return in_context({}, [&](World& w) -> CuResult {
    const auto found = w.memory.find(address);
    if (found == w.memory.end()) return kCuInvalidValue;
    drain(nullptr);
    for (const CuStream stream : w.streams) drain(stream);
    return release(found) ? kCuSuccess : end_context(kCuIllegalAddress, "bytes beside an allocation were written");
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
    return enqueue(stream, [time = event->time] { *time = Clock::now(); });
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
    auto node = node_of({function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, parameters, extra});
    if (const auto* result = std::get_if<CuResult>(&node)) return *result;
    return enqueue(stream, [node = std::get<Node>(std::move(node))] { run_node(node); });
  });
}

/// Only chains: each node depends on the one before.
CuResult graph_add(CuGraphNode* handle, CuGraph graph, const CuGraphNode* dependencies, size_t count,
                   const CuKernelNode* kernel) {
  return in_context({graph}, [&](World&) -> CuResult {
    const size_t number = graph->nodes.size();
    const bool chained = number == 0 ? count == 0 : count == 1 && dependencies[0]->number == number - 1;
    auto node = node_of(*kernel);
    if (const auto* result = std::get_if<CuResult>(&node)) return *result;
    if (!chained) return kCuInvalidValue;
    graph->nodes.push_back(std::get<Node>(std::move(node)));
    graph->handles.push_back(std::make_unique<CuGraphNodeTag>(CuGraphNodeTag{number}));
    *handle = graph->handles.back().get();
    return kCuSuccess;
  });
}

CuResult graph_set(CuGraphExec exec, CuGraphNode node, const CuKernelNode* kernel) {
  return in_context({exec}, [&](World&) -> CuResult {
    auto changed = node_of(*kernel);
    if (const auto* result = std::get_if<CuResult>(&changed)) return *result;
    if (node->number >= exec->nodes.size()) return kCuInvalidValue;
    exec->nodes[node->number] = std::get<Node>(std::move(changed));
    return kCuSuccess;
  });
}

/// With the arguments of this moment.
CuResult graph_launch(CuGraphExec exec, CuStream stream) {
  return in_context({exec, stream}, [&](World&) -> CuResult {
    return enqueue(stream, [nodes = exec->nodes] {
      ++world().counts.graphs;
      for (const Node& node : nodes) {
        if (run_node(node) != kCuSuccess) return;
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
    return current.push_back(context), kCuSuccess;
  };
  t.cuCtxPopCurrent = [](CuContext* context) -> CuResult {
    if (current.empty()) return kCuInvalidContext;
    return *context = current.back(), current.pop_back(), kCuSuccess;
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
    return in_context(
        {}, [&](World&) { return make(event, CuEventTag{std::make_shared<std::optional<Clock::time_point>>()}); });
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

HostKernel compile_simulated(const std::string& text, const std::string& entry) {
  std::unique_lock lock(world().mutex);
  const cuda_host::Checks checks = world().options.checks;
  lock.unlock();
  return cuda_host::compile_on_host(text, entry, checks);
}

const Driver& simulated_driver() {
  static const Driver table = make_table();
  return table;
}

void set_simulated(const SimulatedOptions& options) {
  const std::lock_guard lock(world().mutex);
  world().options = options;
}

SimulatedCounts simulated_counts() {
  const std::lock_guard lock(world().mutex);
  SimulatedCounts counts = world().counts;
  counts.compiled = simulated_compilations();
  counts.live_handles = static_cast<int64_t>(world().handles.size());
  return counts;
}

std::string simulated_trouble() {
  const std::lock_guard lock(world().mutex);
  return world().trouble;
}

void revive_simulated() {
  World& w = world();
  const std::lock_guard lock(w.mutex);
  w.fault = kCuSuccess;
  w.trouble.clear();
  w.default_stream.work.clear();
  w.streams.clear();
  for (const auto& [handle, erase] : w.handles) erase();
  w.handles.clear();
  while (!w.memory.empty()) release(w.memory.begin());
}

}  // namespace altrt::jit::gpu
