// What the operator files share: checks of inputs and attributes, shape arithmetic, small expressions.
#pragma once

#include <string>
#include <vector>

#include "jit/expr/expr.h"
#include "runtime/ops/implementations.h"

namespace altrt::ops {

using jit::Axis;
using jit::Expr;
using jit::ExprKind;
using jit::Exprs;

/// A set of element types, one bit each.
using TypeSet = unsigned;
constexpr TypeSet type_bit(DataType type) { return 1u << static_cast<unsigned>(type); }
inline constexpr TypeSet kFloats = type_bit(DataType::f32) | type_bit(DataType::f64);
inline constexpr TypeSet kIndices = type_bit(DataType::i64) | type_bit(DataType::i32);
inline constexpr TypeSet kIntegers = kIndices | type_bit(DataType::i8) | type_bit(DataType::u8);
inline constexpr TypeSet kNumbers = kFloats | kIntegers;
inline constexpr TypeSet kBooleans = type_bit(DataType::boolean);
inline constexpr TypeSet kAnyType = kNumbers | kBooleans;
constexpr bool in_set(TypeSet set, DataType type) { return (set & type_bit(type)) != 0; }
constexpr bool is_float(DataType type) { return in_set(kFloats, type); }

// --- checks; all fail with Error naming the node and the field ---
/// Between `least` and `most` inputs, the first `least` present.
void require_inputs(const NodeInfo& node, int least, int most);
/// Input i, of one of the types; Error(unsupported) otherwise.
const Operand& require_input(const NodeInfo& node, int i, const char* name, TypeSet types);
/// Input i has the type of input `other`.
void require_same_type(const NodeInfo& node, int i, int other);
void require_outputs(const NodeInfo& node, int most);
/// A list of axes made non-negative, in the given order; fails on duplicates.
std::vector<int64_t> distinct_axes(const NodeInfo& node, const std::vector<int64_t>& axes, size_t rank);
/// The list as integers in [least, 2^31).
void require_range(const NodeInfo& node, const std::vector<int64_t>& values, int64_t least, const std::string& field);

// --- shapes ---
/// One result, after its size was checked: Error(out_of_memory) from 2^48 elements.
std::vector<ResultType> one_result(const NodeInfo& node, DataType type, Shape shape);
inline constexpr size_t kMostDimensions = 64;
/// Fails like one_result if the shape is absurd; Error(unsupported) beyond kMostDimensions.
void check_size(const NodeInfo& node, const Shape& shape);
/// numpy broadcasting of two shapes.
Shape broadcast(const NodeInfo& node, const Shape& a, const Shape& b);
/// Fails unless input i broadcasts to the shape without changing it.
void require_broadcast(const NodeInfo& node, int i, const char* name, const Shape& shape);
/// Of the extents [first, last); Error(out_of_memory) on overflow.
int64_t product(const Shape& shape, size_t first, size_t last);
/// a * b; Error(out_of_memory) on overflow.
int64_t checked_product(const NodeInfo& node, int64_t a, int64_t b);
/// The single element of a known floating-point or integer input, as a double.
double scalar_value(const NodeInfo& node, int i, const char* name);
/// The element type that ONNX numbers `code` (TensorProto.DataType); Error(unsupported) naming `field`.
DataType onnx_type(const NodeInfo& node, int64_t code, const std::string& field);

// --- expressions ---
/// A constant of the type of `like`.
inline Expr constant_like(const Expr& like, double value) { return jit::constant(like->type, value); }
/// Element of input i at a point by broadcasting; a known input with one element becomes a literal.
Expr input_at(const NodeInfo& node, const Builder& builder, int i, const Exprs& point);
/// a * b + c, rounded once for floats.
Expr multiply_add(const Expr& a, const Expr& b, const Expr& c);
/// A reduction that adds `term` up from zero.
jit::StateValue sum_state(const Expr& term);
/// A reduction that adds a * b up from zero.
jit::StateValue dot_state(const Expr& a, const Expr& b);
/// The least value of a type (minus infinity for floats), and the greatest.
Expr lowest(DataType type);
Expr highest(DataType type);
/// NaN-keeping maximum, minimum.
jit::StateValue max_state(const Expr& value);
jit::StateValue min_state(const Expr& value);
/// A data-dependent index into an extent: negative values count from the end, the rest is clamped into the extent.
Expr wrapped_index(const Expr& index, int64_t extent);
/// Conjunction of `0 <= index < extent`, leaving out what [least, greatest] decides already; absent if nothing is left.
Expr inside(const Expr& condition, const Expr& index, int64_t least, int64_t greatest, int64_t extent);
/// select(condition, a, b), or a if there is no condition.
Expr select_if(const Expr& condition, const Expr& a, const Expr& b);

}  // namespace altrt::ops
