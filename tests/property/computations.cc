// The kinds of Computations.
#include <functional>
#include <stdexcept>

#include "tests/property/maker.h"

namespace altrt::property {

namespace {

Computation matmul(Random& random, bool batched) {
  Maker m(batched ? "batch_matmul" : "matmul", random);
  const int64_t batch = random.in(1, 3), rows = random.in(1, 13), columns = random.in(1, 19), inner = random.in(1, 12);
  const bool transposed = random.chance(40);
  std::vector<int64_t> as{rows, inner}, bs{inner, columns}, ys{rows, columns};
  std::vector<std::string> names{"m", "n"};
  if (transposed) bs = {columns, inner};
  Exprs ai{at("m"), at("k")}, bi = transposed ? Exprs{at("n"), at("k")} : Exprs{at("k"), at("n")};
  if (batched) {
    for (auto* s : {&as, &bs, &ys}) s->insert(s->begin(), batch);
    names.insert(names.begin(), "b");
    ai.insert(ai.begin(), at("b"));
    bi.insert(bi.begin(), at("b"));
  }
  const int a = m.tensor("x", as, Role::input), b = m.tensor("k", bs, batched ? Role::input : Role::constant),
            y = m.tensor("y", ys, Role::output);
  Stage stage = m.map("matmul", names, ys, y, state(0, kFloat));
  stage.reduce = {{"k", inner}};
  stage.state = {Maker::sum_of(m.read(a, ai) * m.read(b, bi))};
  m.add(stage);
  m.c.anchor.kind = AnchorKind::matmul;
  m.c.anchor.stage = 0;
  m.c.anchor.data = a;
  m.c.anchor.weights = b;
  m.finish_with_maps(y, "");
  return m.c;
}

Computation strassen(Random& random) {
  Maker m("strassen", random);
  const int64_t rows = random.in(2, 9), columns = random.in(2, 11), inner = random.in(2, 7);
  const bool transposed = random.chance(40), batched = random.chance(30);
  std::vector<int64_t> as{rows, inner}, ys{rows, columns};
  std::vector<std::string> names{"m", "n"};
  Exprs ai{at("m"), at("k")};
  if (batched) {
    const int64_t batch = random.in(1, 2);
    for (auto* s : {&as, &ys}) s->insert(s->begin(), batch);
    names.insert(names.begin(), "b");
    ai.insert(ai.begin(), at("b"));
  }
  const int a = m.tensor("x", as, Role::input), y = m.tensor("y", ys, Role::output);
  const int b = m.tensor("k", transposed ? std::vector{columns, inner} : std::vector{inner, columns}, Role::constant);
  Stage stage = m.map("matmul", names, ys, y, state(0, kFloat));
  stage.reduce = {{"k", inner}};
  stage.state = {
      Maker::sum_of(m.read(a, ai) * m.read(b, transposed ? Exprs{at("n"), at("k")} : Exprs{at("k"), at("n")}))};
  m.add(stage);
  m.c.anchor.kind = AnchorKind::matmul;
  m.c.anchor.stage = 0;
  m.c.anchor.data = a;
  m.c.anchor.weights = b;
  return apply_algorithm(m.c, "strassen");
}

Computation pool(Random& random, bool is_max) {
  Maker m(is_max ? "max_pool" : "average_pool", random);
  const int64_t batch = random.in(1, 2), channels = random.in(1, 9), k = random.in(2, 3), stride = random.in(1, 2),
                pad = random.in(0, 1);
  const int64_t h = random.in(3, 10), w = random.in(3, 10);
  const int64_t oh = (h + 2 * pad - k) / stride + 1, ow = (w + 2 * pad - k) / stride + 1;
  const int x = m.tensor("x", {batch, channels, h, w}, Role::input),
            y = m.tensor("y", {batch, channels, oh, ow}, Role::output);
  Stage stage = m.map("pool", {"n", "c", "h", "w"}, {batch, channels, oh, ow}, y, state(0, kFloat));
  stage.reduce = {{"kh", k}, {"kw", k}};
  const Expr ih = at("h") * stride + at("kh") - pad, iw = at("w") * stride + at("kw") - pad;
  Expr value = m.read(x, {at("n"), at("c"), ih, iw});
  if (pad)
    value =
        select(logical_and(in_range(ih, 0, h), in_range(iw, 0, w)), value, constant(kFloat, is_max ? -kInfinity : 0));
  stage.state = {is_max ? Maker::max_of(value) : Maker::sum_of(value)};
  if (!is_max) stage.results = {state(0, kFloat) * constant(kFloat, 0.25)};
  m.add(stage);
  m.finish_with_maps(y, "");
  return m.c;
}

Computation elementwise(Random& random) {
  Maker m("elementwise", random);
  std::vector<int64_t> shape;
  for (int64_t d = random.in(1, 4); d > 0; --d) shape.push_back(random.in(1, 9));
  const int x = m.tensor("x", shape, Role::input), y = m.tensor("y", shape, Role::output);
  m.add(m.map("first", m.axis_names("f", shape.size()), shape, y, m.elementwise(x, "f", shape)));
  m.finish_with_maps(y, "");
  return m.c;
}

Computation transpose(Random& random) {
  Maker m("transpose", random);
  std::vector<int64_t> shape;
  std::vector<size_t> order;
  for (int64_t d = random.in(2, 4); d > 0; --d) {
    order.push_back(shape.size());
    shape.push_back(random.in(1, 9));
  }
  random.shuffle(order);
  std::vector<int64_t> out;
  for (size_t from : order) out.push_back(shape[from]);
  const auto names = m.axis_names("t", shape.size());
  Exprs index(shape.size());
  for (size_t i = 0; i < order.size(); ++i) index[order[i]] = at(names[i]);
  const int x = m.tensor("x", shape, Role::input), y = m.tensor("y", out, Role::output);
  m.add(m.map("transpose", names, out, y, m.read(x, index)));
  m.finish_with_maps(y, "");
  return m.c;
}

Computation slice(Random& random) {
  Maker m("slice", random);
  std::vector<int64_t> shape, out;
  const auto names = m.axis_names("s", 3);
  Exprs index;
  for (size_t d = 0; d < 3; ++d) {
    const int64_t step = random.in(1, 2), begin = random.in(0, 3), extent = random.in(1, 7);
    out.push_back(extent);
    shape.push_back(begin + (extent - 1) * step + 1 + random.in(0, 2));
    index.push_back(random.chance(30) ? Expr(begin + (extent - 1) * step) - at(names[d]) * step
                                      : at(names[d]) * step + begin);
  }
  const int x = m.tensor("x", shape, Role::input), y = m.tensor("y", out, Role::output);
  m.add(m.map("slice", names, out, y, m.read(x, index)));
  m.finish_with_maps(y, "");
  return m.c;
}

Computation pad(Random& random) {
  Maker m("pad", random);
  const int64_t h = random.in(1, 8), w = random.in(2, 9), top = random.in(0, 3), left = random.in(0, 2),
                bottom = random.in(0, 2);
  const double fill = static_cast<double>(random.in(0, 2));
  const std::vector<int64_t> out{h + top + bottom, w + left};
  const int x = m.tensor("x", {h, w}, Role::input), y = m.tensor("y", out, Role::output);
  const Expr ih = at("h") - top, iw = at("w") - left;
  const Expr value =
      select(logical_and(in_range(ih, 0, h), in_range(iw, 0, w)), m.read(x, {ih, iw}), constant(kFloat, fill));
  m.add(m.map("pad", {"h", "w"}, out, y, value));
  m.finish_with_maps(y, "");
  return m.c;
}

Computation concat(Random& random) {
  Maker m("concat", random);
  const int64_t rows = random.in(1, 6), columns = random.in(1, 7);
  std::vector<int64_t> parts;
  int64_t total = 0;
  for (int64_t k = random.in(2, 3); k > 0; --k) {
    parts.push_back(random.in(1, 5));
    total += parts.back();
  }
  const int y = m.tensor("y", {rows, total, columns}, Role::output);
  int64_t offset = 0;
  for (size_t k = 0; k < parts.size(); ++k) {
    const std::string suffix = std::to_string(k);
    const int x = m.tensor("x" + suffix, {rows, parts[k], columns}, Role::input);
    const std::vector<std::string> names{"a" + suffix, "b" + suffix, "c" + suffix};
    Stage stage =
        m.map("part" + suffix, names, {rows, parts[k], columns}, y,
              m.read(x, {at(names[0]), at(names[1]), at(names[2])}) + constant(kFloat, static_cast<double>(k)));
    stage.store[1] = stage.store[1] + offset;
    offset += parts[k];
    m.add(stage);
  }
  return m.c;
}

Computation upsample(Random& random) {
  Maker m("upsample", random);
  const int64_t h = random.in(1, 5), w = random.in(1, 5), factor = random.in(2, 3), channels = random.in(1, 5);
  const std::vector<int64_t> out{channels, h * factor, w * factor};
  const int x = m.tensor("x", {channels, h, w}, Role::input), y = m.tensor("y", out, Role::output);
  m.add(m.map("resize", {"c", "h", "w"}, out, y,
              m.read(x, {at("c"), floor_div(at("h"), factor), floor_div(at("w"), factor)})));
  m.finish_with_maps(y, "");
  return m.c;
}

Computation gather(Random& random) {
  Maker m("gather", random);
  const int64_t rows = random.in(2, 7), columns = random.in(1, 9), count = random.in(1, 8);
  const int x = m.tensor("x", {rows, columns}, Role::input),
            index = m.tensor("index", {count}, Role::input, DataType::i64);
  const int y = m.tensor("y", {count, columns}, Role::output);
  const Expr row = min(max(m.read(index, {at("g")}), Expr(0)), Expr(rows - 1));
  m.add(m.map("gather", {"g", "c"}, {count, columns}, y, m.read(x, {row, at("c")})));
  m.finish_with_maps(y, "");
  return m.c;
}

/// rows x columns -> one value a row, then a map over rows and columns that uses it; repeated for softmax and layer
/// norm.
Computation softmax(Random& random) {
  Maker m("softmax", random);
  const int64_t rows = random.in(1, 7), columns = random.in(1, 13);
  const int x = m.tensor("x", {rows, columns}, Role::input), most = m.tensor("most", {rows}, Role::intermediate);
  const int total = m.tensor("total", {rows}, Role::intermediate), y = m.tensor("y", {rows, columns}, Role::output);
  Stage largest = m.map("largest", {"r0"}, {rows}, most, state(0, kFloat));
  largest.reduce = {{"c0", columns}};
  largest.state = {Maker::max_of(m.read(x, {at("r0"), at("c0")}))};
  Stage sum = m.map("sum", {"r1"}, {rows}, total, state(0, kFloat));
  sum.reduce = {{"c1", columns}};
  sum.state = {Maker::sum_of(unary(ExprKind::exp, m.read(x, {at("r1"), at("c1")}) - m.read(most, {at("r1")})))};
  const Expr value = unary(ExprKind::exp, m.read(x, {at("r"), at("c")}) - m.read(most, {at("r")}));
  m.add(largest);
  m.add(sum);
  m.add(m.map("scale", {"r", "c"}, {rows, columns}, y, div(value, m.read(total, {at("r")}))));
  return m.c;
}

Computation layer_norm(Random& random) {
  Maker m("layer_norm", random);
  const int64_t rows = random.in(1, 7), columns = random.in(1, 13);
  const int x = m.tensor("x", {rows, columns}, Role::input), gain = m.tensor("gain", {columns}, Role::constant);
  const int first = m.tensor("first", {rows}, Role::intermediate),
            second = m.tensor("second", {rows}, Role::intermediate);
  const int y = m.tensor("y", {rows, columns}, Role::output);
  const Expr value = m.read(x, {at("r0"), at("c0")});
  Stage moments = m.map("moments", {"r0"}, {rows}, first, state(0, kFloat));
  moments.reduce = {{"c0", columns}};
  moments.outputs = {first, second};
  moments.results = {state(0, kFloat), state(1, kFloat)};
  const Expr s0 = state(0, kFloat), s1 = state(1, kFloat), zero = constant(kFloat, 0);
  moments.state = {{kFloat, zero, s0 + value, s0 + other(0, kFloat)},
                   {kFloat, zero, s1 + value * value, s1 + other(1, kFloat)}};
  m.add(moments);
  const Expr mean = m.read(first, {at("r")}), square = m.read(second, {at("r")});
  m.add(m.map("normalize", {"r", "c"}, {rows, columns}, y,
              (m.read(x, {at("r"), at("c")}) * square - mean) * m.read(gain, {at("c")})));
  return m.c;
}

Computation arg_max(Random& random) {
  Maker m("arg_max", random);
  const int64_t blocks = random.in(1, 3), rows = random.in(1, 7), columns = random.in(1, 13);
  const int x = m.tensor("x", {blocks, rows, columns}, Role::input),
            y = m.tensor("y", {blocks, rows}, Role::output, DataType::i64),
            top = m.tensor("top", {blocks, rows}, Role::output);
  Stage stage = m.map("arg_max", {"b", "r"}, {blocks, rows}, y, state(1, DataType::i64));
  stage.outputs = {y, top};
  stage.results = {state(1, DataType::i64), state(0, kFloat)};
  stage.reduce = {{"c", columns}};
  const Expr best = state(0, kFloat), index = state(1, DataType::i64), value = m.read(x, {at("b"), at("r"), at("c")});
  const Expr rival = other(0, kFloat), rival_index = other(1, DataType::i64);
  // Of equal values the lower index wins, in whatever order they come.
  const auto wins = [&](const Expr& v, const Expr& i) {
    return logical_or(lt(best, v), logical_and(eq(best, v), lt(i, index)));
  };
  stage.state = {{kFloat, constant(kFloat, -kInfinity), select(wins(value, at("c")), value, best),
                  select(wins(rival, rival_index), rival, best)},
                 {DataType::i64, Expr(columns), select(wins(value, at("c")), at("c"), index),
                  select(wins(rival, rival_index), rival_index, index)}};
  m.add(stage);
  return m.c;
}

Computation reduce(Random& random) {
  Maker m("reduce", random);
  const int64_t a = random.in(1, 6), b = random.in(1, 9), c = random.in(1, 11);
  const int x = m.tensor("x", {a, b, c}, Role::input), y = m.tensor("y", {b}, Role::output);
  Stage stage = m.map("reduce", {"b"}, {b}, y, state(0, kFloat));
  stage.reduce = {{"a", a}, {"c", c}};
  const Expr value = m.read(x, {at("a"), at("b"), at("c")});
  stage.state = {random.chance(50) ? Maker::sum_of(value) : Maker::max_of(value)};
  m.add(stage);
  m.finish_with_maps(y, "");
  return m.c;
}

using Make = std::function<Computation(Random&)>;

const std::vector<std::pair<std::string, Make>>& makers() {
  static const std::vector<std::pair<std::string, Make>> all{
      {"conv1d",
       [](Random& r) {
         return conv("conv1d", {1, 1, r.in(1, 9), r.in(1, 7)}, r);
       }},
      {"conv2d",
       [](Random& r) {
         return conv("conv2d", {2, 1, r.in(1, 9), r.in(1, 5)}, r);
       }},
      {"conv3d",
       [](Random& r) {
         return conv("conv3d", {3, 1, r.in(1, 5), r.in(1, 3)}, r);
       }},
      {"conv_grouped",
       [](Random& r) {
         return conv("conv_grouped", {2, r.in(2, 3), r.in(1, 4), r.in(1, 3)}, r);
       }},
      {"conv_depthwise",
       [](Random& r) {
         return conv("conv_depthwise", {2, r.in(2, 9), 1, 1}, r);
       }},
      {"conv_dilated",
       [](Random& r) {
         return conv("conv_dilated", {2, 1, r.in(1, 5), r.in(1, 3), false, true}, r);
       }},
      {"conv_strided",
       [](Random& r) {
         return conv("conv_strided", {2, 1, r.in(1, 5), r.in(1, 3), true, false}, r);
       }},
      {"conv_transpose", conv_transpose},
      {"transformed", [](Random& r) { return r.chance(70) ? winograd(r) : strassen(r); }},
      {"separable", separable},
      {"matmul", [](Random& r) { return matmul(r, false); }},
      {"batch_matmul", [](Random& r) { return matmul(r, true); }},
      {"max_pool", [](Random& r) { return pool(r, true); }},
      {"average_pool", [](Random& r) { return pool(r, false); }},
      {"elementwise", elementwise},
      {"softmax", softmax},
      {"layer_norm", layer_norm},
      {"arg_max", arg_max},
      {"reduce", reduce},
      {"transpose", transpose},
      {"slice", slice},
      {"pad", pad},
      {"concat", concat},
      {"upsample", upsample},
      {"gather", gather}};
  return all;
}

}  // namespace

const std::vector<std::string>& kinds() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const auto& [name, make] : makers()) result.push_back(name);
    return result;
  }();
  return names;
}

Computation make_computation(const std::string& kind, Random& random) {
  for (const auto& [name, make] : makers())
    if (name == kind) return make(random);
  throw std::out_of_range("no kind " + kind);
}

bool needs_surrogates(const Computation& c) {
  bool needs = false;
  const auto look = [&](const Expr& e) {
    needs = needs || e.is(ExprKind::exp) || e.is(ExprKind::log) || e.is(ExprKind::tanh) || e.is(ExprKind::erf) ||
            e.is(ExprKind::sigmoid) || e.is(ExprKind::sqrt) || (e.is(ExprKind::div) && e->type == kFloat);
  };
  for (const Stage& stage : c.stages) {
    for (const StateValue& state : stage.state) visit(state.update, look);
    for (const Expr& result : stage.results) visit(result, look);
  }
  return needs;
}

}  // namespace altrt::property
