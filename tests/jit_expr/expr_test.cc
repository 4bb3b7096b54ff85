#include "jit/expr/expr.h"

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "jit/expr/math.h"

namespace altrt::jit {
namespace {

const Expr x = variable("x"), y = variable("y");
Expr f(double v) { return constant_float(DataType::f32, v); }
Expr data(int id) { return access(id, DataType::f32, {x}); }

TEST(Makers, fold_constants_and_drop_neutral_elements) {
  EXPECT_TRUE((Expr(3) * 4 + 5).is_int(17));
  EXPECT_TRUE(floor_div(Expr(-7), Expr(2)).is_int(-4));
  EXPECT_TRUE(floor_mod(Expr(-7), Expr(2)).is_int(1));
  EXPECT_TRUE(div(Expr(7), Expr(0)).is_int(0));
  EXPECT_EQ((x + 0).get(), x.get());
  EXPECT_EQ((x * 1).get(), x.get());
  EXPECT_EQ(floor_div(x, 1).get(), x.get());
  EXPECT_TRUE((x * 0).is_int(0));
  EXPECT_TRUE((x - x).is_int(0));
  EXPECT_TRUE(floor_mod(x, 1).is_int(0));
  EXPECT_TRUE(lt(Expr(1), Expr(2)).is_int(1));
  EXPECT_EQ(select(boolean(false), x, y).get(), y.get());
  EXPECT_EQ(logical_and(boolean(true), lt(x, y))->kind, ExprKind::lt);
  EXPECT_TRUE(constant_int(DataType::i8, 200).is_int(-56));
  EXPECT_TRUE((constant_int(DataType::i32, std::numeric_limits<int32_t>::max()) + constant_int(DataType::i32, 1))
                  .is_int(std::numeric_limits<int32_t>::min()));
}

TEST(Makers, leave_floats_that_could_change_bits) {
  EXPECT_EQ((data(0) + f(0))->kind, ExprKind::add);
  EXPECT_EQ((data(0) * f(0))->kind, ExprKind::mul);
  EXPECT_EQ((data(0) - data(0))->kind, ExprKind::sub);
  EXPECT_EQ(f(0.1)->float_value, static_cast<double>(0.1f));
  EXPECT_EQ((f(0.1) + f(0.2))->float_value, static_cast<double>(0.1f + 0.2f));
  EXPECT_TRUE(cast(DataType::i32, f(3e9)).is_int(2147483647));
  EXPECT_TRUE(bitcast(DataType::i32, f(1)).is_int(0x3F800000));
}

TEST(Makers, refuse_what_has_no_meaning) {
  EXPECT_THROW(x + f(1), Error);
  EXPECT_THROW(floor_div(f(1), f(2)), Error);
  EXPECT_THROW(logical_and(x, lt(x, y)), Error);
  EXPECT_THROW(select(x, y, y + 1), Error);
  EXPECT_THROW(unary(ExprKind::sqrt, x), Error);
  EXPECT_THROW(fma(x, x, x), Error);
  EXPECT_THROW(bitcast(DataType::i64, f(1)), Error);
  EXPECT_THROW(shift(ExprKind::shift_left, x, y), Error);
  EXPECT_THROW(shift(ExprKind::shift_left, x, Expr(64)), Error);
  EXPECT_THROW(access(0, DataType::f32, {f(1)}), Error);
  EXPECT_THROW(lt(x, y) + lt(x, y), Error);
  EXPECT_THROW(x + Expr(), Error);
  EXPECT_THROW(constant(DataType::u8, -1), Error);
}

TEST(Structure, equality_and_hash_follow_structure) {
  const Expr a = x * 2 + y, b = variable("x") * 2 + variable("y");
  EXPECT_NE(a.get(), b.get());
  EXPECT_TRUE(equal(a, b));
  EXPECT_EQ(hash(a), hash(b));
  EXPECT_FALSE(equal(a, x * 2 - y));
  EXPECT_FALSE(equal(f(0), f(-0.0)));
  EXPECT_TRUE(equal(f(NAN), f(NAN)));
  EXPECT_EQ(compare(a, b), 0);
  EXPECT_EQ(compare(x, y), -compare(y, x));
  EXPECT_FALSE(equal(constant_int(DataType::i32, 1), Expr(1)));
}

// 2^60 nodes as a tree; 60 as a graph.
TEST(Structure, sharing_is_kept) {
  Expr a = data(0), b = data(0);
  for (int i = 0; i < 60; ++i) a = a * a, b = b * b;
  EXPECT_TRUE(equal(a, b));
  EXPECT_EQ(hash(a), hash(b));
  int nodes = 0;
  visit(a, [&](const Expr&) { ++nodes; });
  EXPECT_EQ(nodes, 62);
  const Expr c = substitute(a, {{"x", y + 1}});
  nodes = 0;
  visit(c, [&](const Expr&) { ++nodes; });
  EXPECT_EQ(nodes, 64);
  EXPECT_TRUE(uses_variable(c, "y"));
  EXPECT_FALSE(uses_variable(c, "x"));
  EXPECT_EQ(substitute(a, {{"z", y}}).get(), a.get());
  EXPECT_NE(to_string(a).find("%3 = "), std::string::npos);
}

TEST(Print, minimal_brackets) {
  const std::vector<std::string> names{"in", "w"};
  EXPECT_EQ(to_string(x * 2 + y - 1), "x*2 + y - 1");
  EXPECT_EQ(to_string((x + y) * 2), "(x + y)*2");
  EXPECT_EQ(to_string(x - (y - 1)), "x - (y - 1)");
  EXPECT_EQ(to_string(floor_div(x + y, 4) * 4 + floor_mod(x, 4)), "((x + y) / 4)*4 + x % 4");
  EXPECT_EQ(to_string(logical_or(logical_and(le(0, x), lt(x, 9)), logical_not(eq(x, y)))),
            "0 <= x && x < 9 || !(x == y)");
  EXPECT_EQ(to_string(max(data(0) * f(0.5), f(0)), &names), "max(in[x]*0.5, 0.0)");
  EXPECT_EQ(to_string(data(3), &names), "t3[x]");
  EXPECT_EQ(to_string(cast(DataType::i64, data(0))), "i64(t0[x])");
  EXPECT_EQ(to_string(state(0, DataType::f32) + other(1, DataType::f32)), "state0 + other1");
  EXPECT_EQ(to_string(div(data(0), f(1e-5))), "t0[x] / 1e-05");
  EXPECT_EQ(to_string(-x), "-x");
  EXPECT_EQ(to_string(Expr()), "none");
}

}  // namespace
}  // namespace altrt::jit
