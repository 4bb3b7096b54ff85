// One altrt-worker: started when it is first needed, killed at the deadlines of what it was asked for.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "runtime/base/function_ref.h"
#include "tuner/worker/channel.h"
#include "tuner/worker/protocol.h"

namespace altrt::tuner {

/// The program: ALTRT_WORKER in the environment (which programs with raised privileges ignore), or altrt-worker in the
/// folder of the file that holds libaltrt, or in libexec beside that. "" if it is nowhere.
std::string find_worker();

/// One thread at a time. In a forked child it does nothing: the worker is the parent's.
class WorkerProcess {
 public:
  WorkerProcess(std::string program, const Setup& setup) : program_(std::move(program)), setup_(setup) {}
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  ~WorkerProcess();  // ends it

  /// Starts it unless it runs. Error(unavailable) says why it can't be started or be used.
  void start();
  bool is_running() const { return channel_.is_open(); }
  /// Counts starts: what an earlier one was given is gone.
  int generation() const { return generation_; }
  pid_t pid() const { return pid_; }

  /// Sends what has no answer. What can't be sent to a dying process is dropped: the next ask() will tell.
  void post(Ask ask, const Writer& writer, int descriptor = -1);
  /// Sends and waits for the answer. Error with the worker's own code and text; CandidateDied when it ended or had to
  /// be ended: after `limit_ms`, or where it did not stop within `grace_ms` of `over` having become true, which is
  /// asked every few milliseconds. It does not run then.
  std::vector<uint8_t> ask(Ask ask, const Writer& writer, double limit_ms, double grace_ms,
                           base::FunctionRef<bool()> over);
  /// Ends it at once.
  void kill();

 private:
  void spawn();
  /// Waits for its end and says how that came about.
  std::string reap();
  void expect_greeting();
  [[noreturn]] void give_up(const std::string& reason, bool may_be_innocent);
  std::string last_words(const LastWords& words) const;

  const std::string program_;
  const Setup setup_;
  Channel channel_;
  pid_t pid_ = -1, owner_ = -1;
  int process_ = -1;  // a descriptor of it, where the system has such: its number can't come to mean another process
  int generation_ = 0;
  Control* control_ = nullptr;
};

}  // namespace altrt::tuner
