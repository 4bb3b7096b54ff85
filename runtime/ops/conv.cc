// Convolution in one to three spatial dimensions, with groups, strides, dilations and any padding.
#include "runtime/ops/window.h"

namespace altrt::ops {
namespace {

struct Geometry {
  Window window;
  int64_t groups = 1;
  int64_t channels = 1;  // of the input, per group
  int64_t outputs = 1;   // output channels, all groups
};

Geometry geometry(const NodeInfo& node) {
  const Operand &x = node.input(0), &w = node.input(1);
  const Shape input = spatial_extents(node, x);
  if (w.shape.size() != x.shape.size()) {
    node.fail("input 'W' has shape " + to_string(w.shape) + ", which does not fit X's " + to_string(x.shape));
  }
  const std::vector<int64_t> kernel(w.shape.begin() + 2, w.shape.end());
  if (node.integers("kernel_shape", kernel) != kernel) {
    node.fail("attribute 'kernel_shape' differs from the shape of input 'W', " + to_string(w.shape));
  }
  Geometry g;
  g.groups = node.integer("group", 1);
  g.outputs = w.shape[0];
  g.channels = w.shape[1];
  require_range(node, {g.groups}, 1, "attribute 'group'");
  if (checked_product(node, g.channels, g.groups) != x.shape[1] || g.outputs % g.groups != 0) {
    node.fail("input 'W' of shape " + to_string(w.shape) + " with " + std::to_string(g.groups) +
              " groups does not fit " + std::to_string(x.shape[1]) + " input channels");
  }
  g.window = sliding_window(node, input, kernel);
  return g;
}

std::vector<ResultType> infer_conv(const NodeInfo& node) {
  require_inputs(node, 2, 3);
  const Operand& x = require_input(node, 0, "X", kFloats);
  require_same_type(node, 1, 0);
  const Geometry g = geometry(node);
  if (node.has_input(2)) {
    require_same_type(node, 2, 0);
    if (node.input(2).shape != Shape{g.outputs}) {
      node.fail("input 'B' has shape " + to_string(node.input(2).shape) + ", expected [" + std::to_string(g.outputs) +
                "]");
    }
  }
  Shape shape = {x.shape[0], g.outputs};
  shape.insert(shape.end(), g.window.output.begin(), g.window.output.end());
  return one_result(node, x.type, shape);
}

void build_conv(const NodeInfo& node, Builder& b) {
  const Geometry g = geometry(node);
  const Window& window = g.window;
  std::vector<std::string> names = {"n", "o"};
  for (const std::string& name : spatial_names(window.rank())) names.push_back(name);
  const auto axes = b.axes(b.shape(b.output()), names);
  Shape taps = {g.channels};
  taps.insert(taps.end(), window.kernel.begin(), window.kernel.end());
  std::vector<std::string> tap_names = {"i"};
  for (const std::string& name : kernel_names(window.rank())) tap_names.push_back(name);
  const auto reduce = b.axes(taps, tap_names);

  const Exprs point = jit::variables(axes), tap_point = jit::variables(reduce);
  const Expr &o = point[1], &i = tap_point[0];
  const Tap tap =
      window_tap(window, Exprs(point.begin() + 2, point.end()), Exprs(tap_point.begin() + 1, tap_point.end()));
  Expr channel = i;
  if (g.groups > 1) channel = floor_div(o, g.outputs / g.groups) * g.channels + (g.channels == 1 ? Expr(0) : i);
  Exprs x_index = {point[0], channel};
  x_index.insert(x_index.end(), tap.index.begin(), tap.index.end());
  Exprs w_index = {o};
  w_index.insert(w_index.end(), tap_point.begin(), tap_point.end());

  const Expr x = b.at(b.input(0), x_index);
  const Expr value = select_if(tap.valid, x, constant_like(x, 0));
  const Expr sum = jit::state(0, x->type);
  jit::Anchor anchor;
  anchor.kind = jit::AnchorKind::conv;
  anchor.stage = b.reduce(b.output(), axes, reduce, dot_state(value, b.at(b.input(1), w_index)),
                          node.has_input(2) ? sum + b.at(b.input(2), {o}) : sum);
  anchor.kernel = window.kernel;
  anchor.strides = window.strides;
  anchor.dilations = window.dilations;
  anchor.pads = window.pads();
  anchor.groups = g.groups;
  anchor.data = b.input(0);
  anchor.weights = b.input(1);
  b.set_anchor(anchor);
}

}  // namespace

const Implementation kConv = {infer_conv, build_conv};

}  // namespace altrt::ops
