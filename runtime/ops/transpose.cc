#include <numeric>

#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

/// Output dimension d is input dimension permutation[d]; the reverse order by default.
std::vector<int64_t> permutation(const NodeInfo& node) {
  const size_t rank = node.input(0).shape.size();
  std::vector<int64_t> reversed(rank);
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  const std::vector<int64_t> perm = node.integers("perm", reversed);
  if (perm.size() != rank) {
    node.fail("attribute 'perm' has " + std::to_string(perm.size()) + " values, expected " + std::to_string(rank));
  }
  return distinct_axes(node, perm, rank);
}

std::vector<ResultType> infer_transpose(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  const Operand& x = require_input(node, 0, "data", kAnyType);
  Shape shape;
  for (int64_t source : permutation(node)) shape.push_back(x.shape[source]);
  return one_result(node, x.type, shape);
}

void build_transpose(const NodeInfo& node, Builder& b) {
  const std::vector<int64_t> perm = permutation(node);
  const auto axes = b.axes(b.shape(b.output()));
  Exprs index(perm.size());
  for (size_t d = 0; d < perm.size(); ++d) index[perm[d]] = jit::variable(axes[d].name);
  b.map(b.output(), axes, b.at(b.input(0), index));
}

}  // namespace

const Implementation kTranspose = {infer_transpose, build_transpose};

}  // namespace altrt::ops
