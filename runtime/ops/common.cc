#include "runtime/ops/common.h"

#include <algorithm>
#include <limits>

namespace altrt::ops {

void require_inputs(const NodeInfo& node, int least, int most) {
  const int count = static_cast<int>(node.inputs.size());
  if (count > most) {
    node.fail("has " + std::to_string(count) + " inputs, expected at most " + std::to_string(most));
  }
  for (int i = 0; i < least; ++i) node.input(i);
}

const Operand& require_input(const NodeInfo& node, int i, const char* name, TypeSet types) {
  const Operand& operand = node.input(i);
  if (!in_set(types, operand.type)) {
    node.fail(std::string("input '") + name + "' has type " + to_string(operand.type), ErrorCode::unsupported);
  }
  return operand;
}

void require_same_type(const NodeInfo& node, int i, int other) {
  if (node.input(i).type != node.input(other).type) {
    node.fail("inputs " + std::to_string(other) + " and " + std::to_string(i) + " have types " +
              to_string(node.input(other).type) + " and " + to_string(node.input(i).type));
  }
}

void require_outputs(const NodeInfo& node, int most) {
  if (node.outputs > most) {
    node.fail("has " + std::to_string(node.outputs) + " outputs, expected at most " + std::to_string(most));
  }
}

std::vector<int64_t> distinct_axes(const NodeInfo& node, const std::vector<int64_t>& axes, size_t rank) {
  std::vector<int64_t> result;
  for (int64_t axis : axes) {
    const int64_t positive = node.axis(axis, rank);
    if (std::find(result.begin(), result.end(), positive) != result.end()) {
      node.fail("axis " + std::to_string(axis) + " is named twice");
    }
    result.push_back(positive);
  }
  return result;
}

void require_range(const NodeInfo& node, const std::vector<int64_t>& values, int64_t least, const std::string& field) {
  for (int64_t value : values) {
    if (value < least || value > std::numeric_limits<int32_t>::max()) {
      node.fail(field + " holds " + std::to_string(value) + ", expected at least " + std::to_string(least) +
                " and below 2^31");
    }
  }
}

void check_size(const NodeInfo& node, const Shape& shape) {
  constexpr int64_t kMost = int64_t{1} << 48;
  if (shape.size() > kMostDimensions) {
    node.fail("the output would have " + std::to_string(shape.size()) + " dimensions", ErrorCode::unsupported);
  }
  int64_t count = 1;
  bool absurd = false;
  for (int64_t extent : shape) {
    if (extent < 0) node.fail("the output's shape would be " + to_string(shape));
    absurd |= extent > kMost || __builtin_mul_overflow(count, std::max<int64_t>(extent, 1), &count) || count > kMost;
  }
  if (absurd) node.fail("the output's shape would be " + to_string(shape), ErrorCode::out_of_memory);
}

std::vector<ResultType> one_result(const NodeInfo& node, DataType type, Shape shape) {
  require_outputs(node, 1);
  check_size(node, shape);
  return {{type, std::move(shape)}};
}

Shape broadcast(const NodeInfo& node, const Shape& a, const Shape& b) {
  const size_t rank = std::max(a.size(), b.size());
  Shape result(rank);
  for (size_t d = 0; d < rank; ++d) {
    const int64_t x = d + a.size() < rank ? 1 : a[d + a.size() - rank];
    const int64_t y = d + b.size() < rank ? 1 : b[d + b.size() - rank];
    if (x != y && x != 1 && y != 1) {
      node.fail("shapes " + to_string(a) + " and " + to_string(b) + " do not broadcast");
    }
    result[d] = x == 1 ? y : x;
  }
  return result;
}

void require_broadcast(const NodeInfo& node, int i, const char* name, const Shape& shape) {
  const Shape& own = node.input(i).shape;
  bool fits = own.size() <= shape.size();
  for (size_t d = 0; fits && d < own.size(); ++d) {
    fits = own[d] == 1 || own[d] == shape[shape.size() - own.size() + d];
  }
  if (!fits) {
    node.fail(std::string("input '") + name + "' of shape " + to_string(own) + " does not broadcast to " +
              to_string(shape));
  }
}

int64_t product(const Shape& shape, size_t first, size_t last) {
  return element_count(Shape(shape.begin() + first, shape.begin() + last));
}

int64_t checked_product(const NodeInfo& node, int64_t a, int64_t b) {
  int64_t result;
  if (__builtin_mul_overflow(a, b, &result)) node.fail("an extent overflows", ErrorCode::out_of_memory);
  return result;
}

double scalar_value(const NodeInfo& node, int i, const char* name) {
  const Operand& operand = node.input(i);
  if (!operand.data) node.fail(std::string("input '") + name + "' is not known at load", ErrorCode::unsupported);
  if (element_count(operand.shape) != 1) node.fail(std::string("input '") + name + "' has more than one element");
  switch (operand.type) {
    case DataType::f32:
      return *operand.data->as<float>();
    case DataType::f64:
      return *operand.data->as<double>();
    default:
      return static_cast<double>(operand.integers()[0]);
  }
}

DataType onnx_type(const NodeInfo& node, int64_t code, const std::string& field) {
  switch (code) {
    case 1:
      return DataType::f32;
    case 2:
      return DataType::u8;
    case 3:
      return DataType::i8;
    case 6:
      return DataType::i32;
    case 7:
      return DataType::i64;
    case 9:
      return DataType::boolean;
    case 11:
      return DataType::f64;
    default:
      node.fail(field + " asks for element type " + std::to_string(code), ErrorCode::unsupported);
  }
}

Expr input_at(const NodeInfo& node, const Builder& builder, int i, const Exprs& point) {
  const Operand& operand = node.input(i);
  if (!operand.data || element_count(operand.shape) != 1) return builder.broadcast_at(builder.input(i), point);
  if (operand.type == DataType::f32) return jit::constant_float(operand.type, *operand.data->as<float>());
  if (operand.type == DataType::f64) return jit::constant_float(operand.type, *operand.data->as<double>());
  return jit::constant_int(operand.type, operand.integers()[0]);
}

Expr multiply_add(const Expr& a, const Expr& b, const Expr& c) { return is_float(a->type) ? fma(a, b, c) : c + a * b; }

jit::StateValue sum_state(const Expr& term) {
  const Expr sum = jit::state(0, term->type);
  return {term->type, constant_like(term, 0), sum + term, sum + jit::other(0, term->type)};
}

jit::StateValue dot_state(const Expr& a, const Expr& b) {
  const Expr sum = jit::state(0, a->type);
  return {a->type, constant_like(a, 0), multiply_add(a, b, sum), sum + jit::other(0, a->type)};
}

Expr lowest(DataType type) {
  switch (type) {
    case DataType::f32:
    case DataType::f64:
      return jit::constant_float(type, -std::numeric_limits<double>::infinity());
    case DataType::i64:
      return jit::constant_int(type, std::numeric_limits<int64_t>::min());
    case DataType::i32:
      return jit::constant_int(type, std::numeric_limits<int32_t>::min());
    case DataType::i8:
      return jit::constant_int(type, -128);
    default:
      return jit::constant_int(type, 0);
  }
}

Expr highest(DataType type) {
  switch (type) {
    case DataType::f32:
    case DataType::f64:
      return jit::constant_float(type, std::numeric_limits<double>::infinity());
    case DataType::i64:
      return jit::constant_int(type, std::numeric_limits<int64_t>::max());
    case DataType::i32:
      return jit::constant_int(type, std::numeric_limits<int32_t>::max());
    case DataType::i8:
      return jit::constant_int(type, 127);
    case DataType::u8:
      return jit::constant_int(type, 255);
    default:
      return jit::constant_int(type, 1);
  }
}

jit::StateValue max_state(const Expr& value) {
  const Expr best = jit::state(0, value->type);
  return {value->type, lowest(value->type), max(best, value), max(best, jit::other(0, value->type))};
}

jit::StateValue min_state(const Expr& value) {
  const Expr best = jit::state(0, value->type);
  return {value->type, highest(value->type), min(best, value), min(best, jit::other(0, value->type))};
}

Expr wrapped_index(const Expr& index, int64_t extent) {
  const Expr wide = cast(DataType::i64, index);
  const Expr positive = select(lt(wide, 0), wide + extent, wide);
  return max(min(positive, extent - 1), 0);
}

Expr inside(const Expr& condition, const Expr& index, int64_t least, int64_t greatest, int64_t extent) {
  Expr result = condition;
  const auto add = [&](const Expr& term) { result = result ? logical_and(result, term) : term; };
  if (least < 0) add(le(Expr(0), index));
  if (greatest >= extent) add(lt(index, Expr(extent)));
  return result;
}

Expr select_if(const Expr& condition, const Expr& a, const Expr& b) { return condition ? select(condition, a, b) : a; }

}  // namespace altrt::ops
