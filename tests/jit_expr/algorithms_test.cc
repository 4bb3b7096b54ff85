// Algorithms compute what the definition says.
#include "jit/expr/algorithms.h"

#include <gtest/gtest.h>

#include <random>

#include "jit/expr/evaluate.h"
#include "tests/jit_expr/convolutions.h"

namespace altrt::jit {
namespace {

using testing::conv_transpose;
using testing::Geometry;
using testing::output;

TEST(Phases, GiveTheBitsOfTheDefinition) {
  std::mt19937 random(7);
  const auto in = [&](int lo, int hi) { return static_cast<int64_t>(lo + static_cast<int>(random() % (hi - lo + 1))); };
  int cases = 0, with_empty_phase = 0;
  while (cases < 60) {
    Geometry g;
    g.height = in(1, 5), g.width = in(1, 5), g.in = in(1, 3), g.out = in(1, 3);
    bool valid = true;
    for (int d = 0; d < 2; ++d) {
      g.kernel.push_back(in(1, 4));
      g.strides.push_back(in(1, 3));
      g.dilations.push_back(in(1, 3));
      g.begins.push_back(in(0, 2));
      g.ends.push_back(in(0, 2));
      const int64_t full = ((d ? g.width : g.height) - 1) * g.strides[d] + g.dilations[d] * (g.kernel[d] - 1) + 1;
      valid &= full - g.begins[d] - g.ends[d] >= 1;
    }
    if (!valid) continue;
    ++cases;
    const Computation direct = conv_transpose(g);
    std::vector<std::string> expected{"direct"};
    for (const int outputs : winograd_sizes(direct)) expected.push_back(winograd_name(outputs));
    if (g.dilations != std::vector<int64_t>{1, 1}) {
      EXPECT_EQ(expected.size(), 1u) << "dilated";
    }
    expected.push_back("phases");
    ASSERT_EQ(algorithms(direct), expected);
    EXPECT_EQ(default_algorithm(direct), "phases");
    const Computation split = apply_algorithm(direct, "phases");
    verify(split);
    EXPECT_EQ(output(split), output(direct)) << to_string(direct) << to_string(split);
    for (const Stage& stage : split.stages) {
      with_empty_phase += stage.reduce.empty();
      for (const StateValue& value : stage.state) {
        EXPECT_EQ(to_string(value.update).find('%'), std::string::npos) << to_string(value.update);
      }
    }
  }
  EXPECT_GT(with_empty_phase, 0);
}

}  // namespace
}  // namespace altrt::jit
