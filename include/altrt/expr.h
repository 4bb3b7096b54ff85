// Expressions: the scalar bodies and the indices of a Computation and of a loop nest.
//
// An Expr is an immutable, shared tree. Integer expressions (i64) are quasi-affine where they index memory: sums and
// products by constants of variables, with floor division and modulus by positive constants, minimum and maximum,
// constant tables, and data-dependent loads ("opaque" indices). The same type holds float and boolean bodies.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <altrt/export.h>
#include <altrt/tensor.h>

namespace altrt {

enum class ExprKind : uint8_t {
  constant,  // integers and booleans in `int_value`, floats in `float_value`
  variable,  // `name`: an axis or loop variable, always i64
  // binary; both arguments and the result have one type
  add,
  sub,
  mul,
  div,        // true division for floats; truncating for integers (division by zero gives 0)
  floor_div,  // integers only; divisor is a positive constant where it occurs in an index
  floor_mod,  // integers: result in [0, d) for d > 0
  min,
  max,  // floats: if either argument is NaN the result is NaN; of equal arguments (+0, -0) the first
  // comparisons: boolean result. A comparison with NaN is false, but ne is true.
  eq,
  ne,
  lt,
  le,
  logical_and,
  logical_or,
  logical_not,
  select,  // select(condition, a, b): an access inside the branch not taken is not performed
  cast,    // to `type`; float to integer truncates and saturates; anything to boolean is (x != 0)
  // unary and ternary float functions with one meaning in evaluator, LLVM and CUDA
  neg,
  abs,
  sqrt,
  floor,
  ceil,
  round_even,  // to nearest integer, ties to even
  fma,         // a * b + c rounded once
  bitcast,     // same width: f32 <-> i32
  shift_left,
  shift_right,  // i32 and i64, by a constant in [0, width); the right shift is arithmetic
  // elementary functions; expand_math() (math.h) turns them into the operations above before code is made
  exp,
  log,
  tanh,
  erf,
  sigmoid,
  call,     // helper function `name` from the fixed table in math.h (pow, sin, ...): scalar, same code everywhere
  access,   // element `args` of tensor (Computation) or buffer (nest) number `id`
  state,    // reduction state value number `id` of the enclosing stage
  other,    // in StateValue::combine: the second partial state's value number `id`
  shuffle,  // in nests for GPUs: the argument as the thread `id` places up in the warp has it; all threads take part
  table     // constant table `table`, at one integer index that must lie inside
};

class Expr;
using Exprs = std::vector<Expr>;

/// Made by the makers below only (they keep `hash`, types and rounding right).
struct ALTRT_API ExprNode {
  ExprKind kind = ExprKind::constant;
  DataType type = DataType::i64;
  int id = 0;
  uint64_t hash = 0;  // structural; equal on every machine
  int64_t int_value = 0;
  double float_value = 0;
  std::string name;
  Exprs args;
  std::shared_ptr<const std::vector<double>> table;
};

/// A handle to an immutable node; cheap to copy. Default-constructed = absent.
class ALTRT_API Expr {
 public:
  Expr() = default;
  Expr(int64_t value);  // NOLINT: integer literals read as i64 constants in index arithmetic
  Expr(int value) : Expr(static_cast<int64_t>(value)) {}  // NOLINT
  explicit Expr(std::shared_ptr<const ExprNode> node) : node_(std::move(node)) {}

  explicit operator bool() const { return node_ != nullptr; }
  const ExprNode& operator*() const { return *node_; }
  const ExprNode* operator->() const { return node_.get(); }
  const ExprNode* get() const { return node_.get(); }
  bool is(ExprKind kind) const { return node_ && node_->kind == kind; }
  /// An integer (or boolean) constant, and then its value.
  bool is_int() const { return is(ExprKind::constant) && node_->type != DataType::f32 && node_->type != DataType::f64; }
  /// Whether anything else refers to the node (its address may then be met again).
  bool is_shared() const { return node_.use_count() > 1; }
  bool is_int(int64_t value) const { return is_int() && node_->int_value == value; }

