#include "tests/jit_gpu/host_machine.h"

#include <altrt/error.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <numeric>
#include <random>
#include <string>

#include "tests/jit_gpu/host_fibre.h"
#include "tests/jit_gpu/host_races.h"

namespace altrt::cuda_host {
namespace {

constexpr int kWarp = 32;
constexpr size_t kStackBytes = 64 << 10;

enum class State : uint8_t { ready, at_barrier, at_shuffle, ended, in_trouble };

struct Thread {
  State state = State::ready;
  int line = 0;  // of the barrier or shuffle that it waits at
  Fibre fibre = nullptr;
  void* stack_end = nullptr;  // null before it starts and after its end
  uint64_t value = 0;         // what it brings to a shuffle, then what it gets
  int source = 0;
};

std::string describe(const Thread& t) {
  switch (t.state) {
    case State::ready:
      return "run";
    case State::at_barrier:
      return "wait at the barrier in line " + std::to_string(t.line);
    case State::at_shuffle:
      return "wait at the shuffle in line " + std::to_string(t.line);
    case State::ended:
      return "have ended";
    default:
      return "are in trouble";
  }
}

class Machine {
 public:
  Machine(const Program& program, void* const* parameters, const Run& run)
      : program_(program), parameters_(parameters), run_(run), random_(run.seed), threads_(run.threads) {
    shared_bytes_ = static_cast<size_t>(program.shared_end - program.shared);
  }
  RunCounts run();

  // On a thread's stack.
  ALTRT_ON_FIBRE static void thread_main(void* machine);
  ALTRT_ON_FIBRE void barrier(int line);
  ALTRT_ON_FIBRE uint64_t shuffle(int line, unsigned mask, uint64_t value, int source);
  ALTRT_ON_FIBRE void suspend();
  ALTRT_ON_FIBRE void access(const void* address, size_t bytes, bool write);
  ALTRT_ON_FIBRE void trouble(const char* what, int line);

 private:
  void run_block();
  void resume(int t);
  void exchange(int warp);
  void release_barrier();
  void make_ready(std::vector<int> threads);
  std::vector<int> arrange(std::vector<int> threads);
  bool is_shared(const void* address) const {
    return static_cast<size_t>(static_cast<const unsigned char*>(address) - program_.shared) < shared_bytes_;
  }
  const char* race_text(const void* address) const {
    return is_shared(address) ? "a data race in shared memory" : "a data race in global memory";
  }
  bool may_touch(const void* address, size_t bytes, bool write) const;
  void note_trouble(const char* what, int line);
  [[noreturn]] void fail(const std::string& what) const;
  static Stacks& stacks() {
    static Stacks all(kStackBytes);
    return all;
  }

