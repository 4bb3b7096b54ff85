// Random computations, layouts and GPU schedules as CUDA text, compiled for the host, against the reference evaluator.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include <cstdio>
#include <map>

#include "tests/jit_gpu/gpu_case.h"
#include "tests/jit_gpu/run_host.h"
#include "tests/property/harness.h"

namespace altrt::jit {
namespace {

constexpr int kStripes = 4;
constexpr int64_t kMostWork = 2'000'000;
constexpr size_t kTogether = 16;  // cases whose kernels are compiled in one go

struct Printed {
  property::Case c;
  std::vector<cuda_host::Text> texts;  // one per kernel
};

class CudaText : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!cuda_host::compiler_trouble().empty()) GTEST_SKIP() << cuda_host::compiler_trouble();
  }
  static void TearDownTestSuite() {
    std::printf("%s%d cases run, %d with threads, %d with barriers, %d with shuffles, %d with shared memory\n",
                coverage().table().c_str(), coverage().cases(), with_threads, with_barriers, with_shuffles,
                with_shared);
  }
  static property::Coverage& coverage() {
    static property::Coverage all;
    return all;
  }
  static void count(const property::Case& c) {
    coverage().add(c);
    const property::ThreadFeatures features = thread_features(c);
    with_threads += features.threads > 1;
    with_barriers += features.barriers;
    with_shuffles += features.shuffles;
    with_shared += features.shared;
  }
  static inline int with_threads = 0, with_barriers = 0, with_shuffles = 0, with_shared = 0;
};

/// Compiles the kernels of all cases; what can't be compiled shows in difference_of().
void compile_together(const std::vector<Printed>& cases) {
  std::vector<cuda_host::Text> texts;
  for (const Printed& p : cases) texts.insert(texts.end(), p.texts.begin(), p.texts.end());
  try {
    cuda_host::compile_on_host(texts);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::unsupported) throw;
  }
}

/// Empty, or what is wrong.
std::string difference_of(const Printed& p) {
  try {
    size_t next = 0;
    return property::check(p.c, [&](const Nest& nest, const std::vector<void*>& arguments) {
      run_on_host(cuda_host::compile_on_host({p.texts[next]})[0], nest, arguments, p.c.seed);
      ++next;
    });
  } catch (const Error& e) {
    return e.what();
  }
}

TEST_P(CudaText, GivesTheEvaluatorsBits) {
  const uint64_t first = property::test_seed(1), end = first + static_cast<uint64_t>(property::test_cases(1000));
  std::map<std::string, int> unsupported;
  int cases = 0, run = 0, failures = 0;
  for (uint64_t seed = first + static_cast<uint64_t>(GetParam()); seed < end && failures < 5;) {
    std::vector<Printed> together;
    for (; seed < end && together.size() < kTogether; seed += kStripes) {
      ++cases;
      try {
        Printed p{property::make_threaded_case(seed), {}};
        if (thread_features(p.c).work > kMostWork) {
          ++unsupported["too much work"];
          continue;
        }
        for (const LoweredKernel& kernel : p.c.kernels) {
          p.texts.push_back({gpu::cuda_source(kernel.nest, property::gpu_for_cases()), gpu::entry_name(kernel.nest)});
        }
        together.push_back(std::move(p));
      } catch (const Error& e) {
        ++unsupported[e.what()];
        if (e.code() == ErrorCode::unsupported) continue;
        ++failures;
        ADD_FAILURE() << "seed " << seed << ": " << e.what();
      } catch (const std::exception& e) {
        FAIL() << "seed " << seed << ": " << e.what();
      }
    }
    compile_together(together);
    for (const Printed& p : together) {
      ++run;
      count(p.c);
      const std::string difference = difference_of(p);
      if (difference.empty() || failures >= 5) continue;
      ++failures;
      std::string texts;
      for (const cuda_host::Text& text : p.texts) texts += text.text;
      ADD_FAILURE() << "seed " << p.c.seed << ": " << difference << "\n" << to_string(p.c) << texts;
    }
  }
  std::printf("%d of %d cases run\n", run, cases);
  for (const auto& [why, count] : unsupported) std::printf("%d unsupported: %s\n", count, why.c_str());
  EXPECT_GE(run, cases * 9 / 10);
}

INSTANTIATE_TEST_SUITE_P(Stripes, CudaText, testing::Range(0, kStripes));

}  // namespace
}  // namespace altrt::jit
