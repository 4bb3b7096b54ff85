// What a GPU does untuned with the golden Computations: decisions, nests and CUDA C against golden text.
// ALTRT_UPDATE_GOLDEN=1 rewrites it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "jit/compile/compile.h"
#include "tests/jit_loop/golden_cases.h"

#ifndef GOLDEN_FOLDER
#error "the build names the folder of the golden texts"
#endif

namespace altrt::jit {
namespace {

/// The Computation, as an operator would hand it over.
Computation computation_of(const std::string& name) {
  for (const GoldenCase& golden : golden_cases()) {
    if (golden.name != name) continue;
    Computation c = golden.c.computation;
    if (name == "convolution") c.anchor = {AnchorKind::conv, 0, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, 0, 1};
    if (name == "matmul") c.anchor = {AnchorKind::matmul, 0, {}, {}, {}, {}, 1, 0, 1};
    return c;
  }
  ADD_FAILURE() << "no golden case " << name;
  return {};
}

class GoldenCuda : public testing::TestWithParam<const char*> {};

TEST_P(GoldenCuda, IsTheText) {
  const Computation c = computation_of(GetParam());
  const Target target = named_target("sm_80");
  const GroupDecision decision = default_decision(c, target, {});
  const std::string text =
      to_string(decision) + "\n" + inspect(c, decision, target, "nests") + "\n" + inspect(c, decision, target, "cuda");
  const std::string path = std::string(GOLDEN_FOLDER) + "/" + GetParam() + ".txt";
  if (std::getenv("ALTRT_UPDATE_GOLDEN")) std::ofstream(path) << text;
  std::ifstream file(path);
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(text, golden.str()) << path;
}

INSTANTIATE_TEST_SUITE_P(Kinds, GoldenCuda,
                         testing::Values("convolution", "matmul", "softmax", "separable", "dot_product", "slices"));

}  // namespace
}  // namespace altrt::jit
