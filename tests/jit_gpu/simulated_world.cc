#include "tests/jit_gpu/simulated_world.h"

#include <altrt/error.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace altrt::jit::gpu {
namespace simulated {
namespace {

constexpr size_t kRedZone = 256;
constexpr unsigned char kRed = 0xa5;

size_t whole(size_t bytes) { return (bytes + kRedZone - 1) / kRedZone * kRedZone; }

/// The allocation that holds all of the bytes; end() if there is none.
std::map<CuAddress, size_t>::iterator allocation_of(CuAddress address, size_t bytes) {
  auto& memory = world().memory;
  auto after = memory.upper_bound(address);
  if (after == memory.begin()) return memory.end();
  --after;
  const size_t offset = address - after->first;
  return offset <= after->second && bytes <= after->second - offset ? after : memory.end();
}

CuStreamTag& stream_of(CuStream stream) { return stream ? *stream : world().default_stream; }

}  // namespace

World& world() {
  static World& w = *new World;
  return w;
}

std::vector<CuContext>& contexts() {
  thread_local std::vector<CuContext> all;
  return all;
}

CuResult end_context(CuResult fault, const std::string& why) {
  World& w = world();
  w.fault = fault;
  w.trouble = why;
  return fault;
}

CuResult ready() {
  World& w = world();
  if (!w.initialised) return kCuNotInitialized;
  if (contexts().empty() || w.counts.retained == 0) return kCuInvalidContext;
  return w.fault;
}

bool is_live(const void* handle) { return world().handles.contains(handle); }

bool is_allocated(CuAddress address, size_t bytes) { return allocation_of(address, bytes) != world().memory.end(); }

CuAddress allocate(size_t bytes) {
  World& w = world();
  if (bytes > w.options.memory_bytes - static_cast<size_t>(w.counts.live_bytes)) return 0;
  auto* memory = static_cast<unsigned char*>(std::aligned_alloc(kRedZone, whole(bytes) + 2 * kRedZone));
  if (!memory) return 0;
  std::memset(memory, kRed, whole(bytes) + 2 * kRedZone);
  std::memset(memory + kRedZone, 0xff, bytes);
  const auto address = reinterpret_cast<CuAddress>(memory + kRedZone);
  w.memory[address] = bytes;
  w.counts.live_bytes += static_cast<int64_t>(bytes);
  return address;
}

bool release(CuAddress allocation) {
  World& w = world();
  const auto found = w.memory.find(allocation);
  const size_t bytes = found->second;
  auto* memory = reinterpret_cast<unsigned char*>(allocation);
  const auto is_red = [](unsigned char c) { return c == kRed; };
  const bool intact = std::all_of(memory - kRedZone, memory, is_red) &&
                      std::all_of(memory + bytes, memory + whole(bytes) + kRedZone, is_red);
  w.memory.erase(found);
  w.counts.live_bytes -= static_cast<int64_t>(bytes);
  std::free(memory - kRedZone);
  return intact;
}

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

CuResult run(const SimulatedLaunch& launch) {
  World& w = world();
  if (!is_live(launch.function)) return end_context(kCuLaunchFailed, "a kernel was unloaded before it ran");
  std::vector<cuda_host::Range> ranges;
  std::vector<void*> parameters;
  for (const uint64_t& value : launch.values) {
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
    launch.kernel.launch(parameters.data(), {.blocks = launch.blocks,
                                             .threads = launch.threads,
                                             .seed = w.options.seed + static_cast<uint64_t>(w.counts.kernels),
                                             .memory = ranges});
  } catch (const Error& e) {
    return end_context(kCuLaunchFailed, e.what());
  }
  return kCuSuccess;
}

std::variant<CuResult, SimulatedLaunch> launch_of(const CuKernelNode& k) {
  if (!is_live(k.function)) return kCuInvalidHandle;
  const bool flat = k.grid_y == 1 && k.grid_z == 1 && k.block_y == 1 && k.block_z == 1;
  if (!flat || k.shared_bytes != 0 || k.extra || k.grid_x == 0 || k.block_x == 0) return kCuInvalidValue;
  if (static_cast<int>(k.block_x) > k.function->most_threads) return kCuLaunchOutOfResources;
  SimulatedLaunch launch{k.function, k.function->kernel, k.grid_x, static_cast<int>(k.block_x), {}};
  for (int i = 0; i < launch.kernel.parameters(); ++i) {
    if (!k.parameters || !k.parameters[i]) return kCuInvalidValue;
    launch.values.push_back(*static_cast<const uint64_t*>(k.parameters[i]));
  }
  return launch;
}

}  // namespace simulated

cuda_host::HostKernel compile_simulated(const std::string& text, const std::string& entry) {
  std::unique_lock lock(simulated::world().mutex);
  const cuda_host::Checks checks = simulated::world().options.checks;
  lock.unlock();
  return cuda_host::compile_on_host(text, entry, checks);
}

void set_simulated(const SimulatedOptions& options) {
  const std::lock_guard lock(simulated::world().mutex);
  simulated::world().options = options;
}

SimulatedCounts simulated_counts() {
  const std::lock_guard lock(simulated::world().mutex);
  SimulatedCounts counts = simulated::world().counts;
  counts.compiled = simulated_compilations();
  counts.live_handles = static_cast<int64_t>(simulated::world().handles.size());
  return counts;
}

std::string simulated_trouble() {
  const std::lock_guard lock(simulated::world().mutex);
  return simulated::world().trouble;
}

void revive_simulated() {
  simulated::World& w = simulated::world();
  const std::lock_guard lock(w.mutex);
  w.fault = kCuSuccess;
  w.trouble.clear();
  w.default_stream.work.clear();
  w.streams.clear();
  for (const auto& [handle, erase] : w.handles) erase();
  w.handles.clear();
  while (!w.memory.empty()) simulated::release(w.memory.begin()->first);
}

}  // namespace altrt::jit::gpu