  const Program& program_;
  void* const* parameters_;
  const Run& run_;
  std::mt19937_64 random_;
  std::vector<Thread> threads_;
  std::vector<int> ready_, later_;  // ready_ from its back
  bool run_ahead_ = false;          // lanes that a shuffle releases go first
  int64_t block_ = 0;
  int current_ = 0;  // the running thread
  int ended_ = 0, waiting_ = 0;
  std::vector<int> shuffling_;  // lanes of each warp that wait at a shuffle
  Fibre scheduler_ = nullptr;
  std::string trouble_;
  size_t shared_bytes_ = 0;
  uint32_t epoch_ = 0, block_epoch_ = 0;
  Races races_;
  RunCounts counts_;
};

Machine* running = nullptr;

void Machine::thread_main(void* machine) {
  auto& m = *static_cast<Machine*>(machine);
  m.program_.call(m.parameters_);
  m.threads_[m.current_].state = State::ended;
  m.suspend();
}

void Machine::suspend() { altrt_switch_fibre(&threads_[current_].fibre, scheduler_); }

void Machine::barrier(int line) {
  Thread& t = threads_[current_];
  t.state = State::at_barrier;
  t.line = line;
  suspend();
}

uint64_t Machine::shuffle(int line, unsigned mask, uint64_t value, int source) {
  Thread& t = threads_[current_];
  if (mask != 0xffffffffu) trouble("a shuffle without all lanes in its mask", line);
  t.state = State::at_shuffle;
  t.line = line;
  t.value = value;
  t.source = source;
  suspend();
  return t.value;
}

void Machine::trouble(const char* what, int line) {
  note_trouble(what, line);
  threads_[current_].state = State::in_trouble;
  suspend();
}

/// Apart from trouble(), which never returns: nothing may be left on its stack.
void Machine::note_trouble(const char* what, int line) {
  trouble_ = what + (line ? " in line " + std::to_string(line) : "") + ", by thread " + std::to_string(current_);
}

bool Machine::may_touch(const void* address, size_t bytes, bool write) const {
  if (run_.memory.empty()) return true;
  const auto at = reinterpret_cast<uintptr_t>(address);
  const auto within = [&](const void* begin, size_t size) {
    return at - reinterpret_cast<uintptr_t>(begin) < size && bytes <= size - (at - reinterpret_cast<uintptr_t>(begin));
  };
  for (const Range& r : run_.memory) {
    if (within(r.begin, r.bytes)) return !write || r.writable;
  }
  return within(program_.image, static_cast<size_t>(program_.image_end - program_.image));
}

void Machine::access(const void* address, size_t bytes, bool write) {
  const bool shared = is_shared(address);
  if (!shared && stacks().hold(address)) return;
  if (!shared && !may_touch(address, bytes, write)) {
    trouble(write ? "a write to memory that is not the kernel's" : "a read from memory that is not the kernel's", 0);
  }
  if (const void* raced = races_.confirm()) trouble(race_text(raced), 0);
  if (races_.access(address, bytes, write, {epoch_, shared ? 0 : block_epoch_, static_cast<uint16_t>(current_)})) {
    trouble(race_text(address), 0);
  }
}

void Machine::fail(const std::string& what) const {
  std::string text = std::string(program_.entry) + ", block " + std::to_string(block_) + ": " + what;
  const auto same = [](const Thread& a, const Thread& b) { return a.state == b.state && a.line == b.line; };
  int shown = 0;
  for (size_t first = 0, end = 0; first < threads_.size() && shown < 6; first = end, ++shown) {
    while (end < threads_.size() && same(threads_[first], threads_[end])) ++end;
    text += "; threads " + std::to_string(first) + "-" + std::to_string(end - 1) + " " + describe(threads_[first]);
  }
  throw Error(ErrorCode::internal, text);
}

/// An order meant to bring faults to light: any, or one in which neighbours follow each other.
std::vector<int> Machine::arrange(std::vector<int> threads) {
  const uint64_t choice = random_();
  run_ahead_ = (choice >> 8) % 2 == 0;
  if (choice % 8 < 4) {
    std::shuffle(threads.begin(), threads.end(), random_);
  } else {
    std::sort(threads.begin(), threads.end());
    if (choice % 2 == 0) std::reverse(threads.begin(), threads.end());
    if (choice % 8 < 6) std::rotate(threads.begin(), threads.begin() + random_() % threads.size(), threads.end());
  }
  return threads;
}

void Machine::make_ready(std::vector<int> threads) {
  for (const int t : threads) threads_[t].state = State::ready;
  std::vector<int>& to = run_ahead_ || ready_.empty() ? ready_ : later_;
  to.insert(to.end(), threads.begin(), threads.end());
}

void Machine::resume(int t) {
  Thread& thread = threads_[t];
  current_ = t;
  *program_.thread = {static_cast<unsigned>(t), 0, 0};
  if (!thread.stack_end) {
    thread.stack_end = stacks().take();
    thread.fibre = make_fibre(thread.stack_end, &thread_main, this);
  }
  ++counts_.switches;
  altrt_switch_fibre(&scheduler_, thread.fibre);
  if (thread.state == State::in_trouble) fail(trouble_);
  if (const void* raced = races_.confirm()) fail(race_text(raced) + (", by thread " + std::to_string(t)));
  if (thread.state == State::ended) {
    stacks().give(thread.stack_end);
    thread.stack_end = nullptr;
    ++ended_;
  } else if (thread.state == State::at_barrier) {
    ++waiting_;
  } else if (++shuffling_[t / kWarp] == kWarp) {
    exchange(t / kWarp);
  }
}

void Machine::exchange(int warp) {
  Thread* lanes = &threads_[warp * kWarp];
  uint64_t values[kWarp];
  std::vector<int> threads;
  for (int i = 0; i < kWarp; ++i) {
    if (lanes[i].line != lanes[0].line) fail("lanes of a warp at different shuffles");
    values[i] = lanes[lanes[i].source % kWarp].value;
    threads.push_back(warp * kWarp + i);
  }
  for (int i = 0; i < kWarp; ++i) lanes[i].value = values[i];
  shuffling_[warp] = 0;
  std::shuffle(threads.begin(), threads.end(), random_);
  make_ready(std::move(threads));
}

void Machine::release_barrier() {
  for (const Thread& t : threads_) {
    if (t.state != State::at_barrier) fail("not all threads came to the barrier or shuffle");
    if (t.line != threads_[0].line) fail("threads at different barriers");
  }
  ++epoch_;
  ++counts_.barriers;
  waiting_ = 0;
  std::vector<int> all(threads_.size());
  std::iota(all.begin(), all.end(), 0);
  make_ready(arrange(std::move(all)));
}

void Machine::run_block() {
  if (shared_bytes_) std::memset(program_.shared, 0xff, shared_bytes_);
  *program_.block = {static_cast<unsigned>(block_), 0, 0};
  block_epoch_ = ++epoch_;
  const int count = run_.threads;
  ended_ = waiting_ = 0;
  shuffling_.assign((count + kWarp - 1) / kWarp, 0);
  std::vector<int> all(count);
  std::iota(all.begin(), all.end(), 0);
  make_ready(arrange(std::move(all)));
  while (ended_ < count) {
    if (ready_.empty() && !later_.empty()) ready_ = arrange(std::move(later_)), later_.clear();
    if (ready_.empty()) {
      release_barrier();
      continue;
    }
    const int t = ready_.back();
    ready_.pop_back();
    resume(t);
  }
}

RunCounts Machine::run() {
  std::vector<int64_t> order(run_.blocks);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random_);
  *program_.threads = {static_cast<unsigned>(run_.threads), 1, 1};
  *program_.blocks = {static_cast<unsigned>(run_.blocks), 1, 1};
  running = this;
  try {
    for (const int64_t block : order) {
      block_ = block;
      run_block();
    }
  } catch (...) {
    for (const Thread& t : threads_) {
      if (t.stack_end) stacks().give(t.stack_end);
    }
    running = nullptr;
    throw;
  }
  running = nullptr;
  return counts_;
}

ALTRT_ON_FIBRE void barrier(int line) { running->barrier(line); }
ALTRT_ON_FIBRE unsigned long long shuffle(int line, unsigned mask, unsigned long long value, int source) {
  return running->shuffle(line, mask, value, source);
}
ALTRT_ON_FIBRE void access(const void* address, unsigned long long bytes, bool write) {
  running->access(address, bytes, write);
}
ALTRT_ON_FIBRE void trouble(const char* what, int line) { running->trouble(what, line); }

}  // namespace

Calls machine_calls() { return {&barrier, &shuffle, &access, &trouble}; }

RunCounts run_program(const Program& program, void* const* parameters, const Run& run) {
  if (run.threads < 1 || run.threads > 1024 || run.blocks < 1) {
    throw Error(ErrorCode::internal, std::string(program.entry) + ": a launch of " + std::to_string(run.blocks) +
                                         " blocks of " + std::to_string(run.threads) + " threads");
  }
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  return Machine(program, parameters, run).run();
}

}  // namespace altrt::cuda_host
