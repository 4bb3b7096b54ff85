// Spaces: the start is the default; every other point is refused with a reason or passes the gate.
#include "tuner/space/space.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "groups.h"
#include "tuner/measure/gate.h"

namespace altrt::tuner {
namespace {

uint64_t seed() {
  const char* text = std::getenv("ALTRT_TEST_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 1;
}

struct Case {
  std::string name;
  Model model;
};

Point random_point(const Knobs& knobs, std::mt19937_64& random) {
  Point point;
  for (const Knob& knob : knobs.knobs()) point.push_back(static_cast<int>(random() % knob.values.size()));
  return point;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  all.push_back({"conv 3x3", conv_model({1, 24, 9, 11}, {40, 24, 3, 3}, 1, 1)});
  all.push_back({"conv 3x3x3", conv_model({1, 16, 4, 9, 6}, {24, 16, 3, 3, 3}, 1, 1)});
  all.push_back({"conv dilated", conv_model({1, 16, 11, 9}, {16, 16, 3, 3}, 1, 1, 2)});
  all.push_back({"conv 1x1 stride 2", conv_model({2, 16, 8, 8}, {32, 16, 1, 1}, 2, 1)});
  all.push_back({"conv grouped", conv_model({1, 32, 7, 7}, {32, 16, 3, 3}, 1, 2)});
  all.push_back({"depthwise", conv_model({1, 32, 12, 10}, {32, 1, 3, 3}, 1, 32)});
  all.push_back({"pool", pool_model()});
  all.push_back({"matmul", matmul_model(13, 29, 50)});
  all.push_back({"matmul by Strassen", matmul_model(37, 150, 161)});
  all.push_back({"softmax", softmax_model()});
  return all;
}

TEST(Spaces, StartIsTheDefaultExactly) {
  const jit::Target target = jit::host_target();
  for (const Case& one : cases()) {
    const Groups groups(one.model, target);
    for (const Task& task : groups.tasks) {
      const auto spaces = make_spaces(*task.computation, task.initial, target, jit::algorithms(*task.computation));
      EXPECT_EQ(spaces[0]->decide(spaces[0]->start()), task.initial) << one.name;
      for (const auto& layouts : spaces) {
        const auto loops = layouts->loops(layouts->start());
        EXPECT_EQ(loops->decide(loops->start()), layouts->decide(layouts->start())) << one.name;
        std::cout << one.name << ", " << task.name << ", " << layouts->algorithm() << ": " << to_string(*layouts)
                  << " x " << to_string(*loops) << "\n";
        EXPECT_GE(loops->size(), 2) << one.name;
        EXPECT_LE(loops->size_of_divisors(), loops->size()) << one.name;
        for (const Point& point : loops->seeds()) EXPECT_TRUE(loops->plausible(point)) << to_string(*loops, point);
      }
    }
  }
}

TEST(Spaces, RandomPointsPassTheGateOrAreRefused) {
  std::cout << "seed " << seed() << "\n";
  std::mt19937_64 random(seed());
  const jit::Target target = jit::host_target();
  base::Team team(2);
  int passed = 0, refused = 0;
  for (const Case& one : cases()) {
    const Groups groups(one.model, target);
    for (const Task& task : groups.tasks) {
      const jit::Computation& c = *task.computation;
      Bench bench(exact_data(c, !jit::winograd_sizes(c).empty(), 5), team);
      Gate gate(c, target, bench, team);
      for (const auto& layouts : make_spaces(c, task.initial, target, jit::algorithms(c))) {
        for (int i = 0; i < 8; ++i) {
          const Point layout = i < 2 ? layouts->start() : random_point(*layouts, random);
          std::string what = one.name + ": " + to_string(*layouts, layout);
          try {
            const auto space = layouts->loops(layout);
            const Point point = i == 0 ? space->start() : random_point(*space, random);
            what += " " + to_string(*space, point);
            const jit::GroupDecision decision = space->decide(point);
            const Features features = space->features(point);
            for (size_t f = 0; f < kFeatures; ++f) EXPECT_TRUE(std::isfinite(features.data()[f])) << what << ": " << f;
            const Candidate candidate = load(decision, jit::compile(c, decision, target, "altrt_t"));
            Bound bound = bench.bind(candidate.group, candidate.loaded);
            EXPECT_EQ(gate.check(candidate, bound, 1e9, [] { return false; }).fault, "") << what << "\n"
                                                                                         << jit::to_string(decision);
            ++passed;
          } catch (const Error& error) {
            EXPECT_NE(error.code(), ErrorCode::internal) << what << ": " << error.what();
            EXPECT_FALSE(std::string(error.what()).empty());
            ++refused;
          }
        }
      }
    }
  }
  std::cout << passed << " passed, " << refused << " refused\n";
  EXPECT_GT(passed, refused);
}

TEST(Spaces, AreCountedWithDivisorsAlone) {
  class Tiles final : public Knobs {
   public:
    Tiles() {
      add_tile("height", {1, 2, 3, 4, 5, 6}, 4, 12);  // all but 5
      add_tile("chunk", {0, 4, 8}, 0, 12);            // uncut, 4
      add_knob("unroll", {1, 2, 4}, 1);
    }
  };
  EXPECT_EQ(Tiles().size(), 6 * 3 * 3);
  EXPECT_EQ(Tiles().size_of_divisors(), 5 * 2 * 3);
}

TEST(Spaces, StrassenIsTriedWhereItMayPay) {
  const jit::Target target = jit::host_target();
  const auto tried = [&](const Model& model) {
    const Groups groups(model, target);
    const Task& task = groups.tasks[0];
    std::vector<std::string> names;
    for (const auto& space : make_spaces(*task.computation, task.initial, target, jit::algorithms(*task.computation)))
      names.push_back(space->algorithm());
    return names;
  };
  EXPECT_EQ(tried(matmul_model(128, 768, 768)), (std::vector<std::string>{"direct", "strassen"}));
  EXPECT_EQ(tried(matmul_model(8, 768, 768)), (std::vector<std::string>{"direct"})) << "few rows: bound by memory";
  EXPECT_EQ(tried(matmul_model(128, 64, 64)), (std::vector<std::string>{"direct"})) << "more sums than are saved";
}

TEST(Spaces, AMatrixProductMayComputeItsFirstOperand) {
  const jit::Target target = jit::host_target();
  const Groups groups(matmul_model(8, 16, 64), target);
  jit::Computation c = *groups.tasks[0].computation;
  ASSERT_EQ(c.anchor.kind, jit::AnchorKind::matmul);
  c.anchor.data = -1;
  const auto layouts = make_layout_space(c, groups.tasks[0].initial, target);
  const auto space = layouts->loops(layouts->start());
  EXPECT_GT(space->size(), 1);
  EXPECT_TRUE(space->decide(space->start()) == groups.tasks[0].initial);
}

}  // namespace
}  // namespace altrt::tuner
