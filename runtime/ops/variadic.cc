// Min, Max, Sum and Mean of any number of broadcast inputs.
#include "runtime/ops/elementwise.h"

namespace altrt::ops {
namespace {

template <TypeSet kTypes>
std::vector<ResultType> infer_variadic(const NodeInfo& node) {
  if (node.inputs.empty()) node.fail("has no input");
  Shape shape = require_input(node, 0, "data_0", kTypes).shape;
  for (int i = 1; i < static_cast<int>(node.inputs.size()); ++i) {
    require_same_type(node, i, 0);
    shape = broadcast(node, shape, node.input(i).shape);
  }
  return one_result(node, node.input(0).type, shape);
}

Expr least(const Expr& a, const Expr& b) { return min(a, b); }
Expr greatest(const Expr& a, const Expr& b) { return max(a, b); }
Expr sum(const Expr& a, const Expr& b) { return a + b; }

template <Expr (*kCombine)(const Expr&, const Expr&), bool kMean>
void build_variadic(const NodeInfo& node, Builder& b) {
  const auto axes = b.axes(b.shape(b.output()));
  const Exprs point = jit::variables(axes);
  Expr value = input_at(node, b, 0, point);
  const int count = static_cast<int>(node.inputs.size());
  for (int i = 1; i < count; ++i) value = kCombine(value, input_at(node, b, i, point));
  if (kMean && count > 1) value = div(value, constant_like(value, count));
  b.map(b.output(), axes, value);
}

}  // namespace

const Implementation kMin = {infer_variadic<kNumbers>, build_variadic<least, false>};
const Implementation kMax = {infer_variadic<kNumbers>, build_variadic<greatest, false>};
const Implementation kSum = {infer_variadic<kFloats>, build_variadic<sum, false>};
const Implementation kMean = {infer_variadic<kFloats>, build_variadic<sum, true>};

}  // namespace altrt::ops
