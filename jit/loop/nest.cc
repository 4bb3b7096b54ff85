#include "jit/loop/nest.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include <altrt/error.h>

namespace altrt::jit {

namespace {

const char* name_of(LoopKind kind) {
  switch (kind) {
    case LoopKind::serial:
      return "serial";
    case LoopKind::vector:
      return "vector";
    case LoopKind::unrolled:
      return "unrolled";
    case LoopKind::thread:
      return "thread";
  }
  return "?";
}

const char* name_of(Scope scope) {
  switch (scope) {
    case Scope::argument:
      return "argument";
    case Scope::thread:
      return "thread";
    case Scope::group:
      return "group";
    case Scope::register_tile:
      return "register";
  }
  return "?";
}

std::string shape_text(const Buffer& buffer) {
  std::string text = std::string(to_string(buffer.type)) + "[";
  for (size_t i = 0; i < buffer.shape.size(); ++i) text += (i ? ", " : "") + std::to_string(buffer.shape[i]);
  return text + "]";
}

class Printer {
 public:
  explicit Printer(const Nest& nest) : nest_(nest) {
    for (const Buffer& buffer : nest.buffers) names_.push_back(buffer.name);
  }

  std::string head(const Stmt& stmt) {
    Stmt alone = stmt;
    alone.body.clear();
    alone.otherwise.clear();
    text_.clear();
    print(alone, 0);
    if (!text_.empty()) text_.pop_back();
    return std::move(text_);
  }

  std::string print() {
    text_ = "nest " + nest_.name + "(";
    bool first = true;
    for (const Buffer& buffer : nest_.buffers) {
      if (buffer.scope != Scope::argument) continue;
      text_ +=
          (first ? "" : ", ") + std::string(buffer.written ? "out " : "") + buffer.name + ": " + shape_text(buffer);
      first = false;
    }
    text_ += ")\n";
    int depth = 1;
    for (const ParallelLoop& loop : nest_.parallel) {
      const std::string extent = loop.extent.is_symbolic() ? "size" + std::to_string(loop.extent.size_index)
                                                           : std::to_string(loop.extent.bound);
      line(depth++, "for " + loop.name + " in " + extent + " parallel");
    }
    print(nest_.body, depth);
    return std::move(text_);
  }

 private:
  void line(int depth, const std::string& text) {
    text_ += std::string(2 * static_cast<size_t>(depth), ' ') + text + "\n";
  }

  std::string expr(const Expr& e) const { return to_string(e, &names_); }

  std::string element(const Stmt& stmt) const {
    std::string text = names_[static_cast<size_t>(stmt.buffer)] + "[";
    for (size_t i = 0; i < stmt.indices.size(); ++i) text += (i ? ", " : "") + expr(stmt.indices[i]);
    return text + "]";
  }

  void print(const std::vector<Stmt>& body, int depth) {
    for (const Stmt& stmt : body) print(stmt, depth);
  }

  void print(const Stmt& stmt, int depth) {
    switch (stmt.kind) {
      case StmtKind::loop: {
        const std::string kind = stmt.loop == LoopKind::serial ? "" : std::string(" ") + name_of(stmt.loop);
        line(depth, "for " + stmt.name + " in " + expr(stmt.extent) + kind);
        break;
      }
      case StmtKind::let:
        line(depth, "let " + stmt.name + " = " + expr(stmt.value));
        break;
      case StmtKind::store:
        line(depth, element(stmt) + " = " + expr(stmt.value));
        break;
      case StmtKind::if_then:
        line(depth, "if " + expr(stmt.value));
        break;
      case StmtKind::allocate: {
        const Buffer& buffer = nest_.buffers[static_cast<size_t>(stmt.buffer)];
        line(depth, std::string(name_of(buffer.scope)) + " " + buffer.name + ": " + shape_text(buffer));
        break;
      }
      case StmtKind::barrier:
        line(depth, "barrier");
        break;
    }
    print(stmt.body, depth + 1);
    if (stmt.kind == StmtKind::if_then && !stmt.otherwise.empty()) {
      line(depth, "else");
      print(stmt.otherwise, depth + 1);
    }
  }

