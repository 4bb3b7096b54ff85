#include "jit/loop/interpret.h"

#include <algorithm>
#include <memory>

#include <altrt/error.h>

#include "jit/expr/program.h"

namespace altrt::jit {

namespace {

/// A statement with its expressions compiled. Program results: store: value, then indices; others: value or extent.
struct Code {
  const Stmt* stmt = nullptr;
  std::unique_ptr<Program> program;
  std::vector<Value> registers;
  size_t depth = 0;  // variables in scope; a loop's or let's own variable has this number
  std::vector<Code> body, otherwise;
};

class Machine {
 public:
  Machine(const Nest& nest, const std::vector<void*>& arguments, const std::vector<int64_t>& sizes) : nest_(nest) {
    memory_.resize(nest.buffers.size());
    written_.resize(nest.buffers.size());
    for (size_t i = 0; i < nest.buffers.size(); ++i) {
      const Buffer& b = nest.buffers[i];
      bindings_.push_back(Binding{nullptr, b.type, b.shape, b.name});
      if (b.scope == Scope::argument) bindings_.back().data = arguments.at(i);
    }
    for (size_t i = 0; i < static_cast<size_t>(nest.sizes); ++i) {
      names_.push_back("size" + std::to_string(i));
      variables_.push_back(Value{sizes.at(i)});
    }
    first_parallel_ = names_.size();
    for (const ParallelLoop& loop : nest.parallel) names_.push_back(loop.name);
    variables_.resize(names_.size());
    code_ = compile(nest.body);
  }

  void run(int64_t task, const std::vector<int64_t>& extents) {
    for (size_t i = extents.size(); i-- > 0;) {
      variables_[first_parallel_ + i].i = task % extents[i];
      task /= extents[i];
    }
    run(code_);
  }

 private:
  std::vector<Code> compile(const std::vector<Stmt>& body) {
    std::vector<Code> code;
    for (const Stmt& stmt : body) {
      Code c;
      c.stmt = &stmt;
      c.depth = names_.size();
      Exprs roots;
      if (stmt.value) roots.push_back(stmt.value);
      if (stmt.kind == StmtKind::loop) roots = {stmt.extent};
      for (const Expr& index : stmt.indices) roots.push_back(index);
      if (!roots.empty()) {
        c.program = std::make_unique<Program>(roots, names_);
        c.registers = c.program->registers();
      }
      const bool declares = stmt.kind == StmtKind::loop || stmt.kind == StmtKind::let;
      if (declares) names_.push_back(stmt.name);
      if (variables_.size() < names_.size()) variables_.resize(names_.size());
      c.body = compile(stmt.body);
      c.otherwise = compile(stmt.otherwise);
      if (declares) names_.pop_back();
      code.push_back(std::move(c));
    }
    return code;
  }

  [[noreturn]] void fail(const std::string& reason, const Stmt& stmt) const {
    throw Error(ErrorCode::internal,
                "interpret " + nest_.name + ": " + reason + " in \"" + to_string(nest_, stmt) + "\"");
  }

  /// Evaluates the statement's expressions; the first result.
  Value evaluate(Code& code) {
    std::copy_n(variables_.begin(), code.depth, code.registers.begin());
    try {
      code.program->run(code.registers.data(), bindings_);
    } catch (const Error& e) {
      fail(e.what(), *code.stmt);
    }
    return code.registers[static_cast<size_t>(code.program->result_register(0))];
  }

  void run(std::vector<Code>& body) {
    for (Code& code : body) run(code);
  }

  void run(Code& code) {
    switch (code.stmt->kind) {
      case StmtKind::loop: {
        const int64_t extent = evaluate(code).i;
        if (code.stmt->loop == LoopKind::vector)
          return run_lanes(code.body, code.depth, std::vector<bool>(static_cast<size_t>(extent), true));
        for (int64_t i = 0; i < extent; ++i) {
          variables_[code.depth].i = i;
          run(code.body);
        }
        return;
      }
      case StmtKind::let:
        variables_[code.depth] = evaluate(code);
        return run(code.body);
      case StmtKind::store: {
        const Value value = evaluate(code);
        return store(*code.stmt, element(code), value);
      }
      case StmtKind::if_then:
        return run(evaluate(code).i ? code.body : code.otherwise);
      case StmtKind::allocate:
        allocate(static_cast<size_t>(code.stmt->buffer));
        return run(code.body);
      case StmtKind::barrier:
        return;
    }
  }

