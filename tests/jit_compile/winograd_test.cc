// Winograd's algorithm by its template: one, two and three dimensions, kernels that are 3 wide in one dimension only,
// dilated, in groups, transposed. Bit for bit against the evaluator, and the definition's values.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "jit/compile/templates.h"
#include "tests/jit_compile/operators.h"
#include "tests/jit_compile/run_case.h"
#include "tests/jit_expr/convolutions.h"

namespace altrt::jit {
namespace {

using property::Random;

struct Kind {
  const char* name;
  Ints kernel;
  bool grouped = false, dilated = false;
  int64_t stride = 1;
  bool transposed = false;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{{"line", {3}},
                                     {"dilated_line", {3}, false, true},
                                     {"square", {3, 3}},
                                     {"dilated_square", {3, 3}, false, true},
                                     {"row", {1, 3}},
                                     {"column", {3, 1}},
                                     {"dilated_column", {3, 1}, false, true},
                                     {"five", {5}},
                                     {"five_square", {5, 5}},
                                     {"five_by_three", {5, 3}},
                                     {"strided_line", {3}, false, false, 2},
                                     {"strided_square", {3, 3}, false, false, 2},
                                     {"stem", {7, 7}, false, false, 2},
                                     {"wide_stem", {11, 11}, false, false, 4},
                                     {"strided_row", {1, 5}, false, false, 2},
                                     {"cube", {3, 3, 3}},
                                     {"flat", {1, 3, 3}},
                                     {"transposed", {4, 4}, false, false, 2, true},
                                     {"transposed_odd", {3, 5}, false, false, 2, true},
                                     {"transposed_line", {4}, false, false, 2, true},
                                     {"transposed_wide", {6, 3}, false, false, 3, true},
                                     {"transposed_whole", {3, 3}, false, false, 1, true},
                                     {"grouped_line", {3}, true},
                                     {"grouped_square", {3, 3}, true}};
  return all;
}

ConvCase random_case(const Kind& kind, Random& random) {
  ConvCase k;
  k.kernel = kind.kernel;
  k.batch = random.in(1, 2);
  k.groups = kind.grouped ? random.in(2, 3) : 1;
  k.channels = kind.grouped ? k.groups * random.pick(Ints{8, 16}) : random.in(kind.transposed ? 2 : 1, 20);
  k.outputs = kind.grouped ? k.groups * random.pick(Ints{8, 16, 24}) : random.in(1, 20);
  k.stride = kind.stride;
  k.transposed = kind.transposed;
  k.dilation = kind.dilated ? random.in(2, 3) : 1;
  k.pad = random.in(0, 2);
  for (size_t i = 0; i < k.kernel.size(); ++i) {
    const int64_t reach = k.dilation * (k.kernel[i] - 1) + 1;
    const int64_t least = kind.transposed ? 3 : kind.stride > 1 ? reach : std::max<int64_t>(1, reach - 2 * k.pad);
    k.spatial.push_back(least + random.in(0, k.kernel.size() == 1 ? 60 : k.kernel.size() == 2 ? 9 : 4));
  }
  k.residual = random.chance(40);
  return k;
}

class Winograd : public ::testing::TestWithParam<Kind> {};

TEST_P(Winograd, GivesTheDefinitionsValues) {
  Random random(property::test_seed(1));
  for (int round = 0; round < 6; ++round) {
    const Computation direct = direct_convolution(random_case(GetParam(), random));
    ASSERT_FALSE(winograd_sizes(direct).empty());
    for (const int outputs : winograd_sizes(direct)) {
      const Computation c = winograd(direct, outputs);
      verify(c);
      const std::vector<float> expected = testing::output(direct), found = testing::output(c);
      ASSERT_EQ(found.size(), expected.size());
      float most = 1;
      for (const float value : expected) most = std::max(most, std::abs(value));
      for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-5 * most) << to_string(direct);
    }
  }
}

TEST_P(Winograd, TemplateGivesTheEvaluatorsBits) {
  const uint64_t first = property::test_seed(1);
  const int count = property::test_cases(15);
  const std::vector<Target> targets{host_target(), named_target("avx2")};
  int run = 0;
  for (uint64_t seed = first; seed < first + static_cast<uint64_t>(count); ++seed) {
    Random random(seed * 64 + 61);
    const Computation direct = direct_convolution(random_case(GetParam(), random));
    // Taps before the channels: another order of the sum, of which F(4 x 4) has no exact terms.
    std::vector<int> sizes = winograd_sizes(direct);
    if (GetParam().kernel.size() > 2) sizes.resize(1);
    const Computation c = winograd(direct, random.pick(sizes));
    const Target& target = targets[seed % targets.size()];
    const std::string what = std::string(GetParam().name) + ", seed " + std::to_string(seed);
    const auto& in = c.tensors[static_cast<size_t>(c.anchor.data)].shape;
    const int output = direct.stages[static_cast<size_t>(direct.anchor.stage)].outputs[0];
    const int64_t channels = direct.tensors[static_cast<size_t>(output)].shape[1].bound;
    const int64_t block = GetParam().grouped ? 8 : random.pick(Ints{4, 8, 16});
    Layouts layouts = anchor_layouts(direct, blocked(in, block, random.chance(50) ? read_borders(direct) : Borders()),
                                     blocked(direct.tensors[static_cast<size_t>(output)].shape, block));
    ASSERT_TRUE(has_winograd_template(c, layouts)) << what;
    WinogradParameters p = default_winograd(c, layouts, target);
    if (seed % 3 != 0) {
      p.blocks = random.in(1, 3);
      if (ceil_div(channels, block) % p.blocks != 0) p.blocks = 1;
      p.unroll = random.in(1, 5);
      p.by_rows = random.chance(50);
      p.rows_apart = random.chance(50);
    }
    layout_winograd(c, p, layouts);
    const Schedule schedule = schedule_winograd(c, layouts, target, p);
    const property::Case made = lowered_case(what, c, layouts, schedule, seed);
    ++run;
    EXPECT_EQ(property::check(made, property::run_interpreter), "") << what << "\n" << property::to_string(made);
    const std::string difference = seed % 2 == 0 ? run_machine_code(made, target) : "";
    EXPECT_TRUE(difference.empty() || difference == "too large") << what << ": " << difference;
  }
  EXPECT_EQ(run, count);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Winograd, ::testing::ValuesIn(kinds()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(WinogradTemplate, NeedsBlocksOfOneGroup) {
  const Computation c = winograd(
      convolution({.channels = 24, .outputs = 24, .groups = 3, .spatial = {9, 9}, .kernel = {3, 3}, .pad = 1}), 4);
  const std::string y = c.tensors[static_cast<size_t>(c.stages.back().outputs[0])].name;
  const auto layouts = [&](int64_t block) { return Layouts{{y, blocked({1, 24, 9, 9}, block)}}; };
  EXPECT_TRUE(has_winograd_template(c, layouts(8)));
  EXPECT_FALSE(has_winograd_template(c, layouts(16)));
  EXPECT_FALSE(has_winograd_template(c, {})) << "channels in no blocks";
}

TEST(WinogradTemplate, TransformsWeightsAVectorAtATime) {
  const std::vector<Target> targets{host_target(), named_target("avx2")};
  for (const ConvCase& k :
       {ConvCase{.channels = 12, .outputs = 6, .spatial = {9, 10}, .kernel = {3, 3}, .pad = 1},
        ConvCase{.channels = 8, .outputs = 64, .spatial = {8, 8}, .kernel = {3, 3}},
        ConvCase{.channels = 5, .outputs = 32, .spatial = {4, 6, 7}, .kernel = {3, 3, 3}, .pad = 1},
        ConvCase{.channels = 4, .outputs = 32, .spatial = {9, 9}, .kernel = {5, 5}, .pad = 2},
        ConvCase{.channels = 3, .outputs = 32, .spatial = {17, 17}, .kernel = {7, 7}, .stride = 2, .pad = 3},
        ConvCase{.channels = 4, .outputs = 32, .spatial = {30}, .kernel = {3}, .pad = 1},
        ConvCase{.channels = 8,
        .outputs = 64,
        .spatial = {6, 7},
        .kernel = {4, 4},
        .stride = 2,
        .pad = 1,
        .transposed = true}}) {
    for (const int outputs : winograd_sizes(direct_convolution(k))) {
      for (const bool constant : {true, false}) {
        Computation c = winograd(direct_convolution(k), outputs);
        TensorDecl& weights = c.tensors[static_cast<size_t>(c.anchor.weights)];
        if (!constant) weights.role = Role::input;
        for (const Target& target : targets) {
          Layouts layouts{{c.tensors[static_cast<size_t>(c.stages.back().outputs[0])].name,
                           blocked(c.tensors[static_cast<size_t>(c.stages.back().outputs[0])].shape, target.lanes)}};
          layouts = default_layouts(c, target, layouts);
          EXPECT_EQ(layouts.contains(weights.name), constant) << "an input lies as others left it";
          const property::Case made = lowered_case("winograd", c, layouts, default_schedule(c, layouts, target), 1);
          const std::string difference = run_machine_code(made, target);
          EXPECT_NE(difference, "too large") << property::to_string(made);
          if (outputs == 2 && k.kernel.back() == 3) {  // the other one's sums are no whole numbers
            EXPECT_EQ(difference, "") << property::to_string(made);
            EXPECT_EQ(property::check(made, property::run_interpreter), "") << property::to_string(made);
          }
          if (!constant) continue;
          const int64_t vectors = k.outputs / target.lanes * k.channels;
          EXPECT_GE(made.kernels[0].nest.tasks(), vectors / 2) << "all points of some vectors of weights at a time";
        }
      }
    }
  }
}

TEST(SimplerDecision, IsTheDefaultAlgorithmThenPlainLoopsThenNothing) {
  const Target target = host_target();
  const ConvCase k{.channels = 8, .outputs = 64, .spatial = {8, 8}, .kernel = {3, 3}, .pad = 1};
  const Computation c = direct_convolution(k);
  const std::string y = c.tensors[static_cast<size_t>(c.stages.back().outputs[0])].name;
  const GroupDecision decision =
      with_algorithm(default_decision(c, target, {{y, blocked({1, 64, 8, 8}, 16)}}), c, "winograd4", target);
  const std::optional<GroupDecision> direct = simpler_decision(decision, c, target);
  ASSERT_TRUE(direct);
  EXPECT_EQ(direct->algorithm, "direct");
  EXPECT_FALSE(direct->schedule.stages.empty());
  EXPECT_EQ(direct->layouts.at(y), decision.layouts.at(y));
  const std::optional<GroupDecision> plain = simpler_decision(*direct, c, target);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->layouts, direct->layouts);
  EXPECT_TRUE(plain->schedule.stages.empty());
  EXPECT_FALSE(simpler_decision(*plain, c, target));
}

}  // namespace
}  // namespace altrt::jit
