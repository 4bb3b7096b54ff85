// Winograd's minimal filtering F(m x m, r x r) with m + r - 1 <= 6, for the last two spatial dimensions of
// convolutions. Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016); interpolation
// points 0, 1, -1, 2, -2, infinity.
//
//   u[x, y, o, i] = sum_{r,s} G[x, r] G[y, s] w[o, i, r, s]                   (constants only: the plan runs it once)
//   t[n, i, p, q, x, j] = sum_r BT[x, r] data[n, i, row(p, r) - pad, row(q, j) - pad]
//   v[x, y, n, i, p, q] = sum_j BT[y, j] t[n, i, p, q, x, j]
//   z[x, y, n, o, p, q] = sum_i u[x, y, o, i] v[x, y, n, group(o) + i, p, q]
//   s[n, o, p, q, a, y] = sum_x AT[a, x] z[x, y, n, o, p, q]
//   out[n, o, h, w] = epilogue(sum_y AT[inside(w), y] s[n, o, tile(h), tile(w), inside(h), y])
//
// A stride s makes an image of its own of every s-th row, s of them, the phases, each with every s-th tap of the
// kernel: r = ceil(kernel / s) taps, 0 where a phase has one less. Their channels stand one phase behind the other as
// i.
//
// A dimension whose kernel is 1 wide is not transformed: tiles of one point, matrices of one element. So are the rows
// of a convolution in one dimension, which has none. group(o): the first input channel of the output's group.
//
// A kernel that is dilated by d sees rows of the same remainder by d as an image of its own. Tiles of the d images take
// turns: row(p, r) = (p div d) m d + p mod d + r d, tile(h) = (h div (m d)) d + h mod d, inside(h) = h mod (m d) div d.
//
// A transposed convolution with stride s: output s p + e of remainder e reads data[p + b + r] by tap e + pad - s (b +
// r) of its kernel, where there is one. So all remainders share a window of the data, v, and each has weights of its
// own: they are x = e points + (point of the tile) in u and z, a = s (output of the tile) + e in s.
//
// Leading spatial dimensions (depth) stay as they are in every stage; their taps join the reduction of z.
#include <algorithm>

#include <altrt/error.h>

#include "jit/expr/algorithms.h"
#include "jit/expr/scalar.h"
#include "jit/expr/winograd_dimension.h"
#include "jit/expr/winograd_matrices.h"

namespace altrt::jit {

namespace {

constexpr int64_t kMostTaps = 5;

/// A dimension with what its stages need.
struct Dimension : WinogradDimension {
  WinogradMatrices matrices;
  int64_t kernel_taps = 1;  // of the operator's kernel
  int64_t tile_count = 1;

  Expr row(const Expr& tile, const Expr& tap, const Expr& phase) const {
    const Expr image = floor_div(tile, dilation) * (outputs * dilation) + floor_mod(tile, dilation);
    return (image + tap * dilation) * stride + phase - before;
  }
  Expr tile(const Expr& at) const { return floor_div(at, across()) * dilation + floor_mod(at, dilation); }
  Expr inside(const Expr& at) const { return floor_div(floor_mod(at, across()), dilation); }
  // Points and outputs of a tile, of all remainders.
  int64_t all_points() const { return remainders * points(); }
  int64_t all_outputs() const { return remainders * outputs; }
  Expr point(const Expr& x) const { return remainders == 1 ? x : floor_mod(x, points()); }
  Expr output(const Expr& a) const { return remainders == 1 ? a : floor_div(a, remainders); }
  // The point x of the output's remainder.
  Expr own_point(const Expr& a, const Expr& x) const {
    return remainders == 1 ? x : floor_mod(a, remainders) * points() + x;
  }
  Expr remainder(const Expr& x) const { return remainders == 1 ? Expr(0) : floor_div(x, points()); }
};

Dimension dimension_of(const Computation& c, size_t from_end, int outputs_per_tile) {
  const Anchor& a = c.anchor;
  const WinogradDimension d = winograd_dimension(a, from_end, outputs_per_tile);
  Dimension dimension{d, winograd_matrices(d.outputs, d.taps())};
  if (!d.exists) return dimension;
  dimension.kernel_taps = a.kernel[a.kernel.size() - from_end];
  const std::vector<Extent>& out = c.tensors[static_cast<size_t>(c.stages[a.stage].outputs[0])].shape;
  dimension.tile_count = d.tiles(out[out.size() - from_end].bound);
  return dimension;
}

class Winograd {
 public:
  Winograd(const Computation& c, int m)
      : c_(c),
        conv_(c.stages[c.anchor.stage]),
        outputs_per_tile_(m),
        rows_(dimension_of(c, 2, m)),
        columns_(dimension_of(c, 1, m)) {
    const std::vector<Extent>& data = c.tensors[c.anchor.data].shape;
    const std::vector<Extent>& out = c.tensors[conv_.outputs[0]].shape;
    lead_ = std::max(0, static_cast<int>(data.size()) - 4);
    batch_ = data[0];
    channels_ = data[1].bound;
    outputs_ = out[1].bound;
    for (int i = 0; i < lead_; ++i) lead_out_.push_back(out[2 + i].bound);
  }

