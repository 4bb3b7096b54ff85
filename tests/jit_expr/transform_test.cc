#include <altrt/error.h>
#include <gtest/gtest.h>

#include <random>

#include "jit/expr/evaluate.h"
#include "jit/expr/scale_weights.h"
#include "tests/jit_expr/samples.h"

namespace altrt::jit {
namespace {

using testing::add_map;
using testing::f32;

// Runs on the same data whatever the tensors' numbers are: contents depend on the name only.
std::vector<float> run(const Computation& c, const std::string& output) {
  std::vector<std::vector<float>> data;
  std::vector<void*> buffers;
  for (const TensorDecl& t : c.tensors) {
    int64_t elements = 1;
    for (const Extent& e : t.shape) elements *= e.bound;
    std::seed_seq seed(t.name.begin(), t.name.end());
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> value(-1, 1);
    std::vector<float> buffer(elements);
    for (float& v : buffer) v = value(random);
    data.push_back(std::move(buffer));
    buffers.push_back(data.back().data());
  }
  evaluate(c, buffers);
  return data[c.find_tensor(output)];
}

// conv -> add residual -> relu
Computation residual_block() {
  Computation c = testing::conv(3, 4, 6);
  const int y = c.find_tensor("y");
  c.tensors[y].role = Role::intermediate;
  const int residual = c.add_tensor({"residual", DataType::f32, {1, 4, 6, 6}, Role::input});
  const int sum = add_map(c, "add", y, Role::intermediate,
                          [&](const Expr& e) { return e + access(residual, DataType::f32, e->args); });
  add_map(c, "relu", sum, Role::output, [](const Expr& e) { return max(e, f32(0)); });
  verify(c);
  return c;
}

TEST(Epilogue, joins_elementwise_stages) {
  const Computation before = residual_block();
  Computation c = before;
  ASSERT_TRUE(merge_epilogue(c, 0, 1));
  ASSERT_TRUE(merge_epilogue(c, 0, 1));
  verify(c);
  ASSERT_EQ(c.stages.size(), 1u);
  EXPECT_EQ(c.anchor.stage, 0);
  EXPECT_EQ(c.tensors[c.anchor.weights].name, "weights");
  std::vector<std::string> names;
  for (const TensorDecl& t : c.tensors) names.push_back(t.name);
  EXPECT_EQ(to_string(c.stages[0].results[0], &names), "max(state0 + residual[0, o, h, w], 0.0)");
  EXPECT_EQ(run(c, "relu_out"), run(before, "relu_out"));
}

TEST(Epilogue, follows_a_permutation_of_axes) {
  Computation c = testing::conv(3, 4, 6);
  const int y = c.find_tensor("y");
  c.tensors[y].role = Role::intermediate;
  const int t = c.add_tensor({"t", DataType::f32, {6, 4, 6, 1}, Role::output});
  Stage s{"transpose", {{"p", 6}, {"q", 4}, {"r", 6}, {"s", 1}}, {}, {}, {t}, {}, {}};
  s.store = variables(s.axes);
  s.results = {access(y, DataType::f32, {variable("s"), variable("q"), variable("r"), variable("p")}) * f32(2)};
  c.stages.push_back(s);
  verify(c);
  const auto expected = run(c, "t");
  ASSERT_TRUE(merge_epilogue(c, 0, 1));
  verify(c);
  EXPECT_EQ(to_string(c.stages[0].store[0]), "w");
  EXPECT_EQ(run(c, "t"), expected);
}

// [1, 4, 6, 6] -> [6, 24]: a dimension made of two, in another order than they had.
TEST(Epilogue, follows_dimensions_that_become_one) {
  Computation c = testing::conv(3, 4, 6);
  const int y = c.find_tensor("y");
  c.tensors[y].role = Role::intermediate;
  const int t = c.add_tensor({"t", DataType::f32, {6, 24}, Role::output});
  Stage s{"join", {{"p", 6}, {"q", 24}}, {}, {}, {t}, {}, {}};
  s.store = variables(s.axes);
  const Expr q = variable("q");
  s.results = {access(y, DataType::f32, {Expr(0), floor_div(q, 6), variable("p"), floor_mod(q, 6)})};
  c.stages.push_back(s);
  verify(c);
  const auto expected = run(c, "t");
  Computation mixed = c;  // digits that overlap are no dimensions
  mixed.stages[1].results = {access(y, DataType::f32, {Expr(0), floor_div(q, 7), variable("p"), floor_mod(q, 6)})};
  verify(mixed);
  EXPECT_FALSE(merge_epilogue(mixed, 0, 1));
  ASSERT_TRUE(merge_epilogue(c, 0, 1));
  verify(c);
  EXPECT_EQ(to_string(c.stages[0].store[1]), "o*6 + w");
  EXPECT_EQ(run(c, "t"), expected);
}

TEST(Epilogue, keeps_an_output_that_others_need) {
  Computation c = residual_block();
  c.tensors[c.find_tensor("y")].role = Role::output;
  const auto sum = run(c, "y"), relu = run(c, "relu_out");
  ASSERT_TRUE(merge_epilogue(c, 0, 1));
  verify(c);
  EXPECT_EQ(c.stages[0].outputs.size(), 2u);
  ASSERT_TRUE(merge_epilogue(c, 0, 1));
  verify(c);
  EXPECT_EQ(run(c, "y"), sum);
  EXPECT_EQ(run(c, "relu_out"), relu);
}

TEST(Epilogue, refuses_other_points_and_reductions) {
  Computation c = testing::conv(3, 4, 6);
  const int y = c.find_tensor("y");
  c.tensors[y].role = Role::intermediate;
  const int t = c.add_tensor({"t", DataType::f32, {1, 4, 6, 5}, Role::output});
  Stage s{"shift", {{"p", 1}, {"q", 4}, {"r", 6}, {"s", 5}}, {}, {}, {t}, {}, {}};
  s.store = variables(s.axes);
  s.results = {access(y, DataType::f32, {variable("p"), variable("q"), variable("r"), variable("s") + 1})};
  c.stages.push_back(s);
  verify(c);
  const std::string before = to_string(c);
  EXPECT_FALSE(merge_epilogue(c, 0, 1));
  EXPECT_EQ(to_string(c), before);

  Computation soft = testing::softmax(3, 4);
  EXPECT_FALSE(merge_epilogue(soft, 0, 1));
}

TEST(Inline, substitutes_a_map_into_its_readers) {
  Computation c = testing::conv(3, 4, 6);
  // x -> scaled -> conv: the convolution reads the scaled tensor under its padding condition.
  const int scaled = c.add_tensor({"scaled", DataType::f32, {1, 3, 6, 6}, Role::intermediate});
  Stage s{"scale", {{"p", 1}, {"q", 3}, {"r", 6}, {"s", 6}}, {}, {}, {scaled}, {}, {}};
  s.store = variables(s.axes);
  s.results = {access(0, DataType::f32, s.store) * f32(3) + f32(1)};
  Stage& conv = c.stages[0];
  conv.state[0].update = rewrite(conv.state[0].update, [&](const Expr& e) {
    return e.is(ExprKind::access) && e->id == 0 ? access(scaled, e->type, e->args) : e;
  });
  c.stages.insert(c.stages.begin(), s);
  c.anchor.stage = 1;
  verify(c);
  const Computation inlined = inline_stage(c, 0);
  verify(inlined);
  EXPECT_EQ(inlined.stages.size(), 1u);
  EXPECT_EQ(inlined.anchor.stage, 0);
  EXPECT_EQ(inlined.find_tensor("scaled"), -1);
  EXPECT_EQ(run(inlined, "y"), run(c, "y"));
  EXPECT_THROW(inline_stage(c, 1), Error);
}

// conv of x * scale[n, i, 0, 0], or of x * scale[n, i, y, x]; without padding, as its weights leave no room for it.
Computation scaled_conv(bool by_channel) {
  Computation c = testing::conv(3, 4, 6);
  const int scale = c.add_tensor({"scale", DataType::f32, {1, 3, by_channel ? 1 : 8, by_channel ? 1 : 8}, Role::input});
  c.tensors[0].shape = {1, 3, 8, 8};
  Expr& update = c.stages[0].state[0].update;
  const Expr n = variable("n"), i = variable("i");
  const Expr row = variable("h") + variable("kh"), column = variable("w") + variable("kw");
  const Expr factor = access(scale, DataType::f32, {n, i, by_channel ? Expr(0) : row, by_channel ? Expr(0) : column});
  update = fma(factor * access(0, DataType::f32, {n, i, row, column}), update->args[1], update->args[2]);
  c.anchor.pads = {0, 0, 0, 0};
  c.anchor.data = -1;
  verify(c);
  return c;
}

TEST(ScaleWeights, takes_factors_that_no_pixel_changes) {
  Computation c = scaled_conv(true);
  const std::vector<float> before = run(c, "y");
  ASSERT_TRUE(scale_weights(c));
  verify(c);
  EXPECT_EQ(c.anchor.data, c.find_tensor("x"));
  EXPECT_EQ(to_string(c.stages[0].state[0].update->args[1]), "t3[n, i, 0, 0]*t1[o, i, kh, kw]");
  const std::vector<float> after = run(c, "y");
  for (size_t k = 0; k < after.size(); ++k) EXPECT_NEAR(after[k], before[k], 1e-5);
  EXPECT_FALSE(scale_weights(c));  // there is nothing left to do
}

TEST(ScaleWeights, leaves_everything_else) {
  for (Computation c : {scaled_conv(false), testing::conv(3, 4, 6), testing::softmax(3, 4)}) {
    const std::string before = to_string(c);
    EXPECT_FALSE(scale_weights(c));
    EXPECT_EQ(to_string(c), before);
  }
}

TEST(Inline, inverts_a_reshaping_store) {
  Computation c;
  c.name = "reshape";
  const int x = c.add_tensor({"x", DataType::f32, {4, 6}, Role::input});
  const int flat = c.add_tensor({"flat", DataType::f32, {24}, Role::intermediate});
  const int y = c.add_tensor({"y", DataType::f32, {8, 3}, Role::output});
  const Expr i = variable("i"), j = variable("j"), p = variable("p"), q = variable("q");
  c.stages = {
      {"flatten", {{"i", 4}, {"j", 6}}, {}, {}, {flat}, {i * 6 + j}, {access(x, DataType::f32, {i, j}) + f32(1)}},
      {"split", {{"p", 8}, {"q", 3}}, {}, {}, {y}, {p, q}, {access(flat, DataType::f32, {p * 3 + q})}}};
  verify(c);
  const Computation inlined = inline_stage(c, 0);
  verify(inlined);
  std::vector<std::string> names{"x", "y"};
  EXPECT_EQ(to_string(inlined.stages[0].results[0], &names), "x[p / 2, q + (p % 2)*3] + 1.0");
  EXPECT_EQ(run(inlined, "y"), run(c, "y"));
}

TEST(Prune, drops_what_no_output_needs) {
  Computation c = residual_block();
  const auto expected = run(c, "relu_out");
  c.add_tensor({"unused", DataType::f32, {3}, Role::input});
  add_map(c, "dead", c.find_tensor("y"), Role::intermediate, [](const Expr& e) { return e * e; });
  verify(c);
  const Computation pruned = prune(c);
  verify(pruned);
  EXPECT_EQ(pruned.find_tensor("unused"), -1);
  EXPECT_EQ(pruned.find_stage("dead"), -1);
  EXPECT_EQ(pruned.stages.size(), 3u);
  EXPECT_EQ(run(pruned, "relu_out"), expected);
}

}  // namespace
}  // namespace altrt::jit
