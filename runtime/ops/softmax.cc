// Softmax, LogSoftmax and Hardmax. Before opset 13 the row is everything from the axis on, since then the axis alone.
#include <numeric>

#include "runtime/ops/rows.h"

namespace altrt::ops {
namespace {

Rows softmax_rows(const NodeInfo& node) {
  const Shape& shape = node.input(0).shape;
  const bool flattens = node.opset < 13;
  const int64_t given = node.integer("axis", flattens ? 1 : -1);
  if (flattens && given == static_cast<int64_t>(shape.size())) return Rows(shape, {});
  const int64_t axis = node.axis(given, shape.size());
  std::vector<int64_t> axes = {axis};
  if (flattens) {
    axes.resize(shape.size() - axis);
    std::iota(axes.begin(), axes.end(), axis);
  }
  return Rows(shape, axes);
}

std::vector<ResultType> infer_softmax(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  const Operand& x = require_input(node, 0, "input", kFloats);
  softmax_rows(node);
  return one_result(node, x.type, x.shape);
}

void set_anchor(Builder& b, int tensor) {
  jit::Anchor anchor;
  anchor.kind = jit::AnchorKind::normalize;
  const std::vector<int> writers = b.computation().writers(tensor);
  if (!writers.empty()) anchor.stage = writers[0];
  anchor.data = b.input(0);
  b.set_anchor(anchor);
}

void build_softmax(const NodeInfo& node, Builder& b) {
  const Rows rows = softmax_rows(node);
  const DataType type = b.type(b.output());
  const auto x = [&](const Exprs& element) { return b.at(b.input(0), element); };
  const int greatest = rows.reduce_to(b, "max", type, x, max_state);
  const int power = b.intermediate("exp", type, rows.shape());
  rows.map(b, power, [&](const Exprs& element) {
    return unary(ExprKind::exp, x(element) - b.at(greatest, rows.row_of(element)));
  });
  const auto e = [&](const Exprs& element) { return b.at(power, element); };
  // One division a row.
  const Expr inverse = div(jit::constant(type, 1), jit::state(0, type));
  const int scale = rows.reduce_to(b, "scale", type, e, sum_state, inverse);
  rows.map(b, b.output(), [&](const Exprs& element) { return e(element) * b.at(scale, rows.row_of(element)); });
  set_anchor(b, scale);
}

void build_log_softmax(const NodeInfo& node, Builder& b) {
  const Rows rows = softmax_rows(node);
  const DataType type = b.type(b.output());
  const auto x = [&](const Exprs& element) { return b.at(b.input(0), element); };
  const int greatest = rows.reduce_to(b, "max", type, x, max_state);
  const auto shifted = [&](const Exprs& element) { return x(element) - b.at(greatest, rows.row_of(element)); };
  const int log_sum = rows.reduce_to(
      b, "log_sum", type, [&](const Exprs& element) { return unary(ExprKind::exp, shifted(element)); }, sum_state,
      unary(ExprKind::log, jit::state(0, type)));
  rows.map(b, b.output(), [&](const Exprs& element) { return shifted(element) - b.at(log_sum, rows.row_of(element)); });
  set_anchor(b, log_sum);
}

/// The position of an element in its row.
Expr position(const Rows& rows, const Exprs& element) {
  Expr flat(0);
  for (size_t d = 0; d < element.size(); ++d) {
    if (rows.reduced(d)) flat = flat * rows.shape()[d] + element[d];
  }
  return flat;
}

/// 1 at the first greatest element of a row, 0 elsewhere.
void build_hardmax(const NodeInfo& node, Builder& b) {
  const Rows rows = softmax_rows(node);
  const DataType type = b.type(b.output());
  const auto x = [&](const Exprs& element) { return b.at(b.input(0), element); };
  const int greatest = rows.reduce_to(b, "max", type, x, max_state);
  const int first = rows.reduce_to(
      b, "first", DataType::i64,
      [&](const Exprs& element) {
        const Expr hit = eq(x(element), b.at(greatest, rows.row_of(element)));
        return select(hit, position(rows, element), Expr(rows.length()));
      },
      min_state);
  rows.map(b, b.output(), [&](const Exprs& element) {
    const Expr hit = eq(position(rows, element), b.at(first, rows.row_of(element)));
    return select(hit, jit::constant(type, 1), jit::constant(type, 0));
  });
  set_anchor(b, first);
}

}  // namespace

const Implementation kSoftmax = {infer_softmax, build_softmax};
const Implementation kLogSoftmax = {infer_softmax, build_log_softmax};
const Implementation kHardmax = {infer_softmax, build_hardmax};

}  // namespace altrt::ops
