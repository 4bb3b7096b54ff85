// Where a walk over loops stands: what is known about the nest variables in scope.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "jit/expr/analysis.h"

namespace altrt::jit {

class LoopScope {
 public:
  Substitution values;                  // entered loop -> its value in nest variables
  std::map<std::string, int> segments;  // split source -> the segment that is being emitted
  std::set<std::string> guarded;        // sources of masked splits whose predicate holds here
  std::vector<std::string> variables;   // nest variables, outermost first

  void add_variable(const std::string& name, Interval range) {
    ranges_[name] = range;
    variables.push_back(name);
    analyzer_.reset();
  }
  /// `condition` holds from here on.
  void assume(const Expr& condition) {
    facts_.push_back(condition);
    analyzer_.reset();
  }

  const Ranges& ranges() const { return ranges_; }
  const Facts& facts() const { return facts_; }
  /// Remembers answers; shared by copies of a scope that know the same.
  Analyzer& analyzer() const {
    if (!analyzer_) analyzer_ = std::make_shared<Analyzer>(ranges_, facts_);
    return *analyzer_;
  }
  Expr simplify(const Expr& e) const { return analyzer().simplify(e); }

 private:
  Ranges ranges_;
  Facts facts_;
  mutable std::shared_ptr<Analyzer> analyzer_;
};

/// The conjuncts of a condition, in order.
std::vector<Expr> conjuncts(const Expr& condition);
/// Their conjunction; true for none.
Expr conjunction(const std::vector<Expr>& conditions);
/// Integer e with `condition` equivalent to e >= 0; absent if the condition isn't one comparison of i64 expressions.
Expr nonnegative_form(const Expr& condition);
/// lo <= e < hi is proven.
bool within(Analyzer& analyzer, const Expr& e, int64_t lo, int64_t hi);

}  // namespace altrt::jit
