#include <cstring>

#include "jit/compile/provide.h"
#include "runtime/base/buffer.h"
#include "tuner/measure/host_runner.h"
#include "tuner/measure/machine.h"

namespace altrt::tuner {
namespace {

/// Between guard pages.
class HostMemory final : public WatchedMemory {
 public:
  explicit HostMemory(size_t bytes) : buffer_(bytes) {}

  void* address() const override { return const_cast<void*>(buffer_.data()); }
  size_t size() const override { return buffer_.size(); }
  void change(base::FunctionRef<void(void*)> action) override { action(buffer_.data()); }
  void look(base::FunctionRef<void(const void*)> action) const override { action(buffer_.data()); }
  void keep() override {
    kept_ = base::AlignedBuffer(buffer_.size());
    std::memcpy(kept_.data(), buffer_.data(), buffer_.size());
  }
  void restore(base::Team::Lease& lease) override {
    HostRunner::restore(buffer_.data(), kept_.data(), buffer_.size(), lease);
  }
  bool is_as_kept() const override { return std::memcmp(buffer_.data(), kept_.data(), buffer_.size()) == 0; }
  bool intact() const override { return buffer_.intact(); }

 private:
  base::GuardedBuffer buffer_;
  base::AlignedBuffer kept_;
};

class HostMachine final : public Machine {
 public:
  HostMachine(base::Team& team, const jit::Target& target) : runner_(team, target.l2_bytes) {}

  std::unique_ptr<WatchedMemory> allocate(size_t bytes, Contents) override {
    return std::make_unique<HostMemory>(bytes);
  }
  Kernels load(const jit::CompiledGroup& group, const jit::GroupDecision& decision) override {
    return jit::load(group, decision);
  }
  void prepare(int64_t workspace_bytes) override { runner_.prepare(workspace_bytes); }
  std::optional<double> run(const std::vector<const Call*>& calls, base::Team::Lease& lease, double,
                            base::FunctionRef<bool()> over) override {
    return runner_.run(host_calls(calls), lease, over);
  }
  double time(const std::vector<const Call*>& calls, base::Team::Lease& lease) override {
    return runner_.time(host_calls(calls), lease);
  }
  void wake() override {}
  void evict(const std::vector<WatchedMemory*>& far, base::Team::Lease& lease) override {
    for (const WatchedMemory* memory : far) HostRunner::flush(memory->address(), memory->size());
    runner_.evict(lease);
  }
  jit::Device* device() const override { return nullptr; }

 private:
  HostRunner runner_;
};

}  // namespace

std::vector<HostCall> host_calls(const std::vector<const Call*>& calls) {
  std::vector<HostCall> here;
  for (const Call* call : calls) {
    here.push_back({call->kernel->function(), call->arguments, call->tasks, call->parallel});
  }
  return here;
}

std::unique_ptr<Machine> make_machine(base::Team& team, const jit::Target& target) {
  return std::make_unique<HostMachine>(team, target);
}

}  // namespace altrt::tuner
