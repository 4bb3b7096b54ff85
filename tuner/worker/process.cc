#include "tuner/worker/process.h"

#include <altrt/error.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "runtime/base/dynlib.h"
#include "runtime/base/env.h"
#include "runtime/base/trace.h"
#include "tuner/measure/machine.h"
#include "tuner/worker/shared_file.h"

namespace altrt::tuner {
namespace {

constexpr int kSendMs = 1000, kGreetingMs = 5000;
constexpr int kPollMs = 5;  // between two looks at whether a run is over
constexpr int kReapMs = 1000;
// What the worker is to see of the environment: where libraries are, and how sanitizers behave.
constexpr const char* kEnvironment[] = {"LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
                                        "LSAN_OPTIONS"};

Error unavailable(const std::string& what, int error) {
  return {ErrorCode::unavailable, what + ": " + std::system_category().message(error)};
}

void pause_ms(int ms) {
  const timespec time{0, static_cast<long>(ms) * 1'000'000};
  nanosleep(&time, nullptr);
}

std::string signal_name(int number) {
  const char* name = sigabbrev_np(number);
  return name ? std::string("SIG") + name : "signal " + std::to_string(number);
}

/// Attributes and actions of a spawn, freed in the end.
class Spawn {
 public:
  Spawn() {
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_init(&actions_);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;
  ~Spawn() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }
  // The host's signal handling and descriptors are no business of the worker's.
  int run(const std::string& program, int socket, pid_t* pid) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_adddup2(&actions_, socket, kWorkerSocket);
    for (int standard = 0; standard < 3; ++standard) {
      posix_spawn_file_actions_addopen(&actions_, standard, "/dev/null", O_RDWR, 0);
    }
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    posix_spawn_file_actions_addclosefrom_np(&actions_, kWorkerSocket + 1);
#endif
    const std::string parent = std::to_string(getpid());
    std::vector<std::string> variables;
    for (const char* name : kEnvironment) {
      if (const auto value = base::env(name)) variables.push_back(std::string(name) + "=" + *value);
    }
    std::vector<char*> environment;
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    char* arguments[] = {const_cast<char*>("altrt-worker"), const_cast<char*>(parent.c_str()), nullptr};
    return posix_spawn(pid, program.c_str(), &actions_, &attributes_, arguments, environment.data());
  }

 private:
  posix_spawnattr_t attributes_;
  posix_spawn_file_actions_t actions_;
};

}  // namespace

std::string find_worker() {
  if (getauxval(AT_SECURE) == 0) {
    if (const auto program = base::env("ALTRT_WORKER")) return *program;
  }
  const std::string folder = base::library_folder();
  for (const char* place : {"/altrt-worker", "/../libexec/altrt-worker", "/../../libexec/altrt-worker"}) {
    std::error_code code;
    if (std::filesystem::exists(folder + place, code)) return folder + place;
  }
  return "";
}

WorkerProcess::~WorkerProcess() {
  kill();
  if (control_) munmap(control_, sizeof(Control));
}

void WorkerProcess::kill() {
  if (!is_running()) return;
  if (owner_ != getpid()) {
    channel_ = Channel();
    if (process_ >= 0) close(std::exchange(process_, -1));
    return;
  }
#ifdef SYS_pidfd_send_signal
  const bool sent = process_ >= 0 && syscall(SYS_pidfd_send_signal, process_, SIGKILL, nullptr, 0) == 0;
#else
  const bool sent = false;
#endif
  // As long as nobody has waited for it the number is its own. A host that waits for every child is told apart.
  siginfo_t info{};
  if (!sent && waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0) {
    ::kill(pid_, SIGKILL);
  }
  reap();
}

std::string WorkerProcess::reap() {
  channel_ = Channel();
  if (process_ >= 0) close(std::exchange(process_, -1));
  siginfo_t info{};
  for (const base::Stopwatch watch; watch.milliseconds() < kReapMs; pause_ms(1)) {
    const int result = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG);
    if (result != 0 && errno == EINTR) continue;
    if (result != 0) return "crashed";  // the host waits for its children itself
    if (info.si_pid != 0) break;
  }
  if (info.si_pid == 0) return "crashed";
  if (info.si_code == CLD_EXITED) return "ended with code " + std::to_string(info.si_status);
  return "crashed: " + signal_name(info.si_status);
}

