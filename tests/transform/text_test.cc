// Values that are printed and read back, and checks of single layouts.
#include "tests/transform/operators.h"

namespace altrt {
namespace {

using testing::expect_says;
using testing::refusal;

TEST(Text, layoutsAreReadBack) {
  Layout layout;
  layout.split(1, {0, 8}).reorder({0, 1, 3, 4, 2}).pad(2, 1, 1, 0.0).pad(3, 0, 2, std::nullopt);
  layout.unfold(2, 6, 4).fuse(2, 2);
  EXPECT_EQ(parse_layout(to_string(layout)), layout);
  Layout back;
  back.unpad(0, 1, 2).fold(1, 6, 4, 30);
  EXPECT_EQ(parse_layout(to_string(back)), back);
  EXPECT_NE(hash(layout), hash(back));
  expect_says(refusal([] { parse_layout("split(1, 0x8) turn(3)"); }), {"turn"});
}

TEST(Text, schedulesAndDecisionsAreReadBack) {
  GroupDecision decision;
  decision.layouts["x0"].split(1, {0, 8});
  decision.schedule["s0"].split("w", 6, Tail::balance).fuse({"n", "c"}).reorder({"h", "w.0"}).vectorize("c.1");
  decision.schedule["s0"].unroll("w.1").parallel("n").cache_read("x0", "h").split_reduction("kh", 3).bind("w.0");
  decision.schedule["s1"].compute_at("s0", "h").hold_at("s0", "n").prefetch();
  decision.schedule["s2"].inline_stage();
  EXPECT_EQ(parse_decision(to_string(decision)), decision);
  EXPECT_EQ(parse_schedule(to_string(decision.schedule)), decision.schedule);
  expect_says(refusal([] { parse_schedule("s0.split(w, 6)\ns0.melt(w)"); }), {"melt"});
  expect_says(refusal([] { parse_decision("layout x0"); }), {"layout x0"});
}

TEST(Layouts, shapesNamesAndInverses) {
  const std::vector<Extent> shape{1, 20, 12, 14};
  Layout layout;
  layout.pad(1, 0, 4, 0.0).split(1, {0, 8}).reorder({0, 1, 3, 4, 2}).unfold(2, 6, 4);
  EXPECT_EQ(physical_shape(layout, shape), (std::vector<Extent>{1, 3, 3, 6, 14, 8}));
  EXPECT_EQ(physical_names(layout, {"n", "c", "h", "w"}),
            (std::vector<std::string>{"n", "c.0", "h.t", "h.b", "w", "c.1"}));
  Layout there_and_back = layout;
  const Layout back = inverse(layout, shape);
  there_and_back.steps.insert(there_and_back.steps.end(), back.steps.begin(), back.steps.end());
  EXPECT_EQ(physical_shape(there_and_back, shape), shape);
  EXPECT_EQ(physical_elements(layout, shape), 3 * 3 * 6 * 14 * 8);
}

TEST(Layouts, refusalsNameTheStepAndTheReason) {
  const std::vector<Extent> shape{1, 20, 12, 14};
  Layout split, reorder, unfold, unpad;
  split.reorder({0, 2, 3, 1}).split(3, {0, 8});
  expect_says(refusal([&] { verify(split, shape); }), {"split(3, 0x8)", "20"});
  reorder.reorder({0, 1, 1, 2});
  expect_says(refusal([&] { verify(reorder, shape); }), {"reorder(0,1,1,2)"});
  unfold.unfold(2, 4, 6);
  expect_says(refusal([&] { verify(unfold, shape); }), {"unfold(2, 4, 6)"});
  unpad.unpad(2, 8, 8);
  expect_says(refusal([&] { verify(unpad, shape); }), {"unpad(2, 8, 8)"});
}

TEST(Expressions, misuseIsTheCallersFault) {
  const Expr real = constant(DataType::f32, 0.5), index = variable("h");
  expect_says(refusal([&] { real + index; }), {"add", "f32", "i64"});
  expect_says(refusal([&] { select(index, real, real); }), {"select", "bool"});
  EXPECT_EQ(to_string(index * Expr(2) + Expr(1)), "h*2 + 1");
  EXPECT_TRUE(equal(substitute(index + Expr(1), {{"h", Expr(3)}}), Expr(4)));
  EXPECT_NE(hash(index), hash(variable("w")));
}

TEST(Computations, verifyNamesStageAndReason) {
  Computation c = testing::box_computation();
  verify(c);
  EXPECT_EQ(hash(c), hash(testing::box_computation()));
  EXPECT_EQ(algorithms(c).front(), "direct");
  Computation outside = c;
  outside.stages[0].state[0].update =
      state(0, DataType::f32) + access(0, DataType::f32, {Expr(0), Expr(0), Expr(0), Expr(99)});
  expect_says(refusal([&] { verify(outside); }), {"stage", outside.stages[0].name});
  expect_says(refusal([&] { nests(outside); }), {outside.stages[0].name});
  Computation anchored = c;
  anchored.anchor.kind = AnchorKind::conv;
  anchored.anchor.stage = 1;
  anchored.anchor.strides = {1, 1};
  expect_says(refusal([&] { apply_algorithm(c, "winograd4"); }), {"winograd4", "direct"});
  expect_says(refusal([&] { verify(anchored); }), {"anchor", "differ in rank"});
}

}  // namespace
}  // namespace altrt
