#include "runtime/base/team.h"

#include <altrt/error.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
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

// The word that announces a loop and says how many chunks there are: bits 48 to 63 number the loops, bits 32 to 47
// count the workers inside, and the lower half is the number of chunks nobody has taken yet. While it is not 0 the loop
// is open. Whoever has taken one from that number finds out which in the ranges below. A worker that sleeps through
// exactly 65,536 loops takes the next one for the one it knows and stays out of it, which is harmless: the caller
// finishes every loop alone if nobody joins.
constexpr int kMaxThreads = 0xffff;
constexpr uint64_t kMaxChunks = 0xffffffff;
constexpr uint64_t kOneInside = uint64_t{1} << 32;
constexpr uint32_t number_of(uint64_t word) { return static_cast<uint32_t>(word >> 48); }
constexpr uint64_t inside_of(uint64_t word) { return (word >> 32) & 0xffff; }
constexpr uint64_t chunks_left(uint64_t word) { return word & 0xffffffff; }

// How long a caller spins for the workers' last chunks before it offers its processor: one of them may need it. After
// so many offers it sleeps instead: a real-time thread offers its processor in vain, to others of its priority only.
constexpr int64_t kJoinSpinUs = 20;
constexpr int kJoinYields = 50;
constexpr timespec kJoinSleep{0, 50'000};

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

// Each worker's own range of a loop's chunks, taken from the front, by the others too when theirs is used up: loops
// over the same values leave each part of them in the cache of one core. The upper half is the loop's number (those
// here are never used again), the lower half the chunks gone.
struct alignas(64) Range {
  std::atomic<uint64_t> word{0};
};

struct Team::Shared {
  // One cache line, so that one transfer between cores tells a worker everything. The holder of the lease writes the
  // loop before the word announces it; it is stable while the loop is open or someone is inside.
  alignas(64) std::atomic<uint64_t> word{0};
  const TeamFunction* function = nullptr;
  uint64_t chunks = 0;
  int64_t tasks = 0;
  int64_t grain = 1;
  uint32_t sequence = 0;  // of the loop, for the ranges

  std::vector<Range> ranges;  // by worker

  alignas(64) std::atomic<uint32_t> signal{0};  // what sleepers wait on
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  int64_t spin_us = 0;

  alignas(64) std::atomic<bool> leased{false};
  std::vector<pthread_t> workers;

  uint64_t first_of(size_t worker) const { return chunks * worker / ranges.size(); }

  // A chunk of the range of `owner`, if any is left.
  bool take_from(size_t owner, uint64_t& chunk) {
    const uint64_t first = first_of(owner), count = first_of(owner + 1) - first;
    std::atomic<uint64_t>& range = ranges[owner].word;
    uint64_t now = range.load(std::memory_order_relaxed), gone = 0;
    do {
      gone = now >> 32 == sequence ? chunks_left(now) : 0;
      if (gone >= count) return false;
    } while (!range.compare_exchange_weak(now, (uint64_t{sequence} << 32) + gone + 1, std::memory_order_relaxed));
    chunk = first + gone;
    return true;
  }

  // For one who has taken a chunk from the word: then fewer are gone from the ranges than there are.
  uint64_t which_chunk(size_t worker) {
    uint64_t chunk = 0;
    for (size_t owner = worker; !take_from(owner, chunk);) owner = owner + 1 < ranges.size() ? owner + 1 : 0;
    return chunk;
  }

  // Does the chunk that was taken with joining, and all that can be had after it.
  void work(int worker) {
    while (true) {
      const int64_t first = static_cast<int64_t>(which_chunk(static_cast<size_t>(worker))) * grain;
      (*function)(first, std::min(first + grain, tasks), worker);
      uint64_t now = word.load(std::memory_order_relaxed);
      while (chunks_left(now) > 0 && !word.compare_exchange_weak(now, now - 1, std::memory_order_relaxed)) {
      }
      if (chunks_left(now) == 0) return;
    }
  }

  bool announced(uint32_t seen) const {
    const uint64_t now = word.load(std::memory_order_seq_cst);
    return stop.load(std::memory_order_relaxed) || (chunks_left(now) > 0 && number_of(now) != seen);
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
      uint64_t now = word.load(std::memory_order_acquire);
      while (chunks_left(now) > 0 && number_of(now) != seen) {  // joining takes a chunk with it
        if (!word.compare_exchange_weak(now, now + kOneInside - 1, std::memory_order_acq_rel)) continue;
        seen = number_of(now);
        work(worker);
        word.fetch_sub(kOneInside, std::memory_order_release);
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
  static_cast<void>(argument.release());  // the thread has it
  char name[16];
  std::snprintf(name, sizeof name, "altrt-%d", worker);
  pthread_setname_np(thread, name);
  workers.push_back(thread);
}

Team::Team(int threads, int64_t spin_us)
    : threads_(std::max(threads, 1)), owner_(getpid()), shared_(std::make_unique<Shared>()) {
  if (threads_ > kMaxThreads) {
    throw Error(ErrorCode::invalid_argument, "a team of " + std::to_string(threads) + " threads is too large");
  }
  shared_->spin_us = spin_us;
  shared_->ranges = std::vector<Range>(static_cast<size_t>(threads_));
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
    static_cast<void>(
        shared_.release());  // the threads that use it exist in the parent only, but its state may be half-written here
  }
}

int64_t Team::spin_us() const { return shared_->spin_us; }

void Team::settle() const {
  if (getpid() != owner_) return;
  const auto asleep = [&] { return shared_->sleepers.load(std::memory_order_acquire) >= threads_ - 1; };
  // A sleeper that missed the last loops is awake no longer than one that took part.
  const timespec piece{0, 20'000};
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(2 * shared_->spin_us + 1000);
  while (!asleep() && std::chrono::steady_clock::now() < end) nanosleep(&piece, nullptr);
}

void Team::run(int64_t tasks, int64_t grain, TeamFunction function) { Lease(*this).run(tasks, grain, function); }

void Team::run_together(int64_t tasks, int64_t grain, TeamFunction function) {
  Shared& shared = *shared_;
  grain = std::max(grain, tasks / static_cast<int64_t>(kMaxChunks) + 1);
  const uint64_t chunks = shared.chunks = static_cast<uint64_t>((tasks - 1) / grain + 1);
  shared.function = &function;
  shared.tasks = tasks;
  shared.grain = grain;
  if (++shared.sequence == 0) {
    for (Range& range : shared.ranges) range.word.store(0, std::memory_order_relaxed);
    shared.sequence = 1;
  }
  const uint64_t number = number_of(shared.word.load(std::memory_order_relaxed)) + 1;
  shared.word.store((number << 48) + chunks - 1, std::memory_order_seq_cst);  // the first chunk is the caller's
  shared.wake(static_cast<int>(std::min<uint64_t>(chunks, threads_) - 1));
  shared.work(0);
  const auto all_out = [&] { return inside_of(shared.word.load(std::memory_order_acquire)) == 0; };
  int yields = 0;
  while (!spin(kJoinSpinUs, all_out)) {
    if (yields < kJoinYields) {
      sched_yield();
      ++yields;
    } else {
      nanosleep(&kJoinSleep, nullptr);
    }
  }
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
