// Proof of the compiler's middle: five Computations scheduled by hand through the general path (layouts, loop
// primitives, lowering, LLVM), timed on one thread against the fused-multiply-add peak measured in the same run. Writes
// the table of PROOF.md to standard output.
//
//   proof [--seconds S] [--nests]
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <altrt/altrt.h>

#include "jit/compile/compile.h"
#include "tests/performance/group_bench.h"
#include "tests/performance/peak.h"
#include "tests/performance/proof_cases.h"

namespace {

using namespace altrt;
using performance::Case;
using performance::GroupBench;

double g_seconds = 1.0;
bool g_nests = false;

struct Outcome {
  double median_ms = 0, min_ms = 0, error = 0;
};

jit::GroupDecision decision_of(const Case& c) {
  jit::GroupDecision decision;
  decision.algorithm = c.algorithm;
  decision.layouts = c.layouts;
  decision.schedule = c.schedule;
  return decision;
}

Outcome measure(GroupBench& bench) {
  Outcome outcome;
  bench.run();
  outcome.error = bench.error();
  std::vector<double> times;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(g_seconds);
  while (times.size() < 10 || std::chrono::steady_clock::now() < end) {
    const auto start = std::chrono::steady_clock::now();
    bench.run();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  outcome.min_ms = times.front();
  outcome.median_ms = times[times.size() / 2];
  return outcome;
}

void print_row(const Case& c, const Outcome& o, double peak) {
  const double gflops = c.flops / (o.min_ms * 1e6), median = c.flops / (o.median_ms * 1e6);
  std::printf("| %s | %.3f | %.3f | %.1f | %.1f %% | %.1f %% | %.1e |\n", c.name.c_str(), o.median_ms, o.min_ms, gflops,
              100 * median / peak, 100 * gflops / peak, o.error);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--nests")) g_nests = true;
    if (!std::strcmp(argv[i], "--seconds") && i + 1 < argc) g_seconds = std::atof(argv[++i]);
  }
  const jit::Target target = jit::host_target();
  std::printf("Target: %s\n\n", jit::to_string(target).c_str());
  double peak = performance::fma_peak_gflops(target.lanes);
  std::printf("Peak of fused multiply-adds, one thread: %.1f GFLOP/s\n\n", peak);
  std::puts("| Computation | median ms | best ms | best GFLOP/s | of peak, median | of peak, best | relative L2 |");
  std::puts("| --- | --- | --- | --- | --- | --- | --- |");
  const std::vector<Case> cases = performance::proof_cases(target);
  for (const Case& c : cases) {
    const jit::GroupDecision decision = decision_of(c);
    if (g_nests) std::fputs(jit::inspect(c.computation, decision, target, "nests").c_str(), stderr);
    GroupBench bench(c.computation, decision, target);
    peak = std::max(peak, performance::fma_peak_gflops(target.lanes));
    print_row(c, measure(bench), peak);
  }
  return 0;
}
