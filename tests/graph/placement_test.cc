// Conversion placement against every possible choice, on small random graphs and with the cost that a plan pays.
#include "runtime/graph/placement.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>

#include "runtime/base/hash.h"

namespace altrt::graph {
namespace {

using jit::Layout;

Layout layout(int number) {
  Layout layout;
  if (number > 0) layout.pad(0, number, 0, std::nullopt);
  return layout;
}

// A graph of groups that have names of tensors and layouts, but no stages.
class Sketch {
 public:
  int input() {
    graph.inputs.push_back(value());
    return graph.inputs.back();
  }
  int value() {
    Value v;
    v.name = "v" + std::to_string(graph.values.size());
    v.shape = {8};
    v.shape_known = true;
    graph.values.push_back(v);
    return static_cast<int>(graph.values.size()) - 1;
  }
  int group(const std::vector<int>& reads, bool host = false) {
    Node node;
    node.name = "g" + std::to_string(groups.size());
    node.inputs = reads;
    node.outputs = {value()};
    Group g;
    g.name = g.ops = node.name;
    g.nodes = {static_cast<int>(graph.nodes.size())};
    g.host = host;
    if (!host) {
      for (const int v : reads) tensor(g, v, jit::Role::input);
      tensor(g, node.outputs[0], jit::Role::output);
    }
    graph.nodes.push_back(node);
    groups.push_back(g);
    alternatives.emplace_back();
    return node.outputs[0];
  }
  // Of the group made last: layouts of its reads, then of what it writes.
  void alternative(const std::vector<int>& layouts, double ms) {
    Alternative a;
    a.ms = ms;
    for (size_t t = 0; t < layouts.size(); ++t) {
      if (layouts[t] > 0) a.decision.layouts["t" + std::to_string(t)] = layout(layouts[t]);
    }
    alternatives.back().push_back(a);
  }
  Placement placement() const { return {graph, groups, alternatives, conversion_ms}; }

  // The sum as its definition has it, without anything that Placement prepares.
  double cost(const std::vector<int>& choice) const {
    double ms = 0;
    std::vector<Layout> made(graph.values.size());
    std::vector<std::vector<Layout>> wanted(graph.values.size());
    const auto want = [&](int v, const Layout& l) {
      auto& all = wanted[static_cast<size_t>(v)];
      if (std::find(all.begin(), all.end(), l) == all.end()) all.push_back(l);
    };
    for (const int v : graph.outputs) want(v, {});
    for (size_t g = 0; g < groups.size(); ++g) {
      if (groups[g].host) {
        for (const int v : graph.nodes[g].inputs) want(v, {});
        continue;
      }
      const Alternative& a = alternatives[g][static_cast<size_t>(choice[g])];
      ms += a.ms;
      for (size_t t = 0; t < groups[g].tensor_values.size(); ++t) {
        const auto found = a.decision.layouts.find("t" + std::to_string(t));
        const Layout l = found == a.decision.layouts.end() ? Layout{} : found->second;
        const int v = groups[g].tensor_values[t];
        if (groups[g].computation.tensors[t].role == jit::Role::output) {
          made[static_cast<size_t>(v)] = l;
        } else {
          want(v, l);
        }
      }
    }
    for (size_t v = 0; v < made.size(); ++v) {
      for (const Layout& to : wanted[v]) {
        if (!(to == made[v])) ms += conversion_ms(static_cast<int>(v), made[v], to);
      }
    }
    return ms;
  }

  Graph graph;
  std::vector<Group> groups;
  std::vector<Alternatives> alternatives;
  ConversionCost conversion_ms = [](int value, const Layout& from, const Layout& to) {
    return static_cast<double>(
               base::Hasher(7).add(static_cast<uint64_t>(value)).add(jit::hash(from)).add(jit::hash(to)).value() % 9) *
           0.25;
  };

 private:
  static void tensor(Group& g, int value, jit::Role role) {
    g.computation.add_tensor({"t" + std::to_string(g.tensor_values.size()), DataType::f32, {8}, role});
    g.tensor_values.push_back(value);
  }
};

class Random {
 public:
  explicit Random(uint64_t seed) : random_(seed) {}
  int in(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }

