#include "jit/compile/devices.h"

#include <altrt/error.h>

#include <map>
#include <mutex>

#include "jit/cpu/cpu.h"
#include "jit/gpu/gpu.h"
#include "runtime/base/env.h"

namespace altrt::jit {
namespace {

constexpr int kMaxNumber = 1023;

struct Registry {
  std::mutex mutex;
  std::map<std::string, OpenDevice> kinds{{"cuda", gpu::open_device}};
};

Registry& registry() {
  static Registry* const registry = new Registry;  // devices may outlive static destructors
  return *registry;
}

int number_of(const std::string& kind, int number) {
  if (number >= 0 || kind != "cuda") return number < 0 ? 0 : number;
  return static_cast<int>(base::env_int("ALTRT_CUDA_DEVICE", 0, 0, kMaxNumber));
}

}  // namespace

void add_device(const std::string& kind, OpenDevice open) {
  const std::lock_guard lock(registry().mutex);
  registry().kinds[kind] = std::move(open);
}

std::shared_ptr<Device> open_device(const std::string& kind, int number) {
  OpenDevice open;
  {
    const std::lock_guard lock(registry().mutex);
    const auto found = registry().kinds.find(kind);
    if (found == registry().kinds.end()) {
      std::string list;
      for (const auto& entry : registry().kinds) list += (list.empty() ? "" : ", ") + entry.first;
      throw Error(ErrorCode::invalid_argument, "there is no kind of device '" + kind + "'; there are " + list);
    }
    open = found->second;
  }
  return open(number_of(kind, number));
}

std::pair<std::string, std::string> code_generator(const Target& target) {
  if (target.is_gpu()) return {"nvrtc", gpu::nvrtc_version()};
  return {"llvm", cpu::llvm_version()};
}

}  // namespace altrt::jit
