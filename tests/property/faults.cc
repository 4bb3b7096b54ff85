#include "tests/property/faults.h"

#include <functional>
#include <map>

#include "jit/expr/simplify.h"

namespace altrt::property {

using namespace jit;  // NOLINT

namespace {

/// Counts the places where `change` would alter something, then alters one of them. `change` returns false where it has
/// nothing to do.
template <typename Site>
class OneOf {
 public:
  using Change = std::function<bool(Site&)>;
  OneOf(Change change, Random& random) : change_(std::move(change)), random_(random) {}

  void visit(Site& site) {
    Site copy = site;
    if (!change_(copy)) return;
    // Reservoir of one: every place is equally likely.
    if (random_.in(1, ++seen_) != 1) return;
    chosen_ = &site;
    changed_ = std::move(copy);
  }
  bool apply() {
    if (!chosen_) return false;
    *chosen_ = std::move(changed_);
    return true;
  }

 private:
  Change change_;
  Random& random_;
  int64_t seen_ = 0;
  Site* chosen_ = nullptr;
  Site changed_{};
};

void for_each(std::vector<Stmt>& body, const std::function<void(Stmt&)>& f) {
  for (Stmt& stmt : body) {
    f(stmt);
    for_each(stmt.body, f);
    for_each(stmt.otherwise, f);
  }
}

bool change_statement(Nest& nest, Random& random, const std::function<bool(Stmt&)>& change) {
  OneOf<Stmt> one(change, random);
  for_each(nest.body, [&](Stmt& stmt) { one.visit(stmt); });
  return one.apply();
}

/// Changes the first node of a stored value that `change` alters.
bool change_value(Nest& nest, Random& random, const std::function<Expr(const Expr&)>& change) {
  return change_statement(nest, random, [&](Stmt& stmt) {
    if (stmt.kind != StmtKind::store) return false;
    bool done = false;
    stmt.value = rewrite(stmt.value, [&](const Expr& e) {
      if (done) return e;
      const Expr changed = change(e);
      done = static_cast<bool>(changed);
      return done ? changed : e;
    });
    return done;
  });
}

bool stores_to_argument(const Nest& nest, const Stmt& stmt) {
  return stmt.kind == StmtKind::store && nest.buffers[static_cast<size_t>(stmt.buffer)].scope == Scope::argument;
}

bool shorter_loop(Nest& nest, Random& random) {
  return change_statement(nest, random, [](Stmt& stmt) {
    if (stmt.kind != StmtKind::loop || !stmt.extent.is_int() || stmt.extent->int_value < 2) return false;
    stmt.extent = stmt.extent - 1;
    return true;
  });
}

bool wrong_stride(Nest& nest, Random& random) {
  return change_statement(nest, random, [](Stmt& stmt) {
    if (stmt.kind != StmtKind::store) return false;
    for (Expr& index : stmt.indices) {
      LinearForm form = linear_form(index);
      for (LinearForm::Term& term : form.terms) {
        if (term.coefficient < 2) continue;
        --term.coefficient;
        index = form.to_expr();
        return true;
      }
    }
    return false;
  });
}

/// The second of two loops with the same name, one for each size of block.
bool dropped_tail(Nest& nest, Random& random) {
  return change_statement(nest, random, [](Stmt& stmt) {
    if (stmt.kind == StmtKind::if_then && !stmt.otherwise.empty()) {
      stmt.otherwise.clear();
      return true;
    }
    for (size_t i = 1; i < stmt.body.size(); ++i) {
      if (stmt.body[i].kind != StmtKind::loop || stmt.body[i - 1].kind != StmtKind::loop) continue;
      if (stmt.body[i].name != stmt.body[i - 1].name) continue;
      stmt.body.erase(stmt.body.begin() + static_cast<std::ptrdiff_t>(i));
      return true;
    }
    return false;
  });
}

bool swapped_layout(Nest& nest, Random& random) {
  return change_value(nest, random, [](const Expr& e) {
    if (!e.is(ExprKind::access)) return Expr();
    Exprs index = e->args;
    for (size_t d = 1; d < index.size(); ++d) {
      if (equal(index[d], index[d - 1])) continue;
      std::swap(index[d], index[d - 1]);
      return access(e->id, e->type, index);
    }
    return Expr();
  });
}

bool missing_guard(Nest& nest, Random& random) {
  if (change_value(nest, random, [](const Expr& e) { return e.is(ExprKind::select) ? e->args[1] : Expr(); }))
    return true;
  return change_statement(nest, random, [](Stmt& stmt) {
    if (stmt.kind != StmtKind::if_then || !stmt.otherwise.empty()) return false;
    stmt.value = boolean(true);
    return true;
  });
}

/// A maximum or minimum that prefers the other operand where one is NaN.
bool lost_nan(Nest& nest, Random& random) {
  return change_value(nest, random, [](const Expr& e) {
    if (e->type != DataType::f32 || (!e.is(ExprKind::max) && !e.is(ExprKind::min))) return Expr();
    const Expr &a = e->args[0], &b = e->args[1];
    return e.is(ExprKind::max) ? select(lt(b, a), a, b) : select(lt(a, b), a, b);
  });
}

bool wrong_broadcast(Nest& nest, Random& random) {
  return change_value(nest, random, [](const Expr& e) {
    if (!e.is(ExprKind::access)) return Expr();
    Exprs index = e->args;
    for (Expr& i : index) {
      if (i.is_int()) continue;
      i = Expr(0);
      return access(e->id, e->type, index);
    }
    return Expr();
  });
}

bool missing_initialisation(Nest& nest, Random& random) {
  return change_statement(nest, random, [](Stmt& stmt) {
    for (size_t i = 0; i < stmt.body.size(); ++i) {
      if (stmt.body[i].kind != StmtKind::store || !stmt.body[i].value.is(ExprKind::constant)) continue;
      stmt.body.erase(stmt.body.begin() + static_cast<std::ptrdiff_t>(i));
      return true;
    }
    return false;
  });
}

bool write_outside(Nest& nest, Random& random) {
  const Nest& unchanged = nest;
  return change_statement(nest, random, [&](Stmt& stmt) {
    if (!stores_to_argument(unchanged, stmt) || stmt.indices.empty()) return false;
    stmt.indices.back() = stmt.indices.back() + 1;
    return true;
  });
}

bool wrong_operand(Nest& nest, Random& random) {
  return change_value(nest, random, [](const Expr& e) {
    if (e->type != DataType::f32 || !e.is(ExprKind::add)) return Expr();
    return e->args[0] - e->args[1];
  });
}

using Inject = bool (*)(Nest&, Random&);

const std::map<std::string, Inject>& injections() {
  static const std::map<std::string, Inject> all{
      {"off-by-one tile", shorter_loop},    {"wrong stride", wrong_stride},
      {"dropped tail", dropped_tail},       {"swapped layout", swapped_layout},
      {"missing guard", missing_guard},     {"lost NaN", lost_nan},
      {"wrong broadcast", wrong_broadcast}, {"missing initialisation", missing_initialisation},
      {"write outside", write_outside},     {"wrong operand", wrong_operand}};
  return all;
}

}  // namespace

const std::vector<std::string>& faults() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const auto& [name, function] : injections()) result.push_back(name);
    return result;
  }();
  return names;
}

std::optional<Nest> inject(const std::string& fault, const Nest& nest, Random& random) {
  Nest faulty = nest;
  if (!injections().at(fault)(faulty, random)) return std::nullopt;
  return faulty;
}

}  // namespace altrt::property
