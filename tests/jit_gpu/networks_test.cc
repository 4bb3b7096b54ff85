// NVRTC makes code for every kernel of the five networks and of the nine kinds of operator, for old and new GPUs.
#include <altrt/error.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "jit/compile/canonical.h"
#include "jit/compile/compile.h"
#include "jit/gpu/gpu.h"
#include "runtime/graph/graph.h"
#include "runtime/graph/groups.h"
#include "runtime/graph/layouts.h"
#include "tests/jit_gpu/networks.h"

namespace altrt::test {
namespace {

constexpr const char* kArchitectures[] = {"sm_80", "sm_90", "sm_100"};

/// Compiles every distinct group for every architecture; the number of kernels.
int compile_all(const Model& model) {
  const graph::Graph graph = graph::simplify(model.graph(), {}, {});
  int kernels = 0;
  for (const char* architecture : kArchitectures) {
    const jit::Target target = jit::named_target(architecture);
    const std::vector<graph::Group> groups = graph::form_groups(graph, graph::grouping_for(target));
    const graph::Decisions decisions = graph::default_decisions(graph, groups, target);
    std::set<std::string> known;
    for (size_t g = 0; g < groups.size(); ++g) {
      if (groups[g].host) continue;
      const jit::Computation& c = groups[g].computation;
      const std::string key = std::to_string(jit::hash(c)) + jit::to_string(jit::canonical(decisions[g], c));
      if (!known.insert(key).second) continue;
      const jit::CompiledGroup compiled = jit::compile(c, decisions[g], target, "g" + std::to_string(g));
      for (const jit::CompiledKernel& kernel : compiled.kernels) {
        EXPECT_FALSE(kernel.object.bytes.empty());
        EXPECT_GE(kernel.object.threads, 1);
        // A frame of more than some words means that a tile did not fit into the registers.
        EXPECT_LE(kernel.object.frame_bytes, 64) << groups[g].name << " " << groups[g].ops << " for " << architecture;
        ++kernels;
      }
    }
  }
  return kernels;
}

class NvrtcNetwork : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (jit::gpu::nvrtc_version().empty()) GTEST_SKIP() << "there is no NVRTC";
  }
};

TEST_P(NvrtcNetwork, CompilesForAllArchitectures) {
  const int kernels = compile_all(load_network(GetParam()));
  std::printf("%s: %d kernels\n", GetParam().c_str(), kernels);
  EXPECT_GT(kernels, 20);
}

INSTANTIATE_TEST_SUITE_P(All, NvrtcNetwork, testing::ValuesIn(networks()));

TEST(NvrtcKinds, CompileForAllArchitectures) {
  if (jit::gpu::nvrtc_version().empty()) GTEST_SKIP() << "there is no NVRTC";
  for (const Kind& kind : nine_kinds(false)) {
    SCOPED_TRACE(kind.name);
    EXPECT_GE(compile_all(kind.model), 3);
  }
}

}  // namespace
}  // namespace altrt::test
