// Linear forms.
#include <unordered_map>

#include "jit/expr/scalar.h"
#include "jit/expr/simplify.h"

namespace altrt::jit {
namespace {

using Forms = std::unordered_map<const ExprNode*, LinearForm>;

LinearForm atom_form(const Expr& e) {
  LinearForm form;
  form.terms.push_back({e, 1});
  return form;
}

LinearForm collect_sum(const Expr& e, Forms& done);

LinearForm collect(const Expr& e, Forms& done) {
  switch (e->kind) {
    case ExprKind::constant: {
      LinearForm form;
      form.constant = e->int_value;
      return form;
    }
    case ExprKind::add:
    case ExprKind::sub:
    case ExprKind::neg:
    case ExprKind::mul:
      break;
    default:
      return atom_form(e);
  }
  if (auto found = done.find(e.get()); found != done.end()) return found->second;
  LinearForm form = collect_sum(e, done);
  // Only nodes with another owner can be met again.
  if (e.is_shared()) done.emplace(e.get(), form);
  return form;
}

LinearForm collect_sum(const Expr& e, Forms& done) {
  LinearForm form;
  const LinearForm a = collect(e->args[0], done);
  if (e.is(ExprKind::neg)) {
    form = add_scaled(form, a, -1);
  } else {
    const LinearForm b = collect(e->args[1], done);
    if (e.is(ExprKind::mul)) {
      if (b.is_constant()) {
        form = add_scaled(form, a, b.constant);
      } else if (a.is_constant()) {
        form = add_scaled(form, b, a.constant);
      } else {
        form = atom_form(e);
      }
    } else {
      form = add_scaled(a, b, e.is(ExprKind::sub) ? -1 : 1);
    }
  }
  return form;
}

Expr scaled(const Expr& atom, int64_t coefficient) { return coefficient == 1 ? atom : atom * Expr(coefficient); }

}  // namespace

LinearForm add_scaled(const LinearForm& a, const LinearForm& b, int64_t factor) {
  LinearForm sum;
  sum.constant = wrapping_add(a.constant, wrapping_mul(b.constant, factor));
  if (factor == 0 || b.terms.empty()) {
    sum.terms = a.terms;
    return sum;
  }
  sum.terms.reserve(a.terms.size() + b.terms.size());
  size_t i = 0, j = 0;
  while (i < a.terms.size() || j < b.terms.size()) {
    const int order = i == a.terms.size() ? 1 : j == b.terms.size() ? -1 : compare(a.terms[i].atom, b.terms[j].atom);
    if (order < 0) {
      sum.terms.push_back(a.terms[i++]);
      continue;
    }
    int64_t c = wrapping_mul(b.terms[j].coefficient, factor);
    if (order == 0) c = wrapping_add(c, a.terms[i++].coefficient);
    if (c != 0) sum.terms.push_back({b.terms[j].atom, c});
    ++j;
  }
  return sum;
}

LinearForm linear_form(const Expr& e) {
  Forms done;
  return collect(e, done);
}

int64_t LinearForm::coefficient(const std::string& variable) const {
  for (const Term& t : terms) {
    if (t.atom.is(ExprKind::variable) && t.atom->name == variable) return t.coefficient;
  }
  return 0;
}

// A positive term leads, so that "y - x" is not written "-1*x + y"; the constant comes last.
Expr LinearForm::to_expr() const {
  if (terms.empty()) return Expr(constant);
  size_t first = 0;
  while (first < terms.size() && terms[first].coefficient < 0) ++first;
  Expr sum;
  int64_t rest = constant;
  if (first < terms.size()) {
    sum = scaled(terms[first].atom, terms[first].coefficient);
  } else if (rest != 0) {
    sum = Expr(rest);
    rest = 0;
  }
  for (size_t i = 0; i < terms.size(); ++i) {
    if (i == first) continue;
    const int64_t c = terms[i].coefficient;
    if (!sum) {
      sum = c == -1 ? -terms[i].atom : terms[i].atom * Expr(c);
    } else if (c < 0 && c != INT64_MIN) {
      sum = sum - scaled(terms[i].atom, -c);
    } else {
      sum = sum + scaled(terms[i].atom, c);
    }
  }
  if (rest < 0 && rest != INT64_MIN) return sum - Expr(-rest);
  return rest == 0 ? sum : sum + Expr(rest);
}

}  // namespace altrt::jit
