// Simplification of whole expressions.
#include "jit/expr/simplify.h"

#include <algorithm>
#include <numeric>

#include "jit/expr/analysis.h"
#include "jit/expr/scalar.h"

namespace altrt::jit {
namespace {

// Deeper selects are simplified without the knowledge of their conditions.
constexpr int kMaxDepth = 8;

void flatten(const Expr& e, ExprKind kind, Exprs& parts) {
  if (!e.is(kind)) {
    parts.push_back(e);
    return;
  }
  for (const Expr& a : e->args) flatten(a, kind, parts);
}

Expr join(const Exprs& parts, ExprKind kind) {
  Expr result = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    result = kind == ExprKind::logical_and  ? logical_and(result, parts[i])
             : kind == ExprKind::logical_or ? logical_or(result, parts[i])
             : kind == ExprKind::min        ? min(result, parts[i])
                                            : max(result, parts[i]);
  }
  return result;
}

bool is_float_constant(const Expr& e, double value) {
  return e.is(ExprKind::constant) && is_float(e->type) && e->float_value == value;
}

// A zero that a constant table stood for: it absorbs what it multiplies, whatever that holds.
bool is_table_zero(const Expr& original, const Expr& simplified) {
  return original.is(ExprKind::table) && is_float_constant(simplified, 0);
}

bool compares_indices(const Expr& condition) {
  bool found = false;
  visit(condition, [&](const Expr& e) {
    const bool comparison = e.is(ExprKind::lt) || e.is(ExprKind::le) || e.is(ExprKind::eq) || e.is(ExprKind::ne);
    found = found || (comparison && e->args[0]->type == DataType::i64);
  });
  return found;
}

// b - a of an index comparison a < b, a <= b, ...; otherwise no terms.
LinearForm difference_of(const Expr& e) {
  const bool comparison = e.is(ExprKind::lt) || e.is(ExprKind::le) || e.is(ExprKind::eq) || e.is(ExprKind::ne);
  if (!comparison || e->args[0]->type != DataType::i64) return {};
  return add_scaled(linear_form(e->args[1]), linear_form(e->args[0]), -1);
}

bool may_imply(const LinearForm& a, const LinearForm& b) {
  if (add_scaled(a, b, 1).terms.empty()) return false;  // opposite directions (or no comparisons at all)
  for (const LinearForm::Term& t : a.terms) {
    for (const LinearForm::Term& u : b.terms) {
      if (!t.atom.is(ExprKind::variable) || !u.atom.is(ExprKind::variable) || equal(t.atom, u.atom)) return true;
    }
  }
  return false;
}

int64_t common_divisor(const LinearForm& form) {
  int64_t g = 0;
  for (const LinearForm::Term& t : form.terms) g = std::gcd(g, t.coefficient);
  return g;
}

}  // namespace

Expr Analyzer::simplify(const Expr& e) {
  if (!e || (e->args.empty() && !e.is(ExprKind::variable))) return e;
  if (auto found = simplified_.find(e.get()); found != simplified_.end()) return found->second.result;
  Expr result = e->type == DataType::i64 ? simplify_index(e) : simplify_node(e);
  if (equal(result, e)) result = e;
  simplified_.emplace(e.get(), Memo{e, result});
  return result;
}

Expr Analyzer::simplify_index(const Expr& e) { return recompose(form_of(e)).to_expr(); }

