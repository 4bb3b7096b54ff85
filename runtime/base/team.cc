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

constexpr int kMaxThreads = 0xffff;
// A loop is dealt in chunks of at least so small a part of it, which makes no more of them than can be counted.
constexpr int64_t kMaxChunks = int64_t{1} << 22;
// A word that counts chunks of a loop: the loop's number above, the count below. A number of 40 bits outlives any
// process: a loop takes a microsecond.
constexpr int kCountBits = 24;
constexpr uint64_t word_of(uint64_t loop, uint64_t count) { return (loop << kCountBits) + count; }
constexpr uint64_t loop_of(uint64_t word) { return word >> kCountBits; }
constexpr uint64_t count_of(uint64_t word) { return word & ((uint64_t{1} << kCountBits) - 1); }

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

// A worker's own part of a loop. Two cache lines, so that nobody who waits for the worker takes the first from it.
struct Part {
  alignas(64) std::atomic<uint64_t> gone{0};      // chunks taken from its front, by the others too when theirs are gone
  alignas(64) std::atomic<uint64_t> finished{0};  // chunks of any part that this worker did, once it finds no more
};

// One loop as the chunks that it is dealt in.
struct Dealt {
  uint64_t number = 0;
  const TeamFunction* function = nullptr;
  TeamLoop loop;

  int64_t first_of(int worker, int workers) const { return loop.inner * worker / workers; }
  // Of a worker's part: runs of consecutive tasks per outer number, or outer numbers per chunk, where runs are short.
  struct Shape {
    int64_t first = 0, length = 0, pieces = 0, rows = 1;
  };
  Shape shape(int worker, int workers) const {
    Shape shape;
    shape.first = first_of(worker, workers);
    shape.length = first_of(worker + 1, workers) - shape.first;
    if (shape.length == 0) return shape;
    shape.pieces = (shape.length - 1) / loop.grain + 1;
    if (shape.pieces == 1) shape.rows = std::max<int64_t>(1, loop.grain / shape.length);
    return shape;
  }
  int64_t chunks(const Shape& shape) const {
    return shape.pieces > 1 ? loop.outer * shape.pieces : shape.pieces * ((loop.outer - 1) / shape.rows + 1);
  }
  void run(const Shape& shape, int64_t chunk, int worker) const {
    if (shape.pieces > 1) {
      const int64_t begin = chunk / shape.pieces * loop.inner + shape.first;
      const int64_t first = chunk % shape.pieces * loop.grain;
      return (*function)(begin + first, begin + std::min(first + loop.grain, shape.length), worker);
    }
    const int64_t end = std::min((chunk + 1) * shape.rows, loop.outer);
    if (shape.length == loop.inner) return (*function)(chunk * shape.rows * loop.inner, end * loop.inner, worker);
    for (int64_t outer = chunk * shape.rows; outer < end; ++outer) {
      const int64_t begin = outer * loop.inner + shape.first;
      (*function)(begin, begin + shape.length, worker);
    }
  }
};

}  // namespace

// Between cores that share no cache a line takes a quarter of a microsecond from one to the other, so a loop moves few
// of them: the announcement to each worker, the workers' counts back to the caller. Chunks come from a line of the
// worker's own until its part is used up; only then it looks at the others' parts.
//
// Whoever takes a chunk, by counting it in its part's word, keeps the loop open: the caller returns when as many chunks
// are finished as there are. A worker that comes late finds every chunk gone, or a word of a later loop, and the caller
// never waits for it.
struct Team::Shared {
  // The caller writes it, an odd number first, then the loop, then the loop's number doubled.
  struct alignas(64) Announcement {
    std::atomic<uint64_t> number{0};
    std::atomic<const TeamFunction*> function{nullptr};
    std::atomic<int64_t> outer{0}, inner{0}, grain{0};
  } announcement;
  std::vector<Part> parts;  // by worker

  alignas(64) std::atomic<uint32_t> signal{0};  // what sleepers wait on
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  int64_t spin_us = 0;

  alignas(64) std::atomic<bool> leased{false};
  std::vector<pthread_t> workers;

  int size() const { return static_cast<int>(parts.size()); }

  void announce(const Dealt& dealt) {
    announcement.number.store(2 * dealt.number - 1, std::memory_order_relaxed);
    announcement.function.store(dealt.function, std::memory_order_release);
    announcement.outer.store(dealt.loop.outer, std::memory_order_release);
    announcement.inner.store(dealt.loop.inner, std::memory_order_release);
    announcement.grain.store(dealt.loop.grain, std::memory_order_release);
    announcement.number.store(2 * dealt.number, std::memory_order_seq_cst);
  }

