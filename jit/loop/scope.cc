#include "jit/loop/scope.h"

namespace altrt::jit {

std::vector<Expr> conjuncts(const Expr& condition) {
  if (condition.is_int(1)) return {};
  if (!condition.is(ExprKind::logical_and)) return {condition};
  std::vector<Expr> all = conjuncts(condition->args[0]);
  for (const Expr& c : conjuncts(condition->args[1])) all.push_back(c);
  return all;
}

Expr conjunction(const std::vector<Expr>& conditions) {
  Expr all = boolean(true);
  for (const Expr& c : conditions)
    if (!c.is_int(1)) all = all.is_int(1) ? c : logical_and(all, c);
  return all;
}

Expr nonnegative_form(const Expr& condition) {
  if (condition.is(ExprKind::logical_not)) {
    const Expr positive = nonnegative_form(condition->args[0]);
    return positive ? Expr(-1) - positive : Expr();
  }
  if (!condition.is(ExprKind::lt) && !condition.is(ExprKind::le)) return Expr();
  if (condition->args[0]->type != DataType::i64) return Expr();
  const Expr difference = condition->args[1] - condition->args[0];
  return condition.is(ExprKind::lt) ? difference - 1 : difference;
}

bool within(Analyzer& analyzer, const Expr& e, int64_t lo, int64_t hi) {
  const Interval interval = analyzer.interval(e);
  return (interval.lo >= lo || analyzer.always(le(Expr(lo), e))) &&
         (interval.hi < hi || analyzer.always(lt(e, Expr(hi))));
}

}  // namespace altrt::jit
