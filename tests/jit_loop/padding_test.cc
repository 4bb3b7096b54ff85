// The rules by which operator padding costs nothing, and what layouts' padding means for loops.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include "jit/loop/interpret.h"
#include "jit/loop/lower.h"
#include "jit/loop/padding.h"
#include "tests/property/harness.h"

namespace altrt::jit {
namespace {

constexpr DataType kFloat = DataType::f32;

Expr v(const std::string& name) { return variable(name); }

/// y[w] = sum over kw of x[w*stride + kw*dilation - pad], `outside` beyond the ends.
property::Case window(int64_t extent, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad, double outside) {
  property::Case c;
  c.computation.name = "window";
  TensorDecl x, y;
  const int64_t out = (extent + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  x.name = "x";
  x.shape = {Extent(extent)};
  y.name = "y";
  y.shape = {Extent(out)};
  y.role = Role::output;
  c.computation.add_tensor(x);
  c.computation.add_tensor(y);
  const Expr position = v("w") * stride + v("kw") * dilation - pad;
  const Expr value =
      select(in_range(position, 0, extent), access(0, kFloat, {position}), constant_float(kFloat, outside));
  Stage stage;
  stage.name = "sum";
  stage.axes = {{"w", out}};
  stage.reduce = {{"kw", kernel}};
  stage.state = {{kFloat, constant_float(kFloat, 0), state(0, kFloat) + value, state(0, kFloat) + other(0, kFloat)}};
  stage.store = {v("w")};
  stage.outputs = {1};
  stage.results = {state(0, kFloat)};
  c.computation.stages = {stage};
  return c;
}

/// Lowers, checks against the evaluator, and tells whether a predicate is left in the update.
bool has_predicate(property::Case c) {
  c.kernels = lower(c.computation, c.layouts, c.schedule);
  EXPECT_EQ(property::check(c, property::run_interpreter), "");
  return to_string(c.kernels[0].nest).find("select") != std::string::npos;
}

TEST(PaddingRule, FilledPaddingThatCoversTheReachRemovesThePredicate) {
  property::Case c = window(10, 3, 1, 1, 1, 0.0);
  EXPECT_TRUE(has_predicate(c));
  c.layouts["x"].pad(0, 1, 1, 0.0);
  EXPECT_FALSE(has_predicate(c));
  c.layouts["x"] = Layout();
  c.layouts["x"].pad(0, 2, 4, 0.0);
  EXPECT_FALSE(has_predicate(c));
}

TEST(PaddingRule, TheFillMustBeThePredicatesConstant) {
  property::Case c = window(10, 3, 1, 1, 1, 2.0);
  c.layouts["x"].pad(0, 1, 1, 0.0);
  EXPECT_TRUE(has_predicate(c));
  c.layouts["x"] = Layout();
  c.layouts["x"].pad(0, 1, 1, 2.0);
  EXPECT_FALSE(has_predicate(c));
  c.layouts["x"] = Layout();
  c.layouts["x"].pad(0, 1, 1, std::nullopt);
  EXPECT_TRUE(has_predicate(c));
}

TEST(PaddingRule, EachEndIsCoveredByItself) {
  property::Case c = window(10, 3, 1, 2, 2, 0.0);
  c.layouts["x"].pad(0, 2, 1, 0.0);  // the upper end reaches one further
  EXPECT_TRUE(has_predicate(c));
  c.kernels = lower(c.computation, c.layouts, c.schedule);
  const std::string text = to_string(c.kernels[0].nest);
  EXPECT_EQ(text.find("0 <="), std::string::npos) << text;
}

TEST(PaddingRule, StridesThatDoNotReachTheEndNeedNoPaddingThere) {
  property::Case c = window(10, 3, 2, 1, 1, 0.0);  // windows end at 9
  c.layouts["x"].pad(0, 1, 0, 0.0);
  EXPECT_FALSE(has_predicate(c));
}

TEST(PaddingRule, HoldsThroughSplitAndUnfoldAfterThePadding) {
  property::Case c = window(10, 3, 1, 1, 1, 0.0);
  c.layouts["x"].pad(0, 1, 1, 0.0).split(0, {0, 4});
  EXPECT_FALSE(has_predicate(c));
  c.layouts["x"] = Layout();
  c.layouts["x"].pad(0, 1, 1, 0.0).unfold(0, 6, 4);
  c.schedule["sum"].split("w", 4, Tail::mask);
  EXPECT_FALSE(has_predicate(c));
}

TEST(PaddingRule, TilesThatRunPastTheEndReadNothingOutside) {
  for (const Tail tail : {Tail::peel, Tail::balance, Tail::mask, Tail::overlap}) {
    property::Case c = window(10, 3, 1, 1, 1, 0.0);
    c.layouts["x"].pad(0, 1, 1, 0.0);
    c.schedule["sum"].split("w", 4, tail).reorder({"w.0", "kw", "w.1"}).vectorize("w.1");
    EXPECT_EQ(has_predicate(c), tail == Tail::mask) << to_string(tail);
  }
}

TEST(LayoutPadding, OuterPaddingIsNotVisited) {
  Layout layout;
  layout.pad(1, 1, 2, 0.0).reorder({1, 0}).pad(0, 0, 3, std::nullopt);
  const LayoutPadding padding = analyze_padding(layout, 2);
  EXPECT_EQ(padding.outer[0].lo, 1);
  EXPECT_EQ(padding.outer[0].hi, 5);
  EXPECT_TRUE(padding.outer[0].lo_filled);
  EXPECT_TRUE(padding.outer[0].hi_filled);
  EXPECT_EQ(padding.outer[1].hi, 0);
  EXPECT_FALSE(padding.inner_filled);
  layout.fuse(0, 2);
  EXPECT_TRUE(analyze_padding(layout, 2).inner_filled);
}

TEST(LayoutPadding, ReachEndsWhereTheFillChanges) {
  Layout layout;
  layout.pad(0, 1, 1, 0.0).pad(0, 2, 2, 0.0).pad(0, 4, 4, 1.0);
  const auto reach = fill_reach(layout, 1);
  EXPECT_EQ(reach[0].lo, 3);
  EXPECT_EQ(reach[0].hi, 3);
  EXPECT_EQ(reach[0].fill, 0.0);
}

TEST(SymbolicExtent, OuterLoopRunsToItsRunTimeSize) {
  Computation c;
  c.name = "double";
  TensorDecl x, y;
  x.name = "x";
  x.shape = {Extent::symbolic(9, 0), Extent(6)};
  y = x;
  y.name = "y";
  y.role = Role::output;
  c.add_tensor(x);
  c.add_tensor(y);
  Stage stage;
  stage.name = "map";
  stage.axes = {{"n", Extent::symbolic(9, 0)}, {"i", 6}};
  stage.store = variables(stage.axes);
  stage.outputs = {1};
  stage.results = {access(0, kFloat, {v("n"), v("i")}) * constant_float(kFloat, 2)};
  c.stages = {stage};
  for (const bool parallel : {false, true}) {
    Schedule schedule;
    schedule["map"].split("i", 4).vectorize("i.1");
    if (parallel) schedule["map"].parallel("n");
    const auto kernels = lower(c, {}, schedule);
    const Nest& nest = kernels[0].nest;
    EXPECT_EQ(nest.sizes, 1);
    for (int64_t n : {1, 4, 9}) {
      std::vector<float> in(9 * 6, 1.0f), out(9 * 6, 0.0f);
      EXPECT_EQ(nest.tasks({n}), parallel ? n : 1);
      interpret(nest, {in.data(), out.data()}, {n}, 0, nest.tasks({n}));
      for (int64_t i = 0; i < 9 * 6; ++i) EXPECT_EQ(out[static_cast<size_t>(i)], i < n * 6 ? 2.0f : 0.0f);
    }
  }
  EXPECT_THROW(lower(c, {}, parse_schedule("map.split(n, 2)")), Error);
}

}  // namespace
}  // namespace altrt::jit