  Computation make() {
    Computation result = c_;
    result.algorithm = winograd_name(outputs_per_tile_);
    result.stages.erase(result.stages.begin() + c_.anchor.stage);
    std::vector<Stage> stages;
    const int u = transform_weights(result, stages);
    const int v = transform_data(result, stages);
    const int z = products(result, stages, u, v);
    transform_back(result, stages, z);
    result.stages.insert(result.stages.begin() + c_.anchor.stage, stages.begin(), stages.end());
    for (size_t i = 0; i < result.stages.size(); ++i) {
      if (result.stages[i].name == "winograd_z") result.anchor.stage = static_cast<int>(i);
    }
    return result;
  }

 private:
  int64_t phases() const { return rows_.phases() * columns_.phases(); }
  int64_t inputs() const { return channels_ * phases(); }
  int64_t inputs_per_group() const { return inputs() / std::max<int64_t>(1, c_.anchor.groups); }

  /// Of an input: its channel in the data, its phase by rows and by columns.
  struct Input {
    Expr channel, row_phase, column_phase;
  };
  Input input(const Expr& i, int64_t channels) const {
    if (phases() == 1) return {i, Expr(0), Expr(0)};
    const Expr phase = floor_div(i, channels);
    return {floor_mod(i, channels), floor_div(phase, columns_.phases()), floor_mod(phase, columns_.phases())};
  }

  Expr entry(const WinogradMatrices::Values& matrix, int64_t columns, const Expr& row, const Expr& column) const {
    return table(matrix, DataType::f32, row * columns + column);
  }

  static int add(Computation& c, const std::string& name, std::vector<Extent> shape) {
    TensorDecl decl;
    decl.name = name;
    decl.shape = std::move(shape);
    decl.role = Role::intermediate;
    return c.add_tensor(std::move(decl));
  }

  // One sum of products with state 0.
  static Stage sum(const std::string& name, std::vector<Axis> axes, std::vector<Axis> reduce, int output,
                   const Expr& factor, const Expr& element) {
    Stage stage;
    stage.name = name;
    stage.store = variables(axes);
    stage.axes = std::move(axes);
    stage.reduce = std::move(reduce);
    StateValue value;
    value.init = constant_float(DataType::f32, 0);
    value.update = fma(factor, element, state(0, DataType::f32));
    value.combine = state(0, DataType::f32) + other(0, DataType::f32);
    stage.state = {value};
    stage.outputs = {output};
    stage.results = {state(0, DataType::f32)};
    return stage;
  }

  std::vector<Axis> lead_axes(const std::string& prefix, const std::vector<int64_t>& extents) const {
    std::vector<Axis> axes;
    for (size_t i = 0; i < extents.size(); ++i) axes.push_back({prefix + "d" + std::to_string(i), extents[i]});
    return axes;
  }

  std::vector<int64_t> lead_in() const {
    std::vector<int64_t> extents;
    for (int i = 0; i < lead_; ++i) extents.push_back(c_.tensors[c_.anchor.data].shape[2 + i].bound);
    return extents;
  }

