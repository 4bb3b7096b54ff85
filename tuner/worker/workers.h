// The processes of one tuning: one that runs candidates, and for each thread of the team one that compiles them. What
// compiles never runs a candidate, so that objects come from processes that no candidate can have damaged, and one that
// takes for ever to compile takes nobody with it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/team.h"
#include "tuner/measure/machine.h"
#include "tuner/worker/process.h"
#include "tuner/worker/regions.h"

namespace altrt::tuner {

/// One thread at a time, but for emitter() and what it returns.
class Workers {
 public:
  /// Null, with one warning that says why, where candidates have to be compiled and run in this process: the program is
  /// missing or another version's, or the system refuses to start it or to share memory with it.
  static std::shared_ptr<Workers> start(const base::Team& team, const jit::Target& target);

  Workers(const std::string& program, const base::Team& team, const jit::Target& target);
  virtual ~Workers() = default;

  /// For the team's thread of this number; must not outlive this. Empty where they are lost. CandidateDied where
  /// compiling ended the process or took close to a second.
  virtual jit::Emitter emitter(int thread);
  WorkerProcess& runner() { return runner_; }
  Regions& regions() { return regions_; }
  /// Called when a process could not be started again, with the reason: one warning, and all goes on in this process.
  void lose(const std::string& reason);
  bool are_lost() const { return lost_; }
  /// Names for kernels and machines.
  uint64_t next_id() { return ++last_id_; }

 private:
  WorkerProcess runner_;
  Regions regions_;
  std::vector<std::unique_ptr<WorkerProcess>> compilers_;
  std::atomic<bool> lost_{false};
  std::atomic<uint64_t> last_id_{0};
};

}  // namespace altrt::tuner
