// Random computations, layouts and schedules as machine code against the reference evaluator.
#include <altrt/error.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "tests/jit_cpu/fixture.h"
#include "tests/property/harness.h"

namespace altrt::jit {
namespace {

/// Runs the nest's tasks in pieces, the last piece first: tasks depend on no order.
void run_machine_code(const Nest& nest, const Target& target, const std::vector<void*>& arguments) {
  const KernelObject object = cpu::compile(nest, target);
  const auto kernel = cpu::load({object})[0];
  base::AlignedBuffer workspace(static_cast<size_t>(object.workspace_bytes));
  const std::vector<const void*> buffers(arguments.begin(), arguments.end());
  const int64_t tasks = nest.tasks(), piece = std::max<int64_t>(1, tasks / 3);
  for (int64_t first = (tasks - 1) / piece * piece; first >= 0; first -= piece) {
    kernel->function()(buffers.data(), nullptr, workspace.data(), first, std::min(tasks, first + piece));
  }
}

TEST(Property, MachineCodeGivesTheEvaluatorsBits) {
  const uint64_t first = property::test_seed(1);
  const int cases = property::test_cases(400);
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + static_cast<uint64_t>(cases) - 1));
  const std::vector<Target> targets = runnable_targets();
  std::map<std::string, int> too_large;
  int run = 0, failures = 0;
  for (uint64_t seed = first; seed < first + static_cast<uint64_t>(cases) && failures < 5; ++seed) {
    const Target& target = targets[seed % targets.size()];
    const property::Case c = property::make_case(seed);
    std::string difference;
    try {
      difference = property::check(
          c, [&](const Nest& nest, const std::vector<void*>& arguments) { run_machine_code(nest, target, arguments); });
      ++run;
    } catch (const Error& e) {
      if (e.code() == ErrorCode::unsupported) {
        ++too_large[c.kind];
        continue;
      }
      difference = e.what();
    }
    if (difference.empty()) continue;
    ++failures;
    ADD_FAILURE() << "seed " << seed << " on " << to_string(target) << ": " << difference << "\n" << to_string(c);
  }
  std::printf("%d cases run", run);
  for (const auto& [kind, count] : too_large) std::printf(", %s: %d too large", kind.c_str(), count);
  std::printf("\n");
  EXPECT_GE(run, cases * 3 / 4);
}

}  // namespace
}  // namespace altrt::jit
