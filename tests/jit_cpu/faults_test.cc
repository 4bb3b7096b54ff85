// Every kind of fault that the code generator could leave in machine code is found by the random cases.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include <cstdio>
#include <utility>

#include "tests/jit_cpu/fixture.h"
#include "tests/jit_cpu/ir_faults.h"
#include "tests/jit_cpu/run_nest.h"
#include "tests/property/harness.h"
#include "tests/property/isolate.h"
#include "tests/property/random.h"

namespace altrt::jit {
namespace {

using property::Fate;

constexpr int kInjected = 40;

struct Kernel {
  const Nest* nest;
  KernelObject object;
  KernelObject right, witness;  // of the one with the fault
};

/// The kernels of a case, one of them with a fault; empty where there is no place for it.
std::vector<Kernel> faulty_kernels(const std::string& fault, const property::Case& c, const Target& target) {
  property::Random random(c.seed);
  std::vector<Kernel> kernels;
  bool changed = false;
  for (const LoweredKernel& kernel : c.kernels) {
    kernels.push_back({&kernel.nest, cpu::compile(kernel.nest, target), {}, {}});
    const size_t places = changed ? 0 : fault_places(fault, kernel.nest, target);
    if (places == 0) continue;
    changed = true;
    const auto place = static_cast<size_t>(random.in(0, static_cast<int64_t>(places) - 1));
    FaultyKernel faulty = compile_with_fault(fault, kernel.nest, target, place);
    kernels.back().right = std::exchange(kernels.back().object, std::move(faulty.object));
    kernels.back().witness = std::move(faulty.witness);
  }
  if (!changed) kernels.clear();
  return kernels;
}

bool is_right(const property::Case& c, const std::vector<Kernel>& kernels) {
  bool intact = true;
  const std::string difference = property::check(c, [&](const Nest& nest, const std::vector<void*>& arguments) {
    for (const Kernel& kernel : kernels) {
      if (kernel.nest == &nest) intact = run_object(kernel.object, nest, arguments) && intact;
    }
  });
  return intact && difference.empty();
}

/// Whether the fault is none: the code is the same, or its place is never reached or never differs.
bool is_none(const property::Case& c, std::vector<Kernel> kernels) {
  for (Kernel& kernel : kernels) {
    if (kernel.witness.bytes.empty()) continue;
    if (kernel.object.bytes == kernel.right.bytes) return true;
    kernel.object = kernel.witness;
  }
  return property::isolated([&] { return is_right(c, kernels); }, 10) == Fate::right;
}

class MachineCodeFaults : public testing::TestWithParam<std::string> {};

TEST_P(MachineCodeFaults, AreFound) {
  const std::vector<Target> targets = runnable_targets();
  const uint64_t first = property::test_seed(1);
  int injected = 0, wrong = 0, died = 0, none = 0;
  for (uint64_t seed = first; injected < kInjected && seed < first + 2000; ++seed) {
    // NaN is in every eighth case only.
    if (GetParam() == "lost NaN" && seed % 8 != 5) continue;
    const property::Case c = property::make_case(seed);
    try {
      const std::vector<Kernel> kernels =
          faulty_kernels(GetParam(), c, targets[seed / property::kinds().size() % targets.size()]);
      if (kernels.empty()) continue;
      const Fate fate = property::isolated([&] { return is_right(c, kernels); }, 10);
      const bool is_fault = fate != Fate::right || !is_none(c, kernels);
      ++(is_fault ? injected : none);
      wrong += fate == Fate::wrong;
      died += fate == Fate::died;
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::unsupported) << "seed " << seed << ": " << e.what();  // too large
    }
  }
  std::printf("%-24s %2d of %2d found: %d by results, %d by guard pages or traps; %d were none\n", GetParam().c_str(),
              wrong + died, injected, wrong, died, none);
  EXPECT_EQ(injected, kInjected);
  // Some changes are none: a guard that always holds, a block without elements, equal strides, memory that is aligned
  // by chance; a maximum over values without NaN.
  EXPECT_GE(wrong + died, GetParam() == "lost NaN" || GetParam() == "false alignment" ? 5 : kInjected / 2);
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name;
  for (const char c : info.param) name += std::isalpha(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(Kinds, MachineCodeFaults, testing::ValuesIn(ir_faults()), test_name);

/// The fault lies between the code and the data: an operand in another order than the code was made for.
TEST(MachineCode, StalePackingIsFound) {
  int injected = 0, found = 0;
  for (uint64_t seed = property::test_seed(1); injected < kInjected; ++seed) {
    const property::Case c = property::make_case(seed);
    ++injected;
    const property::Executor execute = [](const Nest& nest, const std::vector<void*>& arguments) {
      run_object(cpu::compile(nest, host_target()), nest, arguments);
    };
    try {
      found += !property::check(c, property::with_stale_operand(execute)).empty();
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::unsupported) << e.what();
    }
  }
  std::printf("%-24s %2d of %2d found\n", "stale packing", found, injected);
  EXPECT_GE(found, kInjected * 3 / 4);
}

}  // namespace
}  // namespace altrt::jit
