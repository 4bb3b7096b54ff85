// Trilu: the upper or lower triangle of matrices, zero elsewhere.
#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_trilu(const NodeInfo& node) {
  require_inputs(node, 1, 2);
  const Operand& x = require_input(node, 0, "input", kAnyType);
  if (x.shape.size() < 2) node.fail("input 'input' has shape " + to_string(x.shape) + ", expected a matrix");
  if (node.has_input(1) && (node.input(1).type != DataType::i64 || element_count(node.input(1).shape) != 1)) {
    node.fail("input 'k' is not one i64 value");
  }
  return one_result(node, x.type, x.shape);
}

void build_trilu(const NodeInfo& node, Builder& b) {
  const auto axes = b.axes(b.shape(b.output()));
  const Exprs point = jit::variables(axes);
  const Expr diagonal = node.has_input(1) ? input_at(node, b, 1, {}) : Expr(0);
  const Expr &row = point[point.size() - 2], &column = point.back();
  const Expr x = b.at(b.input(0), point);
  const Expr keep = node.integer("upper", 1) ? le(row + diagonal, column) : le(column, row + diagonal);
  b.map(b.output(), axes, select(keep, x, constant_like(x, 0)));
}

}  // namespace

const Implementation kTrilu = {infer_trilu, build_trilu};

}  // namespace altrt::ops
