// A guest in somebody else's process: no allocation in steady state, nothing printed, nothing changed.
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

// Counts every allocation of every thread while `counting`. Sanitizers bring their own allocator.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ALTRT_COUNTS_ALLOCATIONS 1
#endif

namespace {
std::atomic<bool> counting{false};
std::atomic<int64_t> allocations{0};
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
}
#endif

namespace altrt {
namespace {

TEST(SteadyState, RunsAllocateNothingInAnyThread) {
#ifndef ALTRT_COUNTS_ALLOCATIONS
  GTEST_SKIP() << "sanitizers bring their own allocator";
#endif
  for (const Model& model : {conv_net(), attention_net()}) {
    SessionOptions options;
    options.threads = 3;
    const Session session(model, options);
    const Tensors inputs = make_inputs(session.inputs(), 1);
    Context context = session.context();
    for (const auto& [name, view] : views(inputs)) context.bind(name, view);
    session.run(context);
    allocations = 0;
    counting = true;
    for (int i = 0; i < 50; ++i) session.run(context);
    counting = false;
    EXPECT_EQ(allocations, 0) << model.name();
    // The counter itself works.
    counting = true;
    free(std::malloc(10));
    counting = false;
    EXPECT_GE(allocations, 1);
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
