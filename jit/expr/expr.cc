#include "jit/expr/expr.h"

#include <altrt/error.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "jit/expr/scalar.h"
#include "runtime/base/hash.h"

namespace altrt {

using namespace jit;

namespace {

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, "expression: " + message);
}

uint64_t hash_of(const ExprNode& n) {
  base::Hasher h;
  h.add(static_cast<int>(n.kind) | static_cast<int>(n.type) << 8 | static_cast<int64_t>(n.id) << 16);
  if (n.kind == ExprKind::constant) {
    h.add(n.int_value).add(n.float_value);
  } else {
    if (!n.name.empty()) h.add(std::string_view(n.name));
    if (n.table) h.add_bytes(n.table->data(), n.table->size() * sizeof(double));
    for (const Expr& a : n.args) h.add(a->hash);
  }
  return h.value();
}

Expr finish(ExprNode n) {
  n.hash = hash_of(n);
  return Expr(std::make_shared<const ExprNode>(std::move(n)));
}

Expr make(ExprKind kind, DataType type, Exprs args) {
  ExprNode n;
  n.kind = kind;
  n.type = type;
  n.args = std::move(args);
  return finish(std::move(n));
}

bool is_const(const Expr& e) { return e.is(ExprKind::constant); }
bool is_number(const Expr& e) { return e && e->type != DataType::boolean; }

void require_pair(const char* what, const Expr& a, const Expr& b, bool numbers = true) {
  if (!a || !b) fail(std::string(what) + ": an argument is absent");
  if (a->type != b->type || (numbers && !is_number(a))) {
    fail(std::string(what) + ": types " + altrt::to_string(a->type) + " and " + altrt::to_string(b->type));
  }
}

void require_type(const char* what, const Expr& a, DataType type) {
  if (!a || a->type != type) {
    fail(std::string(what) + ": expected " + altrt::to_string(type) + ", not " +
         (a ? altrt::to_string(a->type) : "nothing"));
  }
}

template <typename F>
Expr fold_float(const Expr& a, const Expr& b, F f) {
  if (a->type == DataType::f32) {
    return constant_float(a->type, f(static_cast<float>(a->float_value), static_cast<float>(b->float_value)));
  }
  return constant_float(a->type, f(a->float_value, b->float_value));
}

template <typename F>
Expr fold_int(const Expr& a, const Expr& b, F f) {
  return constant_int(a->type, f(a->int_value, b->int_value));
}

// Float operations whose result a constant may replace: bits as at run time. NaN results are left to run time, whose
// payload may differ.
template <typename Int, typename Float>
Expr fold(const Expr& a, const Expr& b, Int on_ints, Float on_floats) {
  return is_float(a->type) ? fold_float(a, b, on_floats) : fold_int(a, b, on_ints);
}

template <typename F>
Expr comparison(ExprKind kind, const char* what, const Expr& a, const Expr& b, bool when_same, F f) {
  require_pair(what, a, b, false);
  if (is_const(a) && is_const(b)) {
    return boolean(is_float(a->type) ? f(a->float_value, b->float_value) : f(a->int_value, b->int_value));
  }
  if (!is_float(a->type) && equal(a, b)) return boolean(when_same);
  return make(kind, DataType::boolean, {a, b});
}

}  // namespace

Expr::Expr(int64_t value) : Expr(constant_int(DataType::i64, value)) {}

Expr variable(const std::string& name) {
  ExprNode n;
  n.kind = ExprKind::variable;
  n.name = name;
  return finish(std::move(n));
}

Expr constant_int(DataType type, int64_t value) {
  if (is_float(type)) fail("constant_int of a float type");
  ExprNode n;
  n.type = type;
  n.int_value = wrap(type, value);
  return finish(std::move(n));
}

Expr constant_float(DataType type, double value) {
  if (!is_float(type)) fail("constant_float of an integer type");
  ExprNode n;
  n.type = type;
  n.float_value = type == DataType::f32 ? static_cast<float>(value) : value;
  return finish(std::move(n));
}

