// Nests of hand-made schedules against golden text, and against the evaluator. ALTRT_UPDATE_GOLDEN=1 rewrites the text.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <altrt/error.h>

#include "jit/loop/lower.h"
#include "tests/jit_loop/golden_cases.h"
#include "tests/property/harness.h"

#ifndef GOLDEN_FOLDER
#error "the build names the folder of the golden texts"
#endif

namespace altrt::jit {
namespace {

const property::Case& golden(const std::string& name) {
  for (const GoldenCase& golden : golden_cases()) {
    if (golden.name == name) return golden.c;
  }
  throw Error(ErrorCode::invalid_argument, "no golden case " + name);
}

class Golden : public testing::TestWithParam<GoldenCase> {};

TEST_P(Golden, TextAndResult) {
  const property::Case& c = GetParam().c;
  EXPECT_EQ(property::check(c, property::run_interpreter), "");
  std::string text = to_string(c.schedule) + "\n";
  for (const LoweredKernel& kernel : c.kernels) text += to_string(kernel.nest);
  const std::string path = std::string(GOLDEN_FOLDER) + "/" + GetParam().name + ".txt";
  if (std::getenv("ALTRT_UPDATE_GOLDEN")) std::ofstream(path) << text;
  std::ifstream file(path);
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(text, golden.str()) << path;
}

INSTANTIATE_TEST_SUITE_P(Nests, Golden, testing::ValuesIn(golden_cases()),
                         [](const auto& info) { return info.param.name; });

TEST(Refusals, NameStageStepAndReason) {
  const property::Case& c = golden("matmul");
  const auto message = [&](const std::string& script) -> std::string {
    try {
      lower(c.computation, c.layouts, parse_schedule(script));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message("matmul.split(q, 4)"), "stage matmul, split(q, 4, peel): no loop q (loops: m n k)");
  EXPECT_EQ(message("matmul.split(m, 6, pad)"),
            "stage matmul, split(m, 6, pad): the output's layout has no undefined padding of 5 behind loop m");
  EXPECT_EQ(message("matmul.split(k, 4, overlap)"),
            "stage matmul, split(k, 4, overlap): a reduction can't repeat work");
  EXPECT_EQ(message("matmul.split(m, 20, overlap)"),
            "stage matmul, split(m, 20, overlap): extent 13 is below the factor");
  EXPECT_EQ(message("matmul.vectorize(n)"), "stage matmul, vectorize(n): vector loop n is not the innermost loop");
  EXPECT_EQ(message("matmul.parallel(n)"), "stage matmul, parallel(n): parallel loop n is not outermost");
  EXPECT_EQ(message("matmul.split(m, 4)\nmatmul.reorder(m.1, m.0)"),
            "stage matmul, split(m, 4, peel): loop m.1 has a tail and must stay inside m.0");
  EXPECT_EQ(message("other.parallel(n)"), "schedule: no stage other in product; there are matmul");
  EXPECT_EQ(message("matmul.fuse(m, k)"), "stage matmul, fuse(m, k): a spatial loop and a reduction");
}

}  // namespace
}  // namespace altrt::jit
