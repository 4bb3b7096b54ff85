#include "tests/performance/proof_cases.h"

#include <cmath>

#include <altrt/altrt.h>

#include "jit/compile/stage_loops.h"
#include "tests/performance/group_bench.h"

namespace altrt::performance {

using jit::Computation;
using jit::Layout;
using jit::Tail;

namespace {

/// [N, C, H, W] -> [N, C/b, H, W, b], then a border of zeros.
Layout blocked(int64_t channels, int64_t block, int64_t border) {
  Layout layout;
  const int64_t rest = jit::round_up_to(channels, block) - channels;
  if (rest) layout.pad(1, 0, rest, std::nullopt);
  layout.split(1, {0, block}).reorder({0, 1, 3, 4, 2});
  if (border) layout.pad(2, border, border, 0.0).pad(3, border, border, 0.0);
  return layout;
}

/// [O, I, kh, kw] -> [O/16, I/16, kh, kw, 16 of I, 16 of O]
Layout packed_weights() { return Layout().split(0, {0, 16}).split(2, {0, 16}).reorder({0, 2, 4, 5, 3, 1}); }

std::string axis(const jit::Stage& stage, size_t i) { return stage.axes[i].name; }

Computation convolution(int64_t channels, int64_t size, bool residual) {
  GraphBuilder b("conv");
  b.input("x", DataType::f32, {1, channels, size, size});
  b.constant("w", random_tensor({channels, channels, 3, 3}, 1, 0.05f));
  b.constant("bias", random_tensor({channels}, 2, 0.1f));
  std::string y = b.op("Conv", {"x", "w", "bias"}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  if (residual) {
    b.input("r", DataType::f32, {1, channels, size, size});
    y = b.op("Relu", {b.op("Add", {y, "r"})});
  }
  b.output(y);
  return one_group(b.build());
}

/// Tile of width x two vectors of output channels; input channels in blocks.
Case direct_convolution(const std::string& name, int64_t channels, int64_t size, int64_t rows, int64_t columns,
                        const jit::Target& target) {
  Case c;
  c.name = name;
  c.computation = convolution(channels, size, true);
  c.flops = 2.0 * channels * channels * 9 * size * size;
  const Computation& k = c.computation;
  const jit::Stage& stage = k.stages[k.anchor.stage];
  const int64_t side = target.lanes == 16 ? 2 : 1;  // blocks of 16 channels side by side
  for (const int t : k.with_role(jit::Role::input)) c.layouts[k.tensors[t].name] = blocked(channels, 16, 0);
  for (const int t : k.with_role(jit::Role::output)) c.layouts[k.tensors[t].name] = blocked(channels, 16, 0);
  c.layouts[k.tensors[k.anchor.data].name] = blocked(channels, 16, 1);
  c.layouts[k.tensors[k.anchor.weights].name] = packed_weights();
  const std::string n = axis(stage, 0), o = axis(stage, 1), h = axis(stage, 2), w = axis(stage, 3);
  const std::string i = stage.reduce[0].name, kh = stage.reduce[1].name, kw = stage.reduce[2].name;
  jit::StageSchedule& s = c.schedule[stage.name];
  s.split(o + ".0", side).split(i, 16).split(i + ".1", 4);
  std::vector<std::string> order{n, o + ".0.0"}, tile;
  if (rows > 1) s.split(h, rows, size % rows ? Tail::balance : Tail::peel);
  order.push_back(rows > 1 ? h + ".0" : h);
  if (columns < size) {
    s.split(w, columns, Tail::balance);
    order.push_back(w + ".0");
  }
  order.insert(order.end(), {i + ".0", kh, kw, i + ".1.0", i + ".1.1"});
  if (rows > 1) tile.push_back(h + ".1");
  tile.push_back(columns < size ? w + ".1" : w);
  tile.push_back(o + ".0.1");
  order.insert(order.end(), tile.begin(), tile.end());
  order.push_back(o + ".1");
  s.reorder(order).unroll(i + ".1.1");
  for (const std::string& loop : tile) s.unroll(loop);
  s.vectorize(o + ".1").parallel(n).parallel(o + ".0.0").parallel(rows > 1 ? h + ".0" : h);
  return c;
}

Case matrix_product(const jit::Target& target) {
  Case c;
  c.name = "(c) matrix product 128x768x3072 + bias + GELU";
  GraphBuilder b("matmul");
  b.input("x", DataType::f32, {128, 768});
  b.constant("w", random_tensor({768, 3072}, 1, 0.05f));
  b.constant("bias", random_tensor({3072}, 2, 0.1f));
  Tensor root2(DataType::f32, {}), one(DataType::f32, {}), half(DataType::f32, {});
  root2.as<float>()[0] = std::sqrt(2.0f), one.as<float>()[0] = 1.0f, half.as<float>()[0] = 0.5f;
  b.constant("root2", root2), b.constant("one", one), b.constant("half", half);
  const std::string y = b.op("Add", {b.op("MatMul", {"x", "w"}), "bias"});
  const std::string erf = b.op("Erf", {b.op("Div", {y, "root2"})});
  b.output(b.op("Mul", {b.op("Mul", {y, b.op("Add", {erf, "one"})}), "half"}));
  c.computation = one_group(b.build());
  c.flops = 2.0 * 128 * 768 * 3072;
  const Computation& k = c.computation;
  const jit::Stage& stage = k.stages[k.anchor.stage];
  const int64_t columns = 2 * target.lanes, rows = target.lanes == 16 ? 13 : 6;
  c.layouts[k.tensors[k.anchor.weights].name] = Layout().split(1, {0, columns}).reorder({1, 0, 2});
  const std::string m = axis(stage, 0), n = axis(stage, 1), r = stage.reduce[0].name;
  c.schedule[stage.name]
      .split(n, columns)
      .split(m, rows, Tail::balance)
      .split(r, 4)
      .reorder({n + ".0", m + ".0", r + ".0", r + ".1", m + ".1", n + ".1"})
      .unroll(r + ".1")
      .unroll(m + ".1")
      .vectorize(n + ".1")
      .parallel(n + ".0")
      .parallel(m + ".0");
  return c;
}

/// Winograd F(4x4, 3x3): input transform and products for one row of tiles at a time, output transform tile by tile.
Case winograd_convolution(const jit::Target& target) {
  Case c;
  c.name = "(d) (a) by Winograd F(4x4, 3x3)";
  c.algorithm = "winograd4";
  c.computation = convolution(64, 56, true);
  c.flops = 2.0 * 64 * 64 * 9 * 56 * 56;
  const Computation& k = c.computation;
  const jit::Stage& stage = k.stages[k.anchor.stage];
  const bool wide = target.lanes == 16;
  const int64_t side = wide ? 2 : 1;
  for (const int t : k.with_role(jit::Role::input)) c.layouts[k.tensors[t].name] = blocked(64, 16, 0);
  for (const int t : k.with_role(jit::Role::output)) c.layouts[k.tensors[t].name] = blocked(64, 16, 0);
  c.layouts[k.tensors[k.anchor.data].name] = blocked(64, 16, 1);
  c.layouts["winograd_u"] = Layout().split(2, {0, side * 16}).reorder({0, 1, 2, 4, 3});
  const Layout tiles = Layout().split(3, {0, 16}).reorder({0, 1, 2, 3, 5, 6, 4});
  c.layouts["winograd_v"] = c.layouts["winograd_z"] = tiles;
  c.layouts["winograd_t"] = c.layouts["winograd_s"] = Layout().reorder({0, 2, 3, 4, 5, 1});
  const std::string n = axis(stage, 0), o = axis(stage, 1), h = axis(stage, 2), w = axis(stage, 3);

  c.schedule["winograd_t"]
      .reorder({"t.n", "t.p", "t.q", "t.j", "t.r", "t.x", "t.i"})
      .unroll("t.x")
      .unroll("t.r")
      .vectorize("t.i")
      .compute_at("winograd_v", "v.q");
  c.schedule["winograd_v"]
      .reorder({"v.n", "v.i.0", "v.p", "v.q", "v.x", "v.j", "v.y", "v.i.1"})
      .unroll("v.y")
      .unroll("v.j")
      .vectorize("v.i.1")
      .compute_at(stage.name, h + ".0");
  jit::StageSchedule& z = c.schedule["winograd_z"];
  z.split("z.i", 16).split("z.i.1", 4).split("z.o.0", side);
  std::vector<std::string> order{"z.n", "z.p", "z.o.0.0", "z.x", "z.y"};
  if (!wide) {
    z.split("z.q", 6, Tail::balance);
    order.push_back("z.q.0");
  }
  order.insert(order.end(), {"z.i.0", "z.i.1.0", "z.i.1.1", wide ? "z.q" : "z.q.1", "z.o.0.1", "z.o.1"});
  z.reorder(order).unroll("z.i.1.1").unroll("z.o.0.1").unroll(wide ? "z.q" : "z.q.1").vectorize("z.o.1");
  z.compute_at(stage.name, h + ".0");
  c.schedule["winograd_s"]
      .reorder({"s.n", "s.p", "s.q", "s.y", "s.x", "s.a", "s.o"})
      .unroll("s.a")
      .unroll("s.x")
      .vectorize("s.o")
      .compute_at(stage.name, w + ".0");
  c.schedule[stage.name]
      .split(h, 4)
      .split(w, 4)
      .reorder({n, h + ".0", o + ".0", w + ".0", h + ".1", "winograd.y", w + ".1", o + ".1"})
      .unroll("winograd.y")
      .unroll(w + ".1")
      .vectorize(o + ".1")
      .parallel(n)
      .parallel(h + ".0");
  return c;
}

constexpr int kDepthwise = 1, kPointwise = 2;

/// Depthwise 3x3 on 96 channels, then pointwise to 24, or one of the two.
Computation separable(int parts) {
  GraphBuilder b("separable");
  std::string y = b.input("x", DataType::f32, {1, 96, 56, 56});
  b.constant("wd", random_tensor({96, 1, 3, 3}, 1, 0.3f));
  b.constant("wp", random_tensor({24, 96, 1, 1}, 2, 0.1f));
  if (parts & kDepthwise) {
    y = b.op("Conv", {y, "wd"}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}, {"group", 96}});
  }
  if (parts & kPointwise) y = b.op("Conv", {y, "wp"});
  b.output(y);
  return one_group(b.build());
}

void schedule_depthwise(const jit::Stage& s, const std::string& at_stage, const std::string& at_loop, Case& c) {
  const std::string n = axis(s, 0), ch = axis(s, 1), h = axis(s, 2), w = axis(s, 3);
  jit::StageSchedule& d = c.schedule[s.name];
  d.split(ch, 16).split(w, 7);
  d.reorder({n, h, ch + ".0", w + ".0", s.reduce[0].name, s.reduce[1].name, w + ".1", ch + ".1"});
  d.unroll(s.reduce[0].name).unroll(s.reduce[1].name).unroll(w + ".1").vectorize(ch + ".1");
  if (at_stage.empty()) {
    d.parallel(n).parallel(h);
  } else {
    d.compute_at(at_stage, at_loop);
  }
}

void schedule_pointwise(const jit::Stage& s, Case& c) {
  const std::string n = axis(s, 0), o = axis(s, 1), h = axis(s, 2), w = axis(s, 3), i = s.reduce[0].name;
  c.schedule[s.name]
      .split(w, 8)
      .split(i, 4)
      .reorder({n, h, w + ".0", i + ".0", i + ".1", w + ".1", o})
      .unroll(i + ".1")
      .unroll(w + ".1")
      .vectorize(o)
      .parallel(n)
      .parallel(h);
}

Case separable_case(int parts, const std::string& name) {
  Case c;
  c.name = name;
  c.computation = separable(parts);
  c.flops = 2.0 * 56 * 56 * ((parts & kDepthwise ? 96 * 9 : 0) + (parts & kPointwise ? 96 * 24 : 0));
  const Computation& k = c.computation;
  const Layout channels_last = Layout().reorder({0, 2, 3, 1});
  for (const jit::TensorDecl& tensor : k.tensors) {
    const bool weights = tensor.role == jit::Role::constant;
    c.layouts[tensor.name] = weights ? Layout().reorder({1, 2, 3, 0}) : channels_last;
    if (tensor.role == jit::Role::input && (parts & kDepthwise)) {
      c.layouts[tensor.name].pad(1, 1, 1, 0.0).pad(2, 1, 1, 0.0);
    }
  }
  const jit::Stage& last = k.stages.back();
  const bool both = parts == (kDepthwise | kPointwise);
  if (parts & kPointwise) schedule_pointwise(last, c);
  if (parts & kDepthwise) {
    schedule_depthwise(k.stages[0], both ? last.name : "", both ? axis(last, 2) : "", c);
  }
  return c;
}

}  // namespace

std::vector<Case> proof_cases(const jit::Target& target) {
  const bool wide = target.lanes == 16;
  return {
      direct_convolution("(a) convolution 3x3 64->64, 56x56, bias, residual, ReLU", 64, 56, 1, wide ? 14 : 6, target),
      direct_convolution("(b) convolution 3x3 512->512, 7x7, bias, residual, ReLU", 512, 7, wide ? 2 : 1, wide ? 7 : 5,
                         target),
      matrix_product(target),
      winograd_convolution(target),
      separable_case(kDepthwise | kPointwise, "(e) depthwise 3x3 + pointwise 96->24, 56x56, one group"),
      separable_case(kDepthwise, "(e) depthwise 3x3 alone"),
      separable_case(kPointwise, "(e) pointwise 96->24 alone")};
}

}  // namespace altrt::performance
