// ArgMax and ArgMin: a reduction with two state values, the best value and where it was.
#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_arg_reduce(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  const Operand& x = require_input(node, 0, "data", kNumbers);
  const int64_t axis = node.axis(node.integer("axis", 0), x.shape.size());
  if (x.shape[axis] == 0) node.fail("the reduced axis has no elements: shape " + to_string(x.shape));
  Shape shape = x.shape;
  shape[axis] = 1;
  if (node.integer("keepdims", 1) == 0) shape.erase(shape.begin() + axis);
  return one_result(node, DataType::i64, shape);
}

template <bool kMaximum>
void build_arg_reduce(const NodeInfo& node, Builder& b) {
  const Shape& shape = node.input(0).shape;
  const int64_t axis = node.axis(node.integer("axis", 0), shape.size());
  const auto axes = b.axes(b.shape(b.output()));
  const auto reduce = b.axes({shape[axis]}, {"r0"});
  const Expr position = jit::variable(reduce[0].name);
  Exprs element = jit::variables(axes);
  if (node.integer("keepdims", 1) != 0) {
    element[axis] = position;
  } else {
    element.insert(element.begin() + axis, position);
  }
  const Expr x = b.at(b.input(0), element);
  const bool last = node.integer("select_last_index", 0) != 0;
  const auto beats = [&](const Expr& later, const Expr& earlier) {
    const Expr &small = kMaximum ? earlier : later, &large = kMaximum ? later : earlier;
    return last ? le(small, large) : lt(small, large);
  };
  const Expr best = jit::state(0, x->type), place = jit::state(1, DataType::i64);
  const Expr other = jit::other(0, x->type);
  const Expr better = beats(x, best), other_better = beats(other, best);
  const jit::StateValue value{x->type, kMaximum ? lowest(x->type) : highest(x->type), select(better, x, best),
                              select(other_better, other, best)};
  const jit::StateValue where{DataType::i64, Expr(0), select(better, position, place),
                              select(other_better, jit::other(1, DataType::i64), place)};
  jit::Anchor anchor;
  anchor.kind = jit::AnchorKind::reduce;
  anchor.stage = b.reduce_many({b.output()}, axes, reduce, {value, where}, {place});
  anchor.data = b.input(0);
  b.set_anchor(anchor);
}

}  // namespace

const Implementation kArgMax = {infer_arg_reduce, build_arg_reduce<true>};
const Implementation kArgMin = {infer_arg_reduce, build_arg_reduce<false>};

}  // namespace altrt::ops
