// Winograd's minimal filtering F(m x m, 3 x 3), m = 2 or 4, for convolutions that are 3 wide with stride 1 in the last
// two spatial dimensions. Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016);
// interpolation points 0, 1, -1, 2, -2, infinity.
//
//   u[x, y, o, i] = sum_{r,s} G[x, r] G[y, s] w[o, i, r, s]                   (constants only: the plan runs it once)
//   t[n, i, p, q, x, j] = sum_r BT[x, r] data[n, i, row(p, r) - pad, row(q, j) - pad]
//   v[x, y, n, i, p, q] = sum_j BT[y, j] t[n, i, p, q, x, j]
//   z[x, y, n, o, p, q] = sum_i u[x, y, o, i] v[x, y, n, i, p, q]
//   s[n, o, p, q, a, y] = sum_x AT[a, x] z[x, y, n, o, p, q]
//   out[n, o, h, w] = epilogue(sum_y AT[inside(w), y] s[n, o, tile(h), tile(w), inside(h), y])
//
// A kernel that is dilated by d sees rows of the same remainder by d as an image of its own. Tiles of the d images take
// turns: row(p, r) = (p div d) m d + p mod d + r d, tile(h) = (h div (m d)) d + h mod d, inside(h) = h mod (m d) div d.
//
// Leading spatial dimensions (depth) stay as they are in every stage; their taps join the reduction of z.
#include <altrt/error.h>

#include "jit/expr/algorithms.h"
#include "jit/expr/winograd_matrices.h"

namespace altrt::jit {

namespace {

class Winograd {
 public:
  Winograd(const Computation& c, int64_t m) : c_(c), conv_(c.stages[c.anchor.stage]), m_(winograd_matrices(m)) {
    const std::vector<Extent>& data = c.tensors[c.anchor.data].shape;
    const std::vector<Extent>& out = c.tensors[conv_.outputs[0]].shape;
    lead_ = static_cast<int>(data.size()) - 4;
    batch_ = data[0];
    channels_ = data[1].bound;
    outputs_ = out[1].bound;
    for (int i = 0; i < lead_; ++i) lead_out_.push_back(out[2 + i].bound);
    height_ = out[out.size() - 2].bound;
    width_ = out[out.size() - 1].bound;
    dilation_h_ = c.anchor.dilations[c.anchor.dilations.size() - 2];
    dilation_w_ = c.anchor.dilations.back();
    tiles_h_ = tiles(height_, dilation_h_);
    tiles_w_ = tiles(width_, dilation_w_);
  }