  int transform_weights(Computation& c, std::vector<Stage>& stages) const {
    const std::vector<Extent>& w = c_.tensors[c_.anchor.weights].shape;
    const int64_t x = rows_.all_points(), y = columns_.all_points(), inputs = inputs_per_group();
    std::vector<Extent> shape{x, y, outputs_, inputs};
    std::vector<Axis> axes{{"u.x", x}, {"u.y", y}, {"u.o", outputs_}, {"u.i", inputs}};
    const Input from = input(variable("u.i"), w[1].bound);
    Exprs index{variable("u.o"), from.channel};
    if (columns_.transposed) std::swap(index[0], index[1]);
    for (int i = 0; i < lead_; ++i) {
      shape.push_back(w[2 + i]);
      axes.push_back({"u.k" + std::to_string(i), w[2 + i]});
      index.push_back(variable("u.k" + std::to_string(i)));
    }
    const Expr r = rows_.kernel_tap(variable("u.r"), from.row_phase, rows_.remainder(variable("u.x"))),
               s = columns_.kernel_tap(variable("u.s"), from.column_phase, columns_.remainder(variable("u.y")));
    if (rows_.exists) index.push_back(r);
    index.push_back(s);
    Expr weight = access(c_.anchor.weights, DataType::f32, index);
    if (phases() > 1 || columns_.transposed) {
      Expr is_tap = in_range(s, 0, columns_.kernel_taps);
      if (rows_.exists) is_tap = logical_and(in_range(r, 0, rows_.kernel_taps), is_tap);
      weight = select(is_tap, weight, constant_float(DataType::f32, 0));
    }
    const int u = add(c, "winograd_u", shape);
    const Expr factor = entry(rows_.matrices.g, rows_.taps(), rows_.point(variable("u.x")), variable("u.r")) *
                        entry(columns_.matrices.g, columns_.taps(), columns_.point(variable("u.y")), variable("u.s"));
    stages.push_back(sum("winograd_u", axes, {{"u.r", rows_.taps()}, {"u.s", columns_.taps()}}, u, factor, weight));
    return u;
  }

  int transform_data(Computation& c, std::vector<Stage>& stages) const {
    const std::vector<Extent>& data = c_.tensors[c_.anchor.data].shape;
    const size_t rank = data.size();
    const int64_t points_x = rows_.points(), points_y = columns_.points();
    const std::vector<Axis> lead = lead_axes("t.", lead_in());
    std::vector<Axis> axes{{"t.n", batch_}, {"t.i", inputs()}};
    axes.insert(axes.end(), lead.begin(), lead.end());
    axes.insert(axes.end(),
                {{"t.p", rows_.tile_count}, {"t.q", columns_.tile_count}, {"t.x", points_x}, {"t.j", points_y}});
    std::vector<Extent> t_shape;
    for (const Axis& axis : axes) t_shape.push_back(axis.extent);
    const int t = add(c, "winograd_t", t_shape);
    const Input source = input(variable("t.i"), channels_);
    const Expr h = rows_.row(variable("t.p"), variable("t.r"), source.row_phase),
               w = columns_.row(variable("t.q"), variable("t.j"), source.column_phase);
    Exprs index{variable("t.n"), source.channel};
    for (const Axis& axis : lead) index.push_back(variable(axis.name));
    if (rows_.exists) index.push_back(h);
    index.push_back(w);
    Expr inside = in_range(w, 0, data[rank - 1].bound);
    if (rows_.exists) inside = logical_and(in_range(h, 0, data[rank - 2].bound), inside);
    const Expr element = select(inside, access(c_.anchor.data, DataType::f32, index), constant_float(DataType::f32, 0));
    stages.push_back(sum("winograd_t", axes, {{"t.r", points_x}}, t,
                         entry(rows_.matrices.bt, points_x, variable("t.x"), variable("t.r")), element));

    const std::vector<Axis> v_lead = lead_axes("v.", lead_in());
    std::vector<Axis> v_axes{{"v.x", points_x}, {"v.y", points_y}, {"v.n", batch_}, {"v.i", inputs()}};
    v_axes.insert(v_axes.end(), v_lead.begin(), v_lead.end());
    v_axes.insert(v_axes.end(), {{"v.p", rows_.tile_count}, {"v.q", columns_.tile_count}});
    std::vector<Extent> v_shape;
    for (const Axis& axis : v_axes) v_shape.push_back(axis.extent.bound);
    const int v = add(c, "winograd_v", v_shape);
    Exprs from{variable("v.n"), variable("v.i")};
    for (const Axis& axis : v_lead) from.push_back(variable(axis.name));
    from.insert(from.end(), {variable("v.p"), variable("v.q"), variable("v.x"), variable("v.j")});
    stages.push_back(sum("winograd_v", v_axes, {{"v.j", points_y}}, v,
                         entry(columns_.matrices.bt, points_y, variable("v.y"), variable("v.j")),
                         access(t, DataType::f32, from)));
    return v;
  }

