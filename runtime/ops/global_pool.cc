// GlobalAveragePool and GlobalMaxPool: one reduction over all spatial dimensions, which stay with extent 1.
#include "runtime/ops/window.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_global_pool(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  const Operand& x = require_input(node, 0, "X", kFloats);
  const Shape input = spatial_extents(node, x);
  if (product(input, 0, input.size()) == 0) node.fail("input 'X' has no elements: shape " + to_string(x.shape));
  Shape shape(x.shape.size(), 1);
  shape[0] = x.shape[0];
  shape[1] = x.shape[1];
  return one_result(node, x.type, shape);
}

template <bool kAverage>
void build_global_pool(const NodeInfo&, Builder& b) {
  const Shape shape = b.shape(b.input(0));
  const size_t rank = shape.size() - 2;
  std::vector<std::string> names = {"n", "c"};
  for (const std::string& name : spatial_names(rank)) names.push_back(name);
  const auto axes = b.axes(b.shape(b.output()), names);
  const auto reduce = b.axes(Shape(shape.begin() + 2, shape.end()), kernel_names(rank));
  Exprs index = {jit::variable(axes[0].name), jit::variable(axes[1].name)};
  for (const Expr& k : jit::variables(reduce)) index.push_back(k);
  const Expr x = b.at(b.input(0), index);
  const Expr state = jit::state(0, x->type);
  const Expr result =
      kAverage ? div(state, constant_like(x, static_cast<double>(product(shape, 2, shape.size())))) : state;
  jit::Anchor anchor;
  anchor.kind = jit::AnchorKind::pool;
  anchor.stage = b.reduce(b.output(), axes, reduce, kAverage ? sum_state(x) : max_state(x), result);
  anchor.kernel.assign(shape.begin() + 2, shape.end());
  anchor.strides.assign(rank, 1);
  anchor.dilations.assign(rank, 1);
  anchor.pads.assign(2 * rank, 0);
  anchor.data = b.input(0);
  b.set_anchor(anchor);
}

}  // namespace

const Implementation kGlobalAveragePool = {infer_global_pool, build_global_pool<true>};
const Implementation kGlobalMaxPool = {infer_global_pool, build_global_pool<false>};

}  // namespace altrt::ops
