#include "runtime/base/team.h"

#include <altrt/error.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <string>
#include <vector>

#include "runtime/base/float_environment.h"

namespace altrt::base {
namespace {

// The word that announces loops: bits 16 to 31 number them, bit 15 says that nobody may join any more, and the lower
// bits count the workers inside. A worker that wraps round all 65,536 numbers while asleep misses a loop at most, which
// is harmless: the caller finishes every loop alone if nobody joins.
constexpr uint32_t kClosed = 1u << 15;
constexpr uint32_t kInside = kClosed - 1;
constexpr uint32_t number_of(uint32_t word) { return word >> 16; }

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Spins until `done()`, looking at the clock only now and then. False when the time is up.
template <typename Done>
bool spin(int64_t spin_us, Done done) {
  if (done()) return true;
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(spin_us);
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));
void futex_wait(std::atomic<uint32_t>& word, uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}
void futex_wake(std::atomic<uint32_t>& word, int count) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

}  // namespace

struct Team::Shared {
  alignas(64) std::atomic<uint32_t> word{kClosed};
  // Written by the holder of the lease before the word announces the loop; stable while it is open or someone inside.
  alignas(64) const TeamFunction* function = nullptr;
  int64_t tasks = 0;
  int64_t grain = 1;
  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) std::atomic<uint32_t> signal{0};  // what sleepers wait on
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  alignas(64) std::atomic<bool> leased{false};
  int64_t spin_us = 0;
  std::vector<pthread_t> workers;

  void work(int worker) {
    while (true) {
      const int64_t first = next.fetch_add(grain, std::memory_order_relaxed);
      if (first >= tasks) return;
      (*function)(first, std::min(first + grain, tasks), worker);
    }
  }

  bool announced(uint32_t seen) const {
    const uint32_t now = word.load(std::memory_order_seq_cst);
    return stop.load(std::memory_order_relaxed) || (!(now & kClosed) && number_of(now) != seen);
  }

  void wait_for_loop(uint32_t seen) {
    if (spin(spin_us, [&] { return announced(seen); })) return;
    sleepers.fetch_add(1, std::memory_order_seq_cst);
    const uint32_t before = signal.load(std::memory_order_seq_cst);
    if (!announced(seen)) futex_wait(signal, before);
    sleepers.fetch_sub(1, std::memory_order_relaxed);
  }

  void wake(int count) {
    if (sleepers.load(std::memory_order_seq_cst) == 0) return;
    signal.fetch_add(1, std::memory_order_seq_cst);
    futex_wake(signal, count);
  }

  void worker_loop(int worker) noexcept {
    FloatEnvironment float_environment;
    uint32_t seen = UINT32_MAX;
    while (true) {
      wait_for_loop(seen);
      if (stop.load(std::memory_order_acquire)) return;
      uint32_t now = word.load(std::memory_order_acquire);
      while (!(now & kClosed) && number_of(now) != seen) {
        if (!word.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel)) continue;
        seen = number_of(now);
        work(worker);
        word.fetch_sub(1, std::memory_order_release);
        break;
      }
    }
  }

  void start(int worker);
  void join_all() {
    stop.store(true, std::memory_order_seq_cst);
    signal.fetch_add(1, std::memory_order_seq_cst);
    futex_wake(signal, INT_MAX);
    for (pthread_t thread : workers) pthread_join(thread, nullptr);
    workers.clear();
  }
};

namespace {

struct WorkerStart {
  void (*enter)(void* shared, int worker);
  void* shared;
  int worker;
};

}  // namespace

void Team::Shared::start(int worker) {
  auto argument = std::make_unique<WorkerStart>();
  argument->enter = [](void* shared, int index) { static_cast<Shared*>(shared)->worker_loop(index); };
  argument->shared = this;
  argument->worker = worker;
  const auto entry = [](void* raw) -> void* {
    const std::unique_ptr<WorkerStart> owned(static_cast<WorkerStart*>(raw));
    const WorkerStart begin = *owned;
    begin.enter(begin.shared, begin.worker);
    return nullptr;
  };
  // Signals are the host's business: the new thread inherits a full mask.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int failed = pthread_create(&thread, nullptr, entry, argument.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed) {
    throw Error(ErrorCode::out_of_memory, "cannot start thread " + std::to_string(worker) + " of the team");
  }
  argument.release();
  char name[16];
  std::snprintf(name, sizeof name, "altrt-%d", worker);
  pthread_setname_np(thread, name);
  workers.push_back(thread);
}

Team::Team(int threads, int64_t spin_us)
    : threads_(std::max(threads, 1)), owner_(getpid()), shared_(std::make_unique<Shared>()) {
  if (threads_ > static_cast<int>(kInside)) {
    throw Error(ErrorCode::invalid_argument, "a team of " + std::to_string(threads) + " threads is too large");
  }
  shared_->spin_us = spin_us;
  shared_->workers.reserve(threads_ - 1);
  try {
    for (int worker = 1; worker < threads_; ++worker) shared_->start(worker);
  } catch (...) {
    shared_->join_all();
    throw;
  }
}

Team::~Team() {
  if (getpid() == owner_) {
    shared_->join_all();
  } else {
    shared_.release();  // the threads that use it exist in the parent only, but its state may be half-written here
  }
}

void Team::run(int64_t tasks, int64_t grain, TeamFunction function) { Lease(*this).run(tasks, grain, function); }

void Team::run_together(int64_t tasks, int64_t grain, TeamFunction function) {
  Shared& shared = *shared_;
  shared.function = &function;
  shared.tasks = tasks;
  shared.grain = grain;
  shared.next.store(0, std::memory_order_relaxed);
  const uint32_t number = number_of(shared.word.load(std::memory_order_relaxed)) + 1;
  shared.word.store(number << 16, std::memory_order_seq_cst);
  const int64_t chunks = (tasks + grain - 1) / grain;
  shared.wake(static_cast<int>(std::min<int64_t>(chunks, threads_) - 1));
  shared.work(0);
  shared.word.fetch_or(kClosed, std::memory_order_acq_rel);
  const auto all_out = [&] { return (shared.word.load(std::memory_order_acquire) & kInside) == 0; };
  while (!spin(shared.spin_us, all_out)) sched_yield();
}

Team::Lease::Lease(Team& team, bool wait) : team_(team), owned_(false) {
  if (team.threads_ == 1 || getpid() != team.owner_) return;
  std::atomic<bool>& leased = team.shared_->leased;
  while (leased.exchange(true, std::memory_order_acquire)) {
    if (!wait) return;
    leased.wait(true, std::memory_order_relaxed);
  }
  owned_ = true;
}

Team::Lease::~Lease() {
  if (!owned_) return;
  team_.shared_->leased.store(false, std::memory_order_release);
  team_.shared_->leased.notify_one();
}

void Team::Lease::run(int64_t tasks, int64_t grain, TeamFunction function) noexcept {
  grain = std::max<int64_t>(grain, 1);
  if (tasks <= 0) return;
  if (!owned_ || tasks <= grain) {
    function(0, tasks, 0);
  } else {
    team_.run_together(tasks, grain, function);
  }
}

}  // namespace altrt::base