Expr Analyzer::simplify_node(const Expr& e) {
  switch (e->kind) {
    case ExprKind::select:
      return simplify_select(e);
    case ExprKind::logical_and:
    case ExprKind::logical_or:
      return simplify_and_or(e);
    case ExprKind::eq:
    case ExprKind::ne:
    case ExprKind::lt:
    case ExprKind::le:
      return simplify_compare(e);
    case ExprKind::min:
    case ExprKind::max:
      if (e->type == DataType::i64) return simplify_min_max(e);
      break;
    case ExprKind::table:
      return simplify_table(e);
    case ExprKind::logical_not: {
      const Expr a = simplify(e->args[0]);
      if (!(a.is(ExprKind::lt) || a.is(ExprKind::le)) || a->args[0]->type != DataType::i64) break;
      return simplify(a.is(ExprKind::lt) ? le(a->args[1], a->args[0]) : lt(a->args[1], a->args[0]));
    }
    default:
      break;
  }
  Exprs args;
  args.reserve(e->args.size());
  for (const Expr& a : e->args) args.push_back(simplify(a));
  if (is_float(e->type)) return simplify_float(e, args);
  Expr result = with_args(e, std::move(args));
  if (result->type == DataType::boolean) {
    if (const auto value = known(result)) return boolean(*value);
  }
  return result;
}

Expr Analyzer::simplify_float(const Expr& e, const Exprs& args) {
  if (e.is(ExprKind::mul)) {
    for (int i = 0; i < 2; ++i) {
      if (is_table_zero(e->args[i], args[i])) return args[i];
      if (is_float_constant(args[i], 1)) return args[1 - i];
    }
  }
  if (e.is(ExprKind::fma)) {
    for (int i = 0; i < 2; ++i) {
      if (is_table_zero(e->args[i], args[i])) return args[2];
    }
  }
  if (e.is(ExprKind::add)) {
    // The zero may be a product that vanished above.
    for (int i = 0; i < 2; ++i) {
      const Expr& from = e->args[i];
      const bool vanished = from.is(ExprKind::mul) && is_float_constant(args[i], 0) &&
                            (from->args[0].is(ExprKind::table) || from->args[1].is(ExprKind::table));
      if (vanished || is_table_zero(from, args[i])) return args[1 - i];
    }
  }
  if (e.is(ExprKind::div) && is_float_constant(args[1], 1)) return args[0];
  return with_args(e, args);
}

Expr Analyzer::simplify_table(const Expr& e) {
  const Expr index = simplify(e->args[0]);
  const Interval i = interval(index);
  const auto size = static_cast<int64_t>(e->table->size());
  if (i.lo >= 0 && i.hi < size) {
    const auto first = e->table->begin() + i.lo;
    if (std::all_of(first, e->table->begin() + i.hi + 1,
                    [&](double v) { return bits_as<int64_t>(v) == bits_as<int64_t>(*first); })) {
      return constant(e->type, *first);
    }
  }
  return index.is_int() ? e : with_args(e, {index});  // a constant index outside stays for the verifier
}

Expr Analyzer::simplify_compare(const Expr& e) {
  if (const auto value = known(e)) return boolean(*value);
  const Expr a = simplify(e->args[0]), b = simplify(e->args[1]);
  Expr result;
  if (a->type != DataType::i64 || opaque(a) || opaque(b)) {
    result = with_args(e, {a, b});
  } else {
    LinearForm d = recompose(add_scaled(linear_form(b), linear_form(a), -1));
    if (e.is(ExprKind::lt)) --d.constant;
    if (e.is(ExprKind::lt) || e.is(ExprKind::le)) {
      result = at_least_zero(std::move(d));
    } else {
      result = equals_zero(std::move(d));
      if (e.is(ExprKind::ne)) {
        result = result.is_int() ? boolean(!result->int_value) : ne(result->args[0], result->args[1]);
      }
    }
  }
  if (const auto value = known(result)) return boolean(*value);
  return result;
}

