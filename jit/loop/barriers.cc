#include "jit/loop/barriers.h"

#include <algorithm>
#include <set>

#include <altrt/error.h>

namespace altrt::jit {

namespace {

/// Group-scope buffers that are accessed.
struct Accesses {
  std::set<int> read, written;

  void add(const Accesses& other) {
    read.insert(other.read.begin(), other.read.end());
    written.insert(other.written.begin(), other.written.end());
  }
  bool operator==(const Accesses&) const = default;
};

bool meet(const std::set<int>& a, const std::set<int>& b) {
  return std::any_of(a.begin(), a.end(), [&](int buffer) { return b.count(buffer) > 0; });
}

bool conflict(const Accesses& before, const Accesses& after) {
  return meet(before.written, after.read) || meet(before.read, after.written) || meet(before.written, after.written);
}

class Inserter {
 public:
  explicit Inserter(Nest& nest) : nest_(nest), threads_(nest.threads()) {}

  void run() {
    Accesses open;
    walk(nest_.body, open);
    if (threads_ % 32 != 0 && has_shuffle(nest_.body))
      refuse("a shuffle in blocks of " + std::to_string(threads_) + " threads");
  }

 private:
  static bool has_shuffle(const std::vector<Stmt>& body) {
    return std::any_of(body.begin(), body.end(), [](const Stmt& stmt) {
      const bool here = stmt.kind == StmtKind::store && stmt.value.is(ExprKind::shuffle);
      return here || has_shuffle(stmt.body) || has_shuffle(stmt.otherwise);
    });
  }

  bool in_group(int buffer) const { return nest_.buffers[static_cast<size_t>(buffer)].scope == Scope::group; }

  Accesses accesses(const Stmt& stmt) const {
    Accesses all;
    const auto look = [&](const Expr& value) {
      if (!value) return;
      visit(value, [&](const Expr& e) {
        if (e.is(ExprKind::access) && in_group(e->id)) all.read.insert(e->id);
      });
    };
    look(stmt.value);
    for (const Expr& index : stmt.indices) look(index);
    if (stmt.kind == StmtKind::store && in_group(stmt.buffer)) all.written.insert(stmt.buffer);
    for (const auto* body : {&stmt.body, &stmt.otherwise})
      for (const Stmt& inner : *body) all.add(accesses(inner));
    return all;
  }

  bool tells_threads_apart(const Expr& condition) const {
    return std::any_of(thread_variables_.begin(), thread_variables_.end(),
                       [&](const std::string& name) { return uses_variable(condition, name); });
  }

  /// All threads walk the statement's body together, so that a barrier may stand inside.
  bool is_joint(const Stmt& stmt) const {
    switch (stmt.kind) {
      case StmtKind::loop:
        if (stmt.loop == LoopKind::thread) return stmt.extent.is_int(threads_);
        return stmt.loop != LoopKind::vector;
      case StmtKind::if_then:
        return !tells_threads_apart(stmt.value);
      case StmtKind::let:
      case StmtKind::allocate:
        return true;
      default:
        return false;
    }
  }

  static Stmt barrier() {
    Stmt stmt;
    stmt.kind = StmtKind::barrier;
    return stmt;
  }

  /// `open`: accesses since the last barrier.
  void walk(std::vector<Stmt>& body, Accesses& open) {
    for (size_t i = 0; i < body.size(); ++i) {
      if (body[i].kind == StmtKind::barrier) {
        open = {};
        continue;
      }
      const Accesses here = accesses(body[i]);
      if (conflict(open, here)) {
        body.insert(body.begin() + static_cast<std::ptrdiff_t>(i), barrier());
        open = {};
        ++i;
      }
      if (is_joint(body[i])) {
        enter(body[i], open);
      } else {
        check_apart(body[i]);
        open.add(here);
      }
    }
  }

  void enter(Stmt& stmt, Accesses& open) {
    const bool is_loop = stmt.kind == StmtKind::loop;
    const bool binds = is_loop && stmt.loop == LoopKind::thread;
    if (binds) thread_variables_.push_back(stmt.name);
    if (stmt.kind == StmtKind::if_then) {
      Accesses other = open;
      walk(stmt.body, open);
      walk(stmt.otherwise, other);
      open.add(other);
    } else {
      walk(stmt.body, open);
      if (is_loop && !binds) walk_again(stmt, open);
    }
    if (binds) thread_variables_.pop_back();
  }

  [[noreturn]] void refuse(const std::string& reason) const {
    throw Error(ErrorCode::invalid_argument, "nest " + nest_.name + ": " + reason);
  }

  /// A part that some threads may skip needs nothing of the others.
  void check_apart(const Stmt& stmt) const {
    Accesses open;
    check_apart(stmt.body, open);
    Accesses other;
    check_apart(stmt.otherwise, other);
  }

  void check_apart(const std::vector<Stmt>& body, Accesses& open) const {
    for (const Stmt& stmt : body) {
      if (stmt.kind == StmtKind::loop && stmt.loop == LoopKind::thread)
        refuse("a thread loop in a part of the threads");
      if (stmt.kind == StmtKind::store && stmt.value.is(ExprKind::shuffle))
        refuse("a shuffle that not all threads reach");
      if (stmt.kind != StmtKind::store) {
        check_apart(stmt.body, open);
        check_apart(stmt.otherwise, open);
        continue;
      }
      const Accesses here = accesses(stmt);
      if (meet(open.written, here.read) || meet(open.read, here.written))
        refuse("a barrier that not all threads would reach");
      open.add(here);
    }
  }

  /// What an iteration leaves open meets the next one. Writes of a loop that only writes go to other elements each
  /// time.
  void walk_again(Stmt& loop, Accesses& open) {
    const Accesses all = accesses(loop);
    Accesses next = open;
    std::erase_if(next.written, [&](int buffer) { return all.read.count(buffer) == 0; });
    walk(loop.body, next);
    open.add(next);
  }

  Nest& nest_;
  const int64_t threads_;
  std::vector<std::string> thread_variables_;
};

}  // namespace

void insert_barriers(Nest& nest) { Inserter(nest).run(); }

}  // namespace altrt::jit
