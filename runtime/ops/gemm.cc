// Gemm: alpha * A' * B' + beta * C with optional transposes.
#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_gemm(const NodeInfo& node) {
  require_inputs(node, 2, 3);
  const Operand& a = require_input(node, 0, "A", kFloats);
  require_same_type(node, 1, 0);
  const Operand& b = node.input(1);
  if (a.shape.size() != 2 || b.shape.size() != 2) node.fail("inputs 'A' and 'B' are not matrices");
  const bool trans_a = node.integer("transA", 0) != 0, trans_b = node.integer("transB", 0) != 0;
  if (a.shape[trans_a ? 0 : 1] != b.shape[trans_b ? 1 : 0]) {
    node.fail("shapes " + to_string(a.shape) + " and " + to_string(b.shape) + " do not multiply");
  }
  const Shape shape = {a.shape[trans_a ? 1 : 0], b.shape[trans_b ? 0 : 1]};
  if (node.has_input(2)) {
    require_same_type(node, 2, 0);
    require_broadcast(node, 2, "C", shape);
  }
  return one_result(node, a.type, shape);
}

void build_gemm(const NodeInfo& node, Builder& b) {
  const bool trans_a = node.integer("transA", 0) != 0, trans_b = node.integer("transB", 0) != 0;
  const float alpha = node.real("alpha", 1), beta = node.real("beta", 1);
  const auto axes = b.axes(b.shape(b.output()), {"m", "n"});
  const auto reduce = b.axes({node.input(0).shape[trans_a ? 0 : 1]}, {"k"});
  const Exprs point = jit::variables(axes);
  const Expr &m = point[0], &n = point[1], k = jit::variable(reduce[0].name);
  const Expr x = b.at(b.input(0), trans_a ? Exprs{k, m} : Exprs{m, k});
  const Expr w = b.at(b.input(1), trans_b ? Exprs{n, k} : Exprs{k, n});
  Expr result = jit::state(0, x->type);
  if (alpha != 1) result = result * constant_like(x, alpha);
  if (node.has_input(2) && beta != 0) {
    const Expr c = b.broadcast_at(b.input(2), point);
    result = result + (beta == 1 ? c : c * constant_like(x, beta));
  }
  jit::Anchor anchor;
  anchor.kind = jit::AnchorKind::matmul;
  anchor.stage = b.reduce(b.output(), axes, reduce, dot_state(x, w), result);
  anchor.data = b.input(0);
  anchor.weights = b.input(1);
  b.set_anchor(anchor);
}

}  // namespace

const Implementation kGemm = {infer_gemm, build_gemm};

}  // namespace altrt::ops
