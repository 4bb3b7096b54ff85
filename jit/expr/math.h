// Elementary functions as exact sequences of basic operations, and the table of helper functions.
#pragma once

#include <span>
#include <string>

#include "jit/expr/expr.h"

namespace altrt::jit {

/// Replaces exp, log, tanh, erf and sigmoid by one polynomial or rational each, so that the evaluator, LLVM and CUDA
/// give equal bits. f32, in units of the last place over the whole range: exp and log 1, sigmoid 3, tanh 4, erf 5;
/// results below the normal range, overflow, infinities and NaN as in libm. Operations: exp 20, sigmoid 22, tanh 17,
/// erf 19, log 32. f64: a helper call.
Expr expand_math(const Expr& e);

/// Replaces exp, log, tanh, erf, sigmoid, sqrt, true division and helper calls by exact stand-ins on small integers
/// (cheap, injective enough to expose a wrong index), for the gate's run on exact data: each gives an integer in [0,
/// 16) for integer arguments. Products with fractional constants are replaced likewise, other fractional constants by
/// integers; tables stay.
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
