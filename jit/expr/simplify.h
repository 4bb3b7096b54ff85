// Integer simplification with known variable ranges, linear forms, and interval analysis.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "jit/expr/expr.h"

namespace altrt::jit {

/// Inclusive integer interval.
struct Interval {
  int64_t lo = 0;
  int64_t hi = 0;
};
/// Ranges of the variables in scope; a variable that is not listed is unbounded.
using Ranges = std::map<std::string, Interval>;

/// The tightest interval that interval arithmetic on the canonical form gives; nullopt = unbounded. An access (data-dependent index) is
/// unbounded, so that only clamped opaque indices have bounds. Exact for linear forms.
std::optional<Interval> bounds(const Expr& e, const Ranges& ranges);

/// sum of coefficient * atom + constant. Atoms are variables and non-linear sub-expressions (floor_div, floor_mod, min, select, ...).
struct LinearForm {
  struct Term {
    Expr atom;
    int64_t coefficient;
  };
  std::vector<Term> terms;  // ordered by the atom's text, no zero coefficients, no two equal atoms
  int64_t constant = 0;

  int64_t coefficient(const std::string& variable) const;
  Expr to_expr() const;
};
/// Canonical linear form of an i64 expression; products of two non-constants become atoms.
LinearForm linear_form(const Expr& e);

/// Simplifies integer and boolean sub-expressions by the ranges: floor_div and floor_mod of (a*F + b) with 0 <= b < F, nested division,
/// comparisons decided by bounds, selects and min/max with known outcome, constant table look-ups; floats only where bits are kept
/// (x*1, select on a constant; never x*0 unless the 0 comes from a constant table, never x+0). Idempotent.
Expr simplify(const Expr& e, const Ranges& ranges);

/// True if `condition` holds for all values in `ranges` (false = not proven).
bool always(const Expr& condition, const Ranges& ranges);

}  // namespace altrt::jit
