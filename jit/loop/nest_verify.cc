// Proofs about a nest, independent of how it was made.
#include <set>

#include <altrt/error.h>

#include "jit/expr/analysis.h"
#include "jit/loop/nest.h"
#include "jit/loop/scope.h"

namespace altrt::jit {

namespace {

class Verifier {
 public:
  explicit Verifier(const Nest& nest) : nest_(nest), threads_(nest.threads()) {}

  void verify() {
    check_buffers();
    Ranges ranges;
    for (size_t i = 0; i < nest_.size_bounds.size(); ++i)
      ranges["size" + std::to_string(i)] = {1, nest_.size_bounds[i]};
    for (const ParallelLoop& loop : nest_.parallel) ranges[loop.name] = {0, loop.extent.bound - 1};
    walk(nest_.body, Analyzer(ranges), 0);
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(ErrorCode::internal,
                "nest " + nest_.name + ": " + reason + (current_ ? " in \"" + to_string(nest_, *current_) + "\"" : ""));
  }

  const Buffer& buffer(int number) const {
    if (number < 0 || number >= static_cast<int>(nest_.buffers.size())) fail("no buffer " + std::to_string(number));
    return nest_.buffers[static_cast<size_t>(number)];
  }

  void check_buffers() const {
    bool locals = false;
    for (size_t i = 0; i < nest_.buffers.size(); ++i) {
      const Buffer& b = nest_.buffers[i];
      for (int64_t extent : b.shape)
        if (extent < 1) fail("buffer " + b.name + " has an extent below 1");
      if (b.scope != Scope::argument) {
        locals = true;
      } else if (locals || b.argument != static_cast<int>(i)) {
        fail("argument " + b.name + " is out of order");
      }
    }
    if (nest_.size_bounds.size() != static_cast<size_t>(nest_.sizes)) fail("bounds of run-time sizes are missing");
  }

  void walk(const std::vector<Stmt>& body, Analyzer analyzer, int depth) {
    for (const Stmt& stmt : body) {
      current_ = &stmt;
      check(stmt, analyzer, depth);
    }
  }

  void check(const Stmt& stmt, Analyzer& analyzer, int depth) {
    switch (stmt.kind) {
      case StmtKind::loop:
        return check_loop(stmt, analyzer, depth);
      case StmtKind::let: {
        check_value(stmt.value, analyzer);
        Ranges ranges = analyzer.ranges();
        const Interval interval = analyzer.interval(stmt.value);
        if (interval.lo != kMinusInfinity && interval.hi != kPlusInfinity) ranges[stmt.name] = interval;
        facts_.push_back(eq(variable(stmt.name), stmt.value));
        walk(stmt.body, Analyzer(ranges, facts_), depth + 1);
        facts_.pop_back();
        return;
      }
      case StmtKind::store:
        if (buffer(stmt.buffer).scope == Scope::argument && !buffer(stmt.buffer).written)
          fail("store to a read-only argument");
        check_sharing(stmt);
        check_access(stmt.buffer, stmt.value->type, stmt.indices, analyzer);
        return check_value(stmt.value, analyzer);
      case StmtKind::if_then:
        return check_condition(stmt, analyzer, depth);
      case StmtKind::allocate:
        if (buffer(stmt.buffer).scope == Scope::argument) fail("allocation of an argument");
        if (in_vector_) fail("allocation in a vector loop");
        if (!live_.insert(stmt.buffer).second) fail("allocated twice");
        walk(stmt.body, analyzer, depth + 1);
        live_.erase(stmt.buffer);
        return;
      case StmtKind::barrier:
        if (apart_ > 0) fail("a barrier that not all threads reach");
        return;
    }
  }

  void check_condition(const Stmt& stmt, Analyzer& analyzer, int depth) {
    check_value(stmt.value, analyzer);
    const bool apart = !thread_.empty() && uses_variable(stmt.value, thread_);
    apart_ += apart ? 1 : 0;
    facts_.push_back(stmt.value);
    walk(stmt.body, analyzer.assume(stmt.value), depth + 1);
    facts_.back() = logical_not(stmt.value);
    if (!stmt.otherwise.empty()) walk(stmt.otherwise, analyzer.assume(stmt.value, false), depth + 1);
    facts_.pop_back();
    apart_ -= apart ? 1 : 0;
  }

  /// Of what other threads can see, one thread stores each element; a shuffle's threads are all there.
  void check_sharing(const Stmt& stmt) const {
    const Scope scope = buffer(stmt.buffer).scope;
    const bool visible = scope == Scope::argument || scope == Scope::group;
    if (threads_ > 1 && visible && thread_.empty()) fail("all threads store to " + buffer(stmt.buffer).name);
    int shuffles = 0;
    visit(stmt.value, [&](const Expr& e) { shuffles += e.is(ExprKind::shuffle) ? 1 : 0; });
    if (shuffles == 0) return;
    if (!stmt.value.is(ExprKind::shuffle) || shuffles > 1 || visible) fail("a shuffle is no statement of its own");
    if (apart_ > 0 || in_vector_ || threads_ % 32 != 0) fail("a shuffle that not all threads of a warp reach");
  }

