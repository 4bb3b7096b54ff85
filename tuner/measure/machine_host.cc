#include <cstring>

#include "runtime/base/buffer.h"
#include "runtime/base/float_environment.h"
#include "runtime/base/trace.h"
#include "runtime/plan/plan.h"
#include "tuner/measure/machine.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace altrt::tuner {
namespace {

constexpr int64_t kSizes[1] = {0};
constexpr int64_t kPieces = 32;  // of a kernel whose run can be cut off

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
    constexpr int64_t kPiece = 16 << 10;
    const auto bytes = static_cast<int64_t>(buffer_.size());
    auto* to = static_cast<uint8_t*>(buffer_.data());
    const auto* from = kept_.as<uint8_t>();
    lease.run((bytes + kPiece - 1) / kPiece, 1, [&](int64_t first, int64_t last, int) {
      const int64_t end = std::min(bytes, last * kPiece);
      std::memcpy(to + first * kPiece, from + first * kPiece, static_cast<size_t>(end - first * kPiece));
    });
  }
  bool is_as_kept() const override { return std::memcmp(buffer_.data(), kept_.data(), buffer_.size()) == 0; }
  bool intact() const override { return buffer_.intact(); }

 private:
  base::GuardedBuffer buffer_;
  base::AlignedBuffer kept_;
};

// Pushes memory out of all caches.
void flush(const WatchedMemory& memory) {
#if defined(__x86_64__)
  const auto* at = static_cast<const char*>(memory.address());
  for (size_t i = 0; i < memory.size(); i += 64) _mm_clflush(at + i);
  _mm_mfence();
#else
  (void)memory;
#endif
}

class HostMachine final : public Machine {
 public:
  HostMachine(base::Team& team, const jit::Target& target) : team_(team), l2_bytes_(target.l2_bytes) {}

  std::unique_ptr<WatchedMemory> allocate(size_t bytes) override { return std::make_unique<HostMemory>(bytes); }

  void prepare(int64_t workspace_bytes) override {
    const auto bytes = static_cast<size_t>(workspace_bytes);
    if (workspaces_.empty() || workspaces_[0].size() < bytes) {
      workspaces_.clear();
      for (int t = 0; t < team_.threads(); ++t) workspaces_.emplace_back(bytes);
    }
    for (base::AlignedBuffer& workspace : workspaces_) std::memset(workspace.data(), 0xff, workspace.size());
  }

  bool run(const std::vector<const Call*>& calls, base::Team::Lease& lease, base::FunctionRef<bool()> over) override {
    const base::FloatEnvironment float_environment;
    for (const Call* one : calls) {
      const int64_t piece = std::max<int64_t>(lease.threads(), one->tasks / kPieces);
      for (int64_t first = 0; first < one->tasks; first += piece) {
        call(*one, lease, first, std::min(first + piece, one->tasks));
        if (over()) return false;
      }
    }
    return true;
  }

  double time(const std::vector<const Call*>& calls, base::Team::Lease& lease) override {
    const base::FloatEnvironment float_environment;
    const base::Stopwatch watch;
    for (const Call* one : calls) call(*one, lease, 0, one->tasks);
    return watch.milliseconds();
  }

  void wake() override {}

  void evict(const std::vector<WatchedMemory*>& far, base::Team::Lease& lease) override {
    const auto piece = static_cast<size_t>(l2_bytes_);
    const auto pieces = 2 * static_cast<size_t>(team_.threads());
    if (filler_.size() != piece * pieces) {
      filler_ = base::AlignedBuffer(piece * pieces);
      filler_.zero();
    }
    for (const WatchedMemory* memory : far) flush(*memory);
    const auto* bytes = filler_.as<volatile uint8_t>();
    lease.run(static_cast<int64_t>(pieces), 1, [&](int64_t first, int64_t last, int) {
      for (size_t i = static_cast<size_t>(first) * piece; i < static_cast<size_t>(last) * piece; i += 64)
        (void)bytes[i];
    });
  }

  jit::Device* device() const override { return nullptr; }

 private:
  // Tasks [first, last) of a kernel, as a plan runs them.
  void call(const Call& call, base::Team::Lease& lease, int64_t first, int64_t last) {
    const jit::KernelFunction function = call.kernel->function();
    const auto work = [&](int64_t from, int64_t to, int worker) {
      function(call.arguments.data(), kSizes, workspaces_[static_cast<size_t>(worker)].data(), first + from,
               first + to);
    };
    const int64_t tasks = last - first;
    if (tasks == 0) return;
    if (!call.parallel || lease.threads() == 1) return work(0, tasks, 0);
    lease.run(tasks, plan::chunk(tasks, lease.threads()), work);
  }

  base::Team& team_;
  const int64_t l2_bytes_;
  std::vector<base::AlignedBuffer> workspaces_;
  base::AlignedBuffer filler_;
};

}  // namespace

std::unique_ptr<Machine> make_machine(base::Team& team, const jit::Target& target) {
  return std::make_unique<HostMachine>(team, target);
}

}  // namespace altrt::tuner