  const Nest& nest_;
  std::vector<std::string> names_;
  std::string text_;
};

constexpr int64_t kAlignment = 64;

int64_t aligned_bytes(const Buffer& buffer) {
  const int64_t bytes = buffer.elements() * static_cast<int64_t>(size_of(buffer.type));
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// Counts as a back end with common sub-expression elimination sees it: a node is made once for each combination of the
/// unrolled iterations and vector registers that it depends on.
class Counter {
 public:
  Counter(const Nest& nest, int lanes) : nest_(nest), lanes_(lanes) {}

  CodeSize count() {
    walk(nest_.body);
    flush();
    return size_;
  }

 private:
  void walk(const std::vector<Stmt>& body) {
    for (const Stmt& stmt : body) walk(stmt);
  }

  void walk(const Stmt& stmt) {
    switch (stmt.kind) {
      case StmtKind::loop:
        walk_loop(stmt);
        return;
      case StmtKind::if_then:
        add(stmt.value);
        flush();
        walk(stmt.body);
        flush();
        walk(stmt.otherwise);
        flush();
        return;
      case StmtKind::let:
        add(stmt.value);
        break;
      case StmtKind::store:
        add(stmt.value);
        if (!in_registers(stmt.buffer)) emit(copies_of_all());
        break;
      default:
        break;
    }
    walk(stmt.body);
  }

  void walk_loop(const Stmt& stmt) {
    if (stmt.loop == LoopKind::vector || stmt.loop == LoopKind::unrolled) {
      const int64_t extent = stmt.extent.is_int() ? stmt.extent->int_value : 1;
      copies_.emplace_back(stmt.name, stmt.loop == LoopKind::vector ? (extent + lanes_ - 1) / lanes_ : extent);
      walk(stmt.body);
      copies_.pop_back();
      return;
    }
    flush();
    walk(stmt.body);
    emit(1);
    flush();
  }

  bool in_registers(int buffer) const {
    return nest_.buffers[static_cast<size_t>(buffer)].scope == Scope::register_tile;
  }

  int64_t copies_of_all() const {
    int64_t copies = 1;
    for (const auto& entry : copies_) copies *= entry.second;
    return copies;
  }

  int64_t copies_for(const std::set<std::string>& variables) const {
    int64_t copies = 1;
    for (const auto& [name, count] : copies_)
      if (variables.count(name)) copies *= count;
    return copies;
  }

  /// Adds the expression's instructions and returns the variables that it depends on. Integer arithmetic of indices is
  /// free (addressing).
  std::set<std::string> add(const Expr& e) {
    counted_.clear();
    return add_node(e, false);
  }

  /// A node that occurs several times in an expression counts once.
  std::set<std::string> add_node(const Expr& e, bool fused) {
    if (const auto found = counted_.find(e.get()); found != counted_.end()) return found->second;
    std::set<std::string> variables = add_new_node(e, fused);
    counted_.emplace(e.get(), variables);
    return variables;
  }

  std::set<std::string> add_new_node(const Expr& e, bool fused) {
    std::set<std::string> variables;
    if (e.is(ExprKind::variable)) variables.insert(e->name);
    if (e.is(ExprKind::access)) {
      for (const Expr& index : e->args) collect(index, variables);
      if (!in_registers(e->id)) emit(copies_for(variables));
      return variables;
    }
    const bool contracts = e.is(ExprKind::add) && (e->type == DataType::f32 || e->type == DataType::f64);
    bool contracted = false;
    for (const Expr& argument : e->args) {
      const bool product = contracts && !contracted && argument.is(ExprKind::mul);
      contracted = contracted || product;
      variables.merge(add_node(argument, product));
    }
    const bool free = e->args.empty() || e->type == DataType::i64 || fused || e.is(ExprKind::table);
    if (!free) emit(without_zeros(e, copies_for(variables)) * (e.is(ExprKind::call) ? lanes_ : 1));
    return variables;
  }

  /// Unrolled products with entries of a constant table: those with a zero vanish.
  static int64_t without_zeros(const Expr& e, int64_t copies) {
    for (const Expr& argument : e->args) {
      if (!argument.is(ExprKind::table) || (!e.is(ExprKind::mul) && !e.is(ExprKind::fma))) continue;
      const auto size = static_cast<int64_t>(argument->table->size());
      const int64_t zeros = std::count(argument->table->begin(), argument->table->end(), 0.0);
      copies = (copies * (size - zeros) + size - 1) / size;
    }
    return copies;
  }

  void collect(const Expr& index, std::set<std::string>& variables) {
    visit(index, [&](const Expr& e) {
      if (e.is(ExprKind::variable)) variables.insert(e->name);
    });
  }

  void emit(int64_t count) {
    block_ += count;
    size_.total += count;
  }

  void flush() {
    size_.largest_block = std::max(size_.largest_block, block_);
    block_ = 0;
  }

  const Nest& nest_;
  int lanes_;
  std::vector<std::pair<std::string, int64_t>> copies_;
  std::unordered_map<const ExprNode*, std::set<std::string>> counted_;  // in the current expression
  int64_t block_ = 0;
  CodeSize size_;
};

}  // namespace

int64_t Buffer::elements() const {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

int64_t Nest::tasks(const std::vector<int64_t>& run_time_sizes) const {
  int64_t count = 1;
  for (const ParallelLoop& loop : parallel) {
    const auto index = static_cast<size_t>(loop.extent.size_index);
    count *= loop.extent.is_symbolic() && index < run_time_sizes.size() ? run_time_sizes[index] : loop.extent.bound;
  }
  return count;
}

namespace {

int64_t most_threads(const std::vector<Stmt>& body) {
  int64_t most = 1;
  for (const Stmt& stmt : body) {
    const bool binds = stmt.kind == StmtKind::loop && stmt.loop == LoopKind::thread && stmt.extent.is_int();
    most = std::max({most, binds ? stmt.extent->int_value : 1, most_threads(stmt.body), most_threads(stmt.otherwise)});
  }
  return most;
}

}  // namespace

int64_t Nest::threads() const { return most_threads(body); }

int64_t Nest::group_bytes() const {
  int64_t bytes = 0;
  for (const Buffer& b : buffers) bytes += b.scope == Scope::group ? aligned_bytes(b) : 0;
  return bytes;
}

int64_t Nest::workspace_bytes() const { return workspace_offset(static_cast<int>(buffers.size())); }

int64_t Nest::workspace_offset(int buffer) const {
  int64_t offset = 0;
  for (int i = 0; i < buffer; ++i) {
    const Buffer& b = buffers[static_cast<size_t>(i)];
    if (b.scope == Scope::thread) offset += aligned_bytes(b);
  }
  return offset;
}

std::string to_string(const Nest& nest) { return Printer(nest).print(); }

std::string to_string(const Nest& nest, const Stmt& stmt) { return Printer(nest).head(stmt); }

CodeSize code_size(const Nest& nest, int lanes) { return Counter(nest, lanes).count(); }

}  // namespace altrt::jit
