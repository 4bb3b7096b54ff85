// Throughput of two callers of one session with threads=1 against that of one caller.
//   altrt_callers_bench [--rounds N] [--seconds S] MODEL.onnx ...
// Rounds of one and of two callers alternate. A pair of rounds counts if other processes took less than a twentieth of
// one processor in each; if no pair was so quiet, all count, and the ratio says little. The ratio is the median over
// pairs; the same by the callers' processor time leaves out what others took, but not what they did to the caches. Ends
// with 1 where a median is below 1.8. Needs two processors.
#include <altrt/altrt.h>

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Tensors = std::map<std::string, altrt::Tensor>;

constexpr double kWanted = 1.8;
constexpr double kQuiet = 0.05;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Standard normal floats; small integers that are valid as token ids and as masks.
Tensors inputs_of(const altrt::Session& session, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  Tensors inputs;
  for (const altrt::ValueInfo& info : session.inputs()) {
    altrt::Tensor tensor(info.type, info.shape);
    for (int64_t i = 0; i < altrt::element_count(info.shape); ++i) {
      if (info.type == altrt::DataType::f32) tensor.as<float>()[i] = normal(random);
      if (info.type == altrt::DataType::i64) tensor.as<int64_t>()[i] = static_cast<int64_t>(random() % 2);
    }
    inputs[info.name] = std::move(tensor);
  }
  return inputs;
}

/// Seconds of processor time, of this process and of all together with what the hypervisor took.
struct ProcessorTime {
  double own = 0, all = 0;

  ProcessorTime() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
      own += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    }
    std::ifstream file("/proc/stat");
    std::string word;
    file >> word;
    double ticks[8] = {};  // user nice system idle iowait irq softirq steal
    for (double& tick : ticks) file >> tick;
    for (const int busy : {0, 1, 2, 5, 6, 7}) all += ticks[busy] / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
};

struct Round {
  double runs_per_second = 0;
  double runs_per_processor_second = 0;  // of all callers
  double others = 0;                     // processors busy with something else
};

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

Round measure(const altrt::Session& session, std::vector<altrt::Context>& contexts, int callers, double seconds) {
  std::atomic<int> ready{0};
  std::atomic<bool> stop{false};
  std::vector<Round> shares(static_cast<size_t>(callers));
  std::vector<std::thread> threads;
  for (size_t caller = 0; caller < shares.size(); ++caller) {
    threads.emplace_back([&, caller] {
      session.run(contexts[caller]);
      ready.fetch_add(1);
      while (ready < callers) std::this_thread::yield();
      const Clock::time_point start = Clock::now();
      const double used = thread_seconds();
      int64_t runs = 0;
      for (; !stop; ++runs) session.run(contexts[caller]);
      shares[caller].runs_per_second = static_cast<double>(runs) / seconds_since(start);
      shares[caller].runs_per_processor_second = static_cast<double>(runs) / (thread_seconds() - used);
    });
  }
  while (ready < callers) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const ProcessorTime before;
  const Clock::time_point start = Clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const ProcessorTime after;
  const double elapsed = seconds_since(start);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  Round round;
  for (const Round& share : shares) {
    round.runs_per_second += share.runs_per_second;
    round.runs_per_processor_second += share.runs_per_processor_second;
  }
  round.others = (after.all - before.all - (after.own - before.own)) / elapsed;
  return round;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// Prints a row; whether the ratio is reached.
bool compare(const std::string& path, int rounds, double seconds) {
  const altrt::Model model = altrt::Model::load(path);
  altrt::SessionOptions options;
  options.threads = 1;
  const altrt::Session session(model, options);
  std::vector<Tensors> inputs;
  std::vector<altrt::Context> contexts;
  for (uint64_t caller = 0; caller < 2; ++caller) {
    inputs.push_back(inputs_of(session, 1 + caller));
    contexts.push_back(session.context());
    for (const auto& [name, tensor] : inputs.back()) contexts.back().bind(name, tensor.view());
  }
  measure(session, contexts, 2, seconds / 4);  // warm
  std::vector<std::pair<Round, Round>> all, quiet;
  for (int i = 0; i < rounds; ++i) {
    const Round one = measure(session, contexts, 1, seconds);
    all.emplace_back(one, measure(session, contexts, 2, seconds));
    if (all.back().first.others < kQuiet && all.back().second.others < kQuiet) quiet.push_back(all.back());
  }
  std::vector<double> one, two, ratio, by_processor_time;
  for (const auto& [first, second] : quiet.empty() ? all : quiet) {
    one.push_back(first.runs_per_second);
    two.push_back(second.runs_per_second);
    ratio.push_back(second.runs_per_second / first.runs_per_second);
    by_processor_time.push_back(second.runs_per_processor_second / first.runs_per_processor_second);
  }
  std::printf("| %s | %.1f | %.1f | %.2f (%.2f to %.2f) | %.2f | %zu of %d |\n",
              path.substr(path.rfind('/') + 1).c_str(), median(one), median(two), median(ratio),
              *std::min_element(ratio.begin(), ratio.end()), *std::max_element(ratio.begin(), ratio.end()),
              median(by_processor_time), quiet.size(), rounds);
  std::fflush(stdout);
  return median(ratio) >= kWanted;
}

}  // namespace

int main(int argc, char** argv) try {
  int rounds = 9;
  double seconds = 1;
  std::vector<std::string> models;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
      rounds = std::max(1, std::atoi(argv[++i]));
    } else if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
      seconds = std::max(0.1, std::atof(argv[++i]));
    } else {
      models.push_back(argv[i]);
    }
  }
  if (models.empty() || models.front().front() == '-') {
    std::fprintf(stderr, "usage: altrt_callers_bench [--rounds N] [--seconds S] MODEL.onnx ...\n");
    return 2;
  }
  std::printf(
      "| model | runs/s, one caller | two callers | ratio, median (min to max) | by processor time | quiet pairs |\n");
  std::printf("| --- | --- | --- | --- | --- | --- |\n");
  bool reached = true;
  for (const std::string& model : models) reached = compare(model, rounds, seconds) && reached;
  return reached ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "altrt_callers_bench: %s\n", error.what());
  return 2;
}
