// Who computes what: chains of steps whose cheapest cuts are known.
#include "runtime/plan/sharing.h"

#include <gtest/gtest.h>

namespace altrt::plan {
namespace {

constexpr int64_t kChannels = 8, kRows = 32;

jit::Reach whole() { return {}; }
jit::Reach along(int dimension, int64_t extent, int64_t halo = 0, int64_t bytes = 1 << 20) {
  return {dimension, extent, {0, halo}, {extent - 1 - halo, extent - 1}, dimension > 0 ? kChannels : 1, bytes};
}

// Loops over channels and rows; tensors are [channels, rows].
using Loops = std::vector<jit::LoopReach>;
// Every output channel reads all input channels; rows read those next to them. Arguments: x, w, y.
const Loops kDense = {{kChannels, {whole(), along(0, kChannels), along(0, kChannels)}},
                      {kRows, {along(1, kRows, 1), whole(), along(1, kRows)}}};
// Every channel is on its own.
const Loops kDepthwise = {{kChannels, {along(0, kChannels), along(0, kChannels), along(0, kChannels)}},
                          {kRows, {along(1, kRows, 1), whole(), along(1, kRows)}}};

SharedStep step(const Loops& loops, int64_t from, int64_t to, int64_t weights, int64_t bytes = 1000) {
  SharedStep s;
  s.tasks = loops[0].extent * loops[1].extent;
  s.loops = loops;
  s.arguments = {{from, false, false, bytes}, {-1, false, true, weights}, {to, true, false, bytes}};
  return s;
}

constexpr int64_t kByChannels = kChannels * kRows, kByRows = kRows;

TEST(Sharing, ChainsOfDenseStepsShareTheRows) {
  std::vector<SharedStep> steps;
  for (int64_t s = 0; s < 5; ++s) steps.push_back(step(kDense, s - 1, s, 100));
  for (const int workers : {2, 3, 4, 8}) EXPECT_EQ(share(steps, workers), std::vector<int64_t>(5, kByRows)) << workers;
}

// Each step alone would rather stay: all must change together.
TEST(Sharing, StepsBetweenDenseOnesFollowThem) {
  const std::vector<SharedStep> steps = {step(kDense, -1, 0, 100),     step(kDepthwise, 0, 1, 100),
                                         step(kDense, 1, 2, 100, 250), step(kDense, 2, 3, 100),
                                         step(kDepthwise, 3, 4, 100),  step(kDense, 4, 5, 100, 250)};
  EXPECT_EQ(share(steps, 2), std::vector<int64_t>(6, kByRows));
}

TEST(Sharing, ChannelsThatStayApartAreReadByTheirWriters) {
  const std::vector<SharedStep> steps = {step(kDense, -1, 0, 100000), step(kDepthwise, 0, 1, 100)};
  EXPECT_EQ(share(steps, 2), std::vector<int64_t>(2, kByChannels));
}

TEST(Sharing, LargeConstantsAreReadOnce) {
  const std::vector<SharedStep> steps = {step(kDense, -1, 0, 100), step(kDense, 0, 1, 1000000)};
  EXPECT_EQ(share(steps, 2).back(), kByChannels);
}

// Rows of 64 bytes: 16 of one worker's, then 16 of the other's.
TEST(Sharing, ShortRunsOfRowsAreNotDealtOut) {
  const Loops dense = {kDense[0], {kRows, {along(1, kRows, 1, 64), whole(), along(1, kRows, 0, 64)}}};
  const Loops apart = {kDepthwise[0], {kRows, {along(1, kRows, 1, 64), whole(), along(1, kRows, 0, 64)}}};
  const std::vector<SharedStep> steps = {step(dense, -1, 0, 100), step(apart, 0, 1, 100), step(dense, 1, 2, 100, 250)};
  EXPECT_EQ(share(steps, 2), std::vector<int64_t>(3, kByChannels));
}

// Two rows for three workers: one of them would have nothing to begin with.
TEST(Sharing, RowsFewerThanWorkersAreNotShared) {
  const Loops few = {{kChannels, {whole(), along(0, kChannels), along(0, kChannels)}},
                     {2, {along(1, 2), whole(), along(1, 2)}}};
  const std::vector<SharedStep> steps = {step(few, -1, 0, 100), step(few, 0, 1, 100)};
  EXPECT_EQ(share(steps, 2), std::vector<int64_t>(2, 2));
  EXPECT_EQ(share(steps, 3), std::vector<int64_t>(2, 2 * kChannels));
}

TEST(Sharing, WhereNothingIsKnownTasksStayTogether) {
  SharedStep unknown = step(kDense, 0, 1, 100), other = unknown, alone = unknown;
  unknown.loops.clear();
  other.tasks += 1;  // its loops are not those of the tasks
  alone.parallel = false;
  const std::vector<int64_t> inner = share({step(kDense, -1, 0, 100), unknown, other, alone}, 2);
  EXPECT_EQ(inner[1], unknown.tasks);
  EXPECT_EQ(inner[2], other.tasks);
  EXPECT_EQ(inner[3], alone.tasks);
  EXPECT_EQ(share({step(kDense, -1, 0, 100)}, 1), std::vector<int64_t>{kByChannels});
}

}  // namespace
}  // namespace altrt::plan