  Computation make() {
    Computation result = c_;
    result.algorithm = m_.outputs == 2 ? "winograd2" : "winograd4";
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
  int64_t tiles(int64_t extent, int64_t dilation) const {
    const int64_t across = m_.outputs * dilation;
    return (extent + across - 1) / across * dilation;
  }
  Expr row(const Expr& tile, const Expr& tap, int64_t dilation) const {
    return floor_div(tile, dilation) * (m_.outputs * dilation) + floor_mod(tile, dilation) + tap * dilation;
  }
  Expr tile(const Expr& at, int64_t dilation) const {
    return floor_div(at, m_.outputs * dilation) * dilation + floor_mod(at, dilation);
  }
  Expr inside(const Expr& at, int64_t dilation) const {
    return floor_div(floor_mod(at, m_.outputs * dilation), dilation);
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
    std::vector<Extent> shape{m_.points, m_.points, outputs_, channels_};
    std::vector<Axis> axes{{"u.x", m_.points}, {"u.y", m_.points}, {"u.o", outputs_}, {"u.i", channels_}};
    Exprs index{variable("u.o"), variable("u.i")};
    for (int i = 0; i < lead_; ++i) {
      shape.push_back(w[2 + i]);
      axes.push_back({"u.k" + std::to_string(i), w[2 + i]});
      index.push_back(variable("u.k" + std::to_string(i)));
    }
    index.push_back(variable("u.r"));
    index.push_back(variable("u.s"));
    const int u = add(c, "winograd_u", shape);
    const Expr factor =
        entry(m_.g, 3, variable("u.x"), variable("u.r")) * entry(m_.g, 3, variable("u.y"), variable("u.s"));
    stages.push_back(
        sum("winograd_u", axes, {{"u.r", 3}, {"u.s", 3}}, u, factor, access(c_.anchor.weights, DataType::f32, index)));
    return u;
  }

  int transform_data(Computation& c, std::vector<Stage>& stages) const {
    const std::vector<Extent>& data = c_.tensors[c_.anchor.data].shape;
    const size_t rank = data.size(), spatial = rank - 2;
    const std::vector<Axis> lead = lead_axes("t.", lead_in());
    std::vector<Axis> axes{{"t.n", batch_}, {"t.i", channels_}};
    axes.insert(axes.end(), lead.begin(), lead.end());
    axes.insert(axes.end(), {{"t.p", tiles_h_}, {"t.q", tiles_w_}, {"t.x", m_.points}, {"t.j", m_.points}});
    std::vector<Extent> t_shape;
    for (const Axis& axis : axes) t_shape.push_back(axis.extent);
    const int t = add(c, "winograd_t", t_shape);
    const Expr h = row(variable("t.p"), variable("t.r"), dilation_h_) - c_.anchor.pads[spatial - 2];
    const Expr w = row(variable("t.q"), variable("t.j"), dilation_w_) - c_.anchor.pads[spatial - 1];
    Exprs index{variable("t.n"), variable("t.i")};
    for (const Axis& axis : lead) index.push_back(variable(axis.name));
    index.push_back(h);
    index.push_back(w);
    const Expr inside = logical_and(in_range(h, 0, data[rank - 2].bound), in_range(w, 0, data[rank - 1].bound));
    const Expr element = select(inside, access(c_.anchor.data, DataType::f32, index), constant_float(DataType::f32, 0));
    stages.push_back(sum("winograd_t", axes, {{"t.r", m_.points}}, t,
                         entry(m_.bt, m_.points, variable("t.x"), variable("t.r")), element));

    const std::vector<Axis> v_lead = lead_axes("v.", lead_in());
    std::vector<Axis> v_axes{{"v.x", m_.points}, {"v.y", m_.points}, {"v.n", batch_}, {"v.i", channels_}};
    v_axes.insert(v_axes.end(), v_lead.begin(), v_lead.end());
    v_axes.insert(v_axes.end(), {{"v.p", tiles_h_}, {"v.q", tiles_w_}});
    std::vector<Extent> v_shape;
    for (const Axis& axis : v_axes) v_shape.push_back(axis.extent.bound);
    const int v = add(c, "winograd_v", v_shape);
    Exprs from{variable("v.n"), variable("v.i")};
    for (const Axis& axis : v_lead) from.push_back(variable(axis.name));
    from.insert(from.end(), {variable("v.p"), variable("v.q"), variable("v.x"), variable("v.j")});
    stages.push_back(sum("winograd_v", v_axes, {{"v.j", m_.points}}, v,
                         entry(m_.bt, m_.points, variable("v.y"), variable("v.j")), access(t, DataType::f32, from)));
    return v;
  }

  int products(Computation& c, std::vector<Stage>& stages, int u, int v) const {
    const std::vector<Extent>& data = c_.tensors[c_.anchor.data].shape;
    const std::vector<Extent>& w = c_.tensors[c_.anchor.weights].shape;
    const std::vector<Axis> lead = lead_axes("z.", lead_out_);
    std::vector<Axis> axes{{"z.x", m_.points}, {"z.y", m_.points}, {"z.n", batch_}, {"z.o", outputs_}};
    axes.insert(axes.end(), lead.begin(), lead.end());
    axes.insert(axes.end(), {{"z.p", tiles_h_}, {"z.q", tiles_w_}});
    std::vector<Extent> shape;
    for (const Axis& axis : axes) shape.push_back(axis.extent.bound);
    const int z = add(c, "winograd_z", shape);
    std::vector<Axis> reduce{{"z.i", channels_}};
    Exprs weights{variable("z.x"), variable("z.y"), variable("z.o"), variable("z.i")};
    Exprs from{variable("z.x"), variable("z.y"), variable("z.n"), variable("z.i")};
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
    axes.insert(axes.end(), {{"s.p", tiles_h_}, {"s.q", tiles_w_}, {"s.a", m_.outputs}, {"s.y", m_.points}});
    std::vector<Extent> shape;
    for (const Axis& axis : axes) shape.push_back(axis.extent.bound);
    const int s = add(c, "winograd_s", shape);
    Exprs from{variable("s.x"), variable("s.y"), variable("s.n"), variable("s.o")};
    for (const Axis& axis : lead) from.push_back(variable(axis.name));
    from.insert(from.end(), {variable("s.p"), variable("s.q")});
    stages.push_back(sum("winograd_s", axes, {{"s.x", m_.points}}, s,
                         entry(m_.at, m_.points, variable("s.a"), variable("s.x")), access(z, DataType::f32, from)));

    // The convolution's own stage keeps its name, axes, store and epilogue; only where its state comes from changes.
    Stage out = conv_;
    const size_t rank = out.axes.size();
    const Expr h = variable(out.axes[rank - 2].name), w = variable(out.axes[rank - 1].name);
    Exprs index;
    for (size_t i = 0; i + 2 < rank; ++i) index.push_back(variable(out.axes[i].name));
    index.insert(index.end(),
                 {tile(h, dilation_h_), tile(w, dilation_w_), inside(h, dilation_h_), variable("winograd.y")});
    out.reduce = {{"winograd.y", m_.points}};
    out.state[0].update = fma(entry(m_.at, m_.points, inside(w, dilation_w_), variable("winograd.y")),
                              access(s, DataType::f32, index), state(0, DataType::f32));
    stages.push_back(std::move(out));
  }

  const Computation& c_;
  const Stage& conv_;
  WinogradMatrices m_;
  int lead_ = 0;
  Extent batch_;
  int64_t channels_ = 0, outputs_ = 0, height_ = 0, width_ = 0, tiles_h_ = 0, tiles_w_ = 0, dilation_h_ = 1,
          dilation_w_ = 1;
  std::vector<int64_t> lead_out_;
};

}  // namespace

bool winograd_fits(const Computation& c) {
  const Anchor& a = c.anchor;
  if (a.kind != AnchorKind::conv || a.stage < 0 || a.groups != 1 || a.kernel.size() < 2) return false;
  const Stage& stage = c.stages[a.stage];
  if (c.tensors[a.data].type != DataType::f32 || stage.state.size() != 1 || !is_zero(stage.state[0].init)) return false;
  if (stage.axes.size() != c.tensors[a.data].shape.size()) return false;
  for (size_t i = a.kernel.size() - 2; i < a.kernel.size(); ++i) {
    if (a.kernel[i] != 3 || a.strides[i] != 1) return false;
  }
  return true;
}

Computation winograd(const Computation& c, int outputs_per_tile) {
  if (!winograd_fits(c) || (outputs_per_tile != 2 && outputs_per_tile != 4)) {
    throw Error(ErrorCode::invalid_argument, "group '" + c.name + "': Winograd needs a 3-wide stride-1 convolution");
  }
  return Winograd(c, outputs_per_tile).make();
}

}  // namespace altrt::jit
