// MaxPool (with indices) and AveragePool in one to three spatial dimensions.
#include <algorithm>

#include "runtime/ops/window.h"

namespace altrt::ops {
namespace {

Window pool_window(const NodeInfo& node) {
  const Shape input = spatial_extents(node, node.input(0));
  Window w = sliding_window(node, input, node.integers("kernel_shape"), node.integer("ceil_mode", 0) != 0);
  for (size_t d = 0; d < w.rank(); ++d) {
    if (std::max(w.begins[d], w.ends[d]) >= w.reach(d)) {
      node.fail("the padding of spatial dimension " + std::to_string(d) + " is not smaller than the kernel");
    }
  }
  return w;
}

template <TypeSet kTypes, int kOutputs>
std::vector<ResultType> infer_pool(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  require_outputs(node, kOutputs);
  const Operand& x = require_input(node, 0, "X", kTypes);
  const Window w = pool_window(node);
  Shape shape = {x.shape[0], x.shape[1]};
  shape.insert(shape.end(), w.output.begin(), w.output.end());
  check_size(node, shape);
  if (node.outputs == 2) return {{x.type, shape}, {DataType::i64, shape}};
  return {{x.type, shape}};
}

/// Axes and the padded element under the window.
struct Pool {
  Window window;
  std::vector<Axis> axes, reduce;
  Exprs point;  // of the output
  Tap tap;
  Expr value;  // without regard to padding
};

Pool begin_pool(const NodeInfo& node, Builder& b, int output) {
  Pool p;
  p.window = pool_window(node);
  std::vector<std::string> names = {"n", "c"};
  for (const std::string& name : spatial_names(p.window.rank())) names.push_back(name);
  p.axes = b.axes(b.shape(output), names);
  p.reduce = b.axes(p.window.kernel, kernel_names(p.window.rank()));
  p.point = jit::variables(p.axes);
  p.tap = window_tap(p.window, Exprs(p.point.begin() + 2, p.point.end()), jit::variables(p.reduce));
  Exprs index = {p.point[0], p.point[1]};
  index.insert(index.end(), p.tap.index.begin(), p.tap.index.end());
  p.value = b.at(b.input(0), index);
  return p;
}

void set_anchor(Builder& b, const Pool& p, int stage) {
  jit::Anchor anchor;
  anchor.kind = jit::AnchorKind::pool;
  anchor.stage = stage;
  anchor.kernel = p.window.kernel;
  anchor.strides = p.window.strides;
  anchor.dilations = p.window.dilations;
  anchor.pads = p.window.pads();
  anchor.data = b.input(0);
  b.set_anchor(anchor);
}

/// The maximum and where it first occurs: the index into the flattened input, with the last two spatial dimensions'
/// order by storage_order.
void build_arg_max_pool(const NodeInfo& node, Builder& b, const Pool& p) {
  const Shape shape = b.shape(b.input(0));
  const size_t rank = shape.size();
  Exprs index = {p.point[0], p.point[1]};
  index.insert(index.end(), p.tap.index.begin(), p.tap.index.end());
  Expr flat = index[0] * shape[1] + index[1];
  if (node.integer("storage_order", 0) == 0) {
    for (size_t d = 2; d < rank; ++d) flat = flat * shape[d] + index[d];
  } else {
    for (size_t d = rank; d-- > 2;) flat = flat * shape[d] + index[d];
  }
  const DataType type = p.value->type;
  const Expr best = jit::state(0, type), place = jit::state(1, DataType::i64);
  const Expr value = select_if(p.tap.valid, p.value, lowest(type));
  const Expr better = lt(best, value);
  const Expr other = jit::other(0, type);
  const Expr other_better = lt(best, other);
  const jit::StateValue maximum{type, lowest(type), select(better, value, best), select(other_better, other, best)};
  const jit::StateValue where{DataType::i64, Expr(0), select(better, flat, place),
                              select(other_better, jit::other(1, DataType::i64), place)};
  const int stage = b.reduce_many({b.output(0), b.output(1)}, p.axes, p.reduce, {maximum, where}, {best, place});
  set_anchor(b, p, stage);
}

void build_max_pool(const NodeInfo& node, Builder& b) {
  const Pool p = begin_pool(node, b, b.output(0) >= 0 ? b.output(0) : b.output(1));
  if (b.output(1) >= 0) return build_arg_max_pool(node, b, p);
  const Expr value = select_if(p.tap.valid, p.value, lowest(p.value->type));
  set_anchor(b, p, b.reduce(b.output(), p.axes, p.reduce, max_state(value)));
}

/// How many taps of a window count, in one dimension.
Expr tap_count(const Window& w, size_t d, const Expr& output, bool count_padding) {
  const int64_t begin = count_padding ? -w.begins[d] : 0;
  const int64_t end = count_padding ? w.input[d] + w.ends[d] : w.input[d];
  const int64_t step = w.dilations[d];
  const int64_t last_start = (w.output[d] - 1) * w.strides[d] - w.begins[d];
  if (-w.begins[d] >= begin && last_start + w.reach(d) <= end) return Expr(w.kernel[d]);
  if (step == 1) {
    const Expr start = output * w.strides[d] - w.begins[d];
    return min(start + w.kernel[d], Expr(end)) - max(start, Expr(begin));
  }
  std::vector<double> counts;
  for (int64_t o = 0; o < w.output[d]; ++o) {
    const int64_t start = o * w.strides[d] - w.begins[d];
    const int64_t first = start < begin ? (begin - start + step - 1) / step : 0;
    const int64_t past = start < end ? std::min((end - start + step - 1) / step, w.kernel[d]) : 0;
    counts.push_back(static_cast<double>(std::max<int64_t>(0, past - first)));
  }
  return jit::table(std::make_shared<const std::vector<double>>(std::move(counts)), DataType::i64, output);
}

void build_average_pool(const NodeInfo& node, Builder& b) {
  const Pool p = begin_pool(node, b, b.output());
  const bool count_padding = node.integer("count_include_pad", 0) != 0;
  Expr count(1);
  for (size_t d = 0; d < p.window.rank(); ++d) {
    count = count * tap_count(p.window, d, p.point[d + 2], count_padding);
  }
  const DataType type = p.value->type;
  const jit::StateValue sum = sum_state(select_if(p.tap.valid, p.value, jit::constant(type, 0)));
  const int stage = b.reduce(b.output(), p.axes, p.reduce, sum, div(jit::state(0, type), cast(type, count)));
  set_anchor(b, p, stage);
}

}  // namespace

const Implementation kMaxPool = {infer_pool<kNumbers, 2>, build_max_pool};
const Implementation kAveragePool = {infer_pool<kFloats, 1>, build_average_pool};

}  // namespace altrt::ops
