// Faults put into the CUDA text of random cases are found when it runs on the host.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include <cstdio>
#include <map>

#include "tests/jit_gpu/gpu_case.h"
#include "tests/jit_gpu/run_host.h"
#include "tests/jit_gpu/text_faults.h"
#include "tests/property/findings.h"
#include "tests/property/harness.h"
#include "tests/property/isolate.h"

namespace altrt::jit {
namespace {

using cuda_host::Checks;
using property::Fate;

constexpr int kInjected = 40;
constexpr uint64_t kOrders = 4;  // in which a kernel runs

/// The texts of a case's kernels, one of them with a fault; empty where there is no place for it.
std::vector<cuda_host::Text> faulty_texts(const std::string& fault, const property::Case& c) {
  property::Random random(c.seed);
  std::vector<cuda_host::Text> texts;
  bool changed = false;
  for (const LoweredKernel& kernel : c.kernels) {
    const std::string text = gpu::cuda_source(kernel.nest, property::gpu_for_cases());
    std::optional<std::string> faulty;
    if (!changed && kernel.nest.threads() > 1) faulty = property::inject_into_text(fault, text, random);
    changed |= faulty.has_value();
    texts.push_back({faulty.value_or(text), gpu::entry_name(kernel.nest)});
  }
  if (!changed) texts.clear();
  return texts;
}

bool is_right(const property::Case& c, const std::vector<cuda_host::HostKernel>& kernels) {
  size_t next = 0;
  return property::check(c,
                         [&](const Nest& nest, const std::vector<void*>& arguments) {
                           run_on_host(kernels[next++], nest, arguments, c.seed);
                         })
      .empty();
}

class CudaTextFaults : public testing::TestWithParam<std::string> {};

TEST_P(CudaTextFaults, AreFound) {
  if (!cuda_host::compiler_trouble().empty()) GTEST_SKIP() << cuda_host::compiler_trouble();
  const uint64_t first = property::test_seed(1);
  int injected = 0, by_results = 0, by_checks = 0, found = 0;
  for (uint64_t seed = first; injected < kInjected && seed < first + 2000; ++seed) {
    const property::Case c = property::make_threaded_case(seed);
    try {
      const std::vector<cuda_host::Text> texts = faulty_texts(GetParam(), c);
      if (texts.empty()) continue;
      ++injected;
      const auto runs_wrong = [&](Checks checks) {
        const auto kernels = cuda_host::compile_on_host(texts, checks);
        return property::isolated([&] { return is_right(c, kernels); }, 20) != Fate::right;
      };
      const bool results = runs_wrong(Checks::order), accesses = runs_wrong(Checks::accesses);
      by_results += results;
      by_checks += accesses;
      found += results || accesses;
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::unsupported) << "seed " << seed << ": " << e.what();
    }
  }
  std::printf("%-18s %2d of %2d found: %d by wrong results alone, %d with every access checked\n", GetParam().c_str(),
              found, injected, by_results, by_checks);
  EXPECT_EQ(injected, kInjected);
  // Some changes are none: barriers that others make needless, variables that are alike or always 0, shuffles of lanes
  // that have nothing to add.
  static const std::map<std::string, int> least{
      {"dropped barrier", 30}, {"swapped index", 34}, {"threads too many", 24}, {"wrong shuffle", 13}};
  EXPECT_GE(found, least.at(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Kinds, CudaTextFaults, testing::ValuesIn(property::text_faults()), property::fault_name);

}  // namespace
}  // namespace altrt::jit
