// Integer simplification with known variable ranges, linear forms, and interval analysis.
//
// Index arithmetic is taken not to overflow 64 bits. Integers that depend on data (an access, a state, a float) may
// hold anything: they take part only where they are clamped or their type is narrow, and are otherwise left as they
// stand.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jit/expr/expr.h"

namespace altrt::jit {

/// Inclusive integer interval.
struct Interval {
  int64_t lo = 0;
  int64_t hi = 0;
  bool operator==(const Interval&) const = default;
};
/// Ranges of the variables in scope; a variable that is not listed is unbounded.
using Ranges = std::map<std::string, Interval>;
/// Boolean expressions known to hold. Used are conjunctions of comparisons of i64 expressions; any other condition is
/// only recognised where it occurs again.
using Facts = std::vector<Expr>;

/// The tightest interval that interval arithmetic on the canonical form gives; nullopt = unbounded on either side. An
/// access (data-dependent index) is unbounded, so that only clamped opaque indices have bounds. Exact for linear forms.
std::optional<Interval> bounds(const Expr& e, const Ranges& ranges);
/// The same where `facts` hold: an expression whose linear form contains a fact's linear form is bounded by that fact's
/// interval.
std::optional<Interval> bounds_under(const Expr& e, const Ranges& ranges, const Facts& facts);

/// sum of coefficient * atom + constant. Atoms are variables and non-linear sub-expressions (floor_div, floor_mod, min,
/// select, ...).
struct LinearForm {
  struct Term {
    Expr atom;
    int64_t coefficient;
  };
  std::vector<Term> terms;  // ordered by compare(): variables by name first; no zero coefficients, no two equal atoms
  int64_t constant = 0;

  int64_t coefficient(const std::string& variable) const;
  bool is_constant() const { return terms.empty(); }
  Expr to_expr() const;
};
/// Canonical linear form of an i64 expression; products of two non-constants become atoms.
LinearForm linear_form(const Expr& e);
/// a + factor * b
LinearForm add_scaled(const LinearForm& a, const LinearForm& b, int64_t factor);

/// Simplifies integer and boolean sub-expressions by the ranges: floor_div and floor_mod of (a*F + b) with 0 <= b < F,
/// nested division, comparisons decided by bounds, selects and min/max with known outcome, constant table look-ups;
/// floats only where bits are kept (x*1, select on a constant; never x*0 unless the 0 comes from a constant table,
/// never x+0). Branches of a select are simplified under its condition. Idempotent where no
/// condition is involved (a condition that became simpler may tell more at a second call). For many expressions under
/// one set of ranges an Analyzer (analysis.h) is faster.
Expr simplify(const Expr& e, const Ranges& ranges, const Facts& facts = {});

/// True if `condition` holds for all values in `ranges` where `facts` hold (false = not proven).
bool always(const Expr& condition, const Ranges& ranges, const Facts& facts = {});

/// Calls `f` on every access and every table look-up in `e` with the conditions under which it is performed: `facts`
/// and the conditions of enclosing selects (negated in the branch not taken). The same node may be seen several times,
/// with different conditions.
void visit_guarded(const Expr& e, const Facts& facts,
                   const std::function<void(const Expr& access, const Facts& facts)>& f);

}  // namespace altrt::jit
