// Trigonometric and hyperbolic functions: helper calls.
#include "runtime/ops/elementwise.h"

namespace altrt::ops {
namespace {

Expr helper(const char* name, const Expr& x) {
  return jit::call(std::string(name) + (x->type == DataType::f32 ? "_f32" : "_f64"), x->type, {x});
}

#define ALTRT_HELPER(name) \
  Expr name##_of(const NodeInfo&, const Expr& x) { return helper(#name, x); }
ALTRT_HELPER(sin)
ALTRT_HELPER(cos)
ALTRT_HELPER(tan)
ALTRT_HELPER(asin)
ALTRT_HELPER(acos)
ALTRT_HELPER(atan)
ALTRT_HELPER(sinh)
ALTRT_HELPER(cosh)
ALTRT_HELPER(asinh)
ALTRT_HELPER(acosh)
ALTRT_HELPER(atanh)
#undef ALTRT_HELPER

}  // namespace

const Implementation kSin = unary_op<kFloats, sin_of>();
const Implementation kCos = unary_op<kFloats, cos_of>();
const Implementation kTan = unary_op<kFloats, tan_of>();
const Implementation kAsin = unary_op<kFloats, asin_of>();
const Implementation kAcos = unary_op<kFloats, acos_of>();
const Implementation kAtan = unary_op<kFloats, atan_of>();
const Implementation kSinh = unary_op<kFloats, sinh_of>();
const Implementation kCosh = unary_op<kFloats, cosh_of>();
const Implementation kAsinh = unary_op<kFloats, asinh_of>();
const Implementation kAcosh = unary_op<kFloats, acosh_of>();
const Implementation kAtanh = unary_op<kFloats, atanh_of>();

}  // namespace altrt::ops