  void check_loop(const Stmt& stmt, Analyzer& analyzer, int depth) {
    if (in_vector_) fail("loop in a vector loop");
    if (analyzer.ranges().count(stmt.name)) fail("loop name is in use");
    int64_t bound = 0;
    if (stmt.extent.is_int()) {
      bound = stmt.extent->int_value;
    } else if (stmt.extent.is(ExprKind::variable) && stmt.loop == LoopKind::serial) {
      const auto range = analyzer.ranges().find(stmt.extent->name);
      if (range == analyzer.ranges().end() || stmt.extent->name.rfind("size", 0) != 0)
        fail("extent is not a run-time size");
      bound = range->second.hi;
    } else {
      fail("extent is not constant");
    }
    if (bound < 1) fail("extent below 1");
    Ranges ranges = analyzer.ranges();
    const std::string outer_thread = thread_;
    const bool binds = stmt.loop == LoopKind::thread, apart = binds && bound < threads_;
    if (binds && !thread_.empty()) {
      if (apart_ > 0) fail("thread loop inside a part of the threads");
      ranges.erase(thread_);  // its values are not to be mixed up with this loop's
    }
    if (binds) thread_ = stmt.name;
    apart_ += apart ? 1 : 0;
    ranges[stmt.name] = {0, bound - 1};
    const bool expands = stmt.loop == LoopKind::vector || stmt.loop == LoopKind::unrolled;
    if (expands) expanded_.insert(stmt.name);
    in_vector_ = stmt.loop == LoopKind::vector;
    walk(stmt.body, Analyzer(ranges, facts_), depth + 1);
    in_vector_ = false;
    expanded_.erase(stmt.name);
    thread_ = outer_thread;
    apart_ -= apart ? 1 : 0;
  }

  void check_value(const Expr& e, Analyzer& analyzer) {
    switch (e->kind) {
      case ExprKind::variable:
        if (!analyzer.ranges().count(e->name)) fail("variable " + e->name + " is not in scope");
        return;
      case ExprKind::select: {
        check_value(e->args[0], analyzer);
        Analyzer taken = analyzer.assume(e->args[0]), other = analyzer.assume(e->args[0], false);
        check_value(e->args[1], taken);
        check_value(e->args[2], other);
        return;
      }
      case ExprKind::access:
        check_access(e->id, e->type, e->args, analyzer);
        return;
      case ExprKind::table: {
        check_value(e->args[0], analyzer);
        if (!within(analyzer, e->args[0], 0, static_cast<int64_t>(e->table->size())))
          fail("table index " + to_string(e->args[0]) + " may leave the table");
        return;
      }
      case ExprKind::state:
      case ExprKind::other:
        fail("reduction state left in a nest");
      default:
        for (const Expr& argument : e->args) check_value(argument, analyzer);
    }
  }

  void check_access(int number, DataType type, const Exprs& indices, Analyzer& analyzer) {
    const Buffer& b = buffer(number);
    if (b.scope != Scope::argument && !live_.count(number)) fail("buffer " + b.name + " is not allocated here");
    if (b.type != type) fail("buffer " + b.name + " has another type");
    if (indices.size() != b.shape.size()) fail("buffer " + b.name + " has another rank");
    if (analyzer.contradictory()) return;  // never reached
    for (size_t d = 0; d < indices.size(); ++d) {
      check_value(indices[d], analyzer);
      if (!within(analyzer, indices[d], 0, b.shape[d]))
        fail("index " + to_string(indices[d]) + " may leave dimension " + std::to_string(d) + " of " + b.name);
      if (b.scope == Scope::register_tile) check_constant(indices[d], b);
    }
  }

  void check_constant(const Expr& index, const Buffer& b) const {
    visit(index, [&](const Expr& e) {
      if (e.is(ExprKind::access) || (e.is(ExprKind::variable) && !expanded_.count(e->name)))
        fail("index " + to_string(index) + " of register buffer " + b.name + " is not constant after unrolling");
    });
  }

  const Nest& nest_;
  const Stmt* current_ = nullptr;
  std::set<int> live_;
  std::set<std::string> expanded_;
  Facts facts_;
  bool in_vector_ = false;
  const int64_t threads_;
  std::string thread_;  // variable of the innermost thread loop around
  int apart_ = 0;       // parts around that only some of the threads run
};

}  // namespace

void verify(const Nest& nest) {
  try {
    Verifier(nest).verify();
  } catch (const Error& e) {
    throw Error(e.code(), std::string(e.what()) + "\n" + to_string(nest));
  }
}

}  // namespace altrt::jit
