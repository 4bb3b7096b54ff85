#include "runtime/base/team.h"

#include <altrt/error.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <new>
#include <set>
#include <thread>
#include <vector>

#include "runtime/base/float_environment.h"

namespace {

std::atomic<int64_t> allocations{0};

}  // namespace

// Counts what the whole program allocates through operator new. Not inlined, or GCC sees new that malloc does not
// match.
[[gnu::noinline]] void* operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace altrt::base {
namespace {

// Every task is done exactly once, no chunk is longer than the grain, worker numbers are in range.
TEST(Team, CoversEveryTaskOnce) {
  for (int threads : {1, 2, 3, 8}) {
    Team team(threads);
    for (int64_t tasks : {0, 1, 2, 7, 64, 1000}) {
      for (int64_t grain : {0, 1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> done(tasks);
        std::atomic<bool> in_range{true};
        team.run(tasks, grain, [&](int64_t first, int64_t last, int worker) {
          if (worker < 0 || worker >= threads || first >= last) in_range = false;
          if (threads > 1 && last - first > std::max<int64_t>(grain, 1)) in_range = false;
          for (int64_t i = first; i < last; ++i) done[i].fetch_add(1);
        });
        EXPECT_TRUE(in_range) << threads << " " << tasks << " " << grain;
        for (auto& count : done) ASSERT_EQ(count, 1) << threads << " " << tasks << " " << grain;
      }
    }
  }
}

// The same where each worker's part is a range of the inner numbers; ranges stay within one outer number unless they
// are whole ones.
TEST(Team, CoversEveryTaskOfTwoDimensionsOnce) {
  for (int threads : {1, 2, 3, 8}) {
    Team team(threads);
    for (int64_t outer : {0, 1, 2, 7, 200}) {
      for (int64_t inner : {0, 1, 2, 7, 64}) {
        for (int64_t grain : {0, 1, 3, 20, 5000}) {
          std::vector<std::atomic<int>> done(outer * inner);
          std::atomic<bool> in_range{true};
          Team::Lease(team).run({outer, inner, grain}, [&](int64_t first, int64_t last, int worker) {
            if (worker < 0 || worker >= threads || first >= last) in_range = false;
            if (threads > 1 && last - first > std::max<int64_t>(grain, 1)) in_range = false;
            if (first % inner != 0 && first / inner != (last - 1) / inner) in_range = false;
            for (int64_t i = first; i < last; ++i) done[i].fetch_add(1);
          });
          EXPECT_TRUE(in_range) << threads << " " << outer << " " << inner << " " << grain;
          for (auto& count : done) ASSERT_EQ(count, 1) << threads << " " << outer << " " << inner << " " << grain;
        }
      }
    }
  }
}

// Many short loops in a row, plain memory written by workers and read by the caller: order is the team's promise.
TEST(Team, ResultsAreVisibleAfterEachLoop) {
  for (int64_t spin_us : {0, 1, 200}) {
    Team team(4, spin_us);
    Team::Lease lease(team);
    std::vector<int64_t> values(16, 0);
    for (int round = 1; round <= 2000; ++round) {
      lease.run(16, 1, [&](int64_t first, int64_t last, int) {
        for (int64_t i = first; i < last; ++i) values[i] += i;
      });
      for (int64_t i = 0; i < 16; ++i) ASSERT_EQ(values[i], i * round);
    }
  }
}

TEST(Team, WorkersReallyShareTheWork) {
  Team team(3);
  std::mutex mutex;
  std::set<int> workers;
  std::set<std::thread::id> threads;
  // Each task waits until all three are there, so it ends only if three threads take part.
  std::atomic<int> arrived{0};
  team.run(3, 1, [&](int64_t, int64_t, int worker) {
    arrived.fetch_add(1);
    while (arrived < 3) std::this_thread::yield();
    std::lock_guard lock(mutex);
    workers.insert(worker);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(workers, (std::set<int>{0, 1, 2}));
  EXPECT_EQ(threads.size(), 3u);
}

// Part of what a loop wrote is then still in the cache of the core that reads it in the next one.
TEST(Team, WorkersBeginWithPartsOfTheirOwn) {
  Team team(3);
  Team::Lease lease(team);
  for (int64_t grain : {1, 2}) {
    for (int round = 0; round < 50; ++round) {
      std::atomic<int> arrived{0}, strangers{0};
      std::vector<std::atomic<bool>> begun(3);
      // Nobody goes on to help before all have begun.
      lease.run(30 * grain, grain, [&](int64_t first, int64_t, int worker) {
        if (begun[static_cast<size_t>(worker)].exchange(true)) return;
        if (first != 10 * grain * worker) ++strangers;
        ++arrived;
        while (arrived < 3) std::this_thread::yield();
      });
      ASSERT_EQ(strangers, 0) << round;
    }
  }
}

// 4 outer numbers of 6 inner ones: worker w does inner numbers 2w and 2w + 1 of each.
TEST(Team, PartsAreRangesOfTheInnerNumbers) {
  Team team(3);
  Team::Lease lease(team);
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> arrived{0}, strangers{0};
    std::vector<std::atomic<int>> done(3);
    // Nobody goes on to help before all have done their own.
    lease.run({4, 6, 2}, [&](int64_t first, int64_t last, int worker) {
      if (first % 6 != 2 * worker || last != first + 2) ++strangers;
      if (++done[static_cast<size_t>(worker)] < 4) return;
      ++arrived;
      while (arrived < 3) std::this_thread::yield();
    });
    ASSERT_EQ(strangers, 0) << round;
  }
}

TEST(Team, SleepingWorkersWakeUp) {
  Team team(2, 0);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> arrived{0};
    team.run(2, 1, [&](int64_t, int64_t, int) {
      arrived.fetch_add(1);
      while (arrived < 2) std::this_thread::yield();
    });
    EXPECT_EQ(arrived, 2);
  }
}

TEST(Team, NestedLoopsRunAloneAtOnce) {
  Team team(4);
  std::atomic<int64_t> sum{0};
  team.run(8, 1, [&](int64_t first, int64_t last, int) {
    for (int64_t i = first; i < last; ++i) {
      const std::thread::id self = std::this_thread::get_id();
      team.run(10, 1, [&](int64_t a, int64_t b, int worker) {
        EXPECT_EQ(worker, 0);
        EXPECT_EQ(std::this_thread::get_id(), self);
        sum += b - a;
      });
    }
  });
  EXPECT_EQ(sum, 80);
}

TEST(Team, SecondCallerRunsAloneOrWaits) {
  Team team(2);
  auto first = std::make_unique<Team::Lease>(team);
  EXPECT_EQ(first->threads(), 2);
  std::thread([&] {
    Team::Lease second(team);
    EXPECT_EQ(second.threads(), 1);
    const std::thread::id self = std::this_thread::get_id();
    second.run(100, 1, [&](int64_t a, int64_t b, int worker) {
      EXPECT_EQ(std::this_thread::get_id(), self);
      EXPECT_EQ(a, 0);
      EXPECT_EQ(b, 100);
      EXPECT_EQ(worker, 0);
    });
  }).join();
  std::atomic<bool> got{false};
  std::thread waiter([&] {
    Team::Lease second(team, true);
    got = true;
    EXPECT_EQ(second.threads(), 2);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(got);
  first.reset();
  waiter.join();
  EXPECT_TRUE(got);
}

TEST(Team, ManyCallersAtOnce) {
  Team team(3);
  std::vector<std::thread> callers;
  std::atomic<int64_t> sum{0};
  for (int caller = 0; caller < 6; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 300; ++round) {
        Team::Lease lease(team, caller % 2 == 0);
        std::vector<int64_t> parts(lease.threads(), 0);
        lease.run(50, 4, [&](int64_t first, int64_t last, int worker) { parts[worker] += last - first; });
        for (int64_t part : parts) sum += part;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 6 * 300 * 50);
}

TEST(Team, RunAllocatesNothing) {
  Team team(4);
  team.run(8, 1, [](int64_t, int64_t, int) {});
  const int64_t before = allocations;
  for (int round = 0; round < 100; ++round) team.run(64, 1, [](int64_t, int64_t, int) {});
  EXPECT_EQ(allocations, before);
}

TEST(Team, ForkedChildRunsAlone) {
  Team team(3);
  team.run(8, 1, [](int64_t, int64_t, int) {});
  Team::Lease held(team);  // even when the fork happens while the team is taken
  const pid_t child = fork();
  if (child == 0) {
    int64_t sum = 0;
    {
      Team::Lease lease(team, true);
      lease.run(10, 1, [&](int64_t first, int64_t last, int) { sum += last - first; });
      if (lease.threads() != 1) _exit(2);
    }
    Team fresh(2);
    fresh.run(10, 1, [](int64_t, int64_t, int) {});
    _exit(sum == 10 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Team, DestructionWhileSleepingOrSpinning) {
  for (int round = 0; round < 50; ++round) {
    Team team(4, round % 2 ? 0 : 1000);
    if (round % 3) team.run(100, 1, [](int64_t, int64_t, int) {});
    if (round % 5 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(Team, WorkersLeaveSignalsToTheHost) {
  Team team(2);
  sigset_t host_before, host_after;
  pthread_sigmask(SIG_SETMASK, nullptr, &host_before);
  std::atomic<int> arrived{0}, blocked{0};
  team.run(2, 1, [&](int64_t, int64_t, int worker) {
    arrived.fetch_add(1);
    while (arrived < 2) std::this_thread::yield();
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    if (worker == 1 && sigismember(&mask, SIGINT) && sigismember(&mask, SIGTERM)) blocked = 1;
  });
  EXPECT_EQ(blocked, 1);
  pthread_sigmask(SIG_SETMASK, nullptr, &host_after);
  EXPECT_EQ(sigismember(&host_before, SIGINT), sigismember(&host_after, SIGINT));
}

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// A host's real-time thread shares a processor with a worker, which runs only while the caller sleeps.
TEST(Team, ARealTimeCallerLetsItsWorkersFinish) {
  cpu_set_t before, one;
  ASSERT_EQ(pthread_getaffinity_np(pthread_self(), sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(pthread_setaffinity_np(pthread_self(), sizeof one, &one), 0);
  Team team(2);  // the worker inherits the processor
  ASSERT_EQ(pthread_setaffinity_np(pthread_self(), sizeof one, &one), 0);
  const sched_param high{.sched_priority = 1}, none{.sched_priority = 0};
  const bool real_time = pthread_setschedparam(pthread_self(), SCHED_FIFO, &high) == 0;
  double waited = 0, used = 0;  // by the caller, at the end of the loop
  if (real_time) {
    using Clock = std::chrono::steady_clock;
    std::atomic<bool> worker_inside{false};
    Clock::time_point start;
    double used_before = 0;
    team.run(2, 1, [&](int64_t, int64_t, int worker) {
      if (worker == 0) {
        while (!worker_inside) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        start = Clock::now();
        used_before = thread_seconds();
      } else {
        worker_inside = true;
        const auto end = Clock::now() + std::chrono::milliseconds(20);
        while (Clock::now() < end) {
        }
      }
    });
    waited = std::chrono::duration<double>(Clock::now() - start).count();
    used = thread_seconds() - used_before;
    pthread_setschedparam(pthread_self(), SCHED_OTHER, &none);
  }
  pthread_setaffinity_np(pthread_self(), sizeof before, &before);
  if (!real_time) GTEST_SKIP() << "real-time scheduling is not permitted";
  EXPECT_GE(waited, 0.01);  // the caller may have overslept
  EXPECT_LT(used, 0.6 * waited);
}

TEST(Team, RefusesAbsurdSizes) { EXPECT_THROW(Team(1 << 20), Error); }

TEST(FloatEnvironment, RestoresTheHosts) {
#if defined(__x86_64__)
  const uint32_t host = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(host | 0x8040);  // flush to zero, denormals are zero
  volatile float tiny = 1e-38f, half = 0.5f, product;
  {
    FloatEnvironment environment;
    product = tiny * half;
    EXPECT_GT(product, 0.0f);
  }
  product = tiny * half;
  EXPECT_EQ(product, 0.0f);
  EXPECT_EQ(__builtin_ia32_stmxcsr() & 0x8040, 0x8040u);
  __builtin_ia32_ldmxcsr(host);
#endif
}

}  // namespace
}  // namespace altrt::base
