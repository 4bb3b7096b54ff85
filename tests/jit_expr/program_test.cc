#include "jit/expr/program.h"

#include <altrt/error.h>
#include <gtest/gtest.h>

namespace altrt::jit {
namespace {

const Expr i = variable("i"), j = variable("j");

Expr f32(double v) { return constant_float(DataType::f32, v); }

struct Fixture {
  std::vector<float> data{10, 11, 12, 13, 14, 15};
  std::vector<uint8_t> written{1, 1, 1, 1, 0, 1};
  std::vector<Binding> bindings{{data.data(), DataType::f32, {2, 3}, "x"}};
};

TEST(Program, computes_what_changed) {
  Fixture f;
  Program::Options options;
  options.hoist = true;
  options.states = {DataType::f32};
  const Program p({access(0, DataType::f32, {i, j}) + state(0, DataType::f32), i * 10 + j}, {"i", "j"}, options);
  std::vector<Value> r = p.registers();
  r[0].i = 1;
  r[1].i = 0;
  r[p.state_register(0)].f = 100;
  p.run(r.data(), f.bindings);
  EXPECT_EQ(r[p.result_register(0)].f, 113);
  EXPECT_EQ(r[p.result_register(1)].i, 10);
  r[1].i = 2;
  p.run(r.data(), f.bindings, 1);
  EXPECT_EQ(r[p.result_register(0)].f, 115);
  EXPECT_EQ(r[p.result_register(1)].i, 12);
  r[p.state_register(0)].f = 0;
  p.run(r.data(), f.bindings, 2);
  EXPECT_EQ(r[p.result_register(0)].f, 15);
}

TEST(Program, performs_only_accesses_of_the_branch_taken) {
  Fixture f;
  const Expr near = access(0, DataType::f32, {Expr(0), i}), far = access(0, DataType::f32, {Expr(0), i + 1});
  const Expr guarded = select(lt(i, 2), near + far, select(lt(i, 3), near, f32(-1)));
  const Program p({guarded}, {"i"});
  std::vector<Value> r = p.registers();
  const float expected[] = {21, 23, 12, -1, -1};
  for (r[0].i = 0; r[0].i < 5; ++r[0].i) {
    p.run(r.data(), f.bindings);
    EXPECT_EQ(r[p.result_register(0)].f, expected[r[0].i]);
  }
  const Program unguarded({far}, {"i"});
  r = unguarded.registers();
  r[0].i = 2;
  EXPECT_THROW(unguarded.run(r.data(), f.bindings), Error);
}

TEST(Program, refuses_elements_never_written) {
  Fixture f;
  f.bindings[0].written = f.written.data();
  const Program p({access(0, DataType::f32, {Expr(1), i})}, {"i"});
  std::vector<Value> r = p.registers();
  p.run(r.data(), f.bindings);
  EXPECT_EQ(r[p.result_register(0)].f, 13);
  r[0].i = 1;
  EXPECT_THROW(p.run(r.data(), f.bindings), Error);
}

TEST(Program, refuses_what_it_cannot_compile) {
  EXPECT_THROW(Program({i + j}, {"i"}), Error);
  EXPECT_THROW(Program({unary(ExprKind::exp, access(0, DataType::f32, {i}))}, {"i"}), Error);
  EXPECT_THROW(Program({state(0, DataType::f32)}, {"i"}), Error);
  EXPECT_THROW(Program({call("no_such", DataType::f32, {f32(1)})}, {}), Error);
}

// Each value is used twice by the next; as a tree this would have 2^40 nodes.
TEST(Program, shared_parts_are_computed_once) {
  Fixture f;
  Expr e = access(0, DataType::f32, {Expr(0), i});
  for (int k = 0; k < 40; ++k) e = select(lt(e, f32(1e9)), e + e, e - e * f32(0.5));
  const Program p({e}, {"i"});
  std::vector<Value> r = p.registers();
  EXPECT_LT(r.size(), 400u);
  p.run(r.data(), f.bindings);
  EXPECT_GT(r[p.result_register(0)].f, 1e8f);
}

}  // namespace
}  // namespace altrt::jit
