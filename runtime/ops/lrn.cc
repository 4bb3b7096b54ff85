// Local response normalisation over neighbouring channels.
#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_lrn(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  const Operand& x = require_input(node, 0, "X", kFloats);
  if (x.shape.size() < 2) node.fail("input 'X' has no channels: shape " + to_string(x.shape));
  require_range(node, {node.integer("size")}, 1, "attribute 'size'");
  return one_result(node, x.type, x.shape);
}

/// y = x / (bias + alpha / size * sum of squares of the `size` channels around)^beta
void build_lrn(const NodeInfo& node, Builder& b) {
  const int64_t size = node.integer("size");
  const Shape shape = b.shape(b.output());
  const DataType type = b.type(b.output());
  const auto axes = b.axes(shape, {"n", "c"});
  const auto reduce = b.axes({size}, {"k"});
  const Exprs point = jit::variables(axes);
  const int64_t before = (size - 1) / 2;
  Exprs index = point;
  index[1] = point[1] + jit::variable(reduce[0].name) - before;
  const Expr valid = inside({}, index[1], -before, shape[1] - 1 + size - 1 - before, shape[1]);
  const Expr neighbour = select_if(valid, b.at(b.input(0), index), jit::constant(type, 0));
  const double alpha = node.real("alpha", 1e-4f) / static_cast<double>(size);
  const Expr base = fma(jit::state(0, type), jit::constant(type, alpha), jit::constant(type, node.real("bias", 1)));
  const Expr power = jit::call(type == DataType::f32 ? "pow_f32" : "pow_f64", type,
                               {base, jit::constant(type, node.real("beta", 0.75f))});
  jit::Anchor anchor;
  anchor.kind = jit::AnchorKind::reduce;
  anchor.stage =
      b.reduce(b.output(), axes, reduce, dot_state(neighbour, neighbour), div(b.at(b.input(0), point), power));
  anchor.data = b.input(0);
  b.set_anchor(anchor);
}

}  // namespace

const Implementation kLRN = {infer_lrn, build_lrn};

}  // namespace altrt::ops