  int products(Computation& c, std::vector<Stage>& stages, int u, int v) const {
    const std::vector<Extent>& data = c_.tensors[c_.anchor.data].shape;
    const std::vector<Extent>& w = c_.tensors[c_.anchor.weights].shape;
    const std::vector<Axis> lead = lead_axes("z.", lead_out_);
    std::vector<Axis> axes{
        {"z.x", rows_.all_points()}, {"z.y", columns_.all_points()}, {"z.n", batch_}, {"z.o", outputs_}};
    axes.insert(axes.end(), lead.begin(), lead.end());
    axes.insert(axes.end(), {{"z.p", rows_.tile_count}, {"z.q", columns_.tile_count}});
    std::vector<Extent> shape;
    for (const Axis& axis : axes) shape.push_back(axis.extent.bound);
    const int z = add(c, "winograd_z", shape);
    const int64_t of_group = inputs_per_group(), groups = inputs() / of_group;
    std::vector<Axis> reduce{{"z.i", of_group}};
    Expr channel = variable("z.i");
    if (groups > 1) channel = floor_div(variable("z.o"), outputs_ / groups) * of_group + channel;
    Exprs weights{variable("z.x"), variable("z.y"), variable("z.o"), variable("z.i")};
    Exprs from{rows_.point(variable("z.x")), columns_.point(variable("z.y")), variable("z.n"), channel};
    Expr inside = boolean(true);
    for (int i = 0; i < lead_; ++i) {
      const std::string tap = "z.k" + std::to_string(i);
      reduce.push_back({tap, w[2 + i]});
      weights.push_back(variable(tap));
      const Expr at =
          variable(lead[i].name) * c_.anchor.strides[i] + variable(tap) * c_.anchor.dilations[i] - c_.anchor.pads[i];
      inside = logical_and(inside, in_range(at, 0, data[2 + i].bound));
      from.push_back(at);
    }
    from.insert(from.end(), {variable("z.p"), variable("z.q")});
    Expr element = access(v, DataType::f32, from);
    if (lead_) element = select(inside, element, constant_float(DataType::f32, 0));
    stages.push_back(sum("winograd_z", axes, reduce, z, element, access(u, DataType::f32, weights)));
    return z;
  }

  void transform_back(Computation& c, std::vector<Stage>& stages, int z) const {
    const std::vector<Axis> lead = lead_axes("s.", lead_out_);
    std::vector<Axis> axes{{"s.n", batch_}, {"s.o", outputs_}};
    axes.insert(axes.end(), lead.begin(), lead.end());
    axes.insert(axes.end(), {{"s.p", rows_.tile_count},
                             {"s.q", columns_.tile_count},
                             {"s.a", rows_.all_outputs()},
                             {"s.y", columns_.all_points()}});
    std::vector<Extent> shape;
    for (const Axis& axis : axes) shape.push_back(axis.extent.bound);
    const int s = add(c, "winograd_s", shape);
    Exprs from{rows_.own_point(variable("s.a"), variable("s.x")), variable("s.y"), variable("s.n"), variable("s.o")};
    for (const Axis& axis : lead) from.push_back(variable(axis.name));
    from.insert(from.end(), {variable("s.p"), variable("s.q")});
    const int64_t points_x = rows_.points(), points_y = columns_.points();
    stages.push_back(sum("winograd_s", axes, {{"s.x", points_x}}, s,
                         entry(rows_.matrices.at, points_x, rows_.output(variable("s.a")), variable("s.x")),
                         access(z, DataType::f32, from)));

    // The convolution's own stage keeps its name, axes, store and epilogue; only where its state comes from changes.
    Stage out = conv_;
    const size_t rank = out.axes.size(), outer = rows_.exists ? rank - 2 : rank - 1;
    const Expr h = rows_.exists ? variable(out.axes[rank - 2].name) : Expr(0), w = variable(out.axes[rank - 1].name);
    const Expr column = columns_.inside(w);
    Exprs index;
    for (size_t i = 0; i < outer; ++i) index.push_back(variable(out.axes[i].name));
    index.insert(index.end(), {rows_.tile(h), columns_.tile(w), rows_.inside(h),
                               columns_.own_point(column, variable("winograd.y"))});
    out.reduce = {{"winograd.y", points_y}};
    out.state[0].update = fma(entry(columns_.matrices.at, points_y, columns_.output(column), variable("winograd.y")),
                              access(s, DataType::f32, index), state(0, DataType::f32));
    stages.push_back(std::move(out));
  }

