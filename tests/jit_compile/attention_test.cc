// Attention in one kernel: which Computations are one, and random ones with random blocks and register tiles against
// the evaluator bit for bit. ALTRT_TEST_SEED and ALTRT_TEST_CASES vary the cases.
#include <gtest/gtest.h>

#include <cstdio>

#include "jit/compile/templates.h"
#include "jit/expr/attention.h"
#include "tests/jit_compile/operators.h"
#include "tests/jit_compile/run_case.h"

namespace altrt::jit {
namespace {

using property::Random;

struct AttentionCase {
  int64_t batch = 1, heads = 2, rows = 6, length = 7, depth = 4, columns = 5;
  bool mask = true, joined = false, constant_values = false;
  bool guarded = false;  // zeros in place of NaN behind the softmax, as exporters write it
};

/// softmax(q k / 2 + mask) v; `joined`: the heads side by side behind it.
Computation attention(const AttentionCase& a) {
  GraphBuilder b("attention");
  b.input("q", DataType::f32, {a.batch, a.heads, a.rows, a.depth});
  b.input("k", DataType::f32, {a.batch, a.heads, a.depth, a.length});
  const Shape v{a.batch, a.heads, a.length, a.columns};
  a.constant_values ? b.constant("v", small_values(v)) : b.input("v", DataType::f32, v);
  std::string x = b.op("Mul", {b.op("MatMul", {"q", "k"}), b.constant("half", small_values({1}))});
  if (a.mask) {
    b.input("mask", DataType::f32, {a.batch, 1, 1, a.length});
    x = b.op("Add", {x, "mask"});
  }
  std::string rows = b.op("Softmax", {x}, {{"axis", -1}});
  if (a.guarded) {
    Tensor zero(DataType::f32, Shape{});
    zero.as<float>()[0] = 0;
    rows = b.op("Where", {b.op("IsNaN", {rows}), b.constant("zero", zero), rows});
  }
  std::string y = b.op("MatMul", {rows, "v"});
  if (a.joined) {
    y = b.op("Transpose", {y}, {{"perm", Ints{0, 2, 1, 3}}});
    Tensor shape(DataType::i64, {3});
    const Ints extents{a.batch, a.rows, a.heads * a.columns};
    std::copy(extents.begin(), extents.end(), shape.as<int64_t>());
    y = b.op("Reshape", {y, b.constant("shape", shape)});
  }
  b.output(y);
  return one_group(b.build());
}

TEST(Attention, ScoresRowsAndValuesAreFound) {
  for (const bool joined : {false, true}) {
    const Computation c = attention({.joined = joined});
    const std::optional<Attention> found = attention_of(c);
    ASSERT_TRUE(found) << to_string(c);
    EXPECT_EQ(found->rows.size(), 3u) << to_string(c);  // maximum, exponentials, one over their sum
    EXPECT_EQ(found->row_axes, 3u);
    EXPECT_EQ(c.tensors[static_cast<size_t>(found->scores.weights)].name, "x1");
    EXPECT_EQ(c.tensors[static_cast<size_t>(found->values.weights)].role, Role::input);
    EXPECT_TRUE(has_attention_template(c, {}));
  }
}

TEST(Attention, TheHeadsAreStoredSideBySide) {
  const Computation c = attention({.joined = true});
  EXPECT_EQ(c.stages.size(), 5u) << to_string(c);
  const Stage& values = c.stages.back();
  EXPECT_EQ(to_string(values.store.back()), values.axes[1].name + "*5 + " + values.axes[3].name) << to_string(c);
}

// One over a row's sum is no factor of each of its elements.
TEST(Attention, TheSumIsScaledOnce) {
  const Computation c = attention({});
  const Stage& values = c.stages.back();
  const Factors factors = factors_of(values);
  EXPECT_TRUE(factors.first.is(ExprKind::access) && factors.second.is(ExprKind::access)) << to_string(c);
}

TEST(Attention, WhatIsDoneWithTheRowsIsAStage) {
  const Computation c = attention({.guarded = true});
  const std::optional<Attention> found = attention_of(c);
  ASSERT_TRUE(found) << to_string(c);
  EXPECT_EQ(found->rows.size(), 4u) << to_string(c);
}

// Constant factors come packed, and in algorithms of their own.
TEST(Attention, ConstantFactorsAreNone) { EXPECT_FALSE(attention_of(attention({.constant_values = true}))); }

TEST(Attention, OtherGroupsAreNone) {
  EXPECT_FALSE(attention_of(matmul({2, 5, 6}, {2, 6, 7}, false, true)));
  EXPECT_FALSE(attention_of(matmul({5, 6}, {6, 7}, true, true)));
}

// Blocks, tiles and ends of the sums in many lengths would be too much code.
TEST(Attention, DefaultsCompileForAnyExtents) {
  for (const int64_t rows : {2, 13, 31, 49, 50, 101, 131, 197, 257, 509}) {
    for (const int64_t columns : {7, 16, 33, 72, 101}) {
      const Computation c = attention({.rows = rows, .length = rows, .depth = columns, .columns = columns});
      for (const Target& target : {named_target("avx512"), named_target("avx2")}) {
        const AttentionParameters p = default_attention(c, target);
        for (const LoweredKernel& kernel : lower(c, {}, schedule_attention(c, p, target)))
          EXPECT_NO_THROW(cpu::compile(kernel.nest, target)) << rows << " rows, " << columns << " columns";
      }
    }
  }
}

Computation random_attention(Random& random) {
  AttentionCase a;
  a.batch = random.in(1, 2);
  a.heads = random.in(1, 3);
  a.rows = random.in(2, 23);
  a.length = random.chance(40) ? random.in(1, 9) : random.in(10, 70);
  a.depth = random.in(2, 20);
  a.columns = random.in(1, 40);
  a.mask = random.chance(50);
  a.joined = random.chance(50);
  a.guarded = random.chance(30);
  return attention(a);
}

MatmulParameters random_product(Random& random) {
  MatmulParameters p;
  p.rows = random.in(1, 9);
  p.columns = random.pick(Ints{4, 8, 16, 32});
  p.unroll = random.in(1, 5);
  p.rows_first = random.chance(50);
  return p;
}

TEST(Attention, GivesTheEvaluatorsBits) {
  const uint64_t first = property::test_seed(1);
  const int count = property::test_cases(60);
  const std::vector<Target> targets{host_target(), named_target("avx2")};
  int run = 0;
  for (uint64_t seed = first; seed < first + static_cast<uint64_t>(count); ++seed) {
    Random random(seed);
    const Computation c = random_attention(random);
    if (!has_attention_template(c, {})) continue;
    const Target& target = targets[seed % targets.size()];
    AttentionParameters p = default_attention(c, target);
    if (seed % 3 != 0) {
      p.block = random.in(1, 25);
      p.apart = random.chance(30);
      p.scores = random_product(random);
      p.values = random_product(random);
    }
    ++run;
    const TensorDecl& output = c.tensors[static_cast<size_t>(c.stages.back().outputs[0])];
    Layouts layouts;
    if (random.chance(30)) layouts[output.name] = padded_rows(output.shape, random.in(1, 9));
    ASSERT_TRUE(has_attention_template(c, layouts));
    const property::Case made = lowered_case("attention", c, layouts, schedule_attention(c, p, target), seed);
    EXPECT_EQ(property::check(made, property::run_interpreter), "") << "seed " << seed << "\n"
                                                                    << property::to_string(made);
    const std::string difference = run_machine_code(made, target);
    EXPECT_TRUE(difference.empty() || difference == "too large") << "seed " << seed << ": " << difference << "\n"
                                                                 << property::to_string(made);
  }
  std::printf("%d run\n", run);
  EXPECT_GE(run * 10, count * 8);
}

}  // namespace
}  // namespace altrt::jit
