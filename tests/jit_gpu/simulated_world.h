// What the simulated driver's functions share: handles, memory, work that waits.
#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tests/jit_gpu/simulated_code.h"
#include "tests/jit_gpu/simulated_driver.h"

namespace altrt::jit::gpu {

struct SimulatedLaunch {
  CuFunction function;
  cuda_host::HostKernel kernel;
  int64_t blocks;
  int threads;
  std::vector<uint64_t> values;  // of the parameters, all of them pointers
};

struct CuContextTag {};
struct CuFunctionTag {
  cuda_host::HostKernel kernel;
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
  using Clock = std::chrono::steady_clock;
  std::shared_ptr<std::optional<Clock::time_point>> time;
};
struct CuGraphNodeTag {
  size_t number;
};
struct CuGraphTag {
  std::vector<SimulatedLaunch> nodes;
  std::vector<std::unique_ptr<CuGraphNodeTag>> handles;
};
struct CuGraphExecTag {
  std::vector<SimulatedLaunch> nodes;
};

namespace simulated {

inline constexpr int kVersion = 12040, kArchitecture = 90, kMultiprocessors = 8, kSharedBytes = 48 << 10;

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
World& world();
/// Of the calling thread; the last is the current one.
std::vector<CuContext>& contexts();
CuResult end_context(CuResult fault, const std::string& why);

/// What every call in a context meets first.
CuResult ready();
bool is_live(const void* handle);

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

inline char* at(CuAddress address) { return reinterpret_cast<char*>(address); }
/// 0 where there is no memory.
CuAddress allocate(size_t bytes);
/// Whether nothing beside it was written.
bool release(CuAddress allocation);
bool is_allocated(CuAddress address, size_t bytes);

CuResult enqueue(CuStream stream, std::function<void()> work);
/// Does the stream's work.
CuResult drain(CuStream stream);
std::variant<CuResult, SimulatedLaunch> launch_of(const CuKernelNode& kernel);
CuResult run(const SimulatedLaunch& launch);

}  // namespace simulated
}  // namespace altrt::jit::gpu
