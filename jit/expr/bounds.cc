// Interval analysis of integer expressions.
#include <algorithm>

#include "jit/expr/analysis.h"
#include "jit/expr/scalar.h"

namespace altrt::jit {
namespace {

constexpr Interval kEverything{kMinusInfinity, kPlusInfinity};
// Data-dependent integers within this magnitude take part in index arithmetic without danger of overflow.
constexpr int64_t kSmall = int64_t{1} << 40;

bool finite(int64_t x) { return x != kMinusInfinity && x != kPlusInfinity; }
bool finite(Interval i) { return finite(i.lo) && finite(i.hi); }

int64_t clamp128(__int128 x) {
  if (x <= kMinusInfinity) return kMinusInfinity;
  if (x >= kPlusInfinity) return kPlusInfinity;
  return static_cast<int64_t>(x);
}

// The two ends of one interval are added separately, so that infinities of different sign never meet.
int64_t add_end(int64_t a, int64_t b) {
  if (!finite(a)) return a;
  if (!finite(b)) return b;
  return clamp128(static_cast<__int128>(a) + b);
}

Interval add(Interval a, Interval b) { return {add_end(a.lo, b.lo), add_end(a.hi, b.hi)}; }

int64_t scale_end(int64_t a, int64_t factor) {
  if (!finite(a)) return (a > 0) == (factor > 0) ? kPlusInfinity : kMinusInfinity;
  return clamp128(static_cast<__int128>(a) * factor);
}

Interval scale(Interval a, int64_t factor) {
  if (factor == 0) return {0, 0};
  if (factor < 0) return {scale_end(a.hi, factor), scale_end(a.lo, factor)};
  return {scale_end(a.lo, factor), scale_end(a.hi, factor)};
}

Interval multiply(Interval a, Interval b) {
  if (!finite(a) || !finite(b)) return kEverything;
  const int64_t ends[] = {scale_end(a.lo, b.lo), scale_end(a.lo, b.hi), scale_end(a.hi, b.lo), scale_end(a.hi, b.hi)};
  return {*std::min_element(ends, ends + 4), *std::max_element(ends, ends + 4)};
}

Interval hull(Interval a, Interval b) { return {std::min(a.lo, b.lo), std::max(a.hi, b.hi)}; }
Interval least(Interval a, Interval b) { return {std::min(a.lo, b.lo), std::min(a.hi, b.hi)}; }
Interval greatest(Interval a, Interval b) { return {std::max(a.lo, b.lo), std::max(a.hi, b.hi)}; }

// Both are true of one value; an empty intersection (code that is never reached) keeps the first.
Interval intersect(Interval a, Interval b) {
  const Interval both{std::max(a.lo, b.lo), std::min(a.hi, b.hi)};
  return both.lo <= both.hi ? both : a;
}

Interval type_interval(DataType type) {
  switch (type) {
    case DataType::boolean:
      return {0, 1};
    case DataType::u8:
      return {0, 255};
    case DataType::i8:
      return {-128, 127};
    case DataType::i32:
      return {INT32_MIN, INT32_MAX};
    default:
      return kEverything;
  }
}

int64_t floor_end(int64_t a, int64_t divisor) { return finite(a) ? floored_div(a, divisor) : a; }

}  // namespace

Interval Analyzer::plain_interval(const LinearForm& form) {
  Interval sum{form.constant, form.constant};
  for (const LinearForm::Term& t : form.terms) sum = add(sum, scale(atom_interval(t.atom), t.coefficient));
  return sum;
}

Interval Analyzer::interval_of(const LinearForm& form) {
  Interval result = plain_interval(form);
  if (form.terms.size() < 2 && facts_.empty()) return result;
  result = split_interval(form, result, 0);
  return facts_.empty() ? result : fact_interval(form, result, 0);
}

// form + c*min(x, y) is, for c > 0, the lesser of form + c*x and form + c*y, in which terms may cancel.
Interval Analyzer::split_interval(const LinearForm& form, Interval plain, int depth) {
  constexpr int kMaxDepth = 3;
  if (form.terms.size() < 2 || depth == kMaxDepth) return plain;
  for (const LinearForm::Term& t : form.terms) {
    if (!t.atom.is(ExprKind::min) && !t.atom.is(ExprKind::max)) continue;
    Interval parts[2];
    for (int i = 0; i < 2; ++i) {
      LinearForm change = linear_form(t.atom->args[i]);
      change = add_scaled(change, LinearForm{{{t.atom, 1}}, 0}, -1);
      const LinearForm replaced = add_scaled(form, change, t.coefficient);
      parts[i] = split_interval(replaced, plain_interval(replaced), depth + 1);
    }
    const bool lesser = t.atom.is(ExprKind::min) == (t.coefficient > 0);
    return intersect(plain, lesser ? least(parts[0], parts[1]) : greatest(parts[0], parts[1]));
  }
  return plain;
}

Interval Analyzer::atom_interval(const Expr& e) {
  if (e.is(ExprKind::variable)) {
    const auto found = ranges_.find(e->name);
    return found == ranges_.end() ? kEverything : found->second;
  }
  if (e.is_int()) return {e->int_value, e->int_value};
  if (auto found = intervals_.find(e.get()); found != intervals_.end()) return found->second.second;
  Interval result = compute_atom(e);
  if (const auto fact = single_fact(e)) result = intersect(result, *fact);
  intervals_.emplace(e.get(), std::make_pair(e, result));
  return result;
}

Interval Analyzer::table_interval(const Expr& e) {
  const Interval index = interval(e->args[0]);
  const auto size = static_cast<int64_t>(e->table->size());
  const int64_t lo = std::clamp<int64_t>(index.lo, 0, size - 1), hi = std::clamp<int64_t>(index.hi, lo, size - 1);
  const auto [least, greatest] = std::minmax_element(e->table->begin() + lo, e->table->begin() + hi + 1);
  return {float_to_int(DataType::i64, *least), float_to_int(DataType::i64, *greatest)};
}

Interval Analyzer::compute_atom(const Expr& e) {
  if (is_float(e->type)) return kEverything;
  if (e.is(ExprKind::table)) return table_interval(e);
  if (e.is(ExprKind::min) || e.is(ExprKind::max)) {
    const Interval a = interval(e->args[0]), b = interval(e->args[1]);
    return e.is(ExprKind::min) ? least(a, b) : greatest(a, b);
  }
  if (e.is(ExprKind::select)) return hull(interval(e->args[1]), interval(e->args[2]));
  if (e.is(ExprKind::cast)) {
    const Interval type = type_interval(e->type);
    if (is_float(e->args[0]->type)) return type;
    const Interval from = interval(e->args[0]);  // a value that does not fit wraps
    return from.lo >= type.lo && from.hi <= type.hi ? from : type;
  }
  if (e->type != DataType::i64) return type_interval(e->type);  // narrow arithmetic wraps
  switch (e->kind) {
    case ExprKind::add:
    case ExprKind::sub:
    case ExprKind::neg:
      return interval_of(linear_form(e));
    case ExprKind::mul:
      return multiply(interval(e->args[0]), interval(e->args[1]));
    case ExprKind::floor_div:
    case ExprKind::div: {
      const Interval a = interval(e->args[0]);
      if (!e->args[1].is_int() || e->args[1]->int_value <= 0) return kEverything;
      const int64_t d = e->args[1]->int_value;
      if (e.is(ExprKind::floor_div)) return {floor_end(a.lo, d), floor_end(a.hi, d)};
      return {finite(a.lo) ? a.lo / d : a.lo, finite(a.hi) ? a.hi / d : a.hi};
    }
    case ExprKind::floor_mod: {
      if (!e->args[1].is_int() || e->args[1]->int_value <= 0) return kEverything;
      const int64_t d = e->args[1]->int_value;
      const Interval a = interval(e->args[0]);
      if (!finite(a)) return {0, d - 1};
      if (floored_div(a.lo, d) == floored_div(a.hi, d)) return {floored_mod(a.lo, d), floored_mod(a.hi, d)};
      return {0, d - 1};
    }
    case ExprKind::abs: {
      const Interval a = interval(e->args[0]);
      if (!finite(a)) return kEverything;
      const int64_t far = std::max(std::abs(a.lo), std::abs(a.hi));
      return {a.lo <= 0 && a.hi >= 0 ? 0 : std::min(std::abs(a.lo), std::abs(a.hi)), far};
    }
    default:
      return kEverything;
  }
}

Interval Analyzer::interval(const Expr& e) {
  if (e->type != DataType::i64 || e->args.empty()) return atom_interval(e);
  if (auto found = intervals_.find(e.get()); found != intervals_.end()) return found->second.second;
  const Interval result = interval_of(linear_form(e));
  intervals_.emplace(e.get(), std::make_pair(e, result));
  return result;
}

bool Analyzer::opaque(const Expr& e) {
  if (e->args.empty()) return e.is(ExprKind::access) || e.is(ExprKind::state) || e.is(ExprKind::other);
  if (auto found = opaque_.find(e.get()); found != opaque_.end()) return found->second.second;
  const bool result = compute_opaque(e);
  opaque_.emplace(e.get(), std::make_pair(e, result));
  return result;
}

bool Analyzer::compute_opaque(const Expr& e) {
  bool depends = false;
  switch (e->kind) {
    case ExprKind::access:
    case ExprKind::call:
    case ExprKind::shuffle:
    case ExprKind::bitcast:
    case ExprKind::shift_left:
    case ExprKind::shift_right:
      depends = true;
      break;
    case ExprKind::table:
    case ExprKind::select:
      for (const Expr& a : e->args) depends = depends || (a->type == DataType::i64 && opaque(a));
      break;
    default:
      for (const Expr& a : e->args) depends = depends || is_float(a->type) || opaque(a);
  }
  if (!depends) return false;
  const Interval i = interval(e);
  return i.lo < -kSmall || i.hi > kSmall;
}

}  // namespace altrt::jit
