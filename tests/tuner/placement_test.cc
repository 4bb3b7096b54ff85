// Placement: whatever is chosen computes the same; the modes decide as they say.
#include "tuner/placement.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "jit/compile/stage_loops.h"
#include "random_networks.h"
#include "runtime/graph/image_layout.h"
#include "runtime/graph/propagation.h"

namespace altrt::tuner {
namespace {

using graph::Alternative;
using graph::Alternatives;
using graph::ImageLayout;
using jit::Layout;

double elements_ms(int, const Layout&, const Layout&) { return 0.01; }

std::vector<Alternatives> in_use(const Groups& net, double ms) {
  std::vector<Alternatives> points(net.groups.size());
  for (size_t g = 0; g < net.groups.size(); ++g) {
    if (!net.groups[g].host) points[g].push_back({net.decisions[g], ms, true});
  }
  return points;
}

// Random images on data and outputs of complex groups.
void add_random_points(const Groups& net, RandomNetwork& random, std::vector<Alternatives>& points) {
  const jit::Target target = jit::host_target();
  for (size_t g = 0; g < net.groups.size(); ++g) {
    const graph::Group& group = net.groups[g];
    if (!graph::is_complex(group)) continue;
    for (int tries = 0; tries < 6 && points[g].size() < 4; ++tries) {
      const auto t = static_cast<size_t>(random.in(0, static_cast<int>(group.tensor_values.size()) - 1));
      const jit::Role role = group.computation.tensors[t].role;
      const int v = group.tensor_values[t];
      if (v < 0 || (role != jit::Role::input && role != jit::Role::output)) continue;
      ImageLayout image;
      image.block = int64_t{1} << random.in(2, 5);
      for (int i = 0; i < 2; ++i) {
        image.borders.lo.push_back(random.in(0, 2));
        image.borders.hi.push_back(random.in(0, 2));
      }
      const Layout layout =
          random.in(0, 4) == 0 ? Layout{} : image.make(net.graph->values[static_cast<size_t>(v)].shape);
      const auto made = graph::writing(
          group, points[g][static_cast<size_t>(random.in(0, static_cast<int>(points[g].size()) - 1))].decision,
          static_cast<int>(t), layout, target);
      if (made) points[g].push_back({*made, random.in(1, 20) * 0.01, true});
    }
  }
}

class Placing : public ::testing::Test {
 protected:
  // Bit for bit.
  void expect_same(const Groups& net, const graph::Decisions& decisions, const std::vector<Tensor>& inputs,
                   const std::vector<Tensor>& expected) {
    const std::vector<Tensor> outputs = run_decisions(net.graph, net.groups, decisions, inputs, team_);
    ASSERT_EQ(outputs.size(), expected.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      ASSERT_EQ(std::memcmp(outputs[i].data(), expected[i].data(), expected[i].bytes()), 0)
          << "output " << i << "\n"
          << graph::layouts_to_string(*net.graph, net.groups, decisions);
    }
  }

  base::Team team_{2};
};

TEST_F(Placing, EveryChoiceComputesTheSame) {
  const jit::Target target = jit::host_target();
  size_t alternatives = 0, conversions = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomNetwork random(seed);
    const Groups net(random.make(), target);
    std::vector<Tensor> inputs;
    std::vector<TensorView> views;
    for (const int v : net.graph->inputs)
      inputs.push_back(random.integers(net.graph->values[static_cast<size_t>(v)].shape));
    for (const Tensor& input : inputs) views.push_back(input.view());
    const std::vector<Tensor> expected = graph::evaluate(*net.graph, views);

    std::vector<Alternatives> points = in_use(net, 0.1);
    add_random_points(net, random, points);
    const std::vector<Alternatives> all = graph::with_derived(*net.graph, net.groups, points, target);
    const graph::Placement placement(*net.graph, net.groups, all, elements_ms);
    for (int round = 0; round < 2; ++round) {
      std::vector<int> choice;
      for (const Alternatives& list : all) {
        alternatives += list.size();
        choice.push_back(list.empty() ? 0 : random.in(0, static_cast<int>(list.size()) - 1));
      }
      conversions += placement.conversions(choice).size();
      expect_same(net, placement.decisions(choice), inputs, expected);
      if (HasFatalFailure()) return;
    }
    for (const PlacementMode mode : {PlacementMode::joint, PlacementMode::forward, PlacementMode::backward}) {
      const Placed placed = place({*net.graph, net.groups, target, points, elements_ms, mode});
      expect_same(net, placed.decisions, inputs, expected);
      if (HasFatalFailure()) return;
      if (mode == PlacementMode::joint) {
        EXPECT_LE(placed.cost.total_ms(), placed.in_use.total_ms() + 1e-9);
      }
    }
  }
  std::printf("%zu alternatives, %zu conversions\n", alternatives, conversions);
  EXPECT_GT(alternatives, 1000u);
  EXPECT_GT(conversions, 200u);
}

Model two_convolutions() {
  GraphBuilder b("two");
  b.input("x", DataType::f32, {1, 16, 12, 12});
  const auto first =
      b.op("Conv", {"x", b.constant("w1", values({32, 16, 3, 3}, 1))}, {{"pads", Ints{1, 1, 1, 1}}}, "a");
  const auto middle = b.op("MaxPool", {first}, {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}}, "m");
  b.output(b.op("Conv", {middle, b.constant("w2", values({32, 32, 3, 3}, 2))}, {{"pads", Ints{1, 1, 1, 1}}}, "y"));
  return b.build();
}

