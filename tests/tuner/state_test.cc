// What a tuning knows of one task.
#include "tuner/state.h"

#include <gtest/gtest.h>

#include "groups.h"

namespace altrt::tuner {
namespace {

TEST(Ways, TheFastestForEachBorder) {
  const Groups groups(conv_model({1, 32, 14, 14}, {64, 32, 3, 3}, 1, 1), jit::host_target());
  const jit::Computation& c = *groups.tasks[0].computation;
  const jit::GroupDecision initial = groups.tasks[0].initial;
  jit::GroupDecision packed = initial, bordered = initial;
  packed.layouts[c.tensors[static_cast<size_t>(c.anchor.weights)].name] = {};
  bordered.layouts[c.tensors[static_cast<size_t>(c.anchor.data)].name] = {};
  Ways ways;
  ways.add(c, initial, 3);
  ways.add(c, packed, 2);  // what neighbours see is the same
  ways.add(c, initial, 4);
  ways.add(c, bordered, 1);
  const std::vector<Way> best = ways.best(5);
  ASSERT_EQ(best.size(), 2u);
  EXPECT_EQ(best[0].decision, bordered);
  EXPECT_EQ(best[0].kernels_ms, 1);
  EXPECT_EQ(best[1].decision, packed);
  EXPECT_EQ(ways.best(1).size(), 1u);
}

}  // namespace
}  // namespace altrt::tuner