 private:
  std::shared_ptr<const ExprNode> node_;
};

// Makers fold constants and drop neutral elements of integer arithmetic. Error(invalid_argument) names the operation
// where types don't fit or an argument is absent. All functions here are pure and may be called from any thread.

/// An axis by its name: i64.
ALTRT_API Expr variable(const std::string& name);
ALTRT_API Expr constant_int(DataType type, int64_t value);
ALTRT_API Expr constant_float(DataType type, double value);
/// A constant of any type from a double (integers: must be exact).
ALTRT_API Expr constant(DataType type, double value);
ALTRT_API Expr boolean(bool value);
/// Both arguments have one type, a number; the result has it too.
ALTRT_API Expr operator+(const Expr& a, const Expr& b);
ALTRT_API Expr operator-(const Expr& a, const Expr& b);
ALTRT_API Expr operator*(const Expr& a, const Expr& b);
ALTRT_API Expr operator-(const Expr& a);
/// True division of floats; of integers it truncates, and gives 0 for a divisor of 0.
ALTRT_API Expr div(const Expr& a, const Expr& b);
/// Integers only. As (part of) an index the divisor must be a positive constant.
ALTRT_API Expr floor_div(const Expr& a, const Expr& b);
ALTRT_API Expr floor_mod(const Expr& a, const Expr& b);
/// NaN where either argument is NaN.
ALTRT_API Expr min(const Expr& a, const Expr& b);
ALTRT_API Expr max(const Expr& a, const Expr& b);
/// Comparisons give booleans.
ALTRT_API Expr eq(const Expr& a, const Expr& b);
ALTRT_API Expr ne(const Expr& a, const Expr& b);
ALTRT_API Expr lt(const Expr& a, const Expr& b);
ALTRT_API Expr le(const Expr& a, const Expr& b);
ALTRT_API Expr logical_and(const Expr& a, const Expr& b);
ALTRT_API Expr logical_or(const Expr& a, const Expr& b);
ALTRT_API Expr logical_not(const Expr& a);
/// a where the condition holds, else b. What the other branch would read is not read: indices may leave their tensor
/// there.
ALTRT_API Expr select(const Expr& condition, const Expr& a, const Expr& b);
ALTRT_API Expr cast(DataType type, const Expr& a);
/// One argument: neg abs sqrt floor ceil round_even exp log tanh erf sigmoid.
ALTRT_API Expr unary(ExprKind kind, const Expr& a);
/// a * b + c rounded once; floats only.
ALTRT_API Expr fma(const Expr& a, const Expr& b, const Expr& c);
/// The bits of an f32 as i32, of an f64 as i64, or the other way round.
ALTRT_API Expr bitcast(DataType type, const Expr& a);
/// shift_left or shift_right.
ALTRT_API Expr shift(ExprKind kind, const Expr& a, const Expr& b);
/// A helper function by name, in f32 or f64: "pow_f32" (two arguments), "sin_f32", "cos_f64", ...
ALTRT_API Expr call(const std::string& function, DataType type, Exprs args);
/// Element of a tensor (its number in the Computation) of that type: one i64 index a dimension.
ALTRT_API Expr access(int tensor, DataType type, Exprs indices);
/// In a reduction: the state value so far, and in StateValue::combine that of the second partial state.
ALTRT_API Expr state(int index, DataType type);
ALTRT_API Expr other(int index, DataType type);
/// A constant table at one i64 index, which must lie inside.
ALTRT_API Expr table(std::shared_ptr<const std::vector<double>> values, DataType type, const Expr& index);

/// Equal in structure.
ALTRT_API bool equal(const Expr& a, const Expr& b);
/// Equal on every machine.
ALTRT_API uint64_t hash(const Expr& e);
/// C-like text: "(h*2 + kh - 1)", "x[n, c, h]" with names from `tensor_names` (else "t3").
ALTRT_API std::string to_string(const Expr& e, const std::vector<std::string>* tensor_names = nullptr);
/// By name of the variable.
using Substitution = std::map<std::string, Expr>;
ALTRT_API Expr substitute(const Expr& e, const Substitution& variables);

}  // namespace altrt
