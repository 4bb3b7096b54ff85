// Every kind of fault that the code generator could leave in machine code is found by the random cases.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "tests/jit_cpu/fixture.h"
#include "tests/jit_cpu/ir_faults.h"
#include "tests/jit_cpu/run_nest.h"
#include "tests/property/findings.h"
#include "tests/property/harness.h"
#include "tests/property/isolate.h"
#include "tests/property/random.h"

namespace altrt::jit {
namespace {

using property::Fate;

constexpr int kInjected = 40;
constexpr int kLooks = 32;     // data sets of a case, one of which must show a fault
constexpr int kDataSets = 16;  // on which what may be no fault agrees with the right code
constexpr double kRounding = 1e-6;
constexpr uint64_t kMostSeeds = 2000;  // that may have to be tried

/// A case's kernels: the right ones, and in the place of number `faulty` one with a fault.
struct Kernels {
  std::vector<KernelObject> right;
  size_t faulty = 0;
  FaultyKernel fault;

  const KernelObject& object(size_t kernel) const { return kernel == faulty ? fault.object : right[kernel]; }
  const KernelObject& unharmed(size_t kernel) const { return right[kernel]; }
  const KernelObject& witness(size_t kernel) const { return kernel == faulty ? fault.witness : right[kernel]; }
};

/// With a fault in any place that the case has for it; nothing where it has none.
std::optional<Kernels> faulty_kernels(const std::string& fault, const property::Case& c, const Target& target) {
  Kernels kernels;
  std::vector<std::pair<size_t, size_t>> places;
  for (size_t k = 0; k < c.kernels.size(); ++k) {
    kernels.right.push_back(cpu::compile(c.kernels[k].nest, target));
    const size_t count = fault_places(fault, c.kernels[k].nest, target);
    for (size_t number = 0; number < count; ++number) places.emplace_back(k, number);
  }
  if (places.empty()) return std::nullopt;
  const auto [kernel, number] = property::Random(c.seed).pick(places);
  kernels.faulty = kernel;
  kernels.fault = compile_with_fault(fault, c.kernels[kernel].nest, target, number);
  return kernels;
}

using Choice = const KernelObject& (Kernels::*)(size_t) const;

/// Runs the case's kernels one after the other; `intact` turns false where one writes beside its workspace.
property::Executor executor(const property::Case& c, const Kernels& kernels, Choice choice, bool& intact) {
  std::vector<std::shared_ptr<LoadedKernel>> loaded;
  for (size_t k = 0; k < c.kernels.size(); ++k) loaded.push_back(cpu::load({(kernels.*choice)(k)})[0]);
  return [&c, &kernels, loaded, &intact](const Nest& nest, const std::vector<void*>& arguments) {
    for (size_t k = 0; k < c.kernels.size(); ++k) {
      if (&c.kernels[k].nest != &nest) continue;
      intact = run_loaded(*loaded[k], kernels.right[k].workspace_bytes, nest, arguments) && intact;
    }
  };
}

/// On data sets [first, last).
Fate fate_of(const property::Case& c, const Kernels& kernels, Choice choice, int first, int last) {
  const auto is_right = [&] {
    bool intact = true;
    const property::Executor execute = executor(c, kernels, choice, intact);
    for (int set = first; set < last && intact; ++set) {
      if (!property::check(c, execute, set).empty()) return false;
    }
    return intact;
  };
  return property::isolated(is_right, 10);
}

/// What tells the faulty kernels from the right ones on adversarial data; "" if nothing does. Apart from the last bits
/// with `rounding`.
std::string difference(const property::Case& c, const Kernels& kernels, double rounding) {
  bool intact = true;
  const property::Executor found = executor(c, kernels, &Kernels::object, intact);
  const property::Executor right = executor(c, kernels, &Kernels::unharmed, intact);
  for (int set = 0; set < kDataSets && intact; ++set) {
    const std::string one = property::check_alike(c, found, right, set, rounding);
    if (!one.empty()) return "data set " + std::to_string(set) + ": " + one;
  }
  return intact ? "" : "bytes beside the workspace were written";
}

/// Why a fault that the case doesn't show is none: the code is the same, its place is never reached or never differs,
/// or results on adversarial data are the right code's, bit for bit or as far as the order of a reduction decides. ""
/// if it is one.
std::string is_none(const property::Case& c, const Kernels& kernels) {
  if (kernels.fault.object.bytes == kernels.right[kernels.faulty].bytes) return "same code";
  if (fate_of(c, kernels, &Kernels::witness, 0, kLooks) == Fate::right) return "never differs";
  const auto agrees = [&](double rounding) {
    return property::isolated([&] { return difference(c, kernels, rounding).empty(); }, 60) == Fate::right;
  };
  if (agrees(0)) return "same results";
  return agrees(kRounding) ? "another order of a reduction" : "";
}

/// Those of one kind; `late`: found, but not on the first data set.
struct Findings : property::Findings {
  int late = 0;
};

void look(const std::string& fault, const property::Case& c, const Target& target, Findings& findings) {
  const std::optional<Kernels> kernels = faulty_kernels(fault, c, target);
  if (!kernels) return;
  ASSERT_EQ(fate_of(c, *kernels, &Kernels::unharmed, 0, kLooks), Fate::right)
      << "seed " << c.seed << " without a fault";
  Fate fate = fate_of(c, *kernels, &Kernels::object, 0, 1);
  const bool at_once = fate != Fate::right;
  if (!at_once) fate = fate_of(c, *kernels, &Kernels::object, 1, kLooks);
  const std::string none = fate == Fate::right ? is_none(c, *kernels) : "";
  const std::string place = "seed " + std::to_string(c.seed) + ", " + c.kind + ", " +
                            c.kernels[kernels->faulty].nest.name + ": " + kernels->fault.place;
  const bool is_fault = findings.add(fate, none, place);
  findings.late += is_fault && fate != Fate::right && !at_once;
}

class MachineCodeFaults : public testing::TestWithParam<std::string> {};

TEST_P(MachineCodeFaults, AreFound) {
  const std::vector<Target> targets = runnable_targets();
  const uint64_t first = property::test_seed(1);
  Findings findings;
  int too_large = 0;
  for (uint64_t seed = first; findings.faults < kInjected && seed < first + kMostSeeds; ++seed) {
    // NaN is in every eighth case only.
    if (GetParam() == "lost NaN" && seed % 8 != 5) continue;
    const property::Case c = property::make_case(seed);
    try {
      look(GetParam(), c, targets[seed / property::kinds().size() % targets.size()], findings);
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::unsupported) << "seed " << seed << ": " << e.what();
      ++too_large;
    }
  }
  std::printf("%-24s %s %d not at once, %d too large\n", GetParam().c_str(), findings.summary().c_str(), findings.late,
              too_large);
  EXPECT_EQ(findings.faults, kInjected);
  EXPECT_LE(findings.late, kInjected / 3) << "the first data set shows too little";
  for (const std::string& missed : findings.missed) ADD_FAILURE() << GetParam() << " is missed in " << missed;
}

INSTANTIATE_TEST_SUITE_P(Kinds, MachineCodeFaults, testing::ValuesIn(ir_faults()), property::fault_name);

/// The fault lies between the code and the data: an operand in another order than the code was made for.
TEST(MachineCode, StalePackingIsFound) {
  const uint64_t first = property::test_seed(1);
  int faults = 0, found = 0, none = 0;
  for (uint64_t seed = first; faults < kInjected && seed < first + kMostSeeds; ++seed) {
    const property::Case c = property::make_case(seed);
    const property::Executor right = [](const Nest& nest, const std::vector<void*>& arguments) {
      run_object(cpu::compile(nest, host_target()), nest, arguments);
    };
    try {
      bool is_found = false;
      for (int set = 0; set < kLooks && !is_found; ++set) {
        is_found = !property::check(c, property::with_stale_operand(right), set).empty();
      }
      // No operand has several elements, or none whose order matters.
      bool is_fault = is_found;
      for (int set = 0; set < kDataSets && !is_fault; ++set) {
        is_fault = !property::check_alike(c, property::with_stale_operand(right), right, set).empty();
      }
      ++(is_fault ? faults : none);
      found += is_found;
      if (is_fault && !is_found) ADD_FAILURE() << "stale packing is missed in seed " << seed << ", " << c.kind;
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::unsupported) << e.what();
    }
  }
  std::printf("%-24s %2d of %2d found; %d were none\n", "stale packing", found, faults, none);
  EXPECT_EQ(faults, kInjected);
}

}  // namespace
}  // namespace altrt::jit
