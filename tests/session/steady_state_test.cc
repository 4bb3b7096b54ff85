// A guest in somebody else's process: no allocation and no lock in steady state, nothing printed, nothing changed.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "tests/session/models.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Counts every allocation and every mutex locked by any thread while `counting`. Sanitizers bring their own allocator.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ALTRT_COUNTS_ALLOCATIONS 1
#endif

namespace {
std::atomic<bool> counting{false};
std::atomic<int64_t> allocations{0};
std::atomic<int64_t> locks{0};
}  // namespace

#ifdef ALTRT_COUNTS_ALLOCATIONS
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

static void count_allocation() {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
}
void* malloc(size_t size) {
  count_allocation();
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  count_allocation();
  return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  count_allocation();
  return __libc_realloc(old, size);
}
void* memalign(size_t alignment, size_t size) {
  count_allocation();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  count_allocation();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** result, size_t alignment, size_t size) {
  count_allocation();
  *result = __libc_memalign(alignment, size);
  return *result ? 0 : ENOMEM;
}

static int count_lock(const char* function, pthread_mutex_t* mutex) {
  if (counting.load(std::memory_order_relaxed)) locks.fetch_add(1, std::memory_order_relaxed);
  return reinterpret_cast<int (*)(pthread_mutex_t*)>(dlsym(RTLD_NEXT, function))(mutex);
}
int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept { return count_lock("pthread_mutex_lock", mutex); }
int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept { return count_lock("pthread_mutex_trylock", mutex); }
}
#endif

namespace altrt {
namespace {

// While it lives, `allocations` and `locks` count.
struct Counting {
  Counting() {
    allocations = locks = 0;
    counting = true;
  }
  ~Counting() { counting = false; }
};

void bind(Context& context, const Tensors& inputs) {
  for (const auto& [name, view] : views(inputs)) context.bind(name, view);
}

TEST(SteadyState, RunsAllocateAndLockNothingInAnyThread) {
#ifndef ALTRT_COUNTS_ALLOCATIONS
  GTEST_SKIP() << "sanitizers bring their own allocator";
#endif
  for (const Model& model : {conv_net(8), attention_net(80)}) {
    SessionOptions options;
    options.threads = 3;
    const Session session(model, options);
    EXPECT_TRUE(shares_work(session));
    const Tensors inputs = make_inputs(session.inputs(), 1);
    Context context = session.context();
    bind(context, inputs);
    session.run(context);
    {
      const Counting on;
      for (int i = 0; i < 50; ++i) session.run(context);
    }
    EXPECT_EQ(allocations, 0) << model.name();
    EXPECT_EQ(locks, 0) << model.name();
  }
  // The counters themselves work, in the library too: sessions share weights under a lock.
  const Counting on;
  const Session session(conv_net());
  EXPECT_GE(allocations, 1);
  EXPECT_GE(locks, 1);
}

TEST(SteadyState, CallersThatShareASessionAllocateAndLockNothing) {
#ifndef ALTRT_COUNTS_ALLOCATIONS
  GTEST_SKIP() << "sanitizers bring their own allocator";
#endif
  for (const Concurrency concurrency : {Concurrency::share, Concurrency::queue}) {
    SessionOptions options;
    options.threads = 2;
    options.concurrency = concurrency;
    const Session session(conv_net(8), options);
    EXPECT_TRUE(shares_work(session));
    const Tensors inputs = make_inputs(session.inputs(), 1);
    std::atomic<int> ready{0}, done{0};
    std::atomic<bool> go{false}, leave{false};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 8; ++caller) {
      callers.emplace_back([&] {
        Context context = session.context();
        bind(context, inputs);
        session.run(context);
        ++ready;
        while (!go) std::this_thread::yield();
        for (int i = 0; i < 100; ++i) session.run(context);
        ++done;
        while (!leave) std::this_thread::yield();  // what a thread's end frees is not counted
      });
    }
    while (ready < 8) std::this_thread::yield();
    {
      const Counting on;
      go = true;
      while (done < 8) std::this_thread::yield();
    }
    leave = true;
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(allocations, 0) << (concurrency == Concurrency::queue);
    EXPECT_EQ(locks, 0) << (concurrency == Concurrency::queue);
  }
}

struct ProcessState {
  std::vector<struct sigaction> handlers;
  sigset_t blocked;
  unsigned mxcsr = 0;
  unsigned short x87 = 0;
  std::string locale, folder;
  mode_t mask = 0;