void WorkerProcess::spawn() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw unavailable("socketpair", errno);
  Channel here(ends[0]), there(ends[1]);
  pid_t pid = -1;
  const int error = Spawn().run(program_, ends[1], &pid);
  if (error != 0) throw unavailable("cannot start " + program_, error);
  pid_ = pid;
  owner_ = getpid();
#ifdef SYS_pidfd_open
  process_ = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
#endif
  channel_ = std::move(here);
  ++generation_;
}

void WorkerProcess::expect_greeting() {
  Message message;
  if (channel_.receive(message, kGreetingMs) != Channel::Result::done) {
    kill();
    throw Error(ErrorCode::unavailable, program_ + " does not answer");
  }
  const std::string text(message.bytes.begin(), message.bytes.end());
  std::string found;
  try {
    found =
        message.kind == static_cast<uint32_t>(Answer::greeting) ? Reader(message.bytes).get_text() : "something else";
  } catch (const std::runtime_error&) {
    found = "something else";
  }
  if (found == greeting()) return;
  kill();
  throw Error(ErrorCode::unavailable, program_ + " is \"" + found + "\", not \"" + greeting() + "\"");
}

void WorkerProcess::start() {
  if (is_running()) {
    if (owner_ == getpid()) return;
    throw Error(ErrorCode::unavailable, "the worker is the parent process's");
  }
  const SharedFile page(sizeof(Control));
  if (control_) munmap(std::exchange(control_, nullptr), sizeof(Control));
  control_ = static_cast<Control*>(page.map(0, sizeof(Control)));
  spawn();
  expect_greeting();
  post(Ask::setup, Writer().add(setup_), page.descriptor());
}

void WorkerProcess::post(Ask ask, const Writer& writer, int descriptor) {
  if (is_running()) channel_.send(static_cast<uint32_t>(ask), writer.bytes(), kSendMs, descriptor);
}

void WorkerProcess::give_up(const std::string& reason, bool may_be_innocent) {
  kill();
  throw CandidateDied(reason, may_be_innocent);
}

std::string WorkerProcess::last_words(const LastWords& words) const {
  switch (words.why) {
    case LastWords::out_of_memory:
      return "out of memory";
    case LastWords::aborted:
      return "aborted: " + std::string(words.text, strnlen(words.text, sizeof words.text));
    default:
      break;
  }
  if (words.number == SIGABRT) return "aborted";
  return (words.beside ? "touched memory outside its buffers: " : "crashed: ") + signal_name(words.number);
}

std::vector<uint8_t> WorkerProcess::ask(Ask ask, const Writer& writer, double limit_ms, double grace_ms,
                                        base::FunctionRef<bool()> over) {
  control_->stop.store(0, std::memory_order_relaxed);
  const base::Stopwatch watch;
  Message message;
  Channel::Result result = channel_.send(static_cast<uint32_t>(ask), writer.bytes(), kSendMs);
  if (result == Channel::Result::timeout) give_up("killed: did not listen", true);
  for (double end_ms = limit_ms; result == Channel::Result::done;) {
    const double left = end_ms - watch.milliseconds();
    if (left <= 0) give_up("killed: ran longer than " + std::to_string(std::lround(end_ms)) + " ms", false);
    result = channel_.receive(message, static_cast<int>(std::min<double>(kPollMs, std::ceil(left))));
    if (result != Channel::Result::timeout) break;
    result = Channel::Result::done;
    if (control_->stop.load(std::memory_order_relaxed) != 0 || !over()) continue;
    control_->stop.store(1, std::memory_order_relaxed);
    end_ms = std::min(end_ms, watch.milliseconds() + grace_ms);
  }
  if (result == Channel::Result::closed) throw CandidateDied(reap(), true);
  Reader reader(message.bytes);
  switch (static_cast<Answer>(message.kind)) {
    case Answer::done:
      return std::move(message.bytes);
    case Answer::error: {
      const auto code = static_cast<ErrorCode>(reader.get<int32_t>());
      throw Error(code, reader.get_text());
    }
    case Answer::last_words: {
      const std::string reason = last_words(reader.get<LastWords>());
      give_up(reason, true);
    }
    default:
      give_up("killed: gave no sensible answer", true);
  }
}

}  // namespace altrt::tuner
