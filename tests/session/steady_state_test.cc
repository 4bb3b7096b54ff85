// A guest in somebody else's process: no allocation and no lock in steady state, nothing printed, nothing changed.
#include <dlfcn.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>

#include "tests/session/models.h"
#include "tests/session/process_state.h"

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

// Sets the control and status bits of this thread's SSE unit while it lives.
class HostMxcsr {
 public:
#if defined(__x86_64__)
  explicit HostMxcsr(unsigned bits) : before_(_mm_getcsr()) { _mm_setcsr(bits); }
  ~HostMxcsr() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#else
  explicit HostMxcsr(unsigned) {}
#endif
};
constexpr unsigned kPlain = 0x1f80;                   // no sticky flag is set
constexpr unsigned kFlushing = kPlain | 0x8040;       // denormals are zero
constexpr unsigned kOdd = kFlushing | 0x6000 | 0x20;  // rounds toward zero, and has been inexact once

SessionOptions tuned_options(int64_t trials) {
  SessionOptions options;
  options.threads = 2;
  options.cache.directory = "none";
  options.tuning.mode = TuningMode::load;
  options.tuning.max_trials = trials;
  return options;
}

void expect_error(const std::function<void()>& call) { EXPECT_THROW(call(), Error); }

// Everything that a host can ask for, errors too.
void use_all(const Model& model, const Tensors& inputs, const SessionOptions& options) {
  const Session session(model, options);
  session.run(views(inputs));
  Context context = session.context();
  context.bind("x", inputs.at("x").view());
  session.run(context);
  session.profile(context);
  for (const char* stage : {"graph", "groups", "layouts", "nests", "llvm", "asm"}) session.inspect(stage);
  evaluate_reference(model, views(inputs));
  version_details();
  expect_error([&] { session.run(Views{}); });
  expect_error([] { Model::load("/nowhere/at/all.onnx"); });
  expect_error([] { Model::load("damaged", 7); });
  expect_error([&] { session.inspect("nothing"); });
  expect_error([&] {
    SessionOptions wrong = options;
    wrong.threads = -1;
    const Session refused(model, wrong);
  });
}

void expect_left_alone(const SessionOptions& options) {
  const Model model = conv_net();
  const Tensors inputs = make_inputs(model.inputs(), 1);
  for (const unsigned bits : {kPlain, kFlushing, kOdd}) {
    const HostMxcsr host(bits);
    const ProcessState before;
    CapturedOutput output;
    use_all(model, inputs, options);
    EXPECT_EQ(output.stop(), 0) << "something was printed";
    EXPECT_EQ(ProcessState().difference_from(before), "");
  }
}

TEST(SteadyState, TheProcessIsLeftAsItWas) { expect_left_alone({}); }

TEST(SteadyState, TuningLeavesTheProcessAsItWas) {
  if (Session(conv_net(), tuned_options(1)).info().trials == 0) GTEST_SKIP() << "built without the tuner";
  expect_left_alone(tuned_options(4));
}

TEST(SteadyState, NoThreadIsLeftBehind) {
  const auto count = [](const char* folder) {
    return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
  };
  const Model model = conv_net();
  const Tensors inputs = make_inputs(model.inputs(), 1);
  use_all(model, inputs, tuned_options(2));  // what is opened once for the whole process is open now
  const auto threads = count("/proc/self/task"), files = count("/proc/self/fd");
  for (int i = 0; i < 3; ++i) use_all(model, inputs, tuned_options(2));
  EXPECT_EQ(count("/proc/self/task"), threads);
  EXPECT_EQ(count("/proc/self/fd"), files);
}

// Its constants cannot be divided exactly and are folded when a session is made.
Model folded_net() {
  GraphBuilder b("folded_net");
  b.input("x", DataType::f32, {4, 64});
  const auto quotient = b.op("Div", {b.constant("n", random_tensor({64}, 1)), b.constant("d", random_tensor({64}, 2))});
  b.output(b.op("Mul", {"x", quotient}, {}, "y"));
  return b.build();
}

TEST(SteadyState, TheHostsRoundingDoesNotChangeTheAnswer) {
  SessionOptions options;
  options.cache.directory = "none";
  for (const auto& make : {folded_net, +[] { return conv_net(); }, +[] { return attention_net(); }}) {
    const Model model = make(), twin = make();  // sessions of one model share its weights
    const Tensors inputs = make_inputs(model.inputs(), 4);
    const Session session(model, options);
    const Tensors wanted = session.run(views(inputs)), reference = evaluate_reference(model, views(inputs));
    const HostMxcsr host(kOdd);
    EXPECT_TRUE(same_bits(session.run(views(inputs)).at("y"), wanted.at("y"))) << model.name();
    EXPECT_TRUE(same_bits(Session(twin, options).run(views(inputs)).at("y"), wanted.at("y"))) << model.name();
    EXPECT_TRUE(same_bits(evaluate_reference(twin, views(inputs)).at("y"), reference.at("y"))) << model.name();
  }
}

TEST(SteadyState, TheLogHookHearsAndNothingIsPrinted) {
  SessionOptions options;
  int lines = 0;
  options.log = [&](LogLevel, const std::string&) { ++lines; };
  CapturedOutput output;
  { const Session session(conv_net(), options); }
  EXPECT_EQ(output.stop(), 0);
  EXPECT_GT(lines, 0);
}

}  // namespace
}  // namespace altrt
