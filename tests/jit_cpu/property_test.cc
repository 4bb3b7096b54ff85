// Random computations, layouts and schedules as machine code against the reference evaluator.
#include <altrt/error.h>

#include <csignal>
#include <cstdio>
#include <map>

#include "tests/jit_cpu/fixture.h"
#include "tests/jit_cpu/run_nest.h"
#include "tests/property/harness.h"

namespace altrt::jit {
namespace {

constexpr int kStripes = 4;

uint64_t current_seed = 0;

/// A crash names the case it happened in.
void name_the_seed(int signal) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, "signal %d in seed %llu\n", signal,
                                   static_cast<unsigned long long>(current_seed));
  if (write(STDERR_FILENO, text, static_cast<size_t>(length)) < 0) _exit(1);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

/// Seeds in stripes, so that CTest can run shards of them side by side.
class MachineCode : public testing::TestWithParam<int> {
 protected:
  static void SetUpTestSuite() {
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) std::signal(signal, name_the_seed);
  }
  static void TearDownTestSuite() {
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) std::signal(signal, SIG_DFL);
    std::printf("%s%d cases run, %.0f %% with extents that no factor divides, %.0f %% with several stages\n%s\n",
                coverage().table().c_str(), coverage().cases(), 100 * coverage().indivisible_share(),
                100 * coverage().several_stages_share(), coverage().combinations().c_str());
  }
  static property::Coverage& coverage() {
    static property::Coverage all;
    return all;
  }
};

/// Empty, or what is wrong. Absent if the code would be too large.
std::optional<std::string> difference_of(const property::Case& c, const Target& target) {
  try {
    bool intact = true;
    const std::string difference = property::check(c, [&](const Nest& nest, const std::vector<void*>& arguments) {
      intact = run_object(cpu::compile(nest, target), nest, arguments) && intact;
    });
    return intact ? difference : "bytes beside the workspace were written";
  } catch (const Error& e) {
    if (e.code() == ErrorCode::unsupported) return std::nullopt;
    return e.what();
  }
}

TEST_P(MachineCode, GivesTheEvaluatorsBits) {
  const uint64_t first = property::test_seed(1), end = first + static_cast<uint64_t>(property::test_cases(2200));
  const std::vector<Target> targets = runnable_targets();
  std::map<std::string, int> too_large;
  int cases = 0, run = 0, failures = 0;
  for (uint64_t seed = first + static_cast<uint64_t>(GetParam()); seed < end && failures < 5; seed += kStripes) {
    current_seed = seed;
    ++cases;
    // Every target meets every kind of case.
    const Target& target = targets[seed / property::kinds().size() % targets.size()];
    const property::Case c = property::make_case(seed);
    const std::optional<std::string> difference = difference_of(c, target);
    if (!difference) {
      ++too_large[c.kind];
      continue;
    }
    ++run;
    coverage().add(c);
    if (difference->empty()) continue;
    ++failures;
    ADD_FAILURE() << "seed " << seed << " on " << to_string(target) << ": " << *difference << "\n" << to_string(c);
  }
  std::printf("%d cases run", run);
  for (const auto& [kind, count] : too_large) std::printf(", %s: %d too large", kind.c_str(), count);
  std::printf("\n");
  EXPECT_GE(run, cases * 10 / 11);
}

INSTANTIATE_TEST_SUITE_P(Stripes, MachineCode, testing::Range(0, kStripes));

}  // namespace
}  // namespace altrt::jit