Expr constant(DataType type, double value) {
  if (is_float(type)) return constant_float(type, value);
  const int64_t i = float_to_int(DataType::i64, value);
  if (static_cast<double>(i) != value || wrap(type, i) != i) {
    fail("constant " + std::to_string(value) + " does not fit " + altrt::to_string(type));
  }
  return constant_int(type, i);
}

Expr boolean(bool value) { return constant_int(DataType::boolean, value); }

Expr operator+(const Expr& a, const Expr& b) {
  require_pair("add", a, b);
  if (is_const(a) && is_const(b)) return fold(a, b, wrapping_add, [](auto x, auto y) { return x + y; });
  if (a.is_int(0)) return b;
  if (b.is_int(0)) return a;
  return make(ExprKind::add, a->type, {a, b});
}

Expr operator-(const Expr& a, const Expr& b) {
  require_pair("sub", a, b);
  if (is_const(a) && is_const(b)) return fold(a, b, wrapping_sub, [](auto x, auto y) { return x - y; });
  if (b.is_int(0)) return a;
  if (!is_float(a->type) && equal(a, b)) return constant_int(a->type, 0);
  return make(ExprKind::sub, a->type, {a, b});
}

Expr operator*(const Expr& a, const Expr& b) {
  require_pair("mul", a, b);
  if (is_const(a) && is_const(b)) return fold(a, b, wrapping_mul, [](auto x, auto y) { return x * y; });
  if (a.is_int(0) || b.is_int(1)) return a;
  if (b.is_int(0) || a.is_int(1)) return b;
  if (!is_float(a->type) && is_const(a)) return make(ExprKind::mul, a->type, {b, a});
  return make(ExprKind::mul, a->type, {a, b});
}

Expr operator-(const Expr& a) { return unary(ExprKind::neg, a); }

Expr div(const Expr& a, const Expr& b) {
  require_pair("div", a, b);
  if (is_const(a) && is_const(b)) return fold(a, b, truncating_div, [](auto x, auto y) { return x / y; });
  if (b.is_int(1)) return a;
  return make(ExprKind::div, a->type, {a, b});
}

Expr floor_div(const Expr& a, const Expr& b) {
  require_pair("floor_div", a, b);
  if (is_float(a->type)) fail("floor_div of floats");
  if (is_const(a) && is_const(b)) return fold_int(a, b, floored_div);
  if (b.is_int(1) || a.is_int(0)) return a;
  return make(ExprKind::floor_div, a->type, {a, b});
}

Expr floor_mod(const Expr& a, const Expr& b) {
  require_pair("floor_mod", a, b);
  if (is_float(a->type)) fail("floor_mod of floats");
  if (is_const(a) && is_const(b)) return fold_int(a, b, floored_mod);
  if (b.is_int(1)) return constant_int(a->type, 0);
  if (a.is_int(0)) return a;
  return make(ExprKind::floor_mod, a->type, {a, b});
}

Expr min(const Expr& a, const Expr& b) {
  require_pair("min", a, b, false);
  if (is_const(a) && is_const(b)) {
    return fold(
        a, b, [](int64_t x, int64_t y) { return std::min(x, y); }, [](auto x, auto y) { return nan_min(x, y); });
  }
  if (equal(a, b)) return a;
  return make(ExprKind::min, a->type, {a, b});
}

Expr max(const Expr& a, const Expr& b) {
  require_pair("max", a, b, false);
  if (is_const(a) && is_const(b)) {
    return fold(
        a, b, [](int64_t x, int64_t y) { return std::max(x, y); }, [](auto x, auto y) { return nan_max(x, y); });
  }
  if (equal(a, b)) return a;
  return make(ExprKind::max, a->type, {a, b});
}

