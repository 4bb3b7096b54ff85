// Arithmetic, comparisons and logic of two arguments with numpy broadcasting.
#include "runtime/ops/elementwise.h"

namespace altrt::ops {
namespace {

Expr add(const NodeInfo&, const Expr& a, const Expr& b) { return a + b; }
Expr subtract(const NodeInfo&, const Expr& a, const Expr& b) { return a - b; }
Expr multiply(const NodeInfo&, const Expr& a, const Expr& b) { return a * b; }
/// Truncating for integers.
Expr divide(const NodeInfo&, const Expr& a, const Expr& b) { return div(a, b); }

Expr equals(const NodeInfo&, const Expr& a, const Expr& b) { return eq(a, b); }
Expr less(const NodeInfo&, const Expr& a, const Expr& b) { return lt(a, b); }
Expr less_or_equal(const NodeInfo&, const Expr& a, const Expr& b) { return le(a, b); }
Expr greater(const NodeInfo&, const Expr& a, const Expr& b) { return lt(b, a); }
Expr greater_or_equal(const NodeInfo&, const Expr& a, const Expr& b) { return le(b, a); }

Expr both(const NodeInfo&, const Expr& a, const Expr& b) { return logical_and(a, b); }
Expr either(const NodeInfo&, const Expr& a, const Expr& b) { return logical_or(a, b); }
Expr exactly_one(const NodeInfo&, const Expr& a, const Expr& b) { return ne(a, b); }

template <TypeSet kTypes>
std::vector<ResultType> infer_comparison(const NodeInfo& node) {
  auto result = infer_binary<kTypes>(node);
  result[0].type = DataType::boolean;
  return result;
}

template <TypeSet kTypes, BinaryBody kBody>
constexpr Implementation comparison_op() {
  return {infer_comparison<kTypes>, build_binary<kBody>};
}

std::vector<ResultType> infer_pow(const NodeInfo& node) {
  require_inputs(node, 2, 2);
  const Operand& x = require_input(node, 0, "X", kFloats | kIndices);
  const Operand& y = require_input(node, 1, "Y", kFloats | kIndices);
  return one_result(node, x.type, broadcast(node, x.shape, y.shape));
}

/// The base's type is the result's; an integer base with a float exponent goes through f64. Small whole constant
/// exponents become products.
Expr power(const NodeInfo& node, const Expr& x, const Expr& y) {
  const Operand& exponent = node.input(1);
  if (exponent.data && element_count(exponent.shape) == 1) {
    const double value = scalar_value(node, 1, "Y");
    if (value == 1) return x;
    if (value == 2) return x * x;
    if (value == 3) return x * x * x;
  }
  if (is_float(x->type)) {
    return jit::call(x->type == DataType::f32 ? "pow_f32" : "pow_f64", x->type, {x, cast(x->type, y)});
  }
  const DataType common = is_float(y->type) ? DataType::f64 : DataType::i64;
  const char* helper = is_float(y->type) ? "pow_f64" : "pow_i64";
  return cast(x->type, jit::call(helper, common, {cast(common, x), cast(common, y)}));
}

std::vector<ResultType> infer_mod(const NodeInfo& node) {
  auto result = infer_binary<kNumbers>(node);
  if (is_float(result[0].type) && node.integer("fmod", 0) == 0) node.fail("attribute 'fmod' must be 1 for floats");
  return result;
}

/// fmod = 1: the sign of the dividend, else of the divisor.
Expr modulus(const NodeInfo& node, const Expr& a, const Expr& b) {
  if (is_float(a->type)) return jit::call(a->type == DataType::f32 ? "fmod_f32" : "fmod_f64", a->type, {a, b});
  return node.integer("fmod", 0) ? a - div(a, b) * b : floor_mod(a, b);
}

/// The slope broadcasts to X, never X to the slope.
std::vector<ResultType> infer_prelu(const NodeInfo& node) {
  require_inputs(node, 2, 2);
  const Operand& x = require_input(node, 0, "X", kNumbers);
  require_same_type(node, 1, 0);
  require_broadcast(node, 1, "slope", x.shape);
  return one_result(node, x.type, x.shape);
}

Expr prelu(const NodeInfo&, const Expr& x, const Expr& slope) {
  return select(lt(x, constant_like(x, 0)), x * slope, x);
}

}  // namespace

const Implementation kAdd = binary_op<kNumbers, add>();
const Implementation kSub = binary_op<kNumbers, subtract>();
const Implementation kMul = binary_op<kNumbers, multiply>();
const Implementation kDiv = binary_op<kNumbers, divide>();
const Implementation kPow = {infer_pow, build_binary<power>};
const Implementation kMod = {infer_mod, build_binary<modulus>};
const Implementation kPRelu = {infer_prelu, build_binary<prelu>};
const Implementation kEqual = comparison_op<kAnyType, equals>();
const Implementation kLess = comparison_op<kNumbers, less>();
const Implementation kLessOrEqual = comparison_op<kNumbers, less_or_equal>();
const Implementation kGreater = comparison_op<kNumbers, greater>();
const Implementation kGreaterOrEqual = comparison_op<kNumbers, greater_or_equal>();
const Implementation kAnd = binary_op<kBooleans, both>();
const Implementation kOr = binary_op<kBooleans, either>();
const Implementation kXor = binary_op<kBooleans, exactly_one>();

}  // namespace altrt::ops
