// ReduceX. The axes are an attribute, or since opset 13 (ReduceSum) and 18 an input; either is accepted.
#include <numeric>

#include "runtime/ops/rows.h"

namespace altrt::ops {
namespace {

/// The reduced axes in order; empty where the operator shall do nothing to the shape.
std::vector<int64_t> reduced_axes(const NodeInfo& node) {
  const size_t rank = node.input(0).shape.size();
  std::vector<int64_t> axes = node.integers("axes", std::vector<int64_t>());
  if (node.has_input(1)) axes = node.constant_input(1, "axes");
  if (axes.empty() && node.integer("noop_with_empty_axes", 0) == 0) {
    axes.resize(rank);
    std::iota(axes.begin(), axes.end(), 0);
  }
  return distinct_axes(node, axes, rank);
}

template <TypeSet kTypes>
std::vector<ResultType> infer_reduce(const NodeInfo& node) {
  require_inputs(node, 1, 2);
  const Operand& x = require_input(node, 0, "data", kTypes);
  const Rows rows(x.shape, reduced_axes(node));
  if (node.integer("keepdims", 1) == 0) return one_result(node, x.type, rows.kept());
  Shape shape = x.shape;
  for (size_t d = 0; d < shape.size(); ++d) shape[d] = rows.reduced(d) ? 1 : shape[d];
  return one_result(node, x.type, shape);
}

/// The axes of a stage that writes the output, and the index of an element of the input.
struct Point {
  std::vector<Axis> axes, reduce;
  Exprs element, output;
};

Point reduction_point(const NodeInfo& node, Builder& b) {
  const Shape& shape = node.input(0).shape;
  const Rows rows(shape, reduced_axes(node));
  const bool keep = node.integer("keepdims", 1) != 0;
  Point p;
  p.axes = b.axes(b.shape(b.output()));
  Shape extents;
  std::vector<std::string> names;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (!rows.reduced(d)) continue;
    names.push_back("r" + std::to_string(extents.size()));
    extents.push_back(shape[d]);
  }
  p.reduce = b.axes(extents, names);
  p.output = jit::variables(p.axes);
  size_t axis = 0, reduction = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (!rows.reduced(d)) {
      p.element.push_back(p.output[axis++]);
    } else {
      p.element.push_back(jit::variable(p.reduce[reduction++].name));
      axis += keep ? 1 : 0;
    }
  }
  return p;
}

void add_reduction(Builder& b, const Point& p, const jit::StateValue& state, const Expr& finalise = {}) {
  jit::Anchor anchor;
  anchor.kind = jit::AnchorKind::reduce;
  anchor.stage = b.reduce(b.output(), p.axes, p.reduce, state, finalise);
  anchor.data = b.input(0);
  b.set_anchor(anchor);
}

Expr same(const Expr& x) { return x; }
Expr magnitude(const Expr& x) { return x->type == DataType::u8 ? x : unary(ExprKind::abs, x); }
Expr root(const Expr& x) { return unary(ExprKind::sqrt, x); }
Expr logarithm(const Expr& x) { return unary(ExprKind::log, x); }

jit::StateValue square_state(const Expr& x) { return dot_state(x, x); }
jit::StateValue product_state(const Expr& x) {
  const Expr value = jit::state(0, x->type);
  return {x->type, constant_like(x, 1), value * x, value * jit::other(0, x->type)};
}

template <Expr (*kTerm)(const Expr&), jit::StateValue (*kState)(const Expr&), Expr (*kFinalise)(const Expr&)>
void build_reduce(const NodeInfo& node, Builder& b) {
  const Point p = reduction_point(node, b);
  const Expr x = b.at(b.input(0), p.element);
  add_reduction(b, p, kState(kTerm(x)), kFinalise(jit::state(0, x->type)));
}

void build_mean(const NodeInfo& node, Builder& b) {
  const Point p = reduction_point(node, b);
  const Expr x = b.at(b.input(0), p.element);
  const int64_t length = Rows(node.input(0).shape, reduced_axes(node)).length();
  add_reduction(b, p, sum_state(x), div(jit::state(0, x->type), constant_like(x, static_cast<double>(length))));
}

/// log(sum(exp(x))) as m + log(sum(exp(x - m))) with the row's maximum m, or 0 where that is infinite.
void build_log_sum_exp(const NodeInfo& node, Builder& b) {
  const Rows rows(node.input(0).shape, reduced_axes(node));
  const DataType type = b.type(b.input(0));
  const Expr greatest = jit::state(0, type);
  const Expr finite = lt(unary(ExprKind::abs, greatest), highest(type));
  const int shift = rows.reduce_to(
      b, "max", type, [&](const Exprs& element) { return b.at(b.input(0), element); }, max_state,
      select(finite, greatest, jit::constant(type, 0)));
  const Point p = reduction_point(node, b);
  const Expr m = b.at(shift, rows.row_of(p.element));
  add_reduction(b, p, sum_state(unary(ExprKind::exp, b.at(b.input(0), p.element) - m)),
                unary(ExprKind::log, jit::state(0, type)) + m);
}

}  // namespace

constexpr TypeSet kWide = kFloats | kIndices;

const Implementation kReduceSum = {infer_reduce<kWide>, build_reduce<same, sum_state, same>};
const Implementation kReduceMean = {infer_reduce<kWide>, build_mean};
const Implementation kReduceMax = {infer_reduce<kNumbers>, build_reduce<same, max_state, same>};
const Implementation kReduceMin = {infer_reduce<kNumbers>, build_reduce<same, min_state, same>};
const Implementation kReduceProd = {infer_reduce<kWide>, build_reduce<same, product_state, same>};
const Implementation kReduceL1 = {infer_reduce<kWide>, build_reduce<magnitude, sum_state, same>};
const Implementation kReduceL2 = {infer_reduce<kFloats>, build_reduce<same, square_state, root>};
const Implementation kReduceLogSum = {infer_reduce<kFloats>, build_reduce<same, sum_state, logarithm>};
const Implementation kReduceLogSumExp = {infer_reduce<kFloats>, build_log_sum_exp};
const Implementation kReduceSumSquare = {infer_reduce<kWide>, build_reduce<same, square_state, same>};

}  // namespace altrt::ops
