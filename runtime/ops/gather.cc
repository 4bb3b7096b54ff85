// Gather, GatherElements, GatherND. Negative indices count from the end; an index outside of its extent is clamped into
// it (ONNX leaves that undefined), so that no data can make a kernel read elsewhere.
#include <algorithm>
#include <optional>

#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

/// Known indices that are evenly spaced, as `first + step * position`: no memory is read for them, and an index map
/// like a slice's is left.
std::optional<Expr> even_index(const NodeInfo& node, const Exprs& where, int64_t extent) {
  const Operand& indices = node.input(1);
  if (!indices.data || element_count(indices.shape) == 0) return std::nullopt;
  std::vector<int64_t> values = indices.integers();
  for (int64_t& value : values) value = std::clamp<int64_t>(value < 0 ? value + extent : value, 0, extent - 1);
  const int64_t step = values.size() > 1 ? values[1] - values[0] : 0;
  Expr position(0);
  for (size_t d = 0; d < where.size(); ++d) position = position * indices.shape[d] + where[d];
  for (size_t i = 1; i < values.size(); ++i) {
    if (values[i] - values[i - 1] != step) return std::nullopt;
  }
  return position * step + values[0];
}

std::vector<ResultType> infer_gather(const NodeInfo& node) {
  require_inputs(node, 2, 2);
  const Operand& x = require_input(node, 0, "data", kAnyType);
  const Operand& indices = require_input(node, 1, "indices", kIndices);
  const int64_t axis = node.axis(node.integer("axis", 0), x.shape.size());
  if (x.shape[axis] == 0 && element_count(indices.shape) > 0) {
    node.fail("axis " + std::to_string(axis) + " of input 'data' is empty: shape " + to_string(x.shape));
  }
  Shape shape(x.shape.begin(), x.shape.begin() + axis);
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), x.shape.begin() + axis + 1, x.shape.end());
  return one_result(node, x.type, shape);
}

void build_gather(const NodeInfo& node, Builder& b) {
  const Shape &x = node.input(0).shape, &indices = node.input(1).shape;
  const int64_t axis = node.axis(node.integer("axis", 0), x.size());
  const auto axes = b.axes(b.shape(b.output()));
  const Exprs point = jit::variables(axes);
  Exprs index(point.begin(), point.begin() + axis);
  const Exprs where(point.begin() + axis, point.begin() + axis + indices.size());
  const std::optional<Expr> even = even_index(node, where, x[axis]);
  index.push_back(even ? *even : wrapped_index(input_at(node, b, 1, where), x[axis]));
  index.insert(index.end(), point.begin() + axis + indices.size(), point.end());
  b.map(b.output(), axes, b.at(b.input(0), index));
}

std::vector<ResultType> infer_gather_elements(const NodeInfo& node) {
  require_inputs(node, 2, 2);
  const Operand& x = require_input(node, 0, "data", kAnyType);
  const Operand& indices = require_input(node, 1, "indices", kIndices);
  const int64_t axis = node.axis(node.integer("axis", 0), x.shape.size());
  bool fits = indices.shape.size() == x.shape.size();
  for (size_t d = 0; fits && d < x.shape.size(); ++d) {
    fits = static_cast<int64_t>(d) == axis ? x.shape[d] > 0 || indices.shape[d] == 0 : indices.shape[d] <= x.shape[d];
  }
  if (!fits) {
    node.fail("input 'indices' of shape " + to_string(indices.shape) + " does not fit data of " + to_string(x.shape));
  }
  return one_result(node, x.type, indices.shape);
}

void build_gather_elements(const NodeInfo& node, Builder& b) {
  const Shape& x = node.input(0).shape;
  const int64_t axis = node.axis(node.integer("axis", 0), x.size());
  const auto axes = b.axes(b.shape(b.output()));
  Exprs index = jit::variables(axes);
  index[axis] = wrapped_index(b.at(b.input(1), index), x[axis]);
  b.map(b.output(), axes, b.at(b.input(0), index));
}

std::vector<ResultType> infer_gather_nd(const NodeInfo& node) {
  require_inputs(node, 2, 2);
  const Operand& x = require_input(node, 0, "data", kAnyType);
  const Operand& indices = require_input(node, 1, "indices", kIndices);
  const int64_t batch = node.integer("batch_dims", 0);
  const int64_t rank = static_cast<int64_t>(x.shape.size());
  const auto refuse = [&] {
    node.fail("input 'indices' of shape " + to_string(indices.shape) + " does not fit data of " + to_string(x.shape));
  };
  if (indices.shape.empty() || batch < 0 || batch >= static_cast<int64_t>(indices.shape.size()) || batch > rank)
    refuse();
  const int64_t depth = indices.shape.back();
  if (depth > rank - batch) refuse();
  for (int64_t d = 0; d < batch; ++d) {
    if (indices.shape[d] != x.shape[d]) refuse();
  }
  Shape shape(indices.shape.begin(), indices.shape.end() - 1);
  shape.insert(shape.end(), x.shape.begin() + batch + depth, x.shape.end());
  if (element_count(x.shape) == 0 && element_count(shape) > 0) refuse();
  return one_result(node, x.type, shape);
}

void build_gather_nd(const NodeInfo& node, Builder& b) {
  const Shape &x = node.input(0).shape, &indices = node.input(1).shape;
  const int64_t batch = node.integer("batch_dims", 0), depth = indices.back();
  const size_t lookup = indices.size() - 1;  // leading output dimensions, which walk through `indices`
  const auto axes = b.axes(b.shape(b.output()));
  const Exprs point = jit::variables(axes);
  Exprs index(point.begin(), point.begin() + batch);
  for (int64_t i = 0; i < depth; ++i) {
    Exprs where(point.begin(), point.begin() + lookup);
    where.push_back(Expr(i));
    index.push_back(wrapped_index(b.at(b.input(1), where), x[batch + i]));
  }
  index.insert(index.end(), point.begin() + lookup, point.end());
  b.map(b.output(), axes, b.at(b.input(0), index));
}

}  // namespace

const Implementation kGather = {infer_gather, build_gather};
const Implementation kGatherElements = {infer_gather_elements, build_gather_elements};
const Implementation kGatherND = {infer_gather_nd, build_gather_nd};

}  // namespace altrt::ops
