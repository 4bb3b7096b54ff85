// MatMul with numpy's rules: one-dimensional arguments, broadcast batches.
#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

struct Geometry {
  Shape batch;  // of the result
  int64_t m = 1, n = 1, k = 1;
  bool has_m = true, has_n = true;  // false where the argument is one-dimensional
};

Geometry geometry(const NodeInfo& node) {
  const Shape &a = node.input(0).shape, &b = node.input(1).shape;
  if (a.empty() || b.empty()) node.fail("an input is a scalar");
  Geometry g;
  g.has_m = a.size() > 1;
  g.has_n = b.size() > 1;
  g.k = a.back();
  if (g.has_m) g.m = a[a.size() - 2];
  if (g.has_n) g.n = b.back();
  const int64_t other_k = g.has_n ? b[b.size() - 2] : b.back();
  if (other_k != g.k) node.fail("shapes " + to_string(a) + " and " + to_string(b) + " do not multiply");
  const Shape a_batch(a.begin(), a.end() - (g.has_m ? 2 : 1)), b_batch(b.begin(), b.end() - (g.has_n ? 2 : 1));
  g.batch = broadcast(node, a_batch, b_batch);
  return g;
}

std::vector<ResultType> infer_matmul(const NodeInfo& node) {
  require_inputs(node, 2, 2);
  const Operand& a = require_input(node, 0, "A", kFloats | kIndices);
  require_same_type(node, 1, 0);
  const Geometry g = geometry(node);
  Shape shape = g.batch;
  if (g.has_m) shape.push_back(g.m);
  if (g.has_n) shape.push_back(g.n);
  return one_result(node, a.type, shape);
}

/// The batch part of an argument's index: `dims` of its own batch dimensions, the last ones of the result's.
Exprs batch_index(const Shape& shape, size_t dims, const Exprs& point, size_t batch) {
  Exprs index;
  for (size_t d = 0; d < dims; ++d) index.push_back(shape[d] == 1 ? Expr(0) : point[batch - dims + d]);
  return index;
}

void build_matmul(const NodeInfo& node, Builder& b) {
  const Geometry g = geometry(node);
  const size_t batch = g.batch.size();
  std::vector<std::string> names;
  for (size_t d = 0; d < batch; ++d) names.push_back("b" + std::to_string(d));
  if (g.has_m) names.push_back("m");
  if (g.has_n) names.push_back("n");
  const auto axes = b.axes(b.shape(b.output()), names);
  const auto reduce = b.axes({g.k}, {"k"});
  const Exprs point = jit::variables(axes);
  const Expr k = jit::variable(reduce[0].name);
  const Shape &a_shape = node.input(0).shape, &b_shape = node.input(1).shape;
  Exprs a_index = batch_index(a_shape, a_shape.size() - (g.has_m ? 2 : 1), point, batch);
  if (g.has_m) a_index.push_back(point[batch]);
  a_index.push_back(k);
  Exprs b_index = batch_index(b_shape, b_shape.size() - (g.has_n ? 2 : 1), point, batch);
  b_index.push_back(k);
  if (g.has_n) b_index.push_back(point.back());
  jit::Anchor anchor;
  anchor.kind = jit::AnchorKind::matmul;
  anchor.stage = b.reduce(b.output(), axes, reduce, dot_state(b.at(b.input(0), a_index), b.at(b.input(1), b_index)));
  anchor.data = b.input(0);
  anchor.weights = b.input(1);
  b.set_anchor(anchor);
}

}  // namespace

const Implementation kMatMul = {infer_matmul, build_matmul};

}  // namespace altrt::ops
