// Operators of one output element from the same element of each input.
#pragma once

#include "runtime/ops/common.h"

namespace altrt::ops {

using UnaryBody = Expr (*)(const NodeInfo&, const Expr&);
using BinaryBody = Expr (*)(const NodeInfo&, const Expr&, const Expr&);

/// One input of one of the types, one output like it.
template <TypeSet kTypes>
std::vector<ResultType> infer_unary(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  const Operand& x = require_input(node, 0, "X", kTypes);
  return one_result(node, x.type, x.shape);
}

template <UnaryBody kBody>
void build_unary(const NodeInfo& node, Builder& b) {
  const auto axes = b.axes(b.shape(b.output()));
  b.map(b.output(), axes, kBody(node, b.at(b.input(0), jit::variables(axes))));
}

/// Two inputs of one type that broadcast.
template <TypeSet kTypes>
std::vector<ResultType> infer_binary(const NodeInfo& node) {
  require_inputs(node, 2, 2);
  const Operand& a = require_input(node, 0, "A", kTypes);
  const Operand& c = require_input(node, 1, "B", kTypes);
  require_same_type(node, 1, 0);
  return one_result(node, a.type, broadcast(node, a.shape, c.shape));
}

template <BinaryBody kBody>
void build_binary(const NodeInfo& node, Builder& b) {
  const auto axes = b.axes(b.shape(b.output()));
  const Exprs point = jit::variables(axes);
  b.map(b.output(), axes, kBody(node, input_at(node, b, 0, point), input_at(node, b, 1, point)));
}

template <TypeSet kTypes, UnaryBody kBody>
constexpr Implementation unary_op() {
  return {infer_unary<kTypes>, build_unary<kBody>};
}

template <TypeSet kTypes, BinaryBody kBody>
constexpr Implementation binary_op() {
  return {infer_binary<kTypes>, build_binary<kBody>};
}

}  // namespace altrt::ops
