// altrt-worker: compiles and runs a tuning's candidates, so that those that loop, crash, write wild or eat memory do it
// here. Started by libaltrt only: usage: altrt-worker PID, with a socket as descriptor 3.
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tuner/worker/faults.h"
#include "tuner/worker/server.h"

namespace {

constexpr int kParentCheckMs = 300;
constexpr int kKeptBytes = 64 << 20;

int pid_descriptor(pid_t pid) {
#ifdef SYS_pidfd_open
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
#else
  (void)pid;
  return -1;
#endif
}

// Ends the process with the one that started it. The socket alone would not do: a child that the starter forked may
// hold its other end.
void* watch_parent(void* argument) {
  const auto parent = static_cast<pid_t>(reinterpret_cast<intptr_t>(argument));
  pollfd watched[2] = {{altrt::tuner::kWorkerSocket, POLLRDHUP, 0}, {pid_descriptor(parent), POLLIN, 0}};
  const bool has_descriptor = watched[1].fd >= 0;
  while (getppid() == parent) {
    const int ready = poll(watched, has_descriptor ? 2 : 1, has_descriptor ? -1 : kParentCheckMs);
    if (ready > 0) break;
  }
  kill(getpid(), SIGKILL);
  return nullptr;
}

// Nothing of this process's is to be written to disk, and it is the first to go when memory is short.
void be_dispensable() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  if (write(file, "1000", 4) < 0) std::perror("oom_score_adj");
  close(file);
}

}  // namespace

int main(int argc, char** argv) {
  const pid_t parent = argc == 2 ? static_cast<pid_t>(std::atol(argv[1])) : 0;
  if (parent <= 0 || fcntl(altrt::tuner::kWorkerSocket, F_GETFD) < 0) {
    std::fprintf(stderr, "altrt-worker is started by libaltrt's tuner\n");
    return 2;
  }
#ifdef SYS_close_range
  syscall(SYS_close_range, altrt::tuner::kWorkerSocket + 1, ~0U, 0);
#endif
  be_dispensable();
  // LLVM's memory of one kernel serves for the next.
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
  mallopt(M_MMAP_THRESHOLD, kKeptBytes);
  mallopt(M_ARENA_MAX, 1);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t watcher;
  if (pthread_create(&watcher, nullptr, watch_parent, reinterpret_cast<void*>(static_cast<intptr_t>(parent))) != 0) {
    return 1;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  altrt::tuner::catch_faults(altrt::tuner::kWorkerSocket);
  altrt::tuner::Server(altrt::tuner::kWorkerSocket).serve();
  return 0;
}
