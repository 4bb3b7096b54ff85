// Every kind of fault, put into right nests one at a time, is found by the comparison with the evaluator.
#include <gtest/gtest.h>

#include <cstdio>

#include <altrt/error.h>

#include "tests/property/faults.h"
#include "tests/property/harness.h"

namespace altrt::property {
namespace {

/// What the interpreter's checks or the comparison say; empty if the fault went unnoticed.
std::string outcome(const Case& c, const Executor& execute) {
  try {
    return check(c, execute);
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(Faults, EachKindIsFound) {
  const uint64_t first = test_seed(1);
  std::printf("seeds from %llu\n", static_cast<unsigned long long>(first));
  for (const std::string& fault : faults()) {
    int injected = 0, found = 0;
    for (uint64_t seed = first; injected < 40 && seed < first + 1500; ++seed) {
      Case c = make_case(seed);
      Random random(seed);
      bool changed = false;
      for (jit::LoweredKernel& kernel : c.kernels) {
        const auto faulty = changed ? std::nullopt : inject(fault, kernel.nest, random);
        if (!faulty) continue;
        kernel.nest = *faulty;
        changed = true;
      }
      if (!changed) continue;
      ++injected;
      found += !outcome(c, run_interpreter).empty();
    }
    std::printf("%-24s %2d of %2d found\n", fault.c_str(), found, injected);
    EXPECT_EQ(injected, 40) << fault;
    // Some changes are none: a predicate that is implied, a block without elements, equal operands. NaN is in every
    // eighth case only.
    EXPECT_GE(found, fault == "lost NaN" ? 3 : 20) << fault;
  }
}

/// Operands packed for another layout.
TEST(Faults, StalePackingIsFound) {
  int injected = 0, found = 0;
  for (uint64_t seed = test_seed(1); injected < 40; ++seed) {
    const Case c = make_case(seed);
    ++injected;
    found += !outcome(c, with_stale_operand(run_interpreter)).empty();
  }
  std::printf("stale packing            %2d of %2d found\n", found, injected);
  EXPECT_GE(found, 30);
}

}  // namespace
}  // namespace altrt::property
