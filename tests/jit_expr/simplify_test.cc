#include "jit/expr/simplify.h"

#include <gtest/gtest.h>

#include "jit/expr/analysis.h"
#include "tests/jit_expr/random_index.h"

namespace altrt::jit {
namespace {

using testing::evaluate_index;
using testing::RandomIndex;
using testing::Values;

const Expr x = variable("x"), y = variable("y"), z = variable("z");

std::string text(const Expr& e, const Ranges& ranges, const Facts& facts = {}) {
  return to_string(simplify(e, ranges, facts));
}

bool has_condition(const Expr& e) {
  bool found = false;
  visit(e, [&](const Expr& node) { found = found || node->type == DataType::boolean; });
  return found;
}

TEST(LinearForm, collects_terms_and_keeps_products_as_atoms) {
  const LinearForm form = linear_form((x + y * Expr(3)) * Expr(2) - x - Expr(4) + y * z);
  EXPECT_EQ(form.coefficient("x"), 1);
  EXPECT_EQ(form.coefficient("y"), 6);
  EXPECT_EQ(form.coefficient("z"), 0);
  EXPECT_EQ(form.constant, -4);
  EXPECT_EQ(to_string(form.to_expr()), "x + y*6 + y*z - 4");
  EXPECT_TRUE(linear_form(x - y + y - x).is_constant());
  EXPECT_EQ(to_string(linear_form(y - x).to_expr()), "y - x");
  EXPECT_EQ(to_string(linear_form(Expr(3) - x).to_expr()), "3 - x");
}

TEST(Simplify, resolves_division_of_mixed_radix_numbers) {
  const Ranges r{{"x", {0, 9}}, {"y", {0, 3}}, {"z", {0, 7}}};
  EXPECT_EQ(text(floor_div(x * 4 + y, 4), r), "x");
  EXPECT_EQ(text(floor_mod(x * 4 + y, 4), r), "y");
  EXPECT_EQ(text(floor_div(x * 32 + y * 8 + z, 16), r), "x*2 + y / 2");
  EXPECT_EQ(text(floor_mod(floor_div(x * 32 + y * 8 + z, 8), 4), r), "y");
  EXPECT_EQ(text(floor_div(floor_div(x, 3), 2), r), "x / 6");
  EXPECT_EQ(text(floor_div(floor_mod(x * 5 + z, 16), 4), {}), "(x + (x + z) / 4) % 4");
  EXPECT_EQ(text(floor_div(x + 40, 8), r), "x / 8 + 5");
  EXPECT_EQ(text(floor_mod(floor_mod(x + y, 16) * 3 + z, 4), {}), "(x*3 + y*3 + z) % 4");
}

TEST(Simplify, recomposes_digits) {
  EXPECT_EQ(text(floor_div(x, 4) * 4 + floor_mod(x, 4), {}), "x");
  EXPECT_EQ(text(floor_div(x, 16) * 16 + floor_mod(floor_div(x, 4), 4) * 4 + floor_mod(x, 4), {}), "x");
  EXPECT_EQ(text(floor_mod(floor_div(x, 4), 4) * 4 + floor_mod(x, 4), {}), "x % 16");
  EXPECT_EQ(text((floor_div(x + y * 3, 4) * 4 + floor_mod(x + y * 3, 4)) * 5 + z, {}), "x*5 + y*15 + z");
  EXPECT_EQ(text(x - floor_div(x, 8) * 8, {}), "x % 8");
  EXPECT_EQ(text(x - floor_mod(x, 8), {}), "(x / 8)*8");
}

TEST(Simplify, decides_comparisons_by_bounds) {
  const Ranges r{{"x", {0, 13}}, {"y", {0, 3}}};
  EXPECT_EQ(text(lt(x, 14), r), "true");
  EXPECT_EQ(text(lt(x * 4 + y, 56), r), "true");
  EXPECT_EQ(text(lt(x * 4 + y, 40), r), "x < 10");
  EXPECT_EQ(text(le(3, floor_div(x, 4)), r), "12 <= x");
  EXPECT_EQ(text(eq(x * 2, 5), r), "false");
  EXPECT_EQ(text(logical_and(le(0, x - 1), le(0, x)), r), "1 <= x");
  EXPECT_EQ(text(logical_and(lt(x, 5), lt(10, x)), r), "false");
  EXPECT_EQ(text(logical_or(lt(x, 5), le(3, x)), r), "true");
  EXPECT_EQ(text(min(max(x, 0), 13), r), "x");
  EXPECT_EQ(text(min(x + 1, x), {}), "x");
}

TEST(Simplify, uses_the_conditions_of_selects) {
  const Ranges r{{"x", {0, 13}}};
  EXPECT_EQ(text(select(lt(x, 8), floor_div(x, 8), Expr(7)), r), "select(x < 8, 0, 7)");
  EXPECT_EQ(text(select(lt(x, 8), select(lt(x, 8), x, y), z), r), "select(x < 8, x, z)");
  EXPECT_EQ(text(select(lt(x, 8), select(lt(x, 9), x, y), z), r), "select(x < 8, x, z)");
  EXPECT_EQ(text(floor_div(x, 8), r, {lt(x, 8)}), "0");
}

TEST(Simplify, leaves_data_dependent_integers_alone) {
  const Expr data = access(0, DataType::i64, {x});
  EXPECT_EQ(text(lt(data + 1, data + y), {}), "t0[x] + 1 < y + t0[x]");
  EXPECT_EQ(text(floor_div(data * 4, 4), {}), "t0[x]*4 / 4");
  EXPECT_EQ(text(min(max(data, 0), 9) - min(max(data, 0), 9), {}), "0");
  EXPECT_FALSE(bounds(data, {}).has_value());
  EXPECT_EQ(bounds(min(max(data, 0), 9), {}), (Interval{0, 9}));
}

TEST(Simplify, keeps_float_bits) {
  const Expr a = access(0, DataType::f32, {x});
  const Expr zero = constant_float(DataType::f32, 0), one = constant_float(DataType::f32, 1);
  const auto values = std::make_shared<const std::vector<double>>(std::vector<double>{0, 1, -1});
  EXPECT_EQ(text(a * one, {}), "t0[x]");
  EXPECT_EQ(text(a * zero, {}), "t0[x]*0.0");
  EXPECT_EQ(text(a + zero, {}), "t0[x] + 0.0");
  const Ranges only_zero{{"y", {0, 0}}}, only_one{{"y", {1, 1}}};
  const Expr product = a + a * table(values, DataType::f32, y);
  EXPECT_EQ(text(product, only_zero), "t0[x]");
  EXPECT_EQ(text(product, only_one), "t0[x] + t0[x]");
}

TEST(Bounds, use_facts_that_an_index_contains) {
  const Ranges r{{"x", {0, 13}}, {"y", {0, 2}}, {"z", {0, 2}}, {"w", {0, 13}}};
  const Expr row = x + y - 1, column = variable("w") + z - 1;
  const Facts facts{le(0, row), lt(row, 14), logical_and(le(0, column), lt(column, 14))};
  EXPECT_EQ(bounds(row, r), (Interval{-1, 14}));
  EXPECT_EQ(bounds_under(row, r, facts), (Interval{0, 13}));
  EXPECT_EQ(bounds_under(row * 14 + column, r, facts), (Interval{0, 195}));
  EXPECT_EQ(bounds_under(row + 5, r, facts), (Interval{5, 18}));
  EXPECT_TRUE(always(lt(row * 14 + column, 196), r, facts));
  EXPECT_FALSE(always(lt(row * 14 + column, 195), r, facts));
}

TEST(Bounds, of_clamped_block_starts) {
  // The last block of an overlapping split, and balanced blocks whose size is a minimum.
  const Ranges r{{"x", {0, 2}}, {"y", {0, 5}}};
  EXPECT_EQ(bounds(min(x * 6, 8) + y, r), (Interval{0, 13}));
  EXPECT_TRUE(always(lt(x * 6 + y, 14), r, {lt(y, min(6, Expr(14) - x * 6))}));
}

TEST(Property, simplify_keeps_values_and_bounds_hold) {
  RandomIndex random(testing::test_seed(20240611));
  for (int round = 0; round < testing::rounds(20000); ++round) {
    const Ranges ranges = random.ranges();
    const Expr e = random.integer(0, 2) ? random.index(random.integer(1, 5)) : random.condition(random.integer(0, 3));
    Analyzer analyzer(ranges);
    const Expr s = analyzer.simplify(e);
    const Interval i = analyzer.interval(s), raw = Analyzer(ranges).interval(e);
    if (!has_condition(e)) {
      ASSERT_TRUE(equal(simplify(s, ranges), s)) << to_string(e) << "\n" << to_string(s);
    }
    for (int k = 0; k < 12; ++k) {
      const Values v = random.point(ranges);
      const int64_t expected = evaluate_index(e, v);
      ASSERT_EQ(evaluate_index(s, v), expected) << to_string(e) << "\n" << to_string(s);
      if (e->type != DataType::i64) continue;
      ASSERT_TRUE(i.lo <= expected && expected <= i.hi) << to_string(e);
      ASSERT_TRUE(raw.lo <= expected && expected <= raw.hi) << to_string(e);
    }
  }
}

TEST(Property, facts_only_matter_where_they_hold) {
  RandomIndex random(testing::test_seed(77));
  int checked = 0;
  for (int round = 0; round < testing::rounds(20000); ++round) {
    const Ranges ranges = random.ranges();
    const Facts facts{random.condition(random.integer(0, 2)), random.condition(0)};
    const Expr e = random.index(random.integer(1, 4));
    Analyzer analyzer(ranges, facts);
    const Expr s = analyzer.simplify(e);
    const Interval i = analyzer.interval(s);
    for (int k = 0; k < 12; ++k) {
      const Values v = random.point(ranges);
      if (!evaluate_index(facts[0], v) || !evaluate_index(facts[1], v)) continue;
      ++checked;
      ASSERT_FALSE(analyzer.contradictory()) << to_string(facts[0]) << "\n" << to_string(facts[1]);
      const int64_t expected = evaluate_index(e, v);
      ASSERT_EQ(evaluate_index(s, v), expected) << to_string(e) << "\n"
                                                << to_string(s) << "\n"
                                                << to_string(facts[0]) << "\n"
                                                << to_string(facts[1]);
      ASSERT_TRUE(i.lo <= expected && expected <= i.hi) << to_string(e);
    }
  }
  EXPECT_GT(checked, 1000);
}

TEST(Undivided, a_limit_of_a_quotient_becomes_one_of_the_dividend) {
  const auto undivided = [](const Expr& condition) { return to_string(Analyzer({}).undivided(condition)); };
  EXPECT_EQ(undivided(lt(x * 2 + floor_div(x * 4 + y, 14), 14)), "0 <= 195 - x*32 - y");
  EXPECT_EQ(undivided(le(1, floor_div(x, 8))), "0 <= x - 8");
  EXPECT_EQ(undivided(lt(x, 8)), "x < 8");
  EXPECT_EQ(undivided(lt(x + floor_div(y * 3 + z, 7), 8)), "x + (y*3 + z) / 7 < 8") << "it would get longer";
}

TEST(Property, a_limit_without_its_division_holds_at_the_same_points) {
  RandomIndex random(testing::test_seed(78));
  int changed = 0;
  for (int round = 0; round < testing::rounds(20000); ++round) {
    const Ranges ranges = random.ranges();
    const Expr condition = random.condition(random.integer(1, 4));
    const Expr plain = Analyzer({}).undivided(condition);
    changed += equal(plain, condition) ? 0 : 1;
    for (int k = 0; k < 8; ++k) {
      const Values v = random.point(ranges);
      ASSERT_EQ(evaluate_index(plain, v), evaluate_index(condition, v)) << to_string(condition) << "\n"
                                                                        << to_string(plain);
    }
  }
  EXPECT_GT(changed, 100);
}

TEST(Guarded, accesses_are_seen_with_their_conditions) {
  const Expr inside = logical_and(le(0, x - 1), lt(x - 1, 8));
  const Expr e = select(inside, access(0, DataType::f32, {x - 1}), constant_float(DataType::f32, 0)) +
                 access(1, DataType::f32, {x});
  std::string seen;
  visit_guarded(e, {}, [&](const Expr& a, const Facts& facts) {
    seen += to_string(a) + (facts.empty() ? "" : " if " + to_string(facts[0])) + "; ";
  });
  EXPECT_EQ(seen, "t0[x - 1] if 0 <= x - 1 && x - 1 < 8; t1[x]; ");
}

}  // namespace
}  // namespace altrt::jit
