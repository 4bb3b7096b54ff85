// Random cases: evaluator against lowered nests in the interpreter.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include <altrt/error.h>

#include "tests/property/harness.h"

namespace altrt::property {
namespace {

TEST(Property, NestsGiveTheEvaluatorsBits) {
  const uint64_t first = test_seed(1);
  const int cases = test_cases(3000);
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + static_cast<uint64_t>(cases) - 1));
  Coverage coverage;
  std::map<std::string, int> refusals;
  int failures = 0;
  for (uint64_t seed = first; seed < first + static_cast<uint64_t>(cases); ++seed) {
    try {
      const Case c = make_case(seed);
      coverage.add(c);
      for (const std::string& refusal : c.refusals) ++refusals[refusal.substr(refusal.rfind(": ") + 2, 32)];
      const std::string difference = check(c, run_interpreter);
      if (difference.empty()) continue;
      ADD_FAILURE() << difference << "\n" << to_string(c);
    } catch (const Error& e) {
      ADD_FAILURE() << "seed " << seed << ": " << e.what();
    }
    if (++failures == 5) break;
  }
  std::printf(
      "%s%d cases, %.0f %% with extents that no factor divides, %.0f %% with several stages, %d refused schedules\n",
      coverage.table().c_str(), coverage.cases(), 100 * coverage.indivisible_share(),
      100 * coverage.several_stages_share(), coverage.refused());
  std::printf("%s\n", coverage.combinations().c_str());
  for (const auto& [reason, count] : refusals) std::printf("  refused %4d: %s\n", count, reason.c_str());
  if (cases < 3000 || failures > 0) return;
  EXPECT_GE(coverage.indivisible_share(), 0.4);
  EXPECT_GE(coverage.several_stages_share(), 0.25);
  EXPECT_EQ(coverage.empty_cells(), std::vector<std::string>{});
}

}  // namespace
}  // namespace altrt::property
