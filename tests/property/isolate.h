// Runs what may crash or hang in a process of its own.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <functional>
#include <stdexcept>

namespace altrt::property {

enum class Fate { right, wrong, died };

/// What becomes of `is_right` in a child process: its answer; wrong if it throws; died if a signal ended it, by its own
/// fault or after `seconds` of the processor's time (or many times that, if it waits). The calling process must have no
/// other threads.
inline Fate isolated(const std::function<bool()>& is_right, unsigned seconds = 60) {
  constexpr unsigned kMostWaiting = 20;
  const pid_t child = fork();
  if (child == 0) {
    const rlimit no_core{0, 0}, time{seconds, seconds};
    setrlimit(RLIMIT_CORE, &no_core);
    setrlimit(RLIMIT_CPU, &time);
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM, SIGXCPU}) std::signal(signal, SIG_DFL);
    alarm(seconds * kMostWaiting);
    try {
      _exit(is_right() ? 0 : 1);
    } catch (const std::exception&) {
      _exit(1);
    }
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) throw std::runtime_error("no child process");
  if (!WIFEXITED(status)) return Fate::died;
  return WEXITSTATUS(status) == 0 ? Fate::right : Fate::wrong;
}

}  // namespace altrt::property