Expr eq(const Expr& a, const Expr& b) {
  return comparison(ExprKind::eq, "eq", a, b, true, [](auto x, auto y) { return x == y; });
}
Expr ne(const Expr& a, const Expr& b) {
  return comparison(ExprKind::ne, "ne", a, b, false, [](auto x, auto y) { return x != y; });
}
Expr lt(const Expr& a, const Expr& b) {
  return comparison(ExprKind::lt, "lt", a, b, false, [](auto x, auto y) { return x < y; });
}
Expr le(const Expr& a, const Expr& b) {
  return comparison(ExprKind::le, "le", a, b, true, [](auto x, auto y) { return x <= y; });
}

Expr logical_and(const Expr& a, const Expr& b) {
  require_type("logical_and", a, DataType::boolean);
  require_type("logical_and", b, DataType::boolean);
  if (is_const(a)) return a->int_value ? b : a;
  if (is_const(b)) return b->int_value ? a : b;
  if (equal(a, b)) return a;
  return make(ExprKind::logical_and, DataType::boolean, {a, b});
}

Expr logical_or(const Expr& a, const Expr& b) {
  require_type("logical_or", a, DataType::boolean);
  require_type("logical_or", b, DataType::boolean);
  if (is_const(a)) return a->int_value ? a : b;
  if (is_const(b)) return b->int_value ? b : a;
  if (equal(a, b)) return a;
  return make(ExprKind::logical_or, DataType::boolean, {a, b});
}

Expr logical_not(const Expr& a) {
  require_type("logical_not", a, DataType::boolean);
  if (is_const(a)) return boolean(!a->int_value);
  if (a.is(ExprKind::logical_not)) return a->args[0];
  return make(ExprKind::logical_not, DataType::boolean, {a});
}

Expr select(const Expr& condition, const Expr& a, const Expr& b) {
  require_type("select", condition, DataType::boolean);
  require_pair("select", a, b, false);
  if (is_const(condition)) return condition->int_value ? a : b;
  if (equal(a, b)) return a;
  return make(ExprKind::select, a->type, {condition, a, b});
}

Expr cast(DataType type, const Expr& a) {
  if (!a) fail("cast: the argument is absent");
  if (a->type == type) return a;
  if (is_const(a)) {
    if (!is_float(a->type)) {
      if (type == DataType::f32) return constant_float(type, static_cast<float>(a->int_value));
      return is_float(type) ? constant_float(type, static_cast<double>(a->int_value))
                            : constant_int(type, a->int_value);
    }
    return is_float(type) ? constant_float(type, a->float_value)
                          : constant_int(type, float_to_int(type, a->float_value));
  }
  return make(ExprKind::cast, type, {a});
}

Expr unary(ExprKind kind, const Expr& a) {
  if (!is_number(a)) fail("unary operation on a boolean or nothing");
  const bool any_number = kind == ExprKind::neg || kind == ExprKind::abs;
  if (!any_number && !is_float(a->type)) fail("float function of an integer");
  if (is_const(a) && !is_float(a->type)) {
    const int64_t x = a->int_value;
    return constant_int(a->type, kind == ExprKind::neg || x < 0 ? wrapping_sub(0, x) : x);
  }
  if (is_const(a)) {
    const double x = a->float_value;
    switch (kind) {
      case ExprKind::neg:
        return constant_float(a->type, -x);
      case ExprKind::abs:
        return constant_float(a->type, std::fabs(x));
      case ExprKind::sqrt:  // rounding to float twice is exact for square roots
        return constant_float(a->type, std::sqrt(x));
      case ExprKind::floor:
        return constant_float(a->type, std::floor(x));
      case ExprKind::ceil:
        return constant_float(a->type, std::ceil(x));
      case ExprKind::round_even:
        return constant_float(a->type, std::nearbyint(x));
      default:
        break;
    }
  }
  if (kind == ExprKind::neg && a.is(ExprKind::neg)) return a->args[0];
  return make(kind, a->type, {a});
}

