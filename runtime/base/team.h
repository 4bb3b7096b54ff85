#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "runtime/base/function_ref.h"

namespace altrt::base {

// The body of a parallel loop: tasks [first, last), done by `worker` (0 is the caller). It must not throw.
using TeamFunction = FunctionRef<void(int64_t first, int64_t last, int worker)>;

// A loop over tasks [0, outer * inner), dealt in chunks of about `grain`. Each worker begins with a part of its own,
// for every outer number the same range of the inner ones: loops that cut the same tensor along the same dimension
// leave each part of it in the cache of one core.
struct TeamLoop {
  int64_t outer = 1, inner = 0, grain = 1;
};

// A fixed set of threads that share loops. One caller holds the team at a time, through a Lease; whoever finds it taken
// runs alone in his own thread at once. That covers nested use (a task that asks for the team again) as well.
//
// Idle workers spin for `spin_us` after the last loop and then sleep. Workers block all signals, compute in the default
// floating-point environment and are not pinned. In a forked child the team has no threads: every loop runs in the
// calling thread.
class Team {
 public:
  static constexpr int64_t kDefaultSpinUs = 200;

  // `threads` counts the caller, so threads - 1 are started. Throws Error(out_of_memory) where one cannot be started.
  explicit Team(int threads, int64_t spin_us = kDefaultSpinUs);
  // The team must not be leased.
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const { return threads_; }
  int64_t spin_us() const;
  // Returns when no idle worker spins any more: another process gets the processors to itself. The team must not be in
  // a loop.
  void settle() const;

  class Lease;
  // One loop under a lease of its own; see Lease::run.
  void run(int64_t tasks, int64_t grain, TeamFunction function);

 private:
  struct Shared;

  void run_together(TeamLoop loop, TeamFunction function);

  int threads_;
  pid_t owner_;
  std::unique_ptr<Shared> shared_;
};

// Holds the team for several loops in a row, e.g. all kernels of one inference.
class Team::Lease {
 public:
  // Takes the team if it is free. With `wait`, sleeps until it is; not to be asked for within a task of the same team.
  explicit Lease(Team& team, bool wait = false);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  // Workers that take part: the team's threads, or 1 where somebody else holds the team. Worker numbers stay below it.
  int threads() const { return owned_ ? team_.threads_ : 1; }

  // Calls function(first, last, worker) on disjoint ranges that cover [0, tasks), and returns when all are done. Ranges
  // are handed out in chunks of `grain` (at least 1), so no range is longer (except beyond 2^22 chunks); alone, one
  // call gets them all. Each worker begins with its own part and helps the others when it is done. What tasks wrote is
  // visible to the caller afterwards. Allocates nothing, takes no lock.
  void run(TeamLoop loop, TeamFunction function) noexcept;
  // The same with one outer number.
  void run(int64_t tasks, int64_t grain, TeamFunction function) noexcept;

 private:
  Team& team_;
  bool owned_;
};

}  // namespace altrt::base
