// The worker as a process: it dies with its host, leaves no trace of itself in it, and is not there where it can't be.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <altrt/error.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "runtime/base/trace.h"
#include "tests/tuner/bad_workers.h"

namespace altrt::tuner {
namespace {

Setup setup() {
  Setup made;
  made.memory_bytes = 1 << 30;
  return made;
}

bool exists(pid_t pid) {
  if (kill(pid, 0) != 0) return false;
  // What waits to be waited for is gone.
  if (FILE* file = std::fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "re")) {
    char state = 0;
    const int found = std::fscanf(file, "%*d %*s %c", &state);
    std::fclose(file);
    return found == 1 && state != 'Z';
  }
  return false;
}

bool gone_within(pid_t pid, double seconds) {
  for (const base::Stopwatch watch; watch.seconds() < seconds;) {
    if (!exists(pid)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

size_t descriptors() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

bool has_children() {
  siginfo_t info{};
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

TEST(WorkerProcess, LeavesNothingBehind) {
  const size_t before = descriptors();
  for (int i = 0; i < 5; ++i) {
    WorkerProcess worker(ALTRT_WORKER_FILE, setup());
    worker.start();
    EXPECT_TRUE(exists(worker.pid()));
    EXPECT_EQ(worker.generation(), 1);
    if (i % 2 == 1) worker.kill();
  }
  EXPECT_EQ(descriptors(), before);
  EXPECT_FALSE(has_children());
}

TEST(WorkerProcess, InheritsNothing) {
  const int open_to_all = open("/dev/zero", O_RDONLY);
  ASSERT_GE(open_to_all, 0);
  WorkerProcess worker(ALTRT_WORKER_FILE, setup());
  worker.start();
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(worker.pid()) + "/fd")) {
    std::error_code code;
    EXPECT_EQ(std::filesystem::read_symlink(entry.path(), code).string().find("/dev/zero"), std::string::npos);
    ++count;
  }
  close(open_to_all);
  EXPECT_LE(count, 6u);
}

TEST(WorkerProcess, DiesWithItsHost) {
  for (const bool forked : {false, true}) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t host = fork();
    if (host == 0) {
      WorkerProcess worker(ALTRT_WORKER_FILE, setup());
      worker.start();
      const pid_t pid = worker.pid();
      // A child that holds all that its parent had open.
      if (forked && fork() == 0) {
        sleep(5);
        _exit(0);
      }
      if (write(ends[1], &pid, sizeof pid) != sizeof pid) _exit(1);
      pause();
    }
    pid_t worker = 0;
    ASSERT_EQ(read(ends[0], &worker, sizeof worker), static_cast<ssize_t>(sizeof worker));
    EXPECT_TRUE(exists(worker));
    kill(host, SIGKILL);
    EXPECT_TRUE(gone_within(worker, 1)) << "with another child: " << forked;
    waitpid(host, nullptr, 0);
    close(ends[0]);
    close(ends[1]);
  }
}

TEST(WorkerProcess, HostsMayIgnoreOrTakeItsEnd) {
  for (const bool ignore : {true, false}) {
    struct sigaction action {
    }, before{};
    action.sa_handler = ignore ? SIG_IGN : SIG_DFL;
    action.sa_flags = ignore ? 0 : SA_NOCLDWAIT;
    sigaction(SIGCHLD, &action, &before);
    {
      WorkerProcess worker(ALTRT_WORKER_FILE, setup());
      worker.start();
      const pid_t pid = worker.pid();
      worker.kill();
      EXPECT_TRUE(gone_within(pid, 1));
      worker.start();
      EXPECT_EQ(worker.generation(), 2);
    }
    sigaction(SIGCHLD, &before, nullptr);
    EXPECT_FALSE(has_children());
  }
}

TEST(WorkerProcess, AForkedChildLeavesItAlone) {
  WorkerProcess worker(ALTRT_WORKER_FILE, setup());
  worker.start();
  const pid_t child = fork();
  if (child == 0) {
    bool refused = false;
    try {
      worker.start();
    } catch (const Error&) {
      refused = true;
    }
    worker.kill();
    _exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(exists(worker.pid()));
  EXPECT_THROW(
      worker.ask(Ask::compile, Writer().add_text("").add_text("").add_bytes({}), 1000, 0, [] { return false; }), Error);
  EXPECT_TRUE(worker.is_running()) << "an error is an answer";
}

TEST(WorkerProcess, RefusalsHaveReasons) {
  EXPECT_THROW(WorkerProcess("/nowhere", setup()).start(), Error);
  try {
    WorkerProcess("/bin/cat", setup()).start();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(std::string(error.what()).find("/bin/cat"), std::string::npos);
  }
}

TEST(WorkerProcess, FewerDescriptorsThanItTakes) {
  const int child = fork();
  if (child == 0) {
    const rlimit none{3, 3};
    setrlimit(RLIMIT_NOFILE, &none);
    try {
      WorkerProcess(ALTRT_WORKER_FILE, setup()).start();
      _exit(1);
    } catch (const Error& error) {
      _exit(error.code() == ErrorCode::unavailable ? 0 : 2);
    }
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace altrt::tuner
