#include "jit/loop/promote.h"

#include <set>

#include "jit/expr/simplify.h"

namespace altrt::jit {

namespace {

constexpr int64_t kMostElements = 1024;  // beyond this registers would only spill

/// Finds the buffers that can't live in registers.
class Inspector {
 public:
  explicit Inspector(const Nest& nest) : nest_(nest) {}

  std::set<int> memory_only() {
    inspect(nest_.body);
    return std::move(memory_only_);
  }

 private:
  void inspect(const std::vector<Stmt>& body) {
    for (const Stmt& stmt : body) inspect(stmt);
  }

  void inspect(const Stmt& stmt) {
    if (stmt.value) look(stmt.value);
    if (stmt.kind == StmtKind::store) {
      check(stmt.buffer, stmt.indices);
      for (const Expr& index : stmt.indices) look(index);
    }
    const bool expands =
        stmt.kind == StmtKind::loop && (stmt.loop == LoopKind::unrolled || stmt.loop == LoopKind::vector);
    const auto outer = expanded_;
    const auto outer_vector = vector_;
    if (expands) expanded_.insert(stmt.name);
    if (expands && stmt.loop == LoopKind::vector) vector_ = stmt.name;
    inspect(stmt.body);
    inspect(stmt.otherwise);
    expanded_ = outer;
    vector_ = outer_vector;
  }

  void look(const Expr& value) {
    visit(value, [&](const Expr& e) {
      if (e.is(ExprKind::access)) check(e->id, e->args);
    });
  }

  void check(int buffer, const Exprs& indices) {
    for (size_t d = 0; d < indices.size(); ++d) {
      bool constant = true;
      visit(indices[d], [&](const Expr& e) {
        if (e.is(ExprKind::access) || (e.is(ExprKind::variable) && !expanded_.count(e->name))) constant = false;
      });
      if (!vector_.empty() && uses_variable(indices[d], vector_))
        constant = constant && d + 1 == indices.size() && linear_form(indices[d]).coefficient(vector_) == 1;
      if (!constant) memory_only_.insert(buffer);
    }
  }

  const Nest& nest_;
  std::set<std::string> expanded_;
  std::string vector_;
  std::set<int> memory_only_;
};

}  // namespace

void promote_to_registers(Nest& nest) {
  const std::set<int> memory_only = Inspector(nest).memory_only();
  for (size_t i = 0; i < nest.buffers.size(); ++i) {
    Buffer& buffer = nest.buffers[i];
    if (buffer.scope == Scope::thread && buffer.elements() <= kMostElements && !memory_only.count(static_cast<int>(i)))
      buffer.scope = Scope::register_tile;
  }
}

}  // namespace altrt::jit
