// Transposed convolution in gather form: an output element sums over the kernel taps whose distance to it is a multiple
// of the stride.
#include <algorithm>

#include "runtime/ops/window.h"

namespace altrt::ops {
namespace {

struct Geometry {
  Window window;  // `output` is the larger side: the transposed operator's result
  int64_t groups = 1;
  int64_t channels = 1;  // of the input, per group
  int64_t outputs = 1;   // output channels per group
};

/// Padding that makes spatial dimension d of `extent` elements; at least none.
void pad_to(Window& w, size_t d, int64_t extent, int64_t extra, bool upper) {
  const int64_t total = std::max<int64_t>(0, w.strides[d] * (w.input[d] - 1) + extra + w.reach(d) - extent);
  w.begins[d] = upper ? total / 2 : total - total / 2;
  w.ends[d] = total - w.begins[d];
}

Window transposed_window(const NodeInfo& node, const Shape& input, const std::vector<int64_t>& kernel) {
  Window w = plain_window(node, input, kernel);
  const size_t rank = w.rank();
  const std::vector<int64_t> extra = node.integers("output_padding", std::vector<int64_t>(rank, 0));
  if (extra.size() != rank) node.fail("attribute 'output_padding' does not have one value per spatial dimension");
  require_range(node, extra, 0, "attribute 'output_padding'");
  const std::string automatic = node.text("auto_pad", "NOTSET");
  const bool upper = automatic == "SAME_UPPER", same = upper || automatic == "SAME_LOWER";
  if (!same && automatic != "NOTSET" && automatic != "VALID") node.fail("attribute 'auto_pad' is '" + automatic + "'");
  std::vector<int64_t> wanted = node.integers("output_shape", std::vector<int64_t>());
  if (wanted.size() == rank + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);
  if (!wanted.empty() && wanted.size() != rank) {
    node.fail("attribute 'output_shape' does not have one value per spatial dimension");
  }
  require_range(node, wanted, 1, "attribute 'output_shape'");
  const std::vector<int64_t> pads = padding_attribute(node, rank);
  for (size_t d = 0; d < rank; ++d) {
    const int64_t full = w.strides[d] * (input[d] - 1) + extra[d] + w.reach(d);
    if (!wanted.empty() || same) {
      const int64_t extent = wanted.empty() ? input[d] * w.strides[d] : wanted[d];
      pad_to(w, d, extent, extra[d], upper);
      w.output.push_back(extent);
      continue;
    }
    if (automatic == "NOTSET") {
      w.begins[d] = pads[d];
      w.ends[d] = pads[d + rank];
    }
    w.output.push_back(full - w.begins[d] - w.ends[d]);
    if (w.output[d] < 1) node.fail("the output of spatial dimension " + std::to_string(d) + " would be empty");
  }
  return w;
}

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
  require_range(node, {g.groups}, 1, "attribute 'group'");
  if (w.shape[0] != x.shape[1] || x.shape[1] % g.groups != 0) {
    node.fail("input 'W' of shape " + to_string(w.shape) + " with " + std::to_string(g.groups) +
              " groups does not fit " + std::to_string(x.shape[1]) + " input channels");
  }
  g.channels = x.shape[1] / g.groups;
  g.outputs = w.shape[1];
  g.window = transposed_window(node, input, kernel);
  return g;
}

std::vector<ResultType> infer_conv_transpose(const NodeInfo& node) {
  require_inputs(node, 2, 3);
  const Operand& x = require_input(node, 0, "X", kFloats);
  require_same_type(node, 1, 0);
  const Geometry g = geometry(node);
  const int64_t outputs = checked_product(node, g.outputs, g.groups);
  if (node.has_input(2)) {
    require_same_type(node, 2, 0);
    if (node.input(2).shape != Shape{outputs}) {
      node.fail("input 'B' has shape " + to_string(node.input(2).shape) + ", expected [" + std::to_string(outputs) +
                "]");
    }
  }
  Shape shape = {x.shape[0], outputs};
  shape.insert(shape.end(), g.window.output.begin(), g.window.output.end());
  return one_result(node, x.type, shape);
}

/// The tap of output position `output` and kernel position `kernel`: (output + begin - kernel * dilation) / stride
/// where that is whole and inside.
Tap transposed_tap(const Window& w, const Exprs& output, const Exprs& kernel) {
  Tap tap;
  for (size_t d = 0; d < w.rank(); ++d) {
    const int64_t stride = w.strides[d];
    const Expr numerator = output[d] - kernel[d] * w.dilations[d] + w.begins[d];
    const int64_t least = w.begins[d] - (w.kernel[d] - 1) * w.dilations[d];
    const int64_t greatest = w.output[d] - 1 + w.begins[d];
    if (stride > 1) {
      const Expr whole = eq(floor_mod(numerator, stride), 0);
      tap.valid = tap.valid ? logical_and(tap.valid, whole) : whole;
    }
    tap.index.push_back(floor_div(numerator, stride));
    tap.valid = inside(tap.valid, tap.index[d], least, greatest / stride, w.input[d]);
  }
  return tap;
}

void build_conv_transpose(const NodeInfo& node, Builder& b) {
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
  const Expr& o = point[1];
  const Exprs kernel(tap_point.begin() + 1, tap_point.end());
  const Tap tap = transposed_tap(window, Exprs(point.begin() + 2, point.end()), kernel);
  Expr channel = g.channels == 1 ? Expr(0) : tap_point[0];
  Expr output = o;
  if (g.groups > 1) {
    channel = floor_div(o, g.outputs) * g.channels + channel;
    output = floor_mod(o, g.outputs);
  }
  Exprs x_index = {point[0], channel};
  x_index.insert(x_index.end(), tap.index.begin(), tap.index.end());
  Exprs w_index = {channel, output};
  w_index.insert(w_index.end(), kernel.begin(), kernel.end());

  const Expr x = b.at(b.input(0), x_index);
  const Expr value = select_if(tap.valid, x, constant_like(x, 0));
  const Expr sum = jit::state(0, x->type);
  jit::Anchor anchor;
  anchor.kind = jit::AnchorKind::conv_transpose;
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

const Implementation kConvTranspose = {infer_conv_transpose, build_conv_transpose};

}  // namespace altrt::ops