  ProcessState() {
    for (int signal = 1; signal <= 64; ++signal) {
      struct sigaction action {};
      if (sigaction(signal, nullptr, &action) == 0) handlers.push_back(action);
    }
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
#if defined(__x86_64__)
    mxcsr = _mm_getcsr();
    asm volatile("fnstcw %0" : "=m"(x87));
#endif
    locale = std::setlocale(LC_ALL, nullptr);
    char path[4096];
    folder = getcwd(path, sizeof path);
    mask = umask(0);
    umask(mask);
  }

  void expect_same(const ProcessState& other) const {
    ASSERT_EQ(handlers.size(), other.handlers.size());
    for (size_t i = 0; i < handlers.size(); ++i) {
      EXPECT_EQ(handlers[i].sa_handler, other.handlers[i].sa_handler) << "signal " << i + 1;
      EXPECT_EQ(handlers[i].sa_flags, other.handlers[i].sa_flags) << "signal " << i + 1;
    }
    for (int signal = 1; signal <= 64; ++signal) {
      EXPECT_EQ(sigismember(&blocked, signal), sigismember(&other.blocked, signal)) << signal;
    }
    EXPECT_EQ(mxcsr, other.mxcsr);
    EXPECT_EQ(x87, other.x87);
    EXPECT_EQ(locale, other.locale);
    EXPECT_EQ(folder, other.folder);
    EXPECT_EQ(mask, other.mask);
  }
};

// Sends stdout and stderr to a file while it lives.
class Captured {
 public:
  Captured() {
    std::fflush(nullptr);
    file_ = std::tmpfile();
    for (const int stream : {1, 2}) saved_[stream - 1] = dup(stream);
    for (const int stream : {1, 2}) dup2(fileno(file_), stream);
  }
  ~Captured() { std::fclose(file_); }
  int64_t stop() {
    std::fflush(nullptr);
    for (const int stream : {1, 2}) {
      dup2(saved_[stream - 1], stream);
      close(saved_[stream - 1]);
    }
    struct stat info {};
    fstat(fileno(file_), &info);
    return info.st_size;
  }

 private:
  FILE* file_ = nullptr;
  int saved_[2] = {-1, -1};
};

TEST(SteadyState, TheProcessIsLeftAsItWas) {
#if defined(__x86_64__)
  // A host that flushes denormals and has set sticky flags keeps them.
  const unsigned before_mxcsr = _mm_getcsr();
  _mm_setcsr(before_mxcsr | 0x8040 | 0x0020);
#endif
  const ProcessState before;
  Captured captured;
  {
    const Model model = conv_net();
    const Session session(model);
    const Tensors inputs = make_inputs(session.inputs(), 1);
    session.run(views(inputs));
    Context context = session.context();
    context.bind("x", inputs.at("x").view());
    session.run(context);
    session.profile(context);
    try {
      session.run(Views{});
    } catch (const Error&) {
    }
    try {
      Model::load("/nowhere/at/all.onnx");
    } catch (const Error&) {
    }
  }
  EXPECT_EQ(captured.stop(), 0) << "something was printed";
  ProcessState().expect_same(before);
#if defined(__x86_64__)
  _mm_setcsr(before_mxcsr);
#endif
}

TEST(SteadyState, TheHostsRoundingDoesNotChangeTheAnswer) {
  const Session session(attention_net());
  const Tensors inputs = make_inputs(session.inputs(), 4);
  const Tensors wanted = session.run(views(inputs));
#if defined(__x86_64__)
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040 | 0x6000);  // flush denormals, round toward zero
  const Tensors got = session.run(views(inputs));
  _mm_setcsr(before);
  EXPECT_TRUE(same_bits(got.at("y"), wanted.at("y")));
#endif
}

TEST(SteadyState, TheLogHookHearsAndNothingIsPrinted) {
  SessionOptions options;
  int lines = 0;
  options.log = [&](LogLevel, const std::string&) { ++lines; };
  Captured captured;
  { const Session session(conv_net(), options); }
  EXPECT_EQ(captured.stop(), 0);
  EXPECT_GT(lines, 0);
}

}  // namespace
}  // namespace altrt
