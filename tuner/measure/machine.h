// What candidates run on: this machine's threads, or a device. Memory, running, timing.
#pragma once

#include <memory>
#include <vector>

#include "jit/kernel/device.h"
#include "runtime/base/function_ref.h"
#include "runtime/base/team.h"

namespace altrt::tuner {

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
  bool constant = false;  // its inputs are
};

/// One thread at a time.
class Machine {
 public:
  virtual ~Machine() = default;
  virtual std::unique_ptr<WatchedMemory> allocate(size_t bytes) = 0;
  /// Room for the kernels' workspaces, filled with NaN.
  virtual void prepare(int64_t workspace_bytes) = 0;
  /// Runs the calls one after the other; false if `over` was true between two pieces of work, which ends it.
  virtual bool run(const std::vector<const Call*>& calls, base::Team::Lease& lease, base::FunctionRef<bool()> over) = 0;
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
std::unique_ptr<Machine> make_machine(std::shared_ptr<jit::Device> device);

}  // namespace altrt::tuner
