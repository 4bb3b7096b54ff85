// The engine behind simplify.h, for callers that ask many questions about expressions in one scope: answers are
// remembered between calls.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "jit/expr/simplify.h"

namespace altrt::jit {

/// Ends of an interval that stand for "no limit".
inline constexpr int64_t kMinusInfinity = INT64_MIN;
inline constexpr int64_t kPlusInfinity = INT64_MAX;

/// Ranges and facts of one scope. Not for use from several threads at once.
class Analyzer {
 public:
  explicit Analyzer(Ranges ranges, const Facts& facts = {});

  Expr simplify(const Expr& e);
  /// Ends may be infinite.
  Interval interval(const Expr& e);
  bool always(const Expr& condition);
  /// A limit on integers, written without a division by a constant where it gets no longer by that; else as it is.
  /// Cheaper to compute, but harder to compare with others.
  Expr undivided(const Expr& condition);
  /// The scope inside which `condition` has the value `holds` as well.
  Analyzer assume(const Expr& condition, bool holds = true) const;
  /// The facts exclude each other: no point satisfies them.
  bool contradictory() const { return contradictory_; }
  const Ranges& ranges() const { return ranges_; }

 private:
  // lo <= form <= hi; the form has no constant and its first coefficient is positive.
  struct LinearFact {
    LinearForm form;
    Interval interval;
  };
  struct Memo {
    Expr key;  // keeps the node alive, so that its address stays its own
    Expr result;
  };

  // facts.cc
  Analyzer fresh() const;  // the same scope, nothing remembered
  void add_fact(const Expr& condition, bool holds);
  void add_comparison(const Expr& condition, bool holds);
  void add_linear(const LinearForm& form, Interval interval);  // lo <= form <= hi
  void settle();
  bool narrow(const LinearFact& fact);
  void drop_fixed(LinearFact& fact) const;
  std::optional<bool> known(const Expr& condition) const;
  Interval fact_interval(const LinearForm& form, Interval plain, int depth);
  std::optional<Interval> single_fact(const Expr& atom) const;

  // bounds.cc
  Interval interval_of(const LinearForm& form);
  Interval plain_interval(const LinearForm& form);
  Interval split_interval(const LinearForm& form, Interval plain, int depth);
  Interval atom_interval(const Expr& e);
  Interval compute_atom(const Expr& e);
  Interval table_interval(const Expr& e);
  bool opaque(const Expr& e);
  bool compute_opaque(const Expr& e);

  // simplify_index.cc
  const LinearForm& form_of(const Expr& e);
  LinearForm compute_form(const Expr& e);
  LinearForm divide(LinearForm a, int64_t divisor);
  LinearForm modulo(LinearForm a, int64_t divisor);
  std::optional<LinearForm> floor_by(const LinearForm& a, int64_t divisor);
  LinearForm recompose(LinearForm form);
  bool recompose_once(LinearForm& form);
  bool recompose_mod(LinearForm& form, const LinearForm::Term& term);
  bool recompose_difference(LinearForm& form, const LinearForm::Term& term);

  // simplify.cc
  Expr simplify_node(const Expr& e);
  Expr simplify_index(const Expr& e);
  Expr simplify_compare(const Expr& e);
  Expr at_least_zero(LinearForm d);
  Expr equals_zero(LinearForm d);
  Expr simplify_and_or(const Expr& e);
  std::optional<Expr> drop_implied(Exprs& kept, bool is_and);
  Expr simplify_select(const Expr& e);
  Expr simplify_min_max(const Expr& e);
  Expr simplify_float(const Expr& e, const Exprs& args);
  Expr simplify_table(const Expr& e);

  Ranges ranges_;
  std::vector<LinearFact> facts_;
  std::vector<std::pair<Expr, bool>> known_;
  bool contradictory_ = false;
  bool changed_ = false;  // facts were added since settle()
  int depth_ = 0;         // nested assumptions made by simplify itself
  std::unordered_map<const ExprNode*, Memo> simplified_;
  std::unordered_map<const ExprNode*, std::pair<Expr, LinearForm>> forms_;
  std::unordered_map<const ExprNode*, std::pair<Expr, Interval>> intervals_;
  std::unordered_map<const ExprNode*, std::pair<Expr, bool>> opaque_;
};

}  // namespace altrt::jit
