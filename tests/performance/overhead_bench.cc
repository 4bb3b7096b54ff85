// What the runtime itself costs, beside the kernels: run() of a chain of tiny kernels, and the team's barrier.
//
//     altrt_overhead_bench [KERNELS]
//
// Medians and 90th percentiles in microseconds, by the calling thread's clock. The machine must be quiet.
#include <altrt/altrt.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "runtime/base/team.h"

namespace {

using Clock = std::chrono::steady_clock;

// Each sample is the mean of `each` calls.
void report(const std::string& what, int samples, int each, const std::function<void()>& call) {
  std::vector<double> us;
  for (int i = 0; i < samples + samples / 10; ++i) {
    const auto begin = Clock::now();
    for (int k = 0; k < each; ++k) call();
    const std::chrono::duration<double, std::micro> time = Clock::now() - begin;
    if (i >= samples / 10) us.push_back(time.count() / each);  // the first ones warm up
  }
  std::sort(us.begin(), us.end());
  std::printf("%-48s %9.3f %9.3f\n", what.c_str(), us[us.size() / 2], us[us.size() * 9 / 10]);
}

// Pools do not fuse with each other: each is a kernel of its own, of 64 elements.
altrt::Model chain(int kernels) {
  altrt::GraphBuilder b("chain");
  b.input("x", altrt::DataType::f32, {1, 1, 8, 8});
  std::string value = "x";
  for (int k = 0; k < kernels; ++k) {
    value = b.op("MaxPool", {value},
                 {{"kernel_shape", std::vector<int64_t>{2, 1}}, {"pads", std::vector<int64_t>{1, 0, 0, 0}}});
  }
  b.output(value);
  return b.build();
}

void measure_chain(const altrt::Model& model, int threads) {
  altrt::SessionOptions options;
  options.cache.directory = "none";
  options.threads = threads;
  const altrt::Session session(model, options);
  altrt::Context context = session.context();
  std::vector<float> x(64, 1.0f);
  context.bind("x", altrt::TensorView(x.data(), {1, 1, 8, 8}));
  const std::string what = "run, " + std::to_string(session.info().kernels) + " kernels of 64 elements, " +
                           std::to_string(threads) + (threads == 1 ? " thread" : " threads");
  report(what, 2000, 1, [&] { session.run(context); });
}

void measure_barrier(int threads) {
  altrt::base::Team team(threads, 1'000'000);  // workers spin all the time
  altrt::base::Team::Lease lease(team);
  report("empty loop of the team, " + std::to_string(threads) + " threads", 2000, 100,
         [&] { lease.run(threads, 1, [](int64_t, int64_t, int) {}); });
  // Every thread has a task and waits there for the others: announcing, joining and leaving, all of it.
  std::atomic<int64_t> arrived{0};
  int64_t all = 0;
  report("loop that every thread takes part in", 2000, 100, [&] {
    all += threads;
    lease.run(threads, 1, [&](int64_t, int64_t, int) {
      arrived.fetch_add(1, std::memory_order_acq_rel);
      while (arrived.load(std::memory_order_acquire) < all) {
      }
    });
  });
}

}  // namespace

int main(int argc, char** argv) {
  const altrt::Model model = chain(argc > 1 ? std::atoi(argv[1]) : 100);
  std::printf("%-48s %9s %9s\n", "us", "median", "p90");
  for (const int threads : {1, 2}) measure_chain(model, threads);
  measure_barrier(2);
  return 0;
}
