// What parallel loops' iterations touch, against every index that they can have.
#include "jit/loop/reach.h"

#include <gtest/gtest.h>

#include "tests/jit_loop/build.h"

namespace altrt::jit {
namespace {

constexpr DataType kFloat = DataType::f32;

Expr v(const std::string& name) { return variable(name); }

using build::add_buffer;
using build::serial;
using build::store;

void expect(const Reach& reach, int dimension, int64_t extent, Interval first, Interval last) {
  EXPECT_EQ(reach.dimension, dimension);
  EXPECT_EQ(reach.extent, extent);
  EXPECT_EQ(reach.first.lo, first.lo);
  EXPECT_EQ(reach.first.hi, first.hi);
  EXPECT_EQ(reach.last.lo, last.lo);
  EXPECT_EQ(reach.last.hi, last.hi);
}

// y[o, h*2 + r] = x[i, h*2 + r + k - 1] * w[o, i, k]: tasks over o and h, a window of three guarded at both ends.
Nest window() {
  Nest nest;
  nest.name = "window";
  const int x = add_buffer(&nest, "x", kFloat, {6, 8}), w = add_buffer(&nest, "w", kFloat, {5, 6, 3}),
            y = add_buffer(&nest, "y", kFloat, {5, 8}, true);
  nest.parallel = {{"o", 5}, {"h", 4}};
  const Expr row = v("h") * 2 + v("r"), position = row + v("k") - 1;
  const Expr guarded =
      select(in_range(position, 0, 8), access(x, kFloat, {v("i"), position}), constant_float(kFloat, 0));
  const Stmt sum = store(y, {v("o"), row}, guarded * access(w, kFloat, {v("o"), v("i"), v("k")}));
  nest.body = {serial("r", 2, {serial("i", 6, {serial("k", 3, {sum})})})};
  return nest;
}

TEST(Reach, OfAWindowMovesAlongTheRows) {
  const std::vector<LoopReach> reaches = reach(window());
  ASSERT_EQ(reaches.size(), 2u);
  const LoopReach &o = reaches[0], &h = reaches[1];
  EXPECT_EQ(o.extent, 5);
  EXPECT_EQ(h.extent, 4);
  ASSERT_EQ(o.arguments.size(), 3u);
  EXPECT_EQ(o.arguments[0].dimension, -1);
  expect(o.arguments[1], 0, 5, {0, 0}, {4, 4});
  expect(o.arguments[2], 0, 5, {0, 0}, {4, 4});
  // What lies outside is not touched.
  expect(h.arguments[0], 1, 8, {0, 2}, {5, 7});
  EXPECT_EQ(h.arguments[0].runs, 6);
  EXPECT_EQ(h.arguments[0].bytes, 4);
  EXPECT_EQ(o.arguments[1].runs, 1);
  EXPECT_EQ(o.arguments[1].bytes, 6 * 3 * 4);
  EXPECT_EQ(h.arguments[1].dimension, -1);
  expect(h.arguments[2], 1, 8, {0, 1}, {6, 7});
}

TEST(Reach, IsOfTheDimensionThatMovesFurthest) {
  Nest nest;
  nest.name = "diagonal";
  const int y = add_buffer(&nest, "y", kFloat, {40, 8}, true);
  nest.parallel = {{"t", 8}};
  nest.body = {store(y, {v("t") + 3, v("t")}, constant_float(kFloat, 1))};
  expect(reach(nest)[0].arguments[0], 1, 8, {0, 0}, {7, 7});
}

TEST(Reach, OfAGatherIsEverything) {
  Nest nest;
  nest.name = "gather";
  const int at = add_buffer(&nest, "at", DataType::i64, {4}), x = add_buffer(&nest, "x", kFloat, {10}),
            y = add_buffer(&nest, "y", kFloat, {4}, true);
  nest.parallel = {{"t", 4}};
  nest.body = {store(y, {v("t")}, access(x, kFloat, {access(at, DataType::i64, {v("t")})}))};
  const LoopReach t = reach(nest)[0];
  EXPECT_EQ(t.arguments[1].dimension, -1);
  expect(t.arguments[0], 0, 4, {0, 0}, {3, 3});
}

TEST(Reach, SymbolicTasksHaveNone) {
  Nest nest = window();
  nest.parallel[0].extent.size_index = 0;
  nest.sizes = 1;
  nest.size_bounds = {5};
  EXPECT_TRUE(reach(nest).empty());
}

}  // namespace
}  // namespace altrt::jit