// Lower limits are written c <= x, upper limits x < c, anything else with positive terms on both sides.
Expr Analyzer::at_least_zero(LinearForm d) {
  const Interval i = interval_of(d);
  if (i.lo >= 0) return boolean(true);
  if (i.hi < 0) return boolean(false);
  std::vector<int64_t> factors;
  for (const LinearForm::Term& t : d.terms) {
    if (const int64_t c = std::abs(t.coefficient); c > 1) factors.push_back(c);
  }
  if (const int64_t g = common_divisor(d); g > 1) factors.push_back(g);
  std::sort(factors.begin(), factors.end(), std::greater<>());
  for (const int64_t g : factors) {
    if (const auto t = floor_by(d, g)) return at_least_zero(*t);
  }
  if (d.terms.size() == 1 && d.terms[0].atom.is(ExprKind::floor_div) && d.terms[0].atom->args[1].is_int() &&
      d.terms[0].atom->args[1]->int_value > 0 && std::abs(d.terms[0].coefficient) == 1) {
    const LinearForm y = linear_form(d.terms[0].atom->args[0]);
    const int64_t f = d.terms[0].atom->args[1]->int_value, sign = d.terms[0].coefficient;
    LinearForm next = add_scaled({}, y, sign);
    next.constant += d.constant * f + (sign < 0 ? f - 1 : 0);
    return at_least_zero(recompose(next));
  }
  LinearForm positive, negative;
  for (const LinearForm::Term& t : d.terms) {
    if (t.coefficient > 0) {
      positive.terms.push_back(t);
    } else {
      negative.terms.push_back({t.atom, -t.coefficient});
    }
  }
  if (negative.terms.empty()) return le(Expr(-d.constant), positive.to_expr());
  if (positive.terms.empty()) return lt(negative.to_expr(), Expr(d.constant + 1));
  if (d.constant >= 0) {
    positive.constant = d.constant;
    return le(negative.to_expr(), positive.to_expr());
  }
  negative.constant = -d.constant - 1;
  return lt(negative.to_expr(), positive.to_expr());
}

Expr Analyzer::equals_zero(LinearForm d) {
  const Interval i = interval_of(d);
  if (i.lo > 0 || i.hi < 0) return boolean(false);
  if (i.lo == 0 && i.hi == 0) return boolean(true);
  if (const int64_t g = common_divisor(d); g > 1) {
    if (d.constant % g != 0) return boolean(false);
    for (LinearForm::Term& t : d.terms) t.coefficient /= g;
    d.constant /= g;
  }
  if (!d.terms.empty() && d.terms[0].coefficient < 0) d = add_scaled({}, d, -1);
  LinearForm left, right;
  for (const LinearForm::Term& t : d.terms) {
    if (t.coefficient > 0) {
      left.terms.push_back(t);
    } else {
      right.terms.push_back({t.atom, -t.coefficient});
    }
  }
  right.constant = -d.constant;
  return eq(left.to_expr(), right.to_expr());
}

// A conjunct that others imply goes; one that they exclude decides the whole. Disjunctions: the same with the others
// false. Conjuncts that share no variable, or limit one form from both sides, say nothing about each other.
std::optional<Expr> Analyzer::drop_implied(Exprs& kept, bool is_and) {
  if (depth_ >= kMaxDepth || kept.size() < 2) return std::nullopt;
  std::vector<LinearForm> forms;
  for (const Expr& e : kept) forms.push_back(difference_of(e));
  Analyzer all = fresh();
  for (const Expr& e : kept) all.add_fact(e, is_and);
  all.settle();
  if (all.contradictory_) return boolean(!is_and);
  for (size_t i = kept.size(); i-- > 0;) {
    Analyzer inner = fresh();
    ++inner.depth_;
    bool any = false;
    for (size_t j = 0; j < kept.size(); ++j) {
      if (j == i || !may_imply(forms[j], forms[i])) continue;
      inner.add_fact(kept[j], is_and);
      any = true;
    }
    if (!any) continue;
    inner.settle();
    const Expr value = inner.simplify(kept[i]);
    if (!value.is_int()) continue;
    if ((value->int_value != 0) != is_and) return value;
    kept.erase(kept.begin() + i);
    forms.erase(forms.begin() + i);
  }
  return std::nullopt;
}