Expr fma(const Expr& a, const Expr& b, const Expr& c) {
  require_pair("fma", a, b);
  require_pair("fma", a, c);
  if (!is_float(a->type)) fail("fma of integers");
  return make(ExprKind::fma, a->type, {a, b, c});
}

Expr bitcast(DataType type, const Expr& a) {
  if (!is_number(a) || size_of(type) != size_of(a->type) || is_float(type) == is_float(a->type)) {
    fail("bitcast between types of different width, or not between an integer and a float");
  }
  if (is_const(a)) {
    if (type == DataType::i32) return constant_int(type, bits_as<int32_t>(static_cast<float>(a->float_value)));
    if (type == DataType::i64) return constant_int(type, bits_as<int64_t>(a->float_value));
    if (type == DataType::f64) return constant_float(type, bits_as<double>(a->int_value));
    return constant_float(type, bits_as<float>(static_cast<int32_t>(a->int_value)));
  }
  if (a.is(ExprKind::bitcast)) return a->args[0];
  return make(ExprKind::bitcast, type, {a});
}

Expr shift(ExprKind kind, const Expr& a, const Expr& b) {
  require_pair("shift", a, b);
  if (a->type != DataType::i32 && a->type != DataType::i64) fail("shift of a type other than i32 and i64");
  if (!is_const(b) || b->int_value < 0 || b->int_value >= static_cast<int64_t>(size_of(a->type)) * 8) {
    fail("shift by something other than a constant in [0, width)");
  }
  if (b.is_int(0)) return a;
  if (is_const(a)) {
    const int64_t x = a->int_value, n = b->int_value;
    return constant_int(a->type,
                        kind == ExprKind::shift_left ? static_cast<int64_t>(static_cast<uint64_t>(x) << n) : x >> n);
  }
  return make(kind, a->type, {a, b});
}

Expr call(const std::string& function, DataType type, Exprs args) {
  for (const Expr& a : args) {
    if (!a) fail("call " + function + ": an argument is absent");
  }
  ExprNode n;
  n.kind = ExprKind::call;
  n.type = type;
  n.name = function;
  n.args = std::move(args);
  return finish(std::move(n));
}

Expr access(int tensor, DataType type, Exprs indices) {
  for (const Expr& i : indices) require_type("access index", i, DataType::i64);
  ExprNode n;
  n.kind = ExprKind::access;
  n.type = type;
  n.id = tensor;
  n.args = std::move(indices);
  return finish(std::move(n));
}

namespace {
Expr numbered(ExprKind kind, int index, DataType type) {
  ExprNode n;
  n.kind = kind;
  n.type = type;
  n.id = index;
  return finish(std::move(n));
}
}  // namespace

Expr state(int index, DataType type) { return numbered(ExprKind::state, index, type); }
Expr other(int index, DataType type) { return numbered(ExprKind::other, index, type); }

Expr table(std::shared_ptr<const std::vector<double>> values, DataType type, const Expr& index) {
  require_type("table index", index, DataType::i64);
  if (!values || values->empty()) fail("a constant table without values");
  if (index.is_int()) {
    const int64_t i = index->int_value;
    if (i < 0 || i >= static_cast<int64_t>(values->size())) fail("index outside a constant table");
    return constant(type, (*values)[i]);
  }
  ExprNode n;
  n.kind = ExprKind::table;
  n.type = type;
  n.args = {index};
  n.table = std::move(values);
  return finish(std::move(n));
}

Expr jit::shuffle_down(const Expr& a, int distance) {
  if (!is_number(a) || size_of(a->type) < 4) fail("shuffle of a type other than f32, f64, i32 and i64");
  ExprNode n;
  n.kind = ExprKind::shuffle;
  n.type = a->type;
  n.id = distance;
  n.args = {a};
  return finish(std::move(n));
}

}  // namespace altrt
