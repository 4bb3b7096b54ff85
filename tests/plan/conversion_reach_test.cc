// What the tasks of conversions touch.
#include "runtime/plan/conversion_reach.h"

#include <gtest/gtest.h>

#include <limits>

namespace altrt::plan {
namespace {

jit::Layout blocked() { return jit::Layout().split(1, {0, 8}).reorder({0, 1, 3, 4, 2}); }

int64_t tasks(const std::vector<jit::LoopReach>& loops) {
  int64_t product = 1;
  for (const jit::LoopReach& loop : loops) product *= loop.extent;
  return product;
}

// The loop whose iterations move along a dimension of what is written; null if there is none.
const jit::LoopReach* along(const std::vector<jit::LoopReach>& loops, int dimension) {
  for (const jit::LoopReach& loop : loops)
    if (loop.extent > 1 && loop.arguments.at(1).dimension == dimension) return &loop;
  return nullptr;
}

void expect_ends(const jit::Reach& reach, int64_t extent) {
  EXPECT_EQ(reach.extent, extent);
  EXPECT_LE(reach.first.lo, extent / 8);
  EXPECT_GE(reach.last.hi, extent - 1 - extent / 8);
  EXPECT_LT(reach.first.hi, extent / 2);
  EXPECT_GT(reach.last.lo, extent / 2);
}

TEST(ConversionReach, ToBlocksMovesAlongChannelsAndRowsOfBoth) {
  const std::vector<int64_t> shape{1, 64, 56, 56};
  const std::vector<jit::LoopReach> loops = reach(DataType::f32, shape, {}, blocked());
  EXPECT_EQ(tasks(loops), jit::Permute(DataType::f32, shape, {}, blocked()).tasks());
  const jit::LoopReach *channels = along(loops, 1), *rows = along(loops, 2);
  ASSERT_TRUE(channels && rows);
  expect_ends(channels->arguments[1], 8);
  EXPECT_EQ(channels->arguments[0].dimension, 1);
  expect_ends(channels->arguments[0], 64);
  EXPECT_EQ(rows->arguments[0].dimension, 2);
  expect_ends(rows->arguments[0], 56);
  expect_ends(rows->arguments[1], 56);
  EXPECT_EQ(rows->arguments[1].runs, 8);
  EXPECT_EQ(rows->arguments[1].bytes, 56 * 8 * 4);
}

// Filled padding is written, and read nowhere; minus infinity is no number of an element.
TEST(ConversionReach, OfPaddingIsThatOfWhatLiesInIt) {
  for (const double fill : {0.0, -std::numeric_limits<double>::infinity()}) {
    jit::Layout padded = blocked();
    padded.pad(2, 4, 4, fill).pad(3, 1, 1, fill);
    const std::vector<jit::LoopReach> loops = reach(DataType::f32, {1, 16, 48, 48}, {}, padded);
    const jit::LoopReach* rows = along(loops, 2);
    ASSERT_TRUE(rows);
    expect_ends(rows->arguments[1], 56);
    EXPECT_EQ(rows->arguments[0].dimension, 2);
    expect_ends(rows->arguments[0], 48);
  }
}

TEST(ConversionReach, IsUnknownForTensorsThatTakeTooLong) {
  EXPECT_TRUE(reach(DataType::f32, {64, 64, 64, 64}, {}, blocked()).empty());
}

}  // namespace
}  // namespace altrt::plan