  // False while the caller writes it.
  bool read_announcement(Dealt& dealt) const {
    const uint64_t number = announcement.number.load(std::memory_order_acquire);
    dealt.number = number / 2;
    dealt.function = announcement.function.load(std::memory_order_acquire);
    dealt.loop.outer = announcement.outer.load(std::memory_order_acquire);
    dealt.loop.inner = announcement.inner.load(std::memory_order_acquire);
    dealt.loop.grain = announcement.grain.load(std::memory_order_acquire);
    return number % 2 == 0 && announcement.number.load(std::memory_order_relaxed) == number;
  }

  // A chunk of the part of `owner`, if any is left of this loop.
  bool take(uint64_t number, int owner, int64_t chunks, int64_t& chunk) {
    std::atomic<uint64_t>& gone = parts[static_cast<size_t>(owner)].gone;
    uint64_t now = gone.load(std::memory_order_relaxed);
    do {
      if (loop_of(now) > number) return false;
      chunk = loop_of(now) == number ? static_cast<int64_t>(count_of(now)) : 0;
      if (chunk >= chunks) return false;
    } while (
        !gone.compare_exchange_weak(now, word_of(number, static_cast<uint64_t>(chunk) + 1), std::memory_order_relaxed));
    return true;
  }

  // All chunks that can be had, its own part's first. Returns how many they were.
  uint64_t work(const Dealt& dealt, int worker) {
    uint64_t done = 0;
    for (int i = 0, owner = worker; i < size(); ++i, owner = owner + 1 < size() ? owner + 1 : 0) {
      const Dealt::Shape shape = dealt.shape(owner, size());
      const int64_t chunks = dealt.chunks(shape);
      for (int64_t chunk = 0; take(dealt.number, owner, chunks, chunk); ++done) dealt.run(shape, chunk, worker);
    }
    return done;
  }

  // Whether all `chunks` are finished but those that the caller did.
  bool all_finished(uint64_t number, uint64_t chunks) const {
    for (size_t worker = 1; worker < parts.size() && chunks > 0; ++worker) {
      const uint64_t finished = parts[worker].finished.load(std::memory_order_acquire);
      if (loop_of(finished) == number) chunks -= count_of(finished);
    }
    return chunks == 0;
  }

  bool announced(uint64_t seen) const {
    return stop.load(std::memory_order_relaxed) || announcement.number.load(std::memory_order_seq_cst) > 2 * seen;
  }

  void wait_for_loop(uint64_t seen) {
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
    Dealt dealt;
    uint64_t seen = 0;
    while (true) {
      wait_for_loop(seen);
      if (stop.load(std::memory_order_acquire)) return;
      if (!read_announcement(dealt)) continue;
      seen = dealt.number;
      const uint64_t done = work(dealt, worker);
      if (done == 0) continue;
      parts[static_cast<size_t>(worker)].finished.store(word_of(dealt.number, done), std::memory_order_release);
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
  shared_->parts = std::vector<Part>(static_cast<size_t>(threads_));
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

void Team::run_together(TeamLoop loop, TeamFunction function) {
  Shared& shared = *shared_;
  loop.grain = std::max(loop.grain, loop.outer * loop.inner / kMaxChunks + 1);
  const Dealt dealt{shared.announcement.number.load(std::memory_order_relaxed) / 2 + 1, &function, loop};
  int64_t chunks = 0;
  for (int worker = 0; worker < threads_; ++worker) chunks += dealt.chunks(dealt.shape(worker, threads_));
  shared.announce(dealt);
  shared.wake(static_cast<int>(std::min<int64_t>(chunks, threads_) - 1));
  const uint64_t left = static_cast<uint64_t>(chunks) - shared.work(dealt, 0);
  const auto all_out = [&] { return shared.all_finished(dealt.number, left); };
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
  run(TeamLoop{1, tasks, grain}, function);
}

void Team::Lease::run(TeamLoop loop, TeamFunction function) noexcept {
  loop.grain = std::max<int64_t>(loop.grain, 1);
  const int64_t tasks = loop.outer * loop.inner;
  if (tasks <= 0) return;
  if (!owned_ || tasks <= loop.grain) {
    function(0, tasks, 0);
  } else {
    team_.run_together(loop, function);
  }
}

}  // namespace altrt::base
