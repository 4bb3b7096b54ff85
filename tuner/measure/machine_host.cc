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
  HostMemory(size_t bytes, Placement placement) : buffer_(make(bytes, placement)) {}

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
  static base::GuardedBuffer make(size_t bytes, Placement placement) {
    using Side = base::GuardedBuffer::Side;
    if (placement == Placement::front) return base::GuardedBuffer(bytes, Side::before, kFrontGap, kFrontGap);
    return base::GuardedBuffer(bytes, Side::after, placement == Placement::back ? 1 : base::kAlignment);
  }

  base::GuardedBuffer buffer_;
  base::AlignedBuffer kept_;
};

class HostMachine final : public Machine {
 public:
  HostMachine(base::Team& team, int64_t l2_bytes, Placement placement)
      : team_(team), l2_bytes_(l2_bytes), placement_(placement), runner_(team, l2_bytes) {}

  std::unique_ptr<WatchedMemory> allocate(size_t bytes, Contents) override {
    return std::make_unique<HostMemory>(bytes, placement_);
  }
  Kernels load(const jit::CompiledGroup& group, const jit::GroupDecision& decision) override {
    return jit::load(group, decision);
  }
  std::unique_ptr<Machine> with(Placement placement) override {
    return std::make_unique<HostMachine>(team_, l2_bytes_, placement);
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
  base::Team& team_;
  const int64_t l2_bytes_;
  const Placement placement_;
  HostRunner runner_;
};

}  // namespace

std::vector<HostCall> host_calls(const std::vector<const Call*>& calls) {
  std::vector<HostCall> here;
  for (const Call* call : calls) {
    here.push_back({call->kernel->function(), call->arguments, call->tasks, call->parallel, call->inner});
  }
  return here;
}

std::unique_ptr<Machine> make_machine(base::Team& team, const jit::Target& target) {
  return std::make_unique<HostMachine>(team, target.l2_bytes, Placement::aligned);
}

}  // namespace altrt::tuner