 private:
  std::mt19937_64 random_;
};

void add_alternatives(Sketch& sketch, size_t reads, Random& random) {
  for (int a = random.in(1, 3); a > 0; --a) {
    std::vector<int> layouts;
    for (size_t t = 0; t <= reads; ++t) layouts.push_back(random.in(0, 3));
    sketch.alternative(layouts, random.in(0, 16) * 0.25);
  }
}

// Each group reads a value that was made not long before, some a second one.
Sketch random_sketch(Random& random) {
  Sketch sketch;
  std::vector<int> values{sketch.input()};
  const int groups = random.in(1, 7);
  for (int g = 0; g < groups; ++g) {
    const auto recent = [&] {
      return values[values.size() - 1 -
                    static_cast<size_t>(random.in(0, std::min<int>(2, static_cast<int>(values.size()) - 1)))];
    };
    std::vector<int> reads{recent()};
    if (random.in(0, 2) == 0) reads.push_back(recent());
    const bool host = random.in(0, 9) == 0;
    values.push_back(sketch.group(reads, host));
    if (!host) add_alternatives(sketch, reads.size(), random);
    if (random.in(0, 5) == 0) sketch.graph.outputs.push_back(values.back());
  }
  sketch.graph.outputs.push_back(values.back());
  return sketch;
}

double least_of_all(const Sketch& sketch) {
  std::vector<int> choice(sketch.groups.size(), 0);
  double least = 1e9;
  for (;;) {
    least = std::min(least, sketch.cost(choice));
    size_t g = 0;
    while (g < choice.size() && ++choice[g] >= static_cast<int>(sketch.alternatives[g].size())) choice[g++] = 0;
    if (g == choice.size()) return least;
  }
}

TEST(Placement, RandomGraphsAreSolvedExactly) {
  Random random(11);
  int exact = 0;
  constexpr int kRounds = 3000;
  for (int round = 0; round < kRounds; ++round) {
    const Sketch sketch = random_sketch(random);
    const Placement placement = sketch.placement();
    const Placement::Solution solution = placement.solve();
    ASSERT_NEAR(solution.cost.total_ms(), sketch.cost(solution.choice), 1e-9) << "round " << round;
    const double least = least_of_all(sketch);
    ASSERT_GE(solution.cost.total_ms(), least - 1e-9);
    if (solution.exact) {
      ++exact;
      ASSERT_NEAR(solution.cost.total_ms(), least, 1e-9) << "round " << round;
    }
    double sum = 0;
    for (const PlacedConversion& conversion : placement.conversions(solution.choice)) {
      sum += conversion.ms;
      EXPECT_FALSE(conversion.from == conversion.to);
    }
    ASSERT_NEAR(sum, solution.cost.conversions_ms, 1e-9);
  }
  std::printf("%d of %d proven\n", exact, kRounds);
  EXPECT_GT(exact, kRounds * 99 / 100);
}

TEST(Placement, WhatIsInUseWinsATie) {
  Sketch sketch;
  sketch.graph.outputs.push_back(sketch.group({sketch.input()}));
  sketch.alternative({0, 0}, 2);
  sketch.alternative({0, 0}, 2);
  EXPECT_EQ(sketch.placement().solve().choice, std::vector<int>{0});
  sketch.alternative({0, 0}, 1);
  EXPECT_EQ(sketch.placement().solve().choice, std::vector<int>{2});
}

// a -> b, c: each reader would rather have layout 1. One conversion serves both; it pays only for both together.
TEST(Placement, ReadersShareAConversion) {
  Sketch sketch;
  sketch.conversion_ms = [](int, const Layout&, const Layout&) { return 1.5; };
  const int a = sketch.group({sketch.input()});
  sketch.alternative({0, 0}, 1);
  for (int reader = 0; reader < 2; ++reader) {
    sketch.graph.outputs.push_back(sketch.group({a}));
    sketch.alternative({0, 0}, 2);
    sketch.alternative({1, 0}, 1);
  }
  const Placement placement = sketch.placement();
  const Placement::Solution solution = placement.solve();
  EXPECT_EQ(solution.choice, (std::vector<int>{0, 1, 1}));
  EXPECT_EQ(solution.cost.conversions_ms, 1.5);
  const std::vector<PlacedConversion> conversions = placement.conversions(solution.choice);
  ASSERT_EQ(conversions.size(), 1u);
  EXPECT_EQ(conversions[0].readers, (std::vector<int>{1, 2}));
  EXPECT_EQ(conversions[0].writer, 0);
}

// The slower kernel of the writer makes what the reader wants.
TEST(Placement, TheWriterWritesWhatItsReaderWantsWhereThatIsCheaper) {
  for (const double conversion_ms : {0.5, 0.05}) {
    Sketch sketch;
    sketch.conversion_ms = [&](int, const Layout&, const Layout&) { return conversion_ms; };
    const int a = sketch.group({sketch.input()});
    sketch.alternative({0, 1}, 1);
    sketch.alternative({0, 2}, 1.125);
    sketch.graph.outputs.push_back(sketch.group({a}));
    sketch.alternative({2, 0}, 1);
    const Placement placement = sketch.placement();
    const Placement::Solution solution = placement.solve();
    EXPECT_EQ(solution.choice[0], conversion_ms > 0.125 ? 1 : 0);
    if (solution.choice[0] == 1) continue;
    EXPECT_EQ(placement.reason(placement.conversions(solution.choice).at(0), solution.choice),
              "takes 0.0500 ms, 0.0750 ms less than doing without it by another kernel of 'g0'");
  }
}

}  // namespace
}  // namespace altrt::graph
