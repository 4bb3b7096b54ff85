// Walking accesses with the conditions that guard them.
#include <unordered_set>

#include "jit/expr/simplify.h"

namespace altrt::jit {
namespace {

class Walker {
 public:
  Walker(Facts facts, const std::function<void(const Expr&, const Facts&)>& f) : facts_(std::move(facts)), f_(f) {}

  void walk(const Expr& e) {
    if (!seen_.insert(e.get()).second) return;
    if (e.is(ExprKind::access) || e.is(ExprKind::table)) f_(e, facts_);
    if (!e.is(ExprKind::select)) {
      for (const Expr& a : e->args) walk(a);
      return;
    }
    walk(e->args[0]);
    branch(e->args[1], e->args[0]);
    branch(e->args[2], logical_not(e->args[0]));
  }

 private:
  // Inside a branch nodes are looked at again, under more facts, except those already reached with fewer.
  void branch(const Expr& e, const Expr& condition) {
    facts_.push_back(condition);
    std::unordered_set<const ExprNode*> outer = seen_;
    walk(e);
    seen_ = std::move(outer);
    facts_.pop_back();
  }

  Facts facts_;
  const std::function<void(const Expr&, const Facts&)>& f_;
  std::unordered_set<const ExprNode*> seen_;
};

}  // namespace

void visit_guarded(const Expr& e, const Facts& facts, const std::function<void(const Expr&, const Facts&)>& f) {
  if (e) Walker(facts, f).walk(e);
}

}  // namespace altrt::jit
