// Elementary functions as exact sequences of basic operations, and the table of helper functions.
#pragma once

#include <span>
#include <string>

#include "jit/expr/expr.h"

namespace altrt::jit {

/// Replaces exp, log, tanh, erf and sigmoid by one polynomial each (f32: at most 2 ulp for exp and log, 4 ulp for the
/// others over the whole range; NaN, infinities, overflow and underflow as in libm; f64: a helper call), so that the
/// evaluator, LLVM and CUDA give equal bits.
Expr expand_math(const Expr& e);

/// Replaces exp, log, tanh, erf, sigmoid, sqrt, true division and helper calls by exact stand-ins on small integers
/// (cheap, injective enough to expose a wrong index), for the gate's run on exact data.
Expr surrogate_math(const Expr& e);

/// A scalar helper that `call` expressions may name. Code generators bind the address as an absolute symbol.
struct MathHelper {
  const char* name;     // "pow_f32"
  DataType type;        // of the result and all arguments
  int arity;            // 1 or 2
  const void* address;  // float(*)(float), float(*)(float, float), double(*)..., int64_t(*)(...)
};
std::span<const MathHelper> math_helpers();
/// nullptr if there is no such helper.
const MathHelper* find_math_helper(const std::string& name);

}  // namespace altrt::jit