  const Computation& c_;
  const Stage& conv_;
  const int outputs_per_tile_;
  const Dimension rows_, columns_;
  int lead_ = 0;
  Extent batch_;
  int64_t channels_ = 0, outputs_ = 0;
  std::vector<int64_t> lead_out_;
};

}  // namespace

WinogradDimension winograd_dimension(const Anchor& a, size_t from_end, int outputs_per_tile) {
  constexpr int64_t kMostPoints = 6;
  WinogradDimension d;
  d.exists = a.kernel.size() >= from_end;
  if (!d.exists) return d;
  const size_t at = a.kernel.size() - from_end;
  d.kernel = a.kernel[at];
  if (a.kind == AnchorKind::conv_transpose) {
    d.transposed = true;
    d.remainders = a.strides[at];
    // Of the first output's last tap, and of the last remainder's first one.
    const int64_t first = -floored_div(d.kernel - 1 - a.pads[at], d.remainders);
    const int64_t last = floored_div(d.remainders - 1 + a.pads[at], d.remainders);
    d.before = -first;
    d.last_tap = a.pads[at] - first * d.remainders;
    d.kernel = last - first + 1;
  } else {
    d.stride = a.strides[at];
    d.before = a.pads[at];
    if (d.kernel > 1) d.dilation = a.dilations[at];
  }
  if (d.taps() > 1) d.outputs = std::min<int64_t>(outputs_per_tile, kMostPoints + 1 - d.taps());
  return d;
}

namespace {

// Whether this convolution is of a form that the stages above can take the place of.
bool has_form(const Computation& c) {
  const Anchor& a = c.anchor;
  if (a.stage < 0 || a.kernel.empty()) return false;
  const Stage& stage = c.stages[a.stage];
  const std::vector<Extent>& data = c.tensors[a.data].shape;
  if (c.tensors[a.data].type != DataType::f32 || stage.state.size() != 1 || !is_zero(stage.state[0].init)) return false;
  if (stage.axes.size() != data.size()) return false;
  if (a.kind == AnchorKind::conv) return a.groups == 1 || a.groups != data[1].bound;
  const auto is_one = [](int64_t dilation) { return dilation == 1; };
  return phases_fit(c) && a.groups == 1 && a.kernel.size() <= 2 &&
         std::all_of(a.dilations.begin(), a.dilations.end(), is_one);
}

}  // namespace

std::vector<int> winograd_sizes(const Computation& c) {
  constexpr int64_t kMostRemainders = 16;
  const Anchor& a = c.anchor;
  if (!has_form(c)) return {};
  const std::vector<Extent>& data = c.tensors[a.data].shape;
  int64_t most_taps = 1, most_outputs = 1, remainders = 1;
  for (const size_t from_end : {1, 2}) {
    const WinogradDimension d = winograd_dimension(a, from_end, 4);
    if (!d.exists) continue;
    const bool is_small = data[data.size() - from_end].bound < d.kernel;
    if (d.taps() > kMostTaps || (d.stride > 1 && (a.groups > 1 || d.dilation > 1 || is_small))) return {};
    most_taps = std::max(most_taps, d.taps());
    most_outputs = std::max(most_outputs, d.outputs);
    remainders *= d.remainders;
  }
  if (most_taps == 1 || remainders > kMostRemainders) return {};
  return most_outputs == 2 ? std::vector<int>{2} : std::vector<int>{2, 4};
}

Computation winograd(const Computation& c, int outputs_per_tile) {
  const std::vector<int> sizes = winograd_sizes(c);
  if (std::find(sizes.begin(), sizes.end(), outputs_per_tile) == sizes.end()) {
    throw Error(ErrorCode::invalid_argument, "group '" + c.name + "': no Winograd convolution with " +
                                                 std::to_string(outputs_per_tile) + " outputs a tile");
  }
  return Winograd(c, outputs_per_tile).make();
}

}  // namespace altrt::jit
