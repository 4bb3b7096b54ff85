#include "jit/loop/prefetch.h"

#include <algorithm>
#include <set>

#include <altrt/error.h>

#include "jit/loop/emit.h"

namespace altrt::jit {

namespace {

class Prefetcher {
 public:
  Prefetcher(Nest& nest, const std::string& loop, const std::vector<std::string>& buffers) : nest_(nest), loop_(loop) {
    for (size_t i = 0; i < nest.buffers.size(); ++i) {
      const bool named = std::find(buffers.begin(), buffers.end(), nest.buffers[i].name) != buffers.end();
      if (named && nest.buffers[i].scope == Scope::group) shared_.insert(static_cast<int>(i));
    }
  }

  void run() { search(nest_.body); }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw Error(ErrorCode::invalid_argument, "nest " + nest_.name + ": prefetch at loop " + loop_ + ": " + reason);
  }

  void search(Stmts& body) {
    for (Stmt& stmt : body) {
      if (stmt.kind == StmtKind::loop && stmt.name == loop_) {
        if (stmt.loop != LoopKind::serial || !stmt.extent.is_int()) refuse("it is no serial loop");
        stmt = pipelined(std::move(stmt));
        continue;
      }
      search(stmt.body);
      search(stmt.otherwise);
    }
  }

  /// The loop within the registers it hands over from iteration to iteration.
  Stmt pipelined(Stmt loop) {
    registers_.clear();
    const int64_t extent = loop.extent->int_value;
    Stmts* inner = &loop.body;  // allocations only, so far
    while (inner->size() == 1 && inner->front().kind == StmtKind::allocate) inner = &inner->front().body;
    Stmts fetch, put, rest;
    for (Stmt& stmt : *inner) {
      if (!rest.empty() || !fills(stmt)) {
        rest.push_back(std::move(stmt));
        continue;
      }
      std::vector<std::string> copies;
      fetch.push_back(divided(stmt, copies, true));
      slot_ = 0;
      put.push_back(divided(stmt, copies, false));
    }
    if (fetch.empty() || rest.empty()) refuse("its body does not fill the buffers and then read them");
    const Expr next = variable(loop_) + 1;
    Stmts first;
    for (const Stmt& stmt : fetch) first.push_back(at(stmt, Expr(0)));
    for (Stmt& stmt : fetch) stmt = at(stmt, next);
    Stmts body = std::move(put);
    body.push_back(if_then(lt(next, Expr(extent)), std::move(fetch)));
    *inner = concatenate(std::move(body), std::move(rest));
    first.push_back(std::move(loop));
    return allocate(std::vector<int>(registers_.begin(), registers_.end()), std::move(first)).front();
  }

  /// Stores to the shared buffers, and nothing else, from what no thread of the block writes.
  bool fills(const Stmt& stmt) const {
    bool pure = true, stores = false;
    const std::function<void(const Stmt&)> look = [&](const Stmt& s) {
      if (s.kind == StmtKind::store) {
        stores = true;
        pure = pure && shared_.count(s.buffer) > 0;
        visit(s.value, [&](const Expr& e) {
          if (!e.is(ExprKind::access)) return;
          const Buffer& b = nest_.buffers[static_cast<size_t>(e->id)];
          pure = pure && b.scope == Scope::argument && !b.written;
        });
      } else if (s.kind != StmtKind::loop && s.kind != StmtKind::if_then) {
        pure = false;
      }
      for (const Stmt& inner : s.body) look(inner);
      for (const Stmt& inner : s.otherwise) look(inner);
    };
    look(stmt);
    return pure && stores;
  }

  /// The statement with every store to a shared buffer going to a register of its own (`fetching`), or coming from it.
  Stmt divided(const Stmt& stmt, std::vector<std::string>& copies, bool fetching) {
    Stmt result = stmt;
    if (stmt.kind == StmtKind::store) {
      const Buffer shared = nest_.buffers[static_cast<size_t>(stmt.buffer)];
      const Registers place = registers_for(shared, copies, fetching);
      if (fetching) {
        result.buffer = place.buffer;
        result.indices = place.indices;
      } else {
        result.value = access(place.buffer, shared.type, place.indices);
      }
      return result;
    }
    const bool is_loop = stmt.kind == StmtKind::loop;
    const bool copied = is_loop && (stmt.loop == LoopKind::unrolled || stmt.loop == LoopKind::vector);
    if (is_loop && !copied && stmt.loop != LoopKind::thread) refuse("loop " + stmt.name + " is not unrolled");
    if (copied) {
      copies.push_back(stmt.name);
      extents_[stmt.name] = stmt.extent->int_value;
    }
    for (Stmt& inner : result.body) inner = divided(inner, copies, fetching);
    for (Stmt& inner : result.otherwise) inner = divided(inner, copies, fetching);
    if (copied) copies.pop_back();
    return result;
  }

  struct Registers {
    int buffer = -1;
    Exprs indices;
  };

  /// The registers of the statement's next store: one for each copy that unrolling makes of it.
  Registers registers_for(const Buffer& shared, const std::vector<std::string>& copies, bool fetching) {
    Registers place;
    std::vector<int64_t> shape;
    for (const std::string& loop : copies) {
      shape.push_back(extents_.at(loop));
      place.indices.push_back(variable(loop));
    }
    if (shape.empty()) {
      shape.push_back(1);
      place.indices.push_back(Expr(0));
    }
    if (!fetching) {
      place.buffer = pending_.at(slot_++);
      if (slot_ == pending_.size()) pending_.clear();
      return place;
    }
    Buffer buffer;
    buffer.name = shared.name + ".next" + std::to_string(registers_.size());
    buffer.type = shared.type;
    buffer.shape = shape;
    buffer.scope = Scope::register_tile;
    buffer.written = true;
    place.buffer = static_cast<int>(nest_.buffers.size());
    nest_.buffers.push_back(std::move(buffer));
    registers_.push_back(place.buffer);
    pending_.push_back(place.buffer);
    return place;
  }

  /// The statement in the iteration `number` of the loop.
  Stmt at(const Stmt& stmt, const Expr& number) const {
    const Substitution values{{loop_, number}};
    Stmt result = stmt;
    if (result.value) result.value = substitute(result.value, values);
    for (Expr& index : result.indices) index = substitute(index, values);
    for (Stmt& inner : result.body) inner = at(inner, number);
    for (Stmt& inner : result.otherwise) inner = at(inner, number);
    return result;
  }

  Nest& nest_;
  const std::string loop_;
  std::set<int> shared_;
  std::vector<int> registers_;  // of the loop, in order
  std::vector<int> pending_;    // fetched into, not yet put into their buffers
  size_t slot_ = 0;             // of `pending_`
  std::map<std::string, int64_t> extents_;
};

}  // namespace

void prefetch(Nest& nest, const std::string& loop, const std::vector<std::string>& buffers) {
  Prefetcher(nest, loop, buffers).run();
}

}  // namespace altrt::jit
