// Convolutions of all kinds.
#include "jit/expr/algorithms.h"
#include "tests/property/maker.h"

namespace altrt::property {

Computation conv(const std::string& name, const ConvShape& s, Random& random) {
  static const char* kSpatial[] = {"d", "h", "w"};
  Maker m(name, random);
  const int64_t batch = random.in(1, 2), channels = s.groups * s.in_per_group, filters = s.groups * s.out_per_group;
  std::vector<int64_t> xs{batch, channels}, ws{filters, s.in_per_group}, ys{batch, filters}, kernel, strides, dilations,
      pads;
  std::vector<std::string> spatial(kSpatial + (3 - s.dims), kSpatial + 3);
  for (int d = 0; d < s.dims; ++d) {
    kernel.push_back(random.in(1, 3));
    strides.push_back(s.strided ? random.in(1, 3) : 1);
    dilations.push_back(s.dilated ? random.in(2, 3) : 1);
    pads.push_back(random.in(0, 2));
    const int64_t reach = dilations.back() * (kernel.back() - 1) + 1;
    const int64_t extent = random.in(std::max<int64_t>(reach - 2 * pads.back(), 3), s.dims == 1   ? 17
                                                                                    : s.dims == 2 ? 11
                                                                                                  : 6);
    xs.push_back(std::max(extent, reach - 2 * pads.back()));
    ws.push_back(kernel.back());
    ys.push_back((xs.back() + 2 * pads.back() - reach) / strides.back() + 1);
  }
  const int x = m.tensor("x", xs, Role::input), w = m.tensor("k", ws, Role::constant),
            y = m.tensor("y", ys, Role::output);
  Stage stage;
  stage.name = "conv";
  stage.axes = {{"n", batch}, {"o", filters}};
  stage.reduce = {{"i", s.in_per_group}};
  const Expr group = floor_div(at("o"), s.out_per_group);
  Exprs xi{at("n"), s.groups == 1 ? at("i") : group * s.in_per_group + at("i")}, wi{at("o"), at("i")};
  Expr inside = boolean(true);
  for (int d = 0; d < s.dims; ++d) {
    const auto k = static_cast<size_t>(d);
    stage.axes.push_back({spatial[k], ys[k + 2]});
    stage.reduce.push_back({"k" + spatial[k], kernel[k]});
    const Expr position = at(spatial[k]) * strides[k] + at("k" + spatial[k]) * dilations[k] - pads[k];
    xi.push_back(position);
    wi.push_back(at("k" + spatial[k]));
    if (pads[k] > 0)
      inside =
          inside.is_int(1) ? in_range(position, 0, xs[k + 2]) : logical_and(inside, in_range(position, 0, xs[k + 2]));
  }
  Expr value = m.read(x, xi);
  if (!inside.is_int(1)) value = select(inside, value, constant(kFloat, 0));
  stage.state = {Maker::sum_of(value * m.read(w, wi))};
  stage.store = variables(stage.axes);
  stage.outputs = {y};
  stage.results = {state(0, kFloat)};
  if (random.chance(40))
    stage.results = {
        max(state(0, kFloat) + m.read(m.tensor("b", {filters}, Role::constant), {at("o")}), constant(kFloat, 0))};
  m.add(stage);
  m.c.anchor.kind = AnchorKind::conv;
  m.c.anchor.stage = 0;
  m.c.anchor.kernel = kernel;
  m.c.anchor.strides = strides;
  m.c.anchor.dilations = dilations;
  m.c.anchor.pads = pads;
  m.c.anchor.pads.insert(m.c.anchor.pads.end(), pads.begin(), pads.end());
  m.c.anchor.groups = s.groups;
  m.c.anchor.data = x;
  m.c.anchor.weights = w;
  m.finish_with_maps(y, "");
  return m.c;
}

Computation conv_transpose(Random& random) {
  Maker m("conv_transpose", random);
  const int64_t batch = 1, in = random.in(1, 3), filters = random.in(2, 5), k = random.in(2, 4),
                stride = random.in(1, 3), pad = random.in(0, 1);
  const int64_t extent = random.in(2, 6), out = (extent - 1) * stride + k - 2 * pad;
  const int x = m.tensor("x", {batch, in, extent}, Role::input), w = m.tensor("k", {in, filters, k}, Role::constant);
  const int y = m.tensor("y", {batch, filters, out}, Role::output);
  Stage stage = m.map("deconv", {"n", "o", "w"}, {batch, filters, out}, y, state(0, kFloat));
  stage.reduce = {{"i", in}, {"kw", k}};
  const Expr position = at("w") + pad - at("kw"), source = floor_div(position, stride);
  const Expr inside = logical_and(eq(floor_mod(position, stride), Expr(0)), in_range(source, 0, extent));
  const Expr value = select(inside, m.read(x, {at("n"), at("i"), source}), constant(kFloat, 0));
  stage.state = {Maker::sum_of(value * m.read(w, {at("i"), at("o"), at("kw")}))};
  m.add(stage);
  m.c.anchor = Anchor{AnchorKind::conv_transpose, 0, {k}, {stride}, {1}, {pad, pad}, 1, x, w};
  m.finish_with_maps(y, "");
  return random.chance(60) ? apply_algorithm(m.c, "phases") : m.c;
}

/// Depthwise 3x3 with padding, then 1x1: the second reads the first's output with or without a border of its own.
Computation separable(Random& random) {
  Maker m("separable", random);
  const int64_t channels = random.in(1, 6), filters = random.in(1, 7), h = random.in(3, 9), w = random.in(3, 9),
                stride = random.in(1, 2);
  const int64_t oh = (h - 1) / stride + 1, ow = (w - 1) / stride + 1, k2 = random.chance(30) ? 3 : 1;
  const int x = m.tensor("x", {channels, h, w}, Role::input), k = m.tensor("k", {channels, 3, 3}, Role::constant);
  const int mid = m.tensor("mid", {channels, oh, ow}, Role::intermediate),
            p = m.tensor("p", {filters, channels, k2, k2}, Role::constant);
  const int y = m.tensor("y", {filters, oh, ow}, Role::output);
  Stage depthwise =
      m.map("depthwise", {"c", "h", "w"}, {channels, oh, ow}, mid, max(state(0, kFloat), constant(kFloat, 0)));
  depthwise.reduce = {{"kh", 3}, {"kw", 3}};
  const Expr ih = at("h") * stride + at("kh") - 1, iw = at("w") * stride + at("kw") - 1;
  const Expr value =
      select(logical_and(in_range(ih, 0, h), in_range(iw, 0, w)), m.read(x, {at("c"), ih, iw}), constant(kFloat, 0));
  depthwise.state = {Maker::sum_of(value * m.read(k, {at("c"), at("kh"), at("kw")}))};
  m.add(depthwise);
  Stage pointwise = m.map("pointwise", {"o", "ph", "pw"}, {filters, oh, ow}, y, state(0, kFloat));
  pointwise.reduce = {{"i", channels}, {"qh", k2}, {"qw", k2}};
  const Expr mh = at("ph") + at("qh") - k2 / 2, mw = at("pw") + at("qw") - k2 / 2;
  Expr between = m.read(mid, {at("i"), mh, mw});
  if (k2 > 1) between = select(logical_and(in_range(mh, 0, oh), in_range(mw, 0, ow)), between, constant(kFloat, 0));
  pointwise.state = {Maker::sum_of(between * m.read(p, {at("o"), at("i"), at("qh"), at("qw")}))};
  m.add(pointwise);
  m.finish_with_maps(y, "");
  return m.c;
}

/// Two or three dimensions, of which the last two may be dilated.
Computation winograd(Random& random) {
  Maker m("winograd", random);
  const bool deep = random.chance(30);
  const int64_t in = random.in(1, 3), filters = random.in(1, 4), h = random.in(3, 9), w = random.in(3, 9);
  const int64_t taps = random.in(1, 3), before = random.in(0, taps - 1), d = random.in(1, 4),
                out_d = d + 2 * before - taps + 1;
  const int64_t dilation_h = random.chance(30) ? random.in(2, 3) : 1, dilation_w = random.chance(30) ? 2 : 1;
  std::vector<int64_t> image{1, in}, kernel{filters, in}, result{1, filters};
  std::vector<std::string> axes{"n", "o"};
  const bool has_depth = deep && out_d > 0;
  if (has_depth) {
    image.push_back(d);
    kernel.push_back(taps);
    result.push_back(out_d);
    axes.emplace_back("d");
  }
  image.insert(image.end(), {h, w});
  kernel.insert(kernel.end(), {3, 3});
  result.insert(result.end(), {h, w});
  axes.insert(axes.end(), {"h", "w"});
  const int x = m.tensor("x", image, Role::input), k = m.tensor("k", kernel, Role::constant),
            y = m.tensor("y", result, Role::output);
  Stage stage = m.map("conv", axes, result, y, state(0, kFloat));
  stage.reduce = {{"i", in}};
  const Expr ih = at("h") + at("kh") * dilation_h - dilation_h, iw = at("w") + at("kw") * dilation_w - dilation_w;
  Expr inside = logical_and(in_range(ih, 0, h), in_range(iw, 0, w));
  Exprs from{at("n"), at("i")}, weight{at("o"), at("i")};
  if (has_depth) {
    stage.reduce.push_back({"kd", taps});
    const Expr id = at("d") + at("kd") - before;
    inside = logical_and(in_range(id, 0, d), inside);
    from.push_back(id);
    weight.push_back(at("kd"));
  }
  stage.reduce.insert(stage.reduce.end(), {{"kh", 3}, {"kw", 3}});
  from.insert(from.end(), {ih, iw});
  weight.insert(weight.end(), {at("kh"), at("kw")});
  const Expr value = select(inside, m.read(x, from), constant(kFloat, 0));
  stage.state = {Maker::sum_of(value * m.read(k, weight))};
  m.add(stage);
  Anchor& a = m.c.anchor;
  a = Anchor{AnchorKind::conv, 0, {3, 3}, {1, 1}, {dilation_h, dilation_w}, {}, 1, x, k};
  std::vector<int64_t> pads{dilation_h, dilation_w};
  if (has_depth) {
    a.kernel.insert(a.kernel.begin(), taps);
    a.strides.insert(a.strides.begin(), 1);
    a.dilations.insert(a.dilations.begin(), 1);
    pads.insert(pads.begin(), before);
  }
  for (int i = 0; i < 2; ++i) a.pads.insert(a.pads.end(), pads.begin(), pads.end());
  return apply_algorithm(m.c, "winograd2");
}

}  // namespace altrt::property