// Two convolutions that want different blocks between them, each fastest with its own.
class Modes : public ::testing::Test {
 protected:
  Modes() : points_(in_use(net_, 1.0)) {
    reblock(0, "a", 8, 0.8);
    reblock(2, "m", 32, 0.8);
  }
  void reblock(size_t g, const std::string& value, int64_t block, double ms) {
    const auto [t, shape] = tensor(g, value);
    const auto made = graph::writing(net_.groups[g], net_.decisions[g], static_cast<int>(t),
                                     ImageLayout{block, {}}.make(shape), target_);
    ASSERT_TRUE(made);
    points_[g].push_back({*made, ms, true});
  }
  std::pair<size_t, Shape> tensor(size_t g, const std::string& value) const {
    const std::vector<int>& values = net_.groups[g].tensor_values;
    for (size_t t = 0; t < values.size(); ++t) {
      if (values[t] < 0) continue;
      const graph::Value& found = net_.graph->values[static_cast<size_t>(values[t])];
      if (found.name == value) return {t, found.shape};
    }
    throw std::out_of_range(value);
  }
  int64_t block(const Placed& placed, size_t g, const std::string& value) const {
    const auto [t, shape] = tensor(g, value);
    const Layout& layout = jit::layout_of(net_.groups[g].computation, static_cast<int>(t), placed.decisions[g].layouts);
    return ImageLayout::of(layout, shape).value().block;
  }
  // What is derived is measured as somewhat slower than what is in use.
  Placed placed(PlacementMode mode, double conversion_ms) const {
    return place({*net_.graph, net_.groups, target_, points_,
                  [=](int, const Layout&, const Layout&) { return conversion_ms; }, mode,
                  [](int, const jit::GroupDecision&) { return 1.1; }});
  }

  const jit::Target target_ = jit::named_target("avx2");
  const Groups net_{two_convolutions(), target_};
  std::vector<Alternatives> points_;
};

TEST_F(Modes, ForwardTheFirstOnesLayoutIsTaken) {
  const Placed result = placed(PlacementMode::forward, 0.01);
  EXPECT_EQ(block(result, 0, "a"), 8);
  EXPECT_EQ(block(result, 1, "m"), 8);
  EXPECT_EQ(block(result, 2, "m"), 8);
}

TEST_F(Modes, BackwardTheLastOnesLayoutIsTaken) {
  const Placed result = placed(PlacementMode::backward, 0.01);
  EXPECT_EQ(block(result, 2, "m"), 32);
  EXPECT_EQ(block(result, 1, "m"), 32);
  EXPECT_EQ(block(result, 1, "a"), 32);
  EXPECT_EQ(block(result, 0, "a"), 32);
}

TEST_F(Modes, WithoutPropagationEachTakesItsFastest) {
  const Placed result = placed(PlacementMode::none, 0.01);
  EXPECT_EQ(block(result, 0, "a"), 8);
  EXPECT_EQ(block(result, 2, "m"), 32);
  EXPECT_EQ(result.decisions[1], net_.decisions[1]);
}

TEST_F(Modes, JointlyConversionsAreMadeWhereTheyPay) {
  const Placed cheap = placed(PlacementMode::joint, 0.01);
  EXPECT_EQ(block(cheap, 0, "a"), 8);
  EXPECT_EQ(block(cheap, 2, "m"), 32);
  EXPECT_TRUE(cheap.exact);
  const Placed dear = placed(PlacementMode::joint, 5.0);
  EXPECT_EQ(block(dear, 0, "a"), block(dear, 1, "a"));
  EXPECT_EQ(block(dear, 1, "m"), block(dear, 2, "m"));
  for (const double ms : {0.01, 5.0}) {
    const double least = placed(PlacementMode::joint, ms).cost.total_ms();
    for (const auto mode : {PlacementMode::forward, PlacementMode::backward, PlacementMode::none}) {
      EXPECT_LE(least, placed(mode, ms).cost.total_ms() + 1e-9);
    }
  }
}

TEST_F(Modes, WhatIsDerivedIsMeasuredWhereThatIsPossible) {
  int measured = 0;
  PlacementRequest request{*net_.graph, net_.groups, target_, points_,
                           [](int, const Layout&, const Layout&) { return 5.0; }};
  request.kernel_ms = [&](int, const jit::GroupDecision&) {
    ++measured;
    return 0.25;
  };
  const Placed result = place(request);
  EXPECT_GT(measured, 0);
  EXPECT_EQ(result.chosen[1].ms, 0.25);
  EXPECT_TRUE(result.chosen[1].measured);
  request.kernel_ms = [](int, const jit::GroupDecision&) { return std::numeric_limits<double>::infinity(); };
  EXPECT_EQ(place(request).decisions[1], net_.decisions[1]);
}

}  // namespace
}  // namespace altrt::tuner
