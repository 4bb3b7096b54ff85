// The solver of assignment problems against every possible assignment, on small random ones.
#include "runtime/graph/assignment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

namespace altrt::graph {
namespace {

constexpr double kForbidden = std::numeric_limits<double>::infinity();

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  int in(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  // Few distinct values, so that ties are common; now and then forbidden.
  std::vector<double> costs(size_t count, bool forbid) {
    std::vector<double> costs;
    for (size_t i = 0; i < count; ++i) costs.push_back(forbid && in(0, 9) == 0 ? kForbidden : in(0, 12) * 0.25);
    return costs;
  }
  int node(Assignment& problem) { return problem.add_node(costs(static_cast<size_t>(in(1, 4)), false)); }
  void edge(Assignment& problem, int a, int b, bool forbid = true) {
    if (in(0, 1)) std::swap(a, b);
    problem.add_edge(a, b, costs(problem.choices(a) * problem.choices(b), forbid));
  }

 private:
  std::mt19937_64 random_;
};

double least_of_all(const Assignment& problem) {
  std::vector<int> choice(problem.nodes(), 0);
  double least = kForbidden;
  for (;;) {
    least = std::min(least, problem.cost(choice));
    size_t n = 0;
    while (n < choice.size() && ++choice[n] == static_cast<int>(problem.choices(static_cast<int>(n)))) choice[n++] = 0;
    if (n == choice.size()) return least;
  }
}

TEST(Assignment, NothingToChoose) {
  Assignment problem;
  EXPECT_TRUE(problem.solve().choice.empty());
  problem.add_node({3});
  EXPECT_EQ(problem.solve().choice, std::vector<int>{0});
  EXPECT_EQ(problem.solve().cost, 3);
}

TEST(Assignment, TheFirstOfEqualChoicesWins) {
  Assignment problem;
  const int a = problem.add_node({1, 1, 1}), b = problem.add_node({2, 2});
  problem.add_edge(a, b, {5, 5, 0, 0, 0, 0});
  EXPECT_EQ(problem.solve().choice, (std::vector<int>{1, 0}));
}

TEST(Assignment, TreesAreSolvedExactly) {
  Maker maker(1);
  for (int round = 0; round < 3000; ++round) {
    Assignment problem;
    const int nodes = maker.in(1, 7);
    for (int n = 0; n < nodes; ++n) {
      maker.node(problem);
      if (n > 0 && maker.in(0, 9) > 0) maker.edge(problem, maker.in(0, n - 1), n);
    }
    const Assignment::Solution solution = problem.solve(1);
    ASSERT_TRUE(solution.exact);
    ASSERT_EQ(solution.cost, least_of_all(problem)) << "round " << round;
  }
}

// Grown from one edge: an edge becomes two in a row or two beside each other.
TEST(Assignment, SeriesParallelGraphsAreSolvedExactly) {
  Maker maker(2);
  for (int round = 0; round < 3000; ++round) {
    Assignment problem;
    std::vector<std::pair<int, int>> edges{{maker.node(problem), maker.node(problem)}};
    for (int step = maker.in(0, 7); step > 0; --step) {
      const auto at = static_cast<size_t>(maker.in(0, static_cast<int>(edges.size()) - 1));
      const auto [a, b] = edges[at];
      if (problem.nodes() < 7 && maker.in(0, 2) > 0) {
        const int middle = maker.node(problem);
        if (maker.in(0, 1)) edges.erase(edges.begin() + static_cast<std::ptrdiff_t>(at));
        edges.emplace_back(a, middle);
        edges.emplace_back(middle, b);
      } else {
        edges.emplace_back(a, b);
      }
    }
    for (const auto& [a, b] : edges) maker.edge(problem, a, b);
    const Assignment::Solution solution = problem.solve(1);
    ASSERT_TRUE(solution.exact);
    ASSERT_EQ(solution.cost, least_of_all(problem)) << "round " << round;
  }
}

Assignment dense(Maker& maker) {
  Assignment problem;
  const int nodes = maker.in(4, 7);
  for (int n = 0; n < nodes; ++n) maker.node(problem);
  for (int a = 0; a < nodes; ++a) {
    for (int b = a + 1; b < nodes; ++b) {
      if (maker.in(0, 9) < 7) maker.edge(problem, a, b, false);
    }
  }
  return problem;
}

TEST(Assignment, DenseGraphsAreSolvedExactlyByBranching) {
  Maker maker(3);
  for (int round = 0; round < 2000; ++round) {
    const Assignment problem = dense(maker);
    const Assignment::Solution solution = problem.solve();
    ASSERT_TRUE(solution.exact);
    ASSERT_EQ(solution.cost, least_of_all(problem)) << "round " << round;
  }
}

TEST(Assignment, GuessesComeNearTheLeast) {
  Maker maker(4);
  int exact = 0, least = 0, guessed = 0;
  double excess = 0;
  for (int round = 0; round < 2000; ++round) {
    const Assignment problem = dense(maker);
    const Assignment::Solution solution = problem.solve(1);
    const double best = least_of_all(problem);
    ASSERT_GE(solution.cost, best);
    if (solution.exact) {
      ++exact;
      ASSERT_EQ(solution.cost, best) << "round " << round;
      continue;
    }
    ++guessed;
    least += solution.cost == best;
    excess += (solution.cost - best) / std::max(best, 1.0);
  }
  ASSERT_GT(guessed, 500);
  std::printf("%d of %d guesses are the least; mean excess %.2f %%\n", least, guessed, 100 * excess / guessed);
  EXPECT_GT(least, guessed / 2);
  EXPECT_LT(excess / guessed, 0.1);
}

TEST(Assignment, LargeProblemsTakeNoLongerThanTheyMust) {
  Maker maker(5);
  Assignment problem;
  for (int n = 0; n < 400; ++n) {
    problem.add_node(maker.costs(20, false));
    if (n > 0) maker.edge(problem, n - 1, n, false);
    if (n > 3 && n % 4 == 0) maker.edge(problem, n - 4, n, false);
  }
  const Assignment::Solution solution = problem.solve(1);
  EXPECT_TRUE(solution.exact);
  EXPECT_EQ(solution.cost, problem.cost(solution.choice));
}

}  // namespace
}  // namespace altrt::graph
