#include "tests/jit_loop/golden_cases.h"

#include <cmath>

#include "jit/loop/lower.h"

namespace altrt::jit {
namespace {

using property::Case;

constexpr DataType kFloat = DataType::f32;

Expr v(const std::string& name) { return variable(name); }

int add(Computation& c, const std::string& name, const std::vector<int64_t>& shape, Role role) {
  TensorDecl decl;
  decl.name = name;
  for (int64_t extent : shape) decl.shape.emplace_back(extent);
  decl.role = role;
  return c.add_tensor(decl);
}

StateValue sum(const Expr& term) {
  return {kFloat, constant(kFloat, 0), state(0, kFloat) + term, state(0, kFloat) + other(0, kFloat)};
}

Stage make_stage(const std::string& name, std::vector<Axis> axes, std::vector<Axis> reduce, const Expr& term,
                 int output, const Expr& result) {
  Stage stage;
  stage.name = name;
  stage.axes = std::move(axes);
  stage.reduce = std::move(reduce);
  if (term) stage.state = {sum(term)};
  stage.store = variables(stage.axes);
  stage.outputs = {output};
  stage.results = {result};
  return stage;
}

/// 3x3, padding 1, bias and ReLU.
Computation convolution(int64_t in, int64_t out, int64_t h, int64_t w) {
  Computation c;
  c.name = "conv3x3";
  const int x = add(c, "x", {1, in, h, w}, Role::input), k = add(c, "k", {out, in, 3, 3}, Role::constant);
  const int b = add(c, "b", {out}, Role::constant), y = add(c, "y", {1, out, h, w}, Role::output);
  const Expr ih = v("h") + v("kh") - 1, iw = v("w") + v("kw") - 1;
  const Expr value = select(logical_and(in_range(ih, 0, h), in_range(iw, 0, w)),
                            access(x, kFloat, {v("n"), v("i"), ih, iw}), constant(kFloat, 0));
  c.stages.push_back(make_stage("conv", {{"n", 1}, {"o", out}, {"h", h}, {"w", w}}, {{"i", in}, {"kh", 3}, {"kw", 3}},
                                value * access(k, kFloat, {v("o"), v("i"), v("kh"), v("kw")}), y,
                                max(state(0, kFloat) + access(b, kFloat, {v("o")}), constant(kFloat, 0))));
  return c;
}

Computation product(int64_t rows, int64_t columns, int64_t inner) {
  Computation c;
  c.name = "product";
  const int a = add(c, "a", {rows, inner}, Role::input), b = add(c, "b", {inner, columns}, Role::constant);
  const int y = add(c, "y", {rows, columns}, Role::output);
  c.stages.push_back(make_stage("matmul", {{"m", rows}, {"n", columns}}, {{"k", inner}},
                                access(a, kFloat, {v("m"), v("k")}) * access(b, kFloat, {v("k"), v("n")}), y,
                                state(0, kFloat)));
  return c;
}

Computation softmax(int64_t rows, int64_t columns) {
  Computation c;
  c.name = "softmax";
  const int x = add(c, "x", {rows, columns}, Role::input), most = add(c, "most", {rows}, Role::intermediate);
  const int total = add(c, "total", {rows}, Role::intermediate), y = add(c, "y", {rows, columns}, Role::output);
  Stage largest = make_stage("largest", {{"r0", rows}}, {{"c0", columns}}, {}, most, state(0, kFloat));
  const Expr read = access(x, kFloat, {v("r0"), v("c0")}), self = state(0, kFloat);
  largest.state = {{kFloat, constant(kFloat, -INFINITY), max(self, read), max(self, other(0, kFloat))}};
  c.stages.push_back(largest);
  const auto shifted = [&](const std::string& r, const std::string& k) {
    return unary(ExprKind::exp, access(x, kFloat, {v(r), v(k)}) - access(most, kFloat, {v(r)}));
  };
  c.stages.push_back(
      make_stage("sum", {{"r1", rows}}, {{"c1", columns}}, shifted("r1", "c1"), total, state(0, kFloat)));
  c.stages.push_back(make_stage("scale", {{"r", rows}, {"c", columns}}, {}, {}, y,
                                div(shifted("r", "c"), access(total, kFloat, {v("r")}))));
  return c;
}

/// Depthwise 3x3 with padding 1 and ReLU, then 1x1.
Computation separable(int64_t channels, int64_t filters, int64_t h, int64_t w) {
  Computation c;
  c.name = "separable";
  const int x = add(c, "x", {channels, h, w}, Role::input), k = add(c, "k", {channels, 3, 3}, Role::constant);
  const int mid = add(c, "mid", {channels, h, w}, Role::intermediate),
            p = add(c, "p", {filters, channels}, Role::constant);
  const int y = add(c, "y", {filters, h, w}, Role::output);
  const Expr ih = v("dh") + v("kh") - 1, iw = v("dw") + v("kw") - 1;
  const Expr value = select(logical_and(in_range(ih, 0, h), in_range(iw, 0, w)), access(x, kFloat, {v("c"), ih, iw}),
                            constant(kFloat, 0));
  c.stages.push_back(make_stage("depthwise", {{"c", channels}, {"dh", h}, {"dw", w}}, {{"kh", 3}, {"kw", 3}},
                                value * access(k, kFloat, {v("c"), v("kh"), v("kw")}), mid,
                                max(state(0, kFloat), constant(kFloat, 0))));
  c.stages.push_back(make_stage("pointwise", {{"o", filters}, {"h", h}, {"w", w}}, {{"i", channels}},
                                access(mid, kFloat, {v("i"), v("h"), v("w")}) * access(p, kFloat, {v("o"), v("i")}), y,
                                state(0, kFloat)));
  return c;
}

/// Two 3x3 convolutions of one channel in a row; the second reads the first with padding 1.
Computation twice(int64_t h, int64_t w) {
  Computation c;
  c.name = "twice";
  const int x = add(c, "x", {h, w}, Role::input), mid = add(c, "mid", {h, w}, Role::intermediate),
            y = add(c, "y", {h, w}, Role::output);
  const auto window = [&](int from, const std::string& s) {
    const Expr ih = v("h" + s) + v("kh" + s) - 1;
    return select(in_range(ih, 0, h), access(from, kFloat, {ih, v("w" + s)}), constant(kFloat, 0));
  };
  c.stages.push_back(make_stage("first", {{"h0", h}, {"w0", w}}, {{"kh0", 3}}, window(x, "0"), mid, state(0, kFloat)));
  c.stages.push_back(make_stage("second", {{"h1", h}, {"w1", w}}, {{"kh1", 3}}, window(mid, "1"), y, state(0, kFloat)));
  return c;
}

Case convolution_with_packed_weights_and_padded_input() {
  Case c;
  c.computation = convolution(32, 32, 14, 14);
  c.layouts["x"].split(1, {0, 16}).reorder({0, 1, 3, 4, 2}).pad(2, 1, 1, 0.0).pad(3, 1, 1, 0.0);
  c.layouts["k"].split(0, {0, 16}).split(2, {0, 16}).reorder({0, 2, 4, 5, 3, 1});
  c.layouts["y"].split(1, {0, 16}).reorder({0, 1, 3, 4, 2});
  c.schedule["conv"]
      .split("w", 5, Tail::balance)
      .split("i", 16)
      .reorder({"n", "o.0", "h", "w.0", "i.0", "kh", "kw", "i.1", "w.1", "o.1"});
  c.schedule["conv"].vectorize("o.1").unroll("w.1").parallel("n").parallel("o.0").parallel("h");
  return c;
}

/// Rows outside the image are not multiplied: neither where zeros lie in memory, nor where an intermediate's region
/// would hold them.
Case rows_of_taps_in_padding() {
  Case c;
  c.computation = convolution(8, 16, 5, 5);
  c.layouts["x"].pad(2, 1, 1, 0.0).pad(3, 1, 1, 0.0);
  c.layouts["k"].reorder({1, 2, 3, 0});
  c.layouts["y"].split(1, {0, 16}).reorder({0, 1, 3, 4, 2});
  c.schedule["conv"].split("w", 5).reorder({"n", "o.0", "h", "w.0", "kh", "kw", "i", "w.1", "o.1"});
  c.schedule["conv"].unroll("w.1").vectorize("o.1").skip("kh").skip("kw");
  return c;
}

Case rows_of_an_intermediate_in_padding() {
  Case c;
  c.computation = twice(6, 8);
  c.schedule["second"].reorder({"h1", "kh1", "w1"}).vectorize("w1").skip("kh1");
  c.schedule["first"].reorder({"h0", "kh0", "w0"}).vectorize("w0").skip("kh0").compute_at("second", "h1");
  return c;
}

Case matmul_tile_with_overlap_and_pad() {
  Case c;
  c.computation = product(13, 40, 9);
  c.layouts["b"].split(1, {0, 8}).reorder({1, 0, 2});
  c.layouts["y"].pad(1, 0, 8, std::nullopt);
  c.schedule["matmul"]
      .split("m", 6, Tail::overlap)
      .split("n", 16, Tail::pad)
      .reorder({"n.0", "m.0", "k", "m.1", "n.1"});
  c.schedule["matmul"].unroll("m.1").vectorize("n.1").parallel("n.0");
  return c;
}

Case matmul_blocked_over_the_reduction() {
  Case c;
  c.computation = product(12, 32, 64);
  c.schedule["matmul"].split("m", 6).split("n", 16).split("k", 16).reorder({"k.0", "m.0", "n.0", "k.1", "m.1", "n.1"});
  c.schedule["matmul"].unroll("m.1").vectorize("n.1");
  return c;
}

Case softmax_one_row_at_a_time() {
  Case c;
  c.computation = softmax(4, 20);
  c.math = MathMode::surrogate;
  c.schedule["scale"].split("c", 8).vectorize("c.1").parallel("r");
  c.schedule["largest"].split("c0", 8, Tail::mask).vectorize("c0.1").compute_at("scale", "r");
  c.schedule["sum"].split("c1", 8).vectorize("c1.1").compute_at("scale", "r");
  return c;
}

Case depthwise_inside_pointwise() {
  Case c;
  c.computation = separable(16, 24, 7, 9);
  c.layouts["x"].split(0, {0, 8}).reorder({0, 2, 3, 1}).pad(1, 1, 1, 0.0).pad(2, 1, 1, 0.0);
  c.layouts["mid"].split(0, {0, 8}).reorder({0, 2, 3, 1});
  c.layouts["k"].split(0, {0, 8}).reorder({0, 2, 3, 1});
  c.layouts["p"].split(0, {0, 8}).reorder({0, 2, 1});
  c.layouts["y"].split(0, {0, 8}).reorder({0, 2, 3, 1});
  c.schedule["pointwise"]
      .split("w", 3)
      .reorder({"h", "o.0", "w.0", "i", "w.1", "o.1"})
      .unroll("w.1")
      .vectorize("o.1")
      .parallel("h");
  c.schedule["depthwise"]
      .split("dw", 3)
      .reorder({"c.0", "dh", "dw.0", "kh", "kw", "dw.1", "c.1"})
      .unroll("kh")
      .unroll("kw")
      .unroll("dw.1")
      .vectorize("c.1");
  c.schedule["depthwise"].compute_at("pointwise", "h");
  return c;
}

Case rows_roll_under_the_window() {
  Case c;
  c.computation = twice(9, 8);
  c.schedule["second"].split("h1", 5).reorder({"h1.0", "h1.1", "kh1", "w1"}).vectorize("w1");
  c.schedule["first"]
      .reorder({"h0", "kh0", "w0"})
      .vectorize("w0")
      .compute_at("second", "h1.1")
      .hold_at("second", "h1.0");
  c.schedule["second"].steps[0].tail = Tail::mask;
  return c;
}

Case copy_of_a_panel_in_order_of_use() {
  Case c;
  c.computation = product(8, 32, 16);
  c.schedule["matmul"].split("n", 16).reorder({"n.0", "m", "k", "n.1"}).vectorize("n.1").cache_read("b", "n.0");
  return c;
}

Case dot_product_in_lanes() {
  Case c;
  c.computation = product(3, 5, 22);
  c.layouts["b"].reorder({1, 0});
  c.schedule["matmul"]
      .split("k", 8, Tail::mask)
      .split("n", 2)
      .unroll("n.1")
      .reorder({"m", "n.0", "k.0", "n.1", "k.1"})
      .vectorize("k.1");
  return c;
}

Case reduction_in_chunks() {
  Case c;
  c.computation = product(2, 3, 50);
  c.schedule["matmul"].split_reduction("k", 4).parallel("m");
  return c;
}

Case slices_of_a_blocked_tensor() {
  Case c;
  c.computation.name = "concat";
  const int a = add(c.computation, "a", {16, 5}, Role::input), b = add(c.computation, "b", {12, 5}, Role::input);
  const int y = add(c.computation, "y", {28, 5}, Role::output);
  c.computation.stages.push_back(
      make_stage("first", {{"c0", 16}, {"w0", 5}}, {}, {}, y, access(a, kFloat, {v("c0"), v("w0")})));
  c.computation.stages.push_back(
      make_stage("second", {{"c1", 12}, {"w1", 5}}, {}, {}, y, access(b, kFloat, {v("c1"), v("w1")})));
  c.computation.stages[1].store[0] = c.computation.stages[1].store[0] + 16;
  for (const char* tensor : {"a", "b", "y"}) c.layouts[tensor].split(0, {0, 4}).reorder({0, 2, 1});
  c.schedule["first"].vectorize("c0.1").parallel("c0.0");
  c.schedule["second"].vectorize("c1.1").parallel("c1.0");
  return c;
}

/// ALT's example of store_at: the bias is row K of the weights, here of each of their panels.
Case bias_stored_at_its_weights() {
  Case c;
  c.computation = product(12, 32, 9);
  c.computation.tensors[static_cast<size_t>(c.computation.find_tensor("b"))].role = Role::constant;
  const int bias = add(c.computation, "bias", {32}, Role::constant);
  Stage& stage = c.computation.stages[0];
  stage.results = {max(stage.results[0] + access(bias, kFloat, {v("n")}), constant(kFloat, 0))};
  c.layouts["b"].split(1, {0, 16}).reorder({1, 0, 2});
  c.layouts["bias"].split(0, {0, 16}).store_at("b", 1);
  c.schedule["matmul"]
      .split("n", 16)
      .split("m", 6)
      .reorder({"n.0", "m.0", "k", "m.1", "n.1"})
      .unroll("m.1")
      .vectorize("n.1")
      .parallel("n.0");
  return c;
}

Case blocks_of_a_tail_are_split_again() {
  Case c;
  c.computation = product(5, 29, 3);
  c.schedule["matmul"]
      .split("n", 16, Tail::peel)
      .split("n.1", 8, Tail::peel)
      .reorder({"n.0", "m", "n.1.0", "k", "n.1.1"})
      .vectorize("n.1.1");
  return c;
}

}  // namespace

const std::vector<GoldenCase>& golden_cases() {
  static const std::vector<GoldenCase> all = [] {
    std::vector<GoldenCase> cases{{"convolution", convolution_with_packed_weights_and_padded_input()},
                                  {"skipped_taps", rows_of_taps_in_padding()},
                                  {"skipped_rows", rows_of_an_intermediate_in_padding()},
                                  {"matmul", matmul_tile_with_overlap_and_pad()},
                                  {"matmul_blocked", matmul_blocked_over_the_reduction()},
                                  {"softmax", softmax_one_row_at_a_time()},
                                  {"separable", depthwise_inside_pointwise()},
                                  {"rolling_rows", rows_roll_under_the_window()},
                                  {"cache_read", copy_of_a_panel_in_order_of_use()},
                                  {"dot_product", dot_product_in_lanes()},
                                  {"chunks", reduction_in_chunks()},
                                  {"slices", slices_of_a_blocked_tensor()},
                                  {"nested_tails", blocks_of_a_tail_are_split_again()},
                                  {"stored_bias", bias_stored_at_its_weights()}};
    for (GoldenCase& golden : cases) {
      Case& c = golden.c;
      c.kind = golden.name;
      verify(c.computation);
      c.kernels = lower(c.computation, c.layouts, c.schedule, c.math);
    }
    return cases;
  }();
  return all;
}

}  // namespace altrt::jit
