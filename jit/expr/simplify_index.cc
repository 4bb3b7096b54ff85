// Division and modulus of linear forms, and their re-composition.
#include <algorithm>
#include <numeric>

#include "jit/expr/analysis.h"
#include "jit/expr/scalar.h"

namespace altrt::jit {
namespace {

LinearForm constant_form(int64_t value) { return LinearForm{{}, value}; }
LinearForm atom_form(const Expr& atom) { return LinearForm{{{atom, 1}}, 0}; }

// The quotient if the interval lies within one multiple of the divisor.
std::optional<int64_t> common_quotient(Interval i, int64_t divisor) {
  if (i.lo == kMinusInfinity || i.hi == kPlusInfinity) return std::nullopt;
  const int64_t q = floored_div(i.lo, divisor);
  if (q != floored_div(i.hi, divisor)) return std::nullopt;
  return q;
}

// form = divisor * quotient + rest, where the quotient takes the terms that the divisor divides.
void split_by(const LinearForm& form, int64_t divisor, LinearForm& quotient, LinearForm& rest) {
  rest.constant = form.constant;
  for (const LinearForm::Term& t : form.terms) {
    if (t.coefficient % divisor == 0) {
      quotient.terms.push_back({t.atom, t.coefficient / divisor});
    } else {
      rest.terms.push_back(t);
    }
  }
}

// Brings the rest's coefficients below the divisor in magnitude and its constant into [0, divisor).
void reduce_rest(LinearForm& quotient, LinearForm& rest, int64_t divisor) {
  LinearForm whole;
  for (LinearForm::Term& t : rest.terms) {
    if (t.coefficient / divisor != 0) whole.terms.push_back({t.atom, t.coefficient / divisor});
    t.coefficient %= divisor;
  }
  whole.constant = floored_div(rest.constant, divisor);
  rest.constant = floored_mod(rest.constant, divisor);
  quotient = add_scaled(quotient, whole, 1);
}

// Divisors of `divisor` that divide some coefficient, greatest first.
std::vector<int64_t> common_factors(const LinearForm& form, int64_t divisor) {
  std::vector<int64_t> factors;
  for (const LinearForm::Term& t : form.terms) {
    const int64_t g = std::gcd(t.coefficient, divisor);
    if (g > 1) factors.push_back(g);
  }
  std::sort(factors.begin(), factors.end(), std::greater<>());
  factors.erase(std::unique(factors.begin(), factors.end()), factors.end());
  return factors;
}

bool is_atom(const LinearForm& form, ExprKind kind) {
  return form.terms.size() == 1 && form.terms[0].coefficient == 1 && form.terms[0].atom.is(kind) &&
         form.terms[0].atom->args[1].is_int() && form.terms[0].atom->args[1]->int_value > 0;
}

bool product_fits(int64_t a, int64_t b) { return a <= (int64_t{1} << 60) / b; }

}  // namespace

// References into the memo stay valid while it grows.
const LinearForm& Analyzer::form_of(const Expr& e) {
  if (auto found = forms_.find(e.get()); found != forms_.end()) return found->second.second;
  LinearForm form = e.is(ExprKind::constant) ? constant_form(e->int_value) : compute_form(e);
  return forms_.emplace(e.get(), std::make_pair(e, std::move(form))).first->second.second;
}

LinearForm Analyzer::compute_form(const Expr& e) {
  switch (e->kind) {
    case ExprKind::variable: {
      const Interval i = atom_interval(e);
      return i.lo == i.hi ? constant_form(i.lo) : atom_form(e);
    }
    case ExprKind::add:
      return add_scaled(form_of(e->args[0]), form_of(e->args[1]), 1);
    case ExprKind::sub:
      return add_scaled(form_of(e->args[0]), form_of(e->args[1]), -1);
    case ExprKind::neg:
      return add_scaled({}, form_of(e->args[0]), -1);
    case ExprKind::mul: {
      const LinearForm a = recompose(form_of(e->args[0])), b = recompose(form_of(e->args[1]));
      if (b.is_constant()) return add_scaled({}, a, b.constant);
      if (a.is_constant()) return add_scaled({}, b, a.constant);
      const Expr x = a.to_expr(), y = b.to_expr();
      return linear_form(compare(x, y) <= 0 ? x * y : y * x);
    }
    case ExprKind::floor_div:
    case ExprKind::floor_mod: {
      const LinearForm a = recompose(form_of(e->args[0])), d = recompose(form_of(e->args[1]));
      const Expr x = a.to_expr();
      if (!d.is_constant() || d.constant <= 0 || opaque(x)) {
        return linear_form(with_args(e, {x, d.to_expr()}));
      }
      return e.is(ExprKind::floor_div) ? divide(a, d.constant) : modulo(a, d.constant);
    }
    default:
      return linear_form(simplify_node(e));
  }
}

// floor(a / divisor) where the terms that the divisor does not divide stay within one multiple of it.
std::optional<LinearForm> Analyzer::floor_by(const LinearForm& a, int64_t divisor) {
  LinearForm quotient, rest;
  split_by(a, divisor, quotient, rest);
  const auto q = common_quotient(interval_of(rest), divisor);
  if (!q) return std::nullopt;
  quotient.constant += *q;
  return quotient;
}

LinearForm Analyzer::divide(LinearForm a, int64_t divisor) {
  if (divisor == 1) return a;
  a = recompose(std::move(a));
  if (auto exact = floor_by(a, divisor)) return *exact;
  LinearForm quotient, rest;
  split_by(a, divisor, quotient, rest);
  reduce_rest(quotient, rest, divisor);
  if (const auto q = common_quotient(interval_of(rest), divisor)) return add_scaled(quotient, constant_form(*q), 1);
  if (LinearForm shorter = recompose(rest); shorter.terms.size() < rest.terms.size()) {
    return add_scaled(quotient, divide(std::move(shorter), divisor), 1);
  }
  for (const int64_t g : common_factors(rest, divisor)) {
    if (const auto inner = floor_by(rest, g)) return add_scaled(quotient, divide(*inner, divisor / g), 1);
  }
  if (is_atom(rest, ExprKind::floor_div)) {
    const ExprNode& atom = *rest.terms[0].atom;
    const int64_t b = atom.args[1]->int_value;
    if (product_fits(b, divisor)) {
      const LinearForm inner = add_scaled(linear_form(atom.args[0]), constant_form(rest.constant), b);
      return add_scaled(quotient, divide(inner, b * divisor), 1);
    }
  }
  if (is_atom(rest, ExprKind::floor_mod) && rest.constant == 0) {
    const ExprNode& atom = *rest.terms[0].atom;
    const int64_t m = atom.args[1]->int_value;
    if (m % divisor == 0) {
      return add_scaled(quotient, modulo(divide(linear_form(atom.args[0]), divisor), m / divisor), 1);
    }
  }
  return add_scaled(quotient, linear_form(floor_div(rest.to_expr(), Expr(divisor))), 1);
}

LinearForm Analyzer::modulo(LinearForm a, int64_t divisor) {
  if (divisor == 1) return constant_form(0);
  a = recompose(std::move(a));
  LinearForm quotient, rest;
  split_by(a, divisor, quotient, rest);
  if (const auto q = common_quotient(interval_of(rest), divisor)) {
    return add_scaled(rest, constant_form(*q), -divisor);
  }
  for (const LinearForm::Term& t : rest.terms) {  // (a mod kF) mod F = a mod F
    if (!is_atom(atom_form(t.atom), ExprKind::floor_mod)) continue;
    if (std::gcd(t.atom->args[1]->int_value * (t.coefficient % divisor), divisor) != divisor) continue;
    LinearForm change = add_scaled(linear_form(t.atom->args[0]), atom_form(t.atom), -1);
    return modulo(add_scaled(rest, change, t.coefficient), divisor);
  }
  reduce_rest(quotient, rest, divisor);
  if (const auto q = common_quotient(interval_of(rest), divisor)) {
    return add_scaled(rest, constant_form(*q), -divisor);
  }
  if (LinearForm shorter = recompose(rest); shorter.terms.size() < rest.terms.size()) {
    return modulo(std::move(shorter), divisor);
  }
  for (const int64_t g : common_factors(rest, divisor)) {
    const auto inner = floor_by(rest, g);
    if (!inner) continue;
    const LinearForm low = add_scaled(rest, *inner, -g);  // within [0, g)
    return add_scaled(low, modulo(*inner, divisor / g), g);
  }
  return linear_form(floor_mod(rest.to_expr(), Expr(divisor)));
}

LinearForm Analyzer::recompose(LinearForm form) {
  while (form.terms.size() > 1 && recompose_once(form)) {
  }
  return form;
}

bool Analyzer::recompose_once(LinearForm& form) {
  for (const LinearForm::Term& t : form.terms) {
    if (is_atom(atom_form(t.atom), ExprKind::floor_mod) && recompose_mod(form, t)) return true;
    if ((is_atom(atom_form(t.atom), ExprKind::floor_mod) || is_atom(atom_form(t.atom), ExprKind::floor_div)) &&
        recompose_difference(form, t)) {
      return true;
    }
  }
  return false;
}

// c*(y mod F) + c*F*floor(y / F) = c*y, and c*(y mod F) + c*F*(floor(y / F) mod G) = c*(y mod F*G).
bool Analyzer::recompose_mod(LinearForm& form, const LinearForm::Term& term) {
  const LinearForm y = linear_form(term.atom->args[0]);
  const int64_t f = term.atom->args[1]->int_value, c = term.coefficient;
  const LinearForm high = divide(y, f);
  if (high.terms.size() != 1 || high.terms[0].coefficient != 1) return false;
  for (const LinearForm::Term& t : form.terms) {
    if (t.coefficient != wrapping_mul(c, f)) continue;
    LinearForm without = add_scaled(add_scaled(form, atom_form(term.atom), -c), atom_form(t.atom), -t.coefficient);
    if (equal(t.atom, high.terms[0].atom)) {
      without.constant = wrapping_sub(without.constant, wrapping_mul(high.constant, t.coefficient));
      form = add_scaled(without, y, c);
      return true;
    }
    if (high.constant == 0 && is_atom(atom_form(t.atom), ExprKind::floor_mod) &&
        equal(t.atom->args[0], high.terms[0].atom) && product_fits(f, t.atom->args[1]->int_value)) {
      without = add_scaled(without, modulo(y, f * t.atom->args[1]->int_value), c);
    } else {
      continue;
    }
    if (without.terms.size() >= form.terms.size()) return false;
    form = std::move(without);
    return true;
  }
  return false;
}

// c*y - c*F*floor(y / F) = c*(y mod F), and c*y - c*(y mod F) = c*F*floor(y / F), where terms vanish by it.
bool Analyzer::recompose_difference(LinearForm& form, const LinearForm::Term& term) {
  const LinearForm y = linear_form(term.atom->args[0]);
  if (y.terms.size() >= form.terms.size()) return false;
  const int64_t f = term.atom->args[1]->int_value;
  const bool is_div = term.atom.is(ExprKind::floor_div);
  if (is_div && term.coefficient % f != 0) return false;
  const int64_t c = is_div ? -(term.coefficient / f) : -term.coefficient;
  const LinearForm without = add_scaled(add_scaled(form, atom_form(term.atom), -term.coefficient), y, -c);
  if (without.terms.size() + 1 + y.terms.size() != form.terms.size()) return false;
  const LinearForm merged =
      is_div ? add_scaled(without, modulo(y, f), c) : add_scaled(without, divide(y, f), wrapping_mul(c, f));
  if (merged.terms.size() >= form.terms.size()) return false;
  form = merged;
  return true;
}

// floor(y / f) + r >= 0 exactly where y + r*f >= 0, and r - floor(y / f) >= 0 where r*f + f-1 - y >= 0.
Expr Analyzer::undivided(const Expr& condition) {
  const bool is_limit = condition.is(ExprKind::lt) || condition.is(ExprKind::le);
  if (!is_limit || condition->args[0]->type != DataType::i64) return condition;
  LinearForm d = add_scaled(linear_form(condition->args[1]), linear_form(condition->args[0]), -1);
  if (condition.is(ExprKind::lt)) --d.constant;
  for (const LinearForm::Term& t : d.terms) {
    if (!t.atom.is(ExprKind::floor_div) || !t.atom->args[1].is_int() || std::abs(t.coefficient) != 1) continue;
    const int64_t f = t.atom->args[1]->int_value;
    const LinearForm rest = add_scaled(d, atom_form(t.atom), -t.coefficient);
    const bool fits = std::all_of(rest.terms.begin(), rest.terms.end(),
                                  [&](const LinearForm::Term& r) { return product_fits(std::abs(r.coefficient), f); });
    if (f < 1 || !fits || !product_fits(std::abs(rest.constant), f)) continue;
    LinearForm next = add_scaled(add_scaled({}, rest, f), linear_form(t.atom->args[0]), t.coefficient);
    if (t.coefficient < 0) next.constant += f - 1;
    next = recompose(next);
    if (rest.terms.empty() || next.terms.size() <= d.terms.size()) return le(Expr(0), next.to_expr());
  }
  return condition;
}

}  // namespace altrt::jit
