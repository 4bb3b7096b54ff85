// Computations that several tests use.
#pragma once

#include "jit/expr/computation.h"

namespace altrt::jit::testing {

inline Expr f32(double v) { return constant_float(DataType::f32, v); }

/// y[n, o, h, w] = sum over i, kh, kw of x * weights; 3 x 3, stride `stride`, padding 1.
inline Computation conv(int64_t channels, int64_t outputs, int64_t size, int64_t stride = 1) {
  Computation c;
  c.name = "conv";
  const int64_t out = (size + 2 - 3) / stride + 1;
  const int x = c.add_tensor({"x", DataType::f32, {1, channels, size, size}, Role::input});
  const int weights = c.add_tensor({"weights", DataType::f32, {outputs, channels, 3, 3}, Role::constant});
  const int y = c.add_tensor({"y", DataType::f32, {1, outputs, out, out}, Role::output});
  Stage s;
  s.name = "conv";
  s.axes = {{"n", 1}, {"o", outputs}, {"h", out}, {"w", out}};
  s.reduce = {{"i", channels}, {"kh", 3}, {"kw", 3}};
  const Expr n = variable("n"), o = variable("o"), i = variable("i"), kh = variable("kh"), kw = variable("kw");
  const Expr row = variable("h") * Expr(stride) + kh - 1, column = variable("w") * Expr(stride) + kw - 1;
  const Expr inside = logical_and(in_range(row, 0, size), in_range(column, 0, size));
  const Expr value = select(inside, access(x, DataType::f32, {n, i, row, column}), f32(0));
  const Expr sum = state(0, DataType::f32);
  s.state = {{DataType::f32, f32(0), fma(value, access(weights, DataType::f32, {o, i, kh, kw}), sum),
              sum + other(0, DataType::f32)}};
  s.outputs = {y};
  s.store = variables(s.axes);
  s.results = {sum};
  c.stages.push_back(s);
  c.anchor = {AnchorKind::conv, 0, {3, 3}, {stride, stride}, {1, 1}, {1, 1, 1, 1}, 1, x, weights};
  return c;
}

/// Adds stage `name`: to[axes] = f(access to `from` at the axes).
template <typename F>
int add_map(Computation& c, const std::string& name, int from, Role role, F f) {
  TensorDecl decl = c.tensors[from];
  decl.name = name + "_out";
  decl.role = role;
  const int to = c.add_tensor(decl);
  Stage s;
  s.name = name;
  for (size_t d = 0; d < decl.shape.size(); ++d) s.axes.push_back({name + std::to_string(d), decl.shape[d]});
  s.outputs = {to};
  s.store = variables(s.axes);
  s.results = {f(access(from, decl.type, s.store))};
  c.stages.push_back(s);
  return to;
}

/// y = softmax of x over the last axis, in one pass: state (running maximum, running sum); then one map.
inline Computation softmax(int64_t rows, int64_t columns) {
  Computation c;
  c.name = "softmax";
  const int x = c.add_tensor({"x", DataType::f32, {rows, columns}, Role::input});
  const int top = c.add_tensor({"top", DataType::f32, {rows}, Role::intermediate});
  const int sum = c.add_tensor({"sum", DataType::f32, {rows}, Role::intermediate});
  const int y = c.add_tensor({"y", DataType::f32, {rows, columns}, Role::output});
  const auto exp = [](const Expr& e) { return unary(ExprKind::exp, e); };
  Stage s;
  s.name = "statistics";
  s.axes = {{"r", rows}};
  s.reduce = {{"k", columns}};
  const Expr r = variable("r"), value = access(x, DataType::f32, {r, variable("k")});
  const Expr m = state(0, DataType::f32), t = state(1, DataType::f32), m2 = other(0, DataType::f32);
  const Expr larger = max(m, value), both = max(m, m2);
  s.state = {{DataType::f32, f32(-1e30), larger, both},
             {DataType::f32, f32(0), fma(t, exp(m - larger), exp(value - larger)),
              t * exp(m - both) + other(1, DataType::f32) * exp(m2 - both)}};
  s.outputs = {top, sum};
  s.store = {r};
  s.results = {m, t};
  c.stages.push_back(s);
  Stage map;
  map.name = "scale";
  map.axes = {{"a", rows}, {"b", columns}};
  const Expr a = variable("a"), b = variable("b");
  map.outputs = {y};
  map.store = {a, b};
  map.results = {
      div(exp(access(x, DataType::f32, {a, b}) - access(top, DataType::f32, {a})), access(sum, DataType::f32, {a}))};
  c.stages.push_back(map);
  c.anchor.kind = AnchorKind::normalize;
  c.anchor.stage = 0;
  c.anchor.data = x;
  return c;
}

}  // namespace altrt::jit::testing