  /// Each statement of a vector loop's body is evaluated for all lanes before any lane stores.
  void run_lanes(std::vector<Code>& body, size_t variable, const std::vector<bool>& active) {
    std::vector<Value> values(active.size());
    std::vector<int64_t> elements(active.size());
    for (Code& code : body) {
      const bool stores = code.stmt->kind == StmtKind::store;
      if (!stores && code.stmt->kind != StmtKind::if_then)
        fail("neither a store nor a condition in a vector loop", *code.stmt);
      for (size_t lane = 0; lane < active.size(); ++lane) {
        if (!active[lane]) continue;
        variables_[variable].i = static_cast<int64_t>(lane);
        values[lane] = evaluate(code);
        if (stores) elements[lane] = element(code);
      }
      if (!stores) {
        std::vector<bool> taken = active, other = active;
        for (size_t lane = 0; lane < active.size(); ++lane) {
          taken[lane] = active[lane] && values[lane].i;
          other[lane] = active[lane] && !values[lane].i;
        }
        run_lanes(code.body, variable, taken);
        run_lanes(code.otherwise, variable, other);
        continue;
      }
      for (size_t lane = 0; lane < active.size(); ++lane)
        if (active[lane]) store(*code.stmt, elements[lane], values[lane]);
    }
  }

  void allocate(size_t number) {
    const Buffer& b = nest_.buffers[number];
    const auto elements = static_cast<size_t>(b.elements());
    memory_[number].assign(elements * size_of(b.type), 0xcd);
    written_[number].assign(elements, 0);
    bindings_[number].data = memory_[number].data();
    bindings_[number].written = written_[number].data();
  }

  /// The element that a store just evaluated addresses.
  int64_t element(const Code& code) {
    std::vector<int64_t> indices;
    for (size_t d = 0; d < code.stmt->indices.size(); ++d)
      indices.push_back(code.registers[static_cast<size_t>(code.program->result_register(static_cast<int>(d) + 1))].i);
    try {
      return bindings_[static_cast<size_t>(code.stmt->buffer)].element(indices.data());
    } catch (const Error& e) {
      fail(e.what(), *code.stmt);
    }
  }

  void store(const Stmt& stmt, int64_t element, Value value) {
    const auto number = static_cast<size_t>(stmt.buffer);
    const Buffer& b = nest_.buffers[number];
    if (b.scope == Scope::argument && !b.written) fail("store to a read-only argument", stmt);
    if (b.scope != Scope::argument) written_[number][static_cast<size_t>(element)] = 1;
    bindings_[number].store(element, value);
  }

  const Nest& nest_;
  std::vector<Binding> bindings_;
  std::vector<std::vector<uint8_t>> memory_, written_;
  std::vector<std::string> names_;  // variables in scope while compiling
  std::vector<Value> variables_;
  size_t first_parallel_ = 0;
  std::vector<Code> code_;
};

}  // namespace

void interpret(const Nest& nest, const std::vector<void*>& arguments, const std::vector<int64_t>& sizes, int64_t first,
               int64_t last) {
  if (nest.threads() > 1)
    throw Error(ErrorCode::unsupported, "interpret " + nest.name + ": the threads of a block run at the same time");
  std::vector<int64_t> extents;
  for (const ParallelLoop& loop : nest.parallel)
    extents.push_back(loop.extent.is_symbolic() ? sizes.at(static_cast<size_t>(loop.extent.size_index))
                                                : loop.extent.bound);
  Machine machine(nest, arguments, sizes);
  for (int64_t task = first; task < last; ++task) machine.run(task, extents);
}

}  // namespace altrt::jit
