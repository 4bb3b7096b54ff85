// Hosts that fork. The child has only the thread that forked; whatever it does with the session ends, and in time.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "tests/session/models.h"

namespace altrt {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::chrono::seconds kPatience(60);  // a fork copies the sanitizer's memory too
constexpr int kRounds = 8;
#else
constexpr std::chrono::seconds kPatience(5);
constexpr int kRounds = 40;
#endif
#ifdef __SANITIZE_THREAD__
constexpr const char* kThreadsInChildren =
    "ThreadSanitizer still knows the parent's threads in the child and ends it when one of their ids is used again";
#endif

/// What became of a forked child that ends with the result of `body`: its exit status, -1 if a signal ended it, -2 if
/// it was still there after kPatience.
int in_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    int status = 99;
    try {
      status = body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in the child: %s\n", error.what());
    }
    _exit(status);
  }
  const auto end = std::chrono::steady_clock::now() + kPatience;
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > end) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return -2;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class Fork : public ::testing::TestWithParam<Concurrency> {
 protected:
  Fork() {
    SessionOptions options;
    options.threads = 3;
    options.concurrency = GetParam();
    options.cache.directory = "none";
    session_.emplace(model_, options);
    inputs_ = make_inputs(session_->inputs(), 1);
    wanted_ = session_->run(views(inputs_));
    context_.emplace(session_->context());
    context_->bind("x", inputs_.at("x").view());
    session_->run(*context_);
  }

  bool right(const Tensors& outputs) const { return same_bits(outputs.at("y"), wanted_.at("y")); }
  bool right(const Context& context) const {
    return std::memcmp(context.output("y").data, wanted_.at("y").data(), wanted_.at("y").bytes()) == 0;
  }
  /// Both forms of the call.
  int runs_right() {
    if (!right(session_->run(views(inputs_)))) return 1;
    session_->run(*context_);
    if (!right(*context_)) return 2;
    Context fresh = session_->context();
    fresh.bind("x", inputs_.at("x").view());
    session_->run(fresh);
    return right(fresh) ? 0 : 3;
  }

  const Model model_ = conv_net(8);
  std::optional<Session> session_;
  std::optional<Context> context_;
  Tensors inputs_, wanted_;
};

INSTANTIATE_TEST_SUITE_P(All, Fork, ::testing::Values(Concurrency::share, Concurrency::queue),
                         [](const auto& info) { return info.param == Concurrency::queue ? "queue" : "share"; });

TEST_P(Fork, TheChildRuns) {
  EXPECT_EQ(in_child([&] { return runs_right(); }), 0);
  EXPECT_EQ(runs_right(), 0) << "in the parent, afterwards";
}

TEST_P(Fork, TheChildDestroysTheSession) {
  EXPECT_EQ(in_child([&] {
              session_.reset();
              if (!right(*context_)) return 1;
              context_.reset();
              return 0;
            }),
            0);
  EXPECT_EQ(runs_right(), 0) << "in the parent, afterwards";
}

TEST_P(Fork, TheChildMakesASessionOfItsOwn) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << kThreadsInChildren;
#endif
  EXPECT_EQ(in_child([&] {
              SessionOptions options;
              options.threads = 2;
              options.cache.directory = "none";
              const Session own(model_, options);
              return right(own.run(views(inputs_))) ? 0 : 1;
            }),
            0);
}

TEST_P(Fork, TheChildExitsOrExecs) {
  EXPECT_EQ(in_child([]() -> int { std::exit(7); }), 7);
  EXPECT_EQ(in_child([]() -> int {
              execl("/bin/sh", "sh", "-c", "exit 8", static_cast<char*>(nullptr));
              return 1;
            }),
            8);
}

// A host that ends without waiting for its threads, or with its session in a static object.
TEST_P(Fork, AProcessEndsWhileItsThreadsRun) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << kThreadsInChildren;
#endif
  for (const bool is_static : {false, true}) {
    EXPECT_EQ(in_child([&]() -> int {
                SessionOptions options;
                options.threads = 2;
                options.cache.directory = "none";
                if (is_static) {
                  static const Session session(model_, options);
                  session.run(views(inputs_));
                  std::exit(5);
                }
                static std::atomic<int> runs{0};
                std::thread([this, session = new Session(model_, options)] {
                  while (true) runs += right(session->run(views(inputs_)));
                }).detach();
                while (runs < 20) std::this_thread::yield();
                std::exit(5);
              }),
              5)
        << is_static;
  }
}

// At every point of other threads' runs: the team taken, callers waiting for it, contexts in use.
TEST_P(Fork, WhileOthersRunTheChildRunsAndDestroys) {
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      Context context = session_->context();
      context.bind("x", inputs_.at("x").view());
      while (!stop) {
        if (caller % 2 == 0) {
          wrong += !right(session_->run(views(inputs_)));
        } else {
          session_->run(context);
          wrong += !right(context);
        }
      }
    });
  }
  for (int round = 0; round < kRounds; ++round) {
    const int status = in_child([&] {
      const int bad = runs_right();
      session_.reset();
      return bad;
    });
    EXPECT_EQ(status, 0) << "round " << round;
    if (status != 0) break;
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(runs_right(), 0);
}

}  // namespace
}  // namespace altrt
