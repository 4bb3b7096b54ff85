// Facts: conditions known to hold, as intervals of linear forms.
#include <algorithm>
#include <numeric>

#include "jit/expr/analysis.h"
#include "jit/expr/scalar.h"

namespace altrt::jit {
namespace {

bool is_index(const Expr& e) { return e->type == DataType::i64; }

bool same_terms(const LinearForm& a, const LinearForm& b) {
  if (a.terms.size() != b.terms.size()) return false;
  for (size_t i = 0; i < a.terms.size(); ++i) {
    if (a.terms[i].coefficient != b.terms[i].coefficient || !equal(a.terms[i].atom, b.terms[i].atom)) return false;
  }
  return true;
}

int64_t shifted(int64_t end, int64_t by) {
  return end == kMinusInfinity || end == kPlusInfinity ? end : wrapping_add(end, by);
}

// k such that `form` contains k times every term of `part`; 0 if there is none.
int64_t contains(const LinearForm& form, const LinearForm& part) {
  int64_t factor = 0;
  size_t i = 0;
  for (const LinearForm::Term& p : part.terms) {
    while (i < form.terms.size() && compare(form.terms[i].atom, p.atom) < 0) ++i;
    if (i == form.terms.size() || !equal(form.terms[i].atom, p.atom)) return 0;
    if (form.terms[i].coefficient % p.coefficient != 0) return 0;
    const int64_t k = form.terms[i].coefficient / p.coefficient;
    if (factor != 0 && k != factor) return 0;
    factor = k;
  }
  return factor;
}

int64_t multiplied(int64_t end, int64_t k) {
  const __int128 x = static_cast<__int128>(end) * k;
  if (end == kMinusInfinity || end == kPlusInfinity) return (end > 0) == (k > 0) ? kPlusInfinity : kMinusInfinity;
  return x <= kMinusInfinity ? kMinusInfinity : x >= kPlusInfinity ? kPlusInfinity : static_cast<int64_t>(x);
}

Interval sum_of(Interval a, Interval b, int64_t k) {  // a + k*b
  if (k < 0) std::swap(b.lo, b.hi);
  const auto add = [](int64_t x, int64_t y, int64_t infinity) {
    if (x == infinity || y == infinity) return infinity;
    const __int128 s = static_cast<__int128>(x) + y;
    return s <= kMinusInfinity ? kMinusInfinity : s >= kPlusInfinity ? kPlusInfinity : static_cast<int64_t>(s);
  };
  return {add(a.lo, multiplied(b.lo, k), kMinusInfinity), add(a.hi, multiplied(b.hi, k), kPlusInfinity)};
}

// The first coefficient positive, no common divisor.
template <typename Fact>
void normalize(Fact& fact) {
  if (fact.form.terms.empty()) return;
  if (fact.form.terms[0].coefficient < 0) {
    fact.form = add_scaled({}, fact.form, -1);
    fact.interval = {multiplied(fact.interval.hi, -1), multiplied(fact.interval.lo, -1)};
  }
  int64_t divisor = 0;
  for (const LinearForm::Term& t : fact.form.terms) divisor = std::gcd(divisor, t.coefficient);
  if (divisor <= 1) return;
  for (LinearForm::Term& t : fact.form.terms) t.coefficient /= divisor;
  if (fact.interval.lo != kMinusInfinity) fact.interval.lo = -floored_div(-fact.interval.lo, divisor);
  if (fact.interval.hi != kPlusInfinity) fact.interval.hi = floored_div(fact.interval.hi, divisor);
}

}  // namespace

Analyzer::Analyzer(Ranges ranges, const Facts& facts) : ranges_(std::move(ranges)) {
  for (const Expr& f : facts) add_fact(f, true);
  settle();
}

Analyzer Analyzer::fresh() const {
  Analyzer copy(ranges_);
  copy.facts_ = facts_;
  copy.known_ = known_;
  copy.contradictory_ = contradictory_;
  copy.depth_ = depth_;
  return copy;
}

Analyzer Analyzer::assume(const Expr& condition, bool holds) const {
  Analyzer inner = fresh();
  inner.add_fact(condition, holds);
  inner.settle();
  return inner;
}

void Analyzer::add_fact(const Expr& condition, bool holds) {
  switch (condition->kind) {
    case ExprKind::constant:
      contradictory_ = contradictory_ || (condition->int_value != 0) != holds;
      return;
    case ExprKind::logical_not:
      return add_fact(condition->args[0], !holds);
    case ExprKind::logical_and:
    case ExprKind::logical_or:
      if (condition.is(ExprKind::logical_and) == holds) {
        add_fact(condition->args[0], holds);
        add_fact(condition->args[1], holds);
        return;
      }
      break;
    case ExprKind::lt:
    case ExprKind::le:
    case ExprKind::eq:
    case ExprKind::ne:
      add_comparison(condition, holds);
      break;
    default:
      break;
  }
  if (const auto value = known(condition); value && *value != holds) contradictory_ = true;
  known_.emplace_back(condition, holds);
}

void Analyzer::add_comparison(const Expr& condition, bool holds) {
  const Expr &a = condition->args[0], &b = condition->args[1];
  if (!is_index(a) || opaque(a) || opaque(b)) return;
  if ((condition.is(ExprKind::eq) && holds) || (condition.is(ExprKind::ne) && !holds)) {
    return add_linear(add_scaled(linear_form(a), linear_form(b), -1), {0, 0});
  }
  if (condition.is(ExprKind::eq) || condition.is(ExprKind::ne)) return;
  const bool strict = condition.is(ExprKind::lt) == holds;
  LinearForm difference =
      holds ? add_scaled(linear_form(b), linear_form(a), -1) : add_scaled(linear_form(a), linear_form(b), -1);
  add_linear(difference, {strict ? 1 : 0, kPlusInfinity});
  // What is below a minimum is below each of its arguments.
  for (size_t i = 0; i < difference.terms.size(); ++i) {
    const LinearForm::Term t = difference.terms[i];
    if (!t.atom.is(t.coefficient > 0 ? ExprKind::min : ExprKind::max)) continue;
    for (const Expr& arg : t.atom->args) {
      LinearForm change = add_scaled(linear_form(arg), LinearForm{{{t.atom, 1}}, 0}, -1);
      add_linear(add_scaled(difference, change, t.coefficient), {strict ? 1 : 0, kPlusInfinity});
    }
  }
}

void Analyzer::add_linear(const LinearForm& form, Interval interval) {
  LinearFact fact{
      form,
      {shifted(interval.lo, wrapping_sub(0, form.constant)), shifted(interval.hi, wrapping_sub(0, form.constant))}};
  fact.form.constant = 0;
  if (form.terms.empty()) {
    contradictory_ = contradictory_ || fact.interval.lo > 0 || fact.interval.hi < 0;
    return;
  }
  normalize(fact);
  const auto same =
      std::find_if(facts_.begin(), facts_.end(), [&](const LinearFact& f) { return same_terms(f.form, fact.form); });
  if (same != facts_.end()) {
    same->interval = {std::max(same->interval.lo, fact.interval.lo), std::min(same->interval.hi, fact.interval.hi)};
    fact = *same;
  } else {
    facts_.push_back(fact);
  }
  const Interval possible = plain_interval(fact.form);
  if (fact.interval.lo > fact.interval.hi || fact.interval.lo > possible.hi || fact.interval.hi < possible.lo) {
    contradictory_ = true;
    return;
  }
  changed_ = true;
}

// Draws the conclusions from all facts together: to be called after the last of several was added.
void Analyzer::settle() {
  if (!changed_) return;
  changed_ = false;
  constexpr int kMaxRounds = 4;
  for (int round = 0; round < kMaxRounds; ++round) {
    bool narrowed = false;
    intervals_.clear();
    opaque_.clear();
    for (const LinearFact& f : facts_) narrowed = narrow(f) || narrowed;
    if (!narrowed) break;
  }
  for (LinearFact& f : facts_) drop_fixed(f);
}

// Variables with one value left move from the form into its interval: what is asked about need not mention them.
void Analyzer::drop_fixed(LinearFact& fact) const {
  LinearForm kept;
  for (const LinearForm::Term& t : fact.form.terms) {
    const auto range = t.atom.is(ExprKind::variable) ? ranges_.find(t.atom->name) : ranges_.end();
    if (range == ranges_.end() || range->second.lo != range->second.hi) {
      kept.terms.push_back(t);
      continue;
    }
    const int64_t value = wrapping_mul(t.coefficient, range->second.lo);
    fact.interval = {shifted(fact.interval.lo, -value), shifted(fact.interval.hi, -value)};
  }
  fact.form = kept;
  normalize(fact);
}

// Each variable of the form lies where the rest of the form leaves room for it.
bool Analyzer::narrow(const LinearFact& fact) {
  const std::vector<LinearForm::Term>& terms = fact.form.terms;
  std::vector<Interval> after(terms.size() + 1, Interval{0, 0});  // sum of the terms from here on
  for (size_t i = terms.size(); i-- > 0;)
    after[i] = sum_of(after[i + 1], atom_interval(terms[i].atom), terms[i].coefficient);
  Interval before{0, 0};
  bool changed = false;
  for (size_t i = 0; i < terms.size(); ++i) {
    const LinearForm::Term& t = terms[i];
    const Interval old = atom_interval(t.atom);
    if (t.atom.is(ExprKind::variable)) {
      Interval room = sum_of(fact.interval, sum_of(before, after[i + 1], 1), -1);
      if (t.coefficient < 0) room = {multiplied(room.hi, -1), multiplied(room.lo, -1)};
      const int64_t c = std::abs(t.coefficient);
      if (room.lo != kMinusInfinity) room.lo = -floored_div(-room.lo, c);
      if (room.hi != kPlusInfinity) room.hi = floored_div(room.hi, c);
      const Interval both{std::max(old.lo, room.lo), std::min(old.hi, room.hi)};
      if (both.lo > both.hi) {
        contradictory_ = true;
      } else if (both != old) {
        ranges_[t.atom->name] = both;
        changed = true;
      }
    }
    before = sum_of(before, old, t.coefficient);
  }
  return changed;
}

std::optional<bool> Analyzer::known(const Expr& condition) const {
  for (const auto& [fact, value] : known_) {
    if (equal(fact, condition)) return value;
  }
  return std::nullopt;
}

std::optional<Interval> Analyzer::single_fact(const Expr& atom) const {
  for (const LinearFact& f : facts_) {
    if (f.form.terms.size() == 1 && equal(f.form.terms[0].atom, atom)) return f.interval;
  }
  return std::nullopt;
}

// form = k * fact + rest, for each fact contained in it, and recursively for the rest.
Interval Analyzer::fact_interval(const LinearForm& form, Interval plain, int depth) {
  constexpr int kMaxDepth = 3;
  Interval best = plain;
  if (depth == kMaxDepth || form.terms.size() < 2) return best;
  for (const LinearFact& fact : facts_) {
    if (fact.form.terms.size() < 2) continue;  // already in the ranges and the atoms' intervals
    const int64_t k = contains(form, fact.form);
    if (k == 0) continue;
    const LinearForm rest = add_scaled(form, fact.form, -k);
    const Interval i = sum_of(fact_interval(rest, plain_interval(rest), depth + 1), fact.interval, k);
    const Interval both{std::max(best.lo, i.lo), std::min(best.hi, i.hi)};
    if (both.lo <= both.hi) best = both;
  }
  return best;
}

}  // namespace altrt::jit
