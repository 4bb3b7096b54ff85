// Expressions: the scalar bodies and the indices of a Computation and of a loop nest.
//
// An Expr is an immutable, shared tree. Integer expressions (i64) are quasi-affine where they index memory: sums and
// products by constants of variables, with floor division and modulus by positive constants, minimum and maximum,
// constant tables, and data-dependent loads ("opaque" indices). The same type holds float and boolean bodies.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <altrt/tensor.h>

namespace altrt::jit {

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
struct ExprNode {
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
class Expr {
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

// --- makers: fold constants and drop neutral elements of integer arithmetic, check types (Error(internal) on a
// mismatch) ---
Expr variable(const std::string& name);
Expr constant_int(DataType type, int64_t value);
Expr constant_float(DataType type, double value);
/// A constant of any type from a double (integers: must be exact).
Expr constant(DataType type, double value);
Expr boolean(bool value);
Expr operator+(const Expr& a, const Expr& b);
Expr operator-(const Expr& a, const Expr& b);
Expr operator*(const Expr& a, const Expr& b);
Expr operator-(const Expr& a);
Expr div(const Expr& a, const Expr& b);
Expr floor_div(const Expr& a, const Expr& b);
Expr floor_mod(const Expr& a, const Expr& b);
Expr min(const Expr& a, const Expr& b);
Expr max(const Expr& a, const Expr& b);
Expr eq(const Expr& a, const Expr& b);
Expr ne(const Expr& a, const Expr& b);
Expr lt(const Expr& a, const Expr& b);
Expr le(const Expr& a, const Expr& b);
Expr logical_and(const Expr& a, const Expr& b);
Expr logical_or(const Expr& a, const Expr& b);
Expr logical_not(const Expr& a);
Expr select(const Expr& condition, const Expr& a, const Expr& b);
Expr cast(DataType type, const Expr& a);
/// neg abs sqrt floor ceil round_even exp log tanh erf sigmoid.
Expr unary(ExprKind kind, const Expr& a);
Expr fma(const Expr& a, const Expr& b, const Expr& c);
Expr bitcast(DataType type, const Expr& a);
Expr shift(ExprKind kind, const Expr& a, const Expr& b);
Expr call(const std::string& function, DataType type, Exprs args);
Expr access(int tensor, DataType type, Exprs indices);
Expr state(int index, DataType type);
Expr other(int index, DataType type);
Expr shuffle_down(const Expr& a, int distance);
Expr table(std::shared_ptr<const std::vector<double>> values, DataType type, const Expr& index);
/// A node like `e` with other arguments (through the makers, so that folding happens again).
Expr with_args(const Expr& e, Exprs args);

// --- structure ---
bool equal(const Expr& a, const Expr& b);
/// A total order by structure (kind, names, values, arguments), equal on every machine: negative, 0 or positive.
int compare(const Expr& a, const Expr& b);
uint64_t hash(const Expr& e);
/// C-like text: "(h*2 + kh - 1)", "x[n, c, h]" with names from `tensor_names` (else "t3").
std::string to_string(const Expr& e, const std::vector<std::string>* tensor_names = nullptr);
/// Rebuilds bottom-up; `f` sees each node after its arguments were rewritten and returns its replacement. Called once
/// per distinct node: what was shared stays shared, and time is linear in the number of distinct nodes.
Expr rewrite(const Expr& e, const std::function<Expr(const Expr&)>& f);
/// Calls `f` once on every distinct node, parents first.
void visit(const Expr& e, const std::function<void(const Expr&)>& f);
using Substitution = std::map<std::string, Expr>;
Expr substitute(const Expr& e, const Substitution& variables);
bool uses_variable(const Expr& e, const std::string& name);

}  // namespace altrt::jit
