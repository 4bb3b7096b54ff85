// BatchNormalization (inference), InstanceNormalization, LayerNormalization, MeanVarianceNormalization: two passes,
// mean then variance.
#include <numeric>

#include "runtime/ops/rows.h"

namespace altrt::ops {
namespace {

/// Stages for mean and 1 / sqrt(variance + epsilon) of the rows of input 0.
struct Moments {
  int mean, inverse_deviation;
};

Moments add_moments(Builder& b, const Rows& rows, double epsilon) {
  const DataType type = b.type(b.input(0));
  const Expr average = div(jit::state(0, type), jit::constant(type, static_cast<double>(rows.length())));
  Moments moments;
  moments.mean = rows.reduce_to(
      b, "mean", type, [&](const Exprs& element) { return b.at(b.input(0), element); }, sum_state, average);
  const auto squared = [](const Expr& x) { return dot_state(x, x); };
  moments.inverse_deviation = rows.reduce_to(
      b, "inverse_deviation", type,
      [&](const Exprs& element) { return b.at(b.input(0), element) - b.at(moments.mean, rows.row_of(element)); },
      squared, div(jit::constant(type, 1), unary(ExprKind::sqrt, average + jit::constant(type, epsilon))));
  jit::Anchor anchor;
  anchor.kind = jit::AnchorKind::normalize;
  const std::vector<int> writers = b.computation().writers(moments.inverse_deviation);
  if (!writers.empty()) anchor.stage = writers[0];
  anchor.data = b.input(0);
  b.set_anchor(anchor);
  return moments;
}

/// (x - mean) / deviation
Expr normalized(const Builder& b, const Rows& rows, const Moments& moments, const Exprs& element) {
  const Exprs row = rows.row_of(element);
  return (b.at(b.input(0), element) - b.at(moments.mean, row)) * b.at(moments.inverse_deviation, row);
}

void require_channels(const NodeInfo& node, int i, const char* name, int64_t channels) {
  const Operand& operand = require_input(node, i, name, kFloats);
  if (operand.shape != Shape{channels}) {
    node.fail(std::string("input '") + name + "' has shape " + to_string(operand.shape) + ", expected [" +
              std::to_string(channels) + "]");
  }
}

std::vector<ResultType> infer_batch_normalization(const NodeInfo& node) {
  require_inputs(node, 5, 5);
  const Operand& x = require_input(node, 0, "X", kFloats);
  if (x.shape.empty()) node.fail("input 'X' is a scalar");
  if (node.integer("training_mode", 0) != 0) node.fail("attribute 'training_mode' is 1", ErrorCode::unsupported);
  const int64_t channels = x.shape.size() == 1 ? 1 : x.shape[1];
  const char* names[] = {"X", "scale", "B", "input_mean", "input_var"};
  for (int i = 1; i < 5; ++i) require_channels(node, i, names[i], channels);
  return one_result(node, x.type, x.shape);
}

void build_batch_normalization(const NodeInfo& node, Builder& b) {
  const auto axes = b.axes(b.shape(b.output()));
  const Exprs point = jit::variables(axes);
  const Expr x = b.at(b.input(0), point);
  const Exprs channel = {point.size() == 1 ? Expr(0) : point[1]};
  const auto parameter = [&](int i) { return cast(x->type, b.at(b.input(i), channel)); };
  const Expr deviation = unary(ExprKind::sqrt, parameter(4) + constant_like(x, node.real("epsilon", 1e-5f)));
  b.map(b.output(), axes, fma(x - parameter(3), div(parameter(1), deviation), parameter(2)));
}

std::vector<ResultType> infer_instance_normalization(const NodeInfo& node) {
  require_inputs(node, 3, 3);
  const Operand& x = require_input(node, 0, "input", kFloats);
  if (x.shape.size() < 3) node.fail("input 'input' has no spatial dimension: shape " + to_string(x.shape));
  require_channels(node, 1, "scale", x.shape[1]);
  require_channels(node, 2, "B", x.shape[1]);
  require_same_type(node, 1, 0);
  require_same_type(node, 2, 0);
  return one_result(node, x.type, x.shape);
}

std::vector<int64_t> axes_from(int64_t first, size_t rank) {
  std::vector<int64_t> axes(rank - first);
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

void build_instance_normalization(const NodeInfo& node, Builder& b) {
  const Shape& shape = node.input(0).shape;
  const Rows rows(shape, axes_from(2, shape.size()));
  const Moments moments = add_moments(b, rows, node.real("epsilon", 1e-5f));
  rows.map(b, b.output(), [&](const Exprs& element) {
    return fma(normalized(b, rows, moments, element), b.at(b.input(1), {element[1]}), b.at(b.input(2), {element[1]}));
  });
}

std::vector<ResultType> infer_layer_normalization(const NodeInfo& node) {
  require_inputs(node, 2, 3);
  require_outputs(node, 3);
  const Operand& x = require_input(node, 0, "X", kFloats);
  if (node.integer("stash_type", 1) != 1) node.fail("attribute 'stash_type' is not 1", ErrorCode::unsupported);
  const int64_t axis = node.axis(node.integer("axis", -1), x.shape.size());
  for (int i = 1; i < 3; ++i) {
    if (!node.has_input(i)) continue;
    require_same_type(node, i, 0);
    require_broadcast(node, i, i == 1 ? "Scale" : "B", x.shape);
  }
  check_size(node, x.shape);
  Shape row = x.shape;
  for (size_t d = axis; d < row.size(); ++d) row[d] = 1;
  std::vector<ResultType> results = {{x.type, x.shape}, {x.type, row}, {x.type, row}};
  results.resize(node.outputs);
  return results;
}

void build_layer_normalization(const NodeInfo& node, Builder& b) {
  const Shape& shape = node.input(0).shape;
  const Rows rows(shape, axes_from(node.axis(node.integer("axis", -1), shape.size()), shape.size()));
  const Moments moments = add_moments(b, rows, node.real("epsilon", 1e-5f));
  if (b.output(0) >= 0) {
    rows.map(b, b.output(), [&](const Exprs& element) {
      const Expr y = normalized(b, rows, moments, element), scale = b.broadcast_at(b.input(1), element);
      return b.input(2) >= 0 ? fma(y, scale, b.broadcast_at(b.input(2), element)) : y * scale;
    });
  }
  const int sources[] = {moments.mean, moments.inverse_deviation};
  for (int i = 0; i < 2; ++i) {
    if (b.output(i + 1) < 0) continue;
    const auto axes = b.axes(b.shape(b.output(i + 1)));
    b.map(b.output(i + 1), axes, b.at(sources[i], rows.row_of(jit::variables(axes))));
  }
}

/// The axes of MeanVarianceNormalization; by default all but the channels.
Rows normalized_rows(const NodeInfo& node) {
  const Shape& shape = node.input(0).shape;
  return Rows(shape, distinct_axes(node, node.integers("axes", {0, 2, 3}), shape.size()));
}

std::vector<ResultType> infer_mean_variance_normalization(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  const Operand& x = require_input(node, 0, "X", kFloats);
  normalized_rows(node);
  return one_result(node, x.type, x.shape);
}

void build_mean_variance_normalization(const NodeInfo& node, Builder& b) {
  const Rows rows = normalized_rows(node);
  const Moments moments = add_moments(b, rows, 1e-9);
  rows.map(b, b.output(), [&](const Exprs& element) { return normalized(b, rows, moments, element); });
}

}  // namespace

const Implementation kBatchNormalization = {infer_batch_normalization, build_batch_normalization};
const Implementation kInstanceNormalization = {infer_instance_normalization, build_instance_normalization};
const Implementation kLayerNormalization = {infer_layer_normalization, build_layer_normalization};
const Implementation kMeanVarianceNormalization = {infer_mean_variance_normalization,
                                                   build_mean_variance_normalization};

}  // namespace altrt::ops
