// Nanoseconds that a cache line takes from one core to another and back: two threads take turns to count. On a virtual
// machine they tell where the host has put its processors at the moment: some 100 where they share a cache, several
// times that where they do not, and everything that threads share costs as much more.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

int main() {
  using Clock = std::chrono::steady_clock;
  constexpr int kTurns = 20'000, kRepeats = 3;
  struct alignas(128) Line {
    std::atomic<int> number{0};
  } there, back;
  std::thread other([&] {
    for (int i = 1; i <= kTurns * kRepeats; ++i) {
      while (there.number.load(std::memory_order_acquire) != i) {
      }
      back.number.store(i, std::memory_order_release);
    }
  });
  double best = 0;
  for (int repeat = 0, i = 0; repeat < kRepeats; ++repeat) {
    const auto begin = Clock::now();
    for (int turn = 0; turn < kTurns; ++turn) {
      there.number.store(++i, std::memory_order_release);
      while (back.number.load(std::memory_order_acquire) != i) {
      }
    }
    const double ns = std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / kTurns;
    if (repeat == 0 || ns < best) best = ns;
  }
  other.join();
  std::printf("%.0f\n", best);
}