Expr Analyzer::simplify_and_or(const Expr& e) {
  const bool is_and = e.is(ExprKind::logical_and);
  Exprs parts, kept;
  for (const Expr& a : e->args) flatten(simplify(a), e->kind, parts);
  for (const Expr& p : parts) {
    if (p.is_int()) {
      if ((p->int_value != 0) != is_and) return p;
      continue;
    }
    if (std::none_of(kept.begin(), kept.end(), [&](const Expr& k) { return equal(k, p); })) kept.push_back(p);
  }
  if (const auto decided = drop_implied(kept, is_and)) return *decided;
  if (kept.empty()) return boolean(is_and);
  Expr result = join(kept, e->kind);
  if (const auto value = known(result)) return boolean(*value);
  return result;
}

Expr Analyzer::simplify_select(const Expr& e) {
  const Expr condition = simplify(e->args[0]);
  if (condition.is_int()) return simplify(e->args[condition->int_value ? 1 : 2]);
  Expr a, b;
  if (depth_ < kMaxDepth && compares_indices(condition)) {
    // Facts in the words of the source and in simplified form: index expressions may contain either.
    Analyzer yes = fresh(), no = fresh();
    for (const Expr& c : {e->args[0], condition}) {
      yes.add_fact(c, true);
      no.add_fact(c, false);
    }
    for (Analyzer* branch : {&yes, &no}) {
      branch->settle();
      ++branch->depth_;
    }
    if (yes.contradictory_) return simplify(e->args[2]);
    if (no.contradictory_) return simplify(e->args[1]);
    a = yes.simplify(e->args[1]);
    b = no.simplify(e->args[2]);
  } else {
    a = simplify(e->args[1]);
    b = simplify(e->args[2]);
  }
  while (a.is(ExprKind::select) && equal(a->args[0], condition)) a = a->args[1];
  while (b.is(ExprKind::select) && equal(b->args[0], condition)) b = b->args[2];
  if (e->type == DataType::boolean && a.is_int() && b.is_int()) {
    return a->int_value == b->int_value ? a : a->int_value ? condition : logical_not(condition);
  }
  return select(condition, a, b);
}

Expr Analyzer::simplify_min_max(const Expr& e) {
  Exprs parts, kept;
  for (const Expr& a : e->args) flatten(simplify(a), e->kind, parts);
  if (std::any_of(parts.begin(), parts.end(), [&](const Expr& p) { return opaque(p); })) return join(parts, e->kind);
  // p is dropped if some kept part is at least as good everywhere, and drops kept parts in turn.
  const int64_t sign = e.is(ExprKind::min) ? 1 : -1;
  const auto dominates = [&](const Expr& a, const Expr& b) {
    const LinearForm d = recompose(add_scaled(linear_form(b), linear_form(a), -1));
    return sign > 0 ? interval_of(d).lo >= 0 : interval_of(d).hi <= 0;
  };
  for (const Expr& p : parts) {
    if (std::any_of(kept.begin(), kept.end(), [&](const Expr& k) { return dominates(k, p); })) continue;
    kept.erase(std::remove_if(kept.begin(), kept.end(), [&](const Expr& k) { return dominates(p, k); }), kept.end());
    kept.push_back(p);
  }
  std::sort(kept.begin(), kept.end(), [](const Expr& a, const Expr& b) {
    if (a.is_int() != b.is_int()) return b.is_int();  // a constant comes last
    return compare(a, b) < 0;
  });
  return join(kept, e->kind);
}

bool Analyzer::always(const Expr& condition) { return contradictory_ || simplify(condition).is_int(1); }

Expr simplify(const Expr& e, const Ranges& ranges, const Facts& facts) { return Analyzer(ranges, facts).simplify(e); }

std::optional<Interval> bounds_under(const Expr& e, const Ranges& ranges, const Facts& facts) {
  Analyzer analyzer(ranges, facts);
  const Interval i = analyzer.interval(analyzer.simplify(e));
  if (i.lo == kMinusInfinity || i.hi == kPlusInfinity) return std::nullopt;
  return i;
}

std::optional<Interval> bounds(const Expr& e, const Ranges& ranges) { return bounds_under(e, ranges, {}); }

bool always(const Expr& condition, const Ranges& ranges, const Facts& facts) {
  return Analyzer(ranges, facts).always(condition);
}

}  // namespace altrt::jit
