// Packed weights for the tiles that default_schedule will use; everything else stays as given.
#include <algorithm>

#include "jit/compile/defaults.h"

namespace altrt::jit {

namespace {

// [O, I, k...] -> [O/b, I, k..., b], the order in which the tile walks it.
Layout conv_weights(const Computation& c, int64_t block) {
  const std::vector<Extent>& shape = c.tensors[c.anchor.weights].shape;
  Layout layout;
  const int64_t outputs = shape[0].bound, rest = round_up_to(outputs, block) - outputs;
  if (rest) layout.pad(0, 0, rest, 0.0);
  layout.split(0, {0, block});
  std::vector<int64_t> order{0};
  for (size_t i = 1; i < shape.size(); ++i) order.push_back(static_cast<int64_t>(i) + 1);
  order.push_back(1);
  layout.reorder(order);
  return layout;
}

// [.., k, n] or [.., n, k] -> [.., n/t, k, t].
Layout matmul_weights(const Computation& c, const Stage& stage, const Target& target) {
  const MatmulOperand operand = matmul_operand(c, stage);
  const std::vector<Extent>& shape = c.tensors[c.anchor.weights].shape;
  const int rank = static_cast<int>(shape.size());
  if (operand.n < 0 || operand.k < 0 || operand.n == operand.k) return {};
  if (std::min(operand.n, operand.k) != rank - 2) return {};
  const size_t axes = stage.axes.size();
  const int64_t n = shape[operand.n].bound;
  const int64_t m = axes >= 2 ? stage.axes[axes - 2].extent.bound : 1;
  const int64_t columns = matmul_tile(target, m, n).columns;
  Layout layout;
  if (n <= columns) {
    if (operand.n == rank - 1) return {};
  } else {
    const int64_t rest = round_up_to(n, columns) - n;
    if (rest) layout.pad(operand.n, 0, rest, 0.0);
    layout.split(operand.n, {0, columns});
  }
  std::vector<int64_t> order;
  for (int64_t i = 0; i < rank - 2; ++i) order.push_back(i);
  if (n <= columns) {
    order.insert(order.end(), {rank - 1, rank - 2});
  } else if (operand.n == rank - 1) {
    order.insert(order.end(), {rank - 1, rank - 2, rank});
  } else {
    order.insert(order.end(), {rank - 2, rank, rank - 1});
  }
  layout.reorder(order);
  return layout;
}

}  // namespace

Layouts default_layouts(const Computation& c, const Target& target, const FixedLayouts& fixed) {
  Layouts layouts = fixed;
  if (c.anchor.stage < 0 || c.anchor.weights < 0) return layouts;
  const TensorDecl& weights = c.tensors[c.anchor.weights];
  if (weights.role != Role::constant || layouts.count(weights.name)) return layouts;
  const Stage& stage = c.stages[c.anchor.stage];
  if (c.anchor.kind == AnchorKind::conv) {
    const int64_t block = channel_block(layout_of(c, stage.outputs[0], layouts));
    if (block > 1) layouts[weights.name] = conv_weights(c, block);
  } else if (c.anchor.kind == AnchorKind::matmul && layout_of(c, stage.outputs[0], layouts).is_plain()) {
    layouts[weights.name] = matmul_weights(c, stage, target);
  }
  return layouts;
}

}  // namespace altrt::jit
