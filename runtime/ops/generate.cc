// Operators whose result depends on attributes and shapes only.
#include <algorithm>
#include <cmath>

#include "runtime/ops/host.h"

namespace altrt::ops {
namespace {

/// The attribute of Constant that is there.
std::string constant_form(const NodeInfo& node) {
  for (const char* name : {"value", "value_float", "value_floats", "value_int", "value_ints"}) {
    if (node.has_attribute(name)) return name;
  }
  node.fail("has none of the attributes value, value_float, value_floats, value_int, value_ints",
            ErrorCode::unsupported);
}

std::vector<ResultType> infer_constant(const NodeInfo& node) {
  require_inputs(node, 0, 0);
  const std::string form = constant_form(node);
  if (form == "value_float") return one_result(node, DataType::f32, {});
  if (form == "value_int") return one_result(node, DataType::i64, {});
  if (form == "value_floats") {
    return one_result(node, DataType::f32, {static_cast<int64_t>(node.reals("value_floats", {}).size())});
  }
  if (form == "value_ints") {
    return one_result(node, DataType::i64, {static_cast<int64_t>(node.integers("value_ints").size())});
  }
  const Tensor* value = node.tensor("value");
  if (!value) node.fail("attribute 'value' is not a tensor");
  return one_result(node, value->type(), value->shape());
}

void run_constant(const NodeInfo& node, std::span<const TensorView>, std::span<TensorView> outputs) {
  const std::string form = constant_form(node);
  TensorView& y = outputs[0];
  if (form == "value_float") {
    *y.as<float>() = node.real("value_float", 0);
  } else if (form == "value_int") {
    *y.as<int64_t>() = node.integer("value_int");
  } else if (form == "value_floats") {
    const std::vector<float> values = node.reals("value_floats", {});
    std::copy(values.begin(), values.end(), y.as<float>());
  } else if (form == "value_ints") {
    const std::vector<int64_t> values = node.integers("value_ints");
    std::copy(values.begin(), values.end(), y.as<int64_t>());
  } else if (y.bytes() > 0) {
    std::memcpy(y.data, node.tensor("value")->data(), y.bytes());
  }
}

/// The extents that Shape returns: attributes start and end (opset 15) select some.
Shape selected_extents(const NodeInfo& node) {
  const Shape& shape = node.input(0).shape;
  const int64_t rank = static_cast<int64_t>(shape.size());
  const auto bound = [&](const char* name, int64_t otherwise) {
    const int64_t given = node.integer(name, otherwise);
    return std::clamp<int64_t>(given < 0 ? given + rank : given, 0, rank);
  };
  const int64_t start = bound("start", 0), end = std::max(start, bound("end", rank));
  return Shape(shape.begin() + start, shape.begin() + end);
}

std::vector<ResultType> infer_shape(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  return one_result(node, DataType::i64, {static_cast<int64_t>(selected_extents(node).size())});
}

void run_shape(const NodeInfo& node, std::span<const TensorView>, std::span<TensorView> outputs) {
  const Shape extents = selected_extents(node);
  std::copy(extents.begin(), extents.end(), outputs[0].as<int64_t>());
}

std::vector<ResultType> infer_size(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  return one_result(node, DataType::i64, {});
}

void run_size(const NodeInfo& node, std::span<const TensorView>, std::span<TensorView> outputs) {
  *outputs[0].as<int64_t>() = element_count(node.input(0).shape);
}

std::vector<ResultType> infer_constant_of_shape(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  const std::vector<int64_t> shape = node.constant_input(0, "input");
  require_range(node, shape, 0, "input 'input'");
  const Tensor* value = node.tensor("value");
  if (value && element_count(value->shape()) != 1) node.fail("attribute 'value' does not have one element");
  return one_result(node, value ? value->type() : DataType::f32, shape);
}

void build_constant_of_shape(const NodeInfo& node, Builder& b) {
  const auto axes = b.axes(b.shape(b.output()));
  const DataType type = b.type(b.output());
  const Tensor* value = node.tensor("value");
  if (!value) {
    b.map(b.output(), axes, jit::constant(type, 0));
    return;
  }
  with_type(type, [&](auto zero) {
    const auto element = *value->as<decltype(zero)>();
    b.map(b.output(), axes,
          is_float(type) ? jit::constant_float(type, static_cast<double>(element))
                         : jit::constant_int(type, static_cast<int64_t>(element)));
  });
}

std::vector<ResultType> infer_range(const NodeInfo& node) {
  require_inputs(node, 3, 3);
  const Operand& start = require_input(node, 0, "start", kFloats | kIndices);
  require_same_type(node, 1, 0);
  require_same_type(node, 2, 0);
  const double first = scalar_value(node, 0, "start"), limit = scalar_value(node, 1, "limit");
  const double delta = scalar_value(node, 2, "delta");
  if (delta == 0) node.fail("input 'delta' is 0");
  const double count = std::ceil((limit - first) / delta);
  if (!(count < 0x1p40)) node.fail("would make " + std::to_string(count) + " elements", ErrorCode::out_of_memory);
  return one_result(node, start.type, {static_cast<int64_t>(std::max(0.0, count))});
}

void build_range(const NodeInfo& node, Builder& b) {
  const auto axes = b.axes(b.shape(b.output()));
  if (element_count(b.shape(b.output())) == 0) return;
  const DataType type = b.type(b.output());
  const Expr i = cast(type, jit::variable(axes[0].name));
  b.map(b.output(), axes, input_at(node, b, 0, {}) + i * input_at(node, b, 2, {}));
}

std::vector<ResultType> infer_eye_like(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  const Operand& x = require_input(node, 0, "input", kAnyType);
  if (x.shape.size() != 2) node.fail("input 'input' has shape " + to_string(x.shape) + ", expected a matrix");
  const bool typed = node.has_attribute("dtype");
  return one_result(node, typed ? onnx_type(node, node.integer("dtype"), "attribute 'dtype'") : x.type, x.shape);
}

void build_eye_like(const NodeInfo& node, Builder& b) {
  const auto axes = b.axes(b.shape(b.output()));
  const Exprs point = jit::variables(axes);
  const std::vector<int64_t> diagonal = {node.integer("k", 0)};
  require_range(node, diagonal, -(int64_t{1} << 31), "attribute 'k'");
  const DataType type = b.type(b.output());
  b.map(b.output(), axes, select(eq(point[0] + diagonal[0], point[1]), jit::constant(type, 1), jit::constant(type, 0)));
}

}  // namespace

const Implementation kConstant = {infer_constant, nullptr, run_constant};
const Implementation kShape = {infer_shape, nullptr, run_shape};
const Implementation kSize = {infer_size, nullptr, run_size};
const Implementation kConstantOfShape = {infer_constant_of_shape, build_constant_of_shape};
const Implementation kRange = {infer_range, build_range};
const Implementation kEyeLike = {infer_eye_like, build_eye_like};

}  // namespace altrt::ops
