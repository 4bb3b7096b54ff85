// Activations and arithmetic of one argument. NaN stays NaN everywhere.
#include <cmath>

#include "runtime/ops/elementwise.h"

namespace altrt::ops {
namespace {

Expr relu(const NodeInfo&, const Expr& x) { return max(x, constant_like(x, 0)); }

/// x where it is not negative, else `below`.
Expr below_zero(const Expr& x, const Expr& below) { return select(lt(x, constant_like(x, 0)), below, x); }

Expr leaky_relu(const NodeInfo& node, const Expr& x) {
  return below_zero(x, x * constant_like(x, node.real("alpha", 0.01f)));
}

/// alpha * (exp(x / scale) - 1)
Expr exponential_tail(const Expr& x, double alpha, double scale) {
  const Expr scaled = scale == 1 ? x : div(x, constant_like(x, scale));
  return constant_like(x, alpha) * (unary(ExprKind::exp, scaled) - constant_like(x, 1));
}

Expr elu(const NodeInfo& node, const Expr& x) { return below_zero(x, exponential_tail(x, node.real("alpha", 1), 1)); }

Expr selu(const NodeInfo& node, const Expr& x) {
  const float alpha = node.real("alpha", 1.67326319217681884765625f);
  const float gamma = node.real("gamma", 1.05070102214813232421875f);
  return constant_like(x, gamma) * below_zero(x, exponential_tail(x, alpha, 1));
}

Expr celu(const NodeInfo& node, const Expr& x) {
  const float alpha = node.real("alpha", 1);
  return below_zero(x, exponential_tail(x, alpha, alpha));
}

Expr thresholded_relu(const NodeInfo& node, const Expr& x) {
  return select(le(x, constant_like(x, node.real("alpha", 1))), constant_like(x, 0), x);
}

/// log(1 + e), also accurate for small e: the rounding of 1 + e is divided out.
Expr log_one_plus(const Expr& e) {
  const Expr one = constant_like(e, 1);
  const Expr u = one + e;
  return select(eq(u, one), e, unary(ExprKind::log, u) * div(e, u - one));
}

Expr softplus(const NodeInfo&, const Expr& x) {
  const Expr small = unary(ExprKind::exp, -unary(ExprKind::abs, x));
  return max(x, constant_like(x, 0)) + log_one_plus(small);
}

Expr softsign(const NodeInfo&, const Expr& x) { return div(x, constant_like(x, 1) + unary(ExprKind::abs, x)); }

Expr between_zero_and_one(const Expr& x) { return max(min(x, constant_like(x, 1)), constant_like(x, 0)); }

Expr hard_sigmoid(const NodeInfo& node, const Expr& x) {
  return between_zero_and_one(
      fma(x, constant_like(x, node.real("alpha", 0.2f)), constant_like(x, node.real("beta", 0.5f))));
}

Expr hard_swish(const NodeInfo&, const Expr& x) {
  return x * between_zero_and_one(fma(x, constant_like(x, 1.0 / 6.0), constant_like(x, 0.5)));
}

template <ExprKind kKind>
Expr function(const NodeInfo&, const Expr& x) {
  return unary(kKind, x);
}

Expr gelu(const NodeInfo& node, const Expr& x) {
  const Expr half = constant_like(x, 0.5), one = constant_like(x, 1);
  if (node.text("approximate", "none") == "tanh") {
    const Expr cubic = fma(x * x * x, constant_like(x, 0.044715), x);
    return half * x * (one + unary(ExprKind::tanh, cubic * constant_like(x, std::sqrt(2.0 / M_PI))));
  }
  return half * x * (one + unary(ExprKind::erf, x * constant_like(x, M_SQRT1_2)));
}

std::vector<ResultType> infer_gelu(const NodeInfo& node) {
  const std::string approximate = node.text("approximate", "none");
  if (approximate != "none" && approximate != "tanh") node.fail("attribute 'approximate' is '" + approximate + "'");
  return infer_unary<kFloats>(node);
}

Expr mish(const NodeInfo& node, const Expr& x) { return x * unary(ExprKind::tanh, softplus(node, x)); }

Expr reciprocal(const NodeInfo&, const Expr& x) { return div(constant_like(x, 1), x); }

Expr sign(const NodeInfo&, const Expr& x) {
  const Expr zero = constant_like(x, 0), one = constant_like(x, 1);
  if (x->type == DataType::u8) return min(x, one);
  return select(lt(zero, x), one, select(lt(x, zero), zero - one, x));
}

Expr absolute(const NodeInfo&, const Expr& x) { return x->type == DataType::u8 ? x : unary(ExprKind::abs, x); }

Expr shrink(const NodeInfo& node, const Expr& x) {
  const Expr lambda = constant_like(x, node.real("lambd", 0.5f)), bias = constant_like(x, node.real("bias", 0));
  return select(lt(x, -lambda), x + bias, select(lt(lambda, x), x - bias, constant_like(x, 0)));
}

Expr identity(const NodeInfo&, const Expr& x) { return x; }

Expr negation(const NodeInfo&, const Expr& x) { return logical_not(x); }

Expr is_nan(const NodeInfo&, const Expr& x) { return ne(x, x); }

Expr is_infinite(const NodeInfo& node, const Expr& x) {
  Expr result = jit::boolean(false);
  if (node.integer("detect_positive", 1)) result = eq(x, highest(x->type));
  if (node.integer("detect_negative", 1)) result = logical_or(result, eq(x, lowest(x->type)));
  return result;
}

std::vector<ResultType> infer_classification(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  return one_result(node, DataType::boolean, require_input(node, 0, "X", kFloats).shape);
}

}  // namespace

constexpr TypeSet kSigned = kNumbers & ~type_bit(DataType::u8);

const Implementation kRelu = unary_op<kNumbers, relu>();
const Implementation kLeakyRelu = unary_op<kFloats, leaky_relu>();
const Implementation kElu = unary_op<kFloats, elu>();
const Implementation kSelu = unary_op<kFloats, selu>();
const Implementation kCelu = unary_op<kFloats, celu>();
const Implementation kThresholdedRelu = unary_op<kFloats, thresholded_relu>();
const Implementation kSoftplus = unary_op<kFloats, softplus>();
const Implementation kSoftsign = unary_op<kFloats, softsign>();
const Implementation kHardSwish = unary_op<kFloats, hard_swish>();
const Implementation kHardSigmoid = unary_op<kFloats, hard_sigmoid>();
const Implementation kSigmoid = unary_op<kFloats, function<ExprKind::sigmoid>>();
const Implementation kTanh = unary_op<kFloats, function<ExprKind::tanh>>();
const Implementation kErf = unary_op<kFloats, function<ExprKind::erf>>();
const Implementation kGelu = {infer_gelu, build_unary<gelu>};
const Implementation kMish = unary_op<kFloats, mish>();
const Implementation kExp = unary_op<kFloats, function<ExprKind::exp>>();
const Implementation kLog = unary_op<kFloats, function<ExprKind::log>>();
const Implementation kSqrt = unary_op<kFloats, function<ExprKind::sqrt>>();
const Implementation kReciprocal = unary_op<kFloats, reciprocal>();
const Implementation kAbs = unary_op<kNumbers, absolute>();
const Implementation kNeg = unary_op<kSigned, function<ExprKind::neg>>();
const Implementation kFloor = unary_op<kFloats, function<ExprKind::floor>>();
const Implementation kCeil = unary_op<kFloats, function<ExprKind::ceil>>();
const Implementation kRound = unary_op<kFloats, function<ExprKind::round_even>>();
const Implementation kSign = unary_op<kNumbers, sign>();
const Implementation kShrink = unary_op<kFloats, shrink>();
const Implementation kIsNaN = {infer_classification, build_unary<is_nan>};
const Implementation kIsInf = {infer_classification, build_unary<is_infinite>};
const Implementation kNot = unary_op<kBooleans, negation>();
const Implementation kIdentity = unary_op<kAnyType, identity>();

}  // namespace altrt::ops
