// What candidates run on: this process's threads, another process's, or a device. Memory, code, running, timing.
#pragma once

#include <altrt/error.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jit/compile/compile.h"
#include "jit/kernel/device.h"
#include "runtime/base/function_ref.h"
#include "runtime/base/team.h"
#include "tuner/measure/host_runner.h"

namespace altrt::tuner {

class Workers;

/// A candidate ended the process that it was compiled or run in. All memory keeps its contents, but for what the
/// candidate wrote. Where the process may have been damaged by an earlier candidate (`may_be_innocent`), a second try
/// tells.
class CandidateDied : public Error {
 public:
  CandidateDied(const std::string& reason, bool may_be_innocent)
      : Error(ErrorCode::unavailable, reason), may_be_innocent_(may_be_innocent) {}
  bool may_be_innocent() const { return may_be_innocent_; }

 private:
  bool may_be_innocent_;
};

/// What a memory holds: the group's inputs, what never changes, or what kernels write.
enum class Contents : uint8_t { input, constant, made };

/// Where memory lies between the pages that may not be touched.
enum class Placement : uint8_t {
  aligned,  // as a plan's buffers: on a cache line, and as close to the page behind as that allows
  front,    // next to the page before, aligned to elements and to nothing else, as users' tensors may be
  back      // its last byte next to the page behind
};
inline constexpr size_t kFrontGap = 8;  // bytes: the alignment of the largest elements

/// The memory of one tensor, watched at both ends. One thread at a time.
class WatchedMemory {
 public:
  virtual ~WatchedMemory() = default;
  virtual void* address() const = 0;  // what kernels get
  virtual size_t size() const = 0;
  /// The bytes, for the host to look at and to change; a copy on a device.
  virtual void change(base::FunctionRef<void(void*)> action) = 0;
  virtual void look(base::FunctionRef<void(const void*)> action) const = 0;
  /// Remembers the contents.
  virtual void keep() = 0;
  /// Puts back what was kept, through the caches as a producer leaves it.
  virtual void restore(base::Team::Lease& lease) = 0;
  virtual bool is_as_kept() const = 0;
  /// Nothing was written beside it.
  virtual bool intact() const = 0;
};

/// One kernel to run.
struct Call {
  std::shared_ptr<jit::LoadedKernel> kernel;
  std::vector<const void*> arguments;
  int64_t tasks = 1;
  bool parallel = false;
  int64_t inner = 1;      // see base::TeamLoop
  bool constant = false;  // its inputs are
};

/// The calls of kernels that are loaded in this process.
std::vector<HostCall> host_calls(const std::vector<const Call*>& calls);

/// One thread at a time, but for emitter() and load(). Where candidates run in another process, everything that runs
/// one may throw CandidateDied.
class Machine {
 public:
  using Kernels = std::vector<std::shared_ptr<jit::LoadedKernel>>;

  virtual ~Machine() = default;
  virtual std::unique_ptr<WatchedMemory> allocate(size_t bytes, Contents contents) = 0;
  /// Makes code ready to run here; on another process's machine it runs nowhere else.
  virtual Kernels load(const jit::CompiledGroup& group, const jit::GroupDecision& decision) = 0;
  /// Who makes objects for the team's thread number `thread`; empty: this process.
  virtual jit::Emitter emitter(int /*thread*/) { return {}; }
  /// Whether kernels run in a process that they may end.
  virtual bool is_isolated() const { return false; }
  /// The same threads or process with memory that lies elsewhere; null on a device.
  virtual std::unique_ptr<Machine> with(Placement placement) = 0;
  /// A candidate wrote where it must not: nothing but the memory's contents is to be relied on.
  virtual void distrust() {}
  /// Room for the kernels' workspaces, filled with NaN.
  virtual void prepare(int64_t workspace_bytes) = 0;
  /// Runs the calls one after the other; milliseconds. Nothing if `over` was true between two pieces of work, which
  /// ends it, as it is bound to be after `limit_ms`.
  virtual std::optional<double> run(const std::vector<const Call*>& calls, base::Team::Lease& lease, double limit_ms,
                                    base::FunctionRef<bool()> over) = 0;
  /// The same without a break; milliseconds.
  virtual double time(const std::vector<const Call*>& calls, base::Team::Lease& lease) = 0;
  /// Brings the clock up to where it is in a network, if there was nothing to do for a while.
  virtual void wake() = 0;
  /// Pushes what earlier runs left out of the caches next to the cores, and `far` out of all of them.
  virtual void evict(const std::vector<WatchedMemory*>& far, base::Team::Lease& lease) = 0;
  /// Null: the host's threads.
  virtual jit::Device* device() const = 0;
};

/// `target` is the host's.
std::unique_ptr<Machine> make_machine(base::Team& team, const jit::Target& target);
/// In another process, which has a team like this one; `team` is asleep while that one computes. Other providers'
/// kernels, whose libraries are no less part of this process once they are chosen, run here, on the same memory.
std::unique_ptr<Machine> make_machine(base::Team& team, const jit::Target& target, std::shared_ptr<Workers> workers);
std::unique_ptr<Machine> make_machine(std::shared_ptr<jit::Device> device);

}  // namespace altrt::tuner
