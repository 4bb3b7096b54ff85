// Nests as CUDA C: the kernel's frame and its statements.
#include <altrt/error.h>

#include <algorithm>
#include <functional>
#include <set>
#include <unordered_map>

#include "jit/gpu/cuda_expr.h"
#include "jit/gpu/gpu.h"

namespace altrt::jit::gpu {
namespace {

constexpr int64_t kMostThreads = 1024;
constexpr int64_t kMostLocalBytes = 16 << 10;  // of one thread's buffers
constexpr int64_t kIndexLimit = int64_t{1} << 31;

class KernelPrinter {
 public:
  KernelPrinter(const Nest& nest, const Target& target) : nest_(nest), target_(target), threads_(nest.threads()) {}

  std::string print() {
    check();
    name_buffers();
    names_.index_type = needs_wide_index() ? "long long" : "int";
    Ranges ranges;
    for (const ParallelLoop& loop : nest_.parallel) ranges[loop.name] = {0, loop.extent.bound - 1};
    analyzer_ = std::make_unique<Analyzer>(ranges);
    head();
    block(nest_.body);
    writer_.close();
    return "// " + nest_.name + ": " + std::to_string(nest_.tasks()) + " blocks of " + std::to_string(threads_) +
           " threads\n" + tables_.text() + helpers_.text() + writer_.take();
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorCode::unsupported, nest_.name + ": " + what);
  }

  void check() const {
    if (nest_.sizes > 0) refuse("run-time sizes in a GPU kernel");
    if (nest_.tasks() >= kIndexLimit) refuse(std::to_string(nest_.tasks()) + " blocks in a GPU kernel");
    if (threads_ > kMostThreads) refuse(std::to_string(threads_) + " threads in a block");
    if (nest_.group_bytes() > target_.group_bytes) {
      refuse(std::to_string(nest_.group_bytes()) + " bytes of shared memory, of " +
             std::to_string(target_.group_bytes));
    }
    int64_t local = 0;
    for (const Buffer& b : nest_.buffers) {
      const bool own = b.scope == Scope::thread || b.scope == Scope::register_tile;
      if (own) local += b.elements() * static_cast<int64_t>(size_of(b.type));
    }
    if (local > kMostLocalBytes) refuse(std::to_string(local) + " bytes of local memory for a thread");
  }

  std::string unique(const std::string& name) {
    const std::string base = identifier(name);
    std::string text = base;
    for (int copy = 2; !used_.insert(text).second; ++copy) text = base + "_" + std::to_string(copy);
    return text;
  }

  void name_buffers() {
    for (const Buffer& b : nest_.buffers) names_.buffers.push_back(unique(b.name));
  }

  /// Whether any index computed from loop variables may pass 32 bits.
  bool needs_wide_index() const {
    for (const Buffer& b : nest_.buffers) {
      if (b.elements() >= kIndexLimit) return true;
    }
    Ranges ranges;
    for (const ParallelLoop& loop : nest_.parallel) ranges[loop.name] = {0, loop.extent.bound - 1};
    return is_wide(nest_.body, ranges);
  }

  static bool is_wide(const std::vector<Stmt>& body, Ranges ranges) {
    return std::any_of(body.begin(), body.end(), [&](const Stmt& stmt) {
      Ranges inside = ranges;
      if (stmt.kind == StmtKind::loop && stmt.extent.is_int()) inside[stmt.name] = {0, stmt.extent->int_value - 1};
      if (stmt.kind == StmtKind::let) {
        if (const auto interval = bounds(stmt.value, ranges)) inside[stmt.name] = *interval;
      }
      Exprs values = stmt.indices;
      if (stmt.value) values.push_back(stmt.value);
      const bool here = std::any_of(values.begin(), values.end(), [&](const Expr& e) { return is_wide(e, ranges); });
      return here || is_wide(stmt.body, inside) || is_wide(stmt.otherwise, inside);
    });
  }

  static bool is_wide(const Expr& value, const Ranges& ranges) {
    bool wide = false;
    visit(value, [&](const Expr& e) {
      if (wide || e->args.empty() || !is_pure_index(e)) return;
      const auto interval = bounds(e, ranges);
      wide = !interval || interval->lo < -kIndexLimit || interval->hi >= kIndexLimit;
    });
    return wide;
  }

  void head() {
    std::string parameters;
    for (size_t i = 0; i < nest_.buffers.size(); ++i) {
      const Buffer& b = nest_.buffers[i];
      if (b.scope != Scope::argument) continue;
      parameters += (parameters.empty() ? "" : ", ") + std::string(b.written ? "" : "const ") + type_name(b.type) +
                    "* __restrict__ " + names_.buffers[i];
    }
    writer_.line("extern \"C\" __global__ void __launch_bounds__(" + std::to_string(threads_) + ")");
    writer_.open(entry_name(nest_) + "(" + parameters + ")");
    for (size_t i = 0; i < nest_.buffers.size(); ++i) {
      if (nest_.buffers[i].scope == Scope::group) declare(i, "__shared__ __align__(16) ");
    }
    // Digits of the block's number, the outermost first.
    int64_t below = nest_.tasks();
    bool outermost = true;
    for (const ParallelLoop& loop : nest_.parallel) {
      below /= loop.extent.bound;
      std::string digit = "(int)blockIdx.x";
      if (below > 1) digit += " / " + std::to_string(below);
      if (!outermost) digit = (below > 1 ? "(" + digit + ")" : digit) + " % " + std::to_string(loop.extent.bound);
      outermost = outermost && loop.extent.bound == 1;
      define(loop.name, loop.extent.bound == 1 ? "0" : digit);
    }
  }

  /// A variable in scope from here on.
  void define(const std::string& name, const std::string& value) {
    const std::string text = unique(name);
    names_.variables[name] = text;
    writer_.line("const " + std::string(names_.index_type) + " " + text + " = " + value + ";");
  }

  void declare(size_t buffer, const std::string& prefix) {
    const Buffer& b = nest_.buffers[buffer];
    writer_.line(prefix + type_name(b.type) + " " + names_.buffers[buffer] + "[" + std::to_string(b.elements()) + "];");
  }

  ExprPrinter printer() { return ExprPrinter(nest_, names_, helpers_, tables_, *analyzer_, writer_, temporaries_); }

  void block(const std::vector<Stmt>& body) {
    for (const Stmt& stmt : body) statement(stmt);
  }

  void statement(const Stmt& stmt) {
    switch (stmt.kind) {
      case StmtKind::loop:
        return loop(stmt);
      case StmtKind::let: {
        ExprPrinter values = printer();
        writer_.open("");
        values.announce(stmt.value);
        define(stmt.name, values.text(stmt.value));
        const Interval interval = analyzer_->interval(stmt.value);
        inside(stmt.name, interval, stmt.body);
        return writer_.close();
      }
      case StmtKind::store:
        return store(stmt);
      case StmtKind::if_then:
        return if_then(stmt, {});
      case StmtKind::allocate:
        if (nest_.buffers[static_cast<size_t>(stmt.buffer)].scope == Scope::group) return block(stmt.body);
        writer_.open("");
        declare(static_cast<size_t>(stmt.buffer), "");
        block(stmt.body);
        return writer_.close();
      case StmtKind::barrier:
        return writer_.line("__syncthreads();");
    }
  }

  /// The body with one more variable in scope.
  void inside(const std::string& name, Interval range, const std::vector<Stmt>& body) {
    std::unique_ptr<Analyzer> outer = std::move(analyzer_);
    Ranges ranges = outer->ranges();
    ranges[name] = range;
    analyzer_ = std::make_unique<Analyzer>(ranges);
    block(body);
    analyzer_ = std::move(outer);
    names_.variables.erase(name);
  }

  void loop(const Stmt& stmt) {
    if (!stmt.extent.is_int()) refuse("a run-time extent in a GPU kernel");
    const int64_t extent = stmt.extent->int_value;
    if (stmt.loop == LoopKind::vector) return vector_loop(stmt, extent);
    const std::string type = names_.index_type;
    if (stmt.loop == LoopKind::thread) {
      const std::string index = "(int)threadIdx.x";
      const bool all = extent == threads_;
      if (!all)
        writer_.open(extent == 1 ? "if (threadIdx.x == 0)" : "if (" + index + " < " + std::to_string(extent) + ")");
      define(stmt.name, extent == 1 ? "0" : index);
      inside(stmt.name, {0, extent - 1}, stmt.body);
      if (!all) writer_.close();
      return;
    } else {
      const std::string name = unique(stmt.name);
      names_.variables[stmt.name] = name;
      if (stmt.loop == LoopKind::unrolled) writer_.line("#pragma unroll");
      writer_.open("for (" + type + " " + name + " = 0; " + name + " < " + std::to_string(extent) + "; ++" + name +
                   ")");
    }
    inside(stmt.name, {0, extent - 1}, stmt.body);
    writer_.close();
  }

  void store(const Stmt& stmt) {
    ExprPrinter values = printer();
    values.announce(stmt.value);
    const std::string value = values.text(stmt.value);
    writer_.line(values.element(stmt.buffer, stmt.indices) + " = " + unwrap(value) + ";");
  }

  /// With the variables of `constants` replaced in the condition and in the stores inside.
  void if_then(const Stmt& stmt, const Substitution& constants) {
    ExprPrinter values = printer();
    const Expr condition = analyzer_->simplify(substitute(stmt.value, constants));
    values.announce(condition);
    writer_.open("if (" + unwrap(values.text(condition)) + ")");
    lane_block(stmt.body, constants);
    if (!stmt.otherwise.empty()) {
      writer_.close();
      writer_.open("else");
      lane_block(stmt.otherwise, constants);
    }
    writer_.close();
  }

  void lane_block(const std::vector<Stmt>& body, const Substitution& constants) {
    if (constants.empty()) return block(body);
    for (const Stmt& stmt : body) {
      if (stmt.kind == StmtKind::if_then) {
        if_then(stmt, constants);
        continue;
      }
      Stmt one = stmt;
      one.value = at_lane(stmt.value, constants);
      for (Expr& index : one.indices) index = substitute(index, constants);
      store(one);
    }
  }

  // --- vector loops: four, two or one iterations at a time ---

  /// The value with lanes replaced by their numbers. A table is not looked up outside: there its condition is false.
  Expr at_lane(const Expr& value, const Substitution& lanes) {
    std::unordered_map<const ExprNode*, Expr> done;
    const std::function<Expr(const Expr&)> replace = [&](const Expr& e) -> Expr {
      if (e.is(ExprKind::variable)) return substitute(e, lanes);
      if (e->args.empty()) return e;
      if (const auto found = done.find(e.get()); found != done.end()) return found->second;
      Exprs args;
      for (const Expr& argument : e->args) args.push_back(replace(argument));
      const bool is_table = e.is(ExprKind::table) && args[0].is_int();
      const bool inside =
          !is_table || (args[0]->int_value >= 0 && args[0]->int_value < static_cast<int64_t>(e->table->size()));
      const Expr result = inside ? with_args(e, std::move(args)) : constant(e->type, 0);
      return done[e.get()] = result;
    };
    return analyzer_->simplify(replace(value));
  }

  void vector_loop(const Stmt& stmt, int64_t extent) {
    std::unique_ptr<Analyzer> outer = std::move(analyzer_);
    Ranges ranges = outer->ranges();
    ranges[stmt.name] = {0, extent - 1};
    analyzer_ = std::make_unique<Analyzer>(ranges);
    for (int64_t first = 0; first < extent;) {
      const int64_t width = extent - first >= 4 ? 4 : extent - first >= 2 ? 2 : 1;
      for (const Stmt& inner : stmt.body) vector_statement(inner, stmt.name, first, width);
      first += width;
    }
    analyzer_ = std::move(outer);
  }

  void vector_statement(const Stmt& stmt, const std::string& lane, int64_t first, int64_t width) {
    if (stmt.kind == StmtKind::if_then && !uses_variable(stmt.value, lane)) {
      ExprPrinter values = printer();
      values.announce(stmt.value);
      writer_.open("if (" + unwrap(values.text(stmt.value)) + ")");
      for (const Stmt& inner : stmt.body) vector_statement(inner, lane, first, width);
      if (!stmt.otherwise.empty()) {
        writer_.close();
        writer_.open("else");
        for (const Stmt& inner : stmt.otherwise) vector_statement(inner, lane, first, width);
      }
      return writer_.close();
    }
    if (stmt.kind == StmtKind::store) return vector_store(stmt, lane, first, width);
    for (int64_t i = first; i < first + width; ++i) {
      lane_block({stmt}, {{lane, Expr(i)}});
    }
  }

  static std::string vector_type(DataType type, int64_t width) {
    return (type == DataType::f32 ? "float" : "int") + std::to_string(width);
  }

  /// The element at the chunk's first lane, if the chunk's elements lie one behind the other on a boundary of their
  /// whole; absent otherwise.
  Expr chunk_base(int buffer, const Exprs& indices, const std::string& lane, int64_t first, int64_t width) {
    const Buffer& b = nest_.buffers[static_cast<size_t>(buffer)];
    const bool fits = (b.type == DataType::f32 || b.type == DataType::i32) && width > 1 &&
                      (b.scope == Scope::argument || b.scope == Scope::group);
    if (!fits) return {};
    const Expr flat = printer().flat(buffer, indices);
    if (!is_pure_index(flat)) return {};
    LinearForm form = linear_form(flat);
    if (form.coefficient(lane) != 1) return {};
    for (const LinearForm::Term& term : form.terms) {
      const bool is_lane = term.atom.is(ExprKind::variable) && term.atom->name == lane;
      if (!is_lane && (uses_variable(term.atom, lane) || term.coefficient % width != 0)) return {};
    }
    if ((form.constant + first) % width != 0) return {};
    return analyzer_->simplify(substitute(flat, {{lane, Expr(first)}}));
  }

  void vector_store(const Stmt& stmt, const std::string& lane, int64_t first, int64_t width) {
    // Loads of whole vectors; those that a condition guards stay with it.
    std::vector<Expr> loads;
    std::map<const ExprNode*, size_t> number;
    std::vector<std::string> names;
    for (const Expr& access : unguarded_accesses(stmt.value)) {
      const Expr base = chunk_base(access->id, access->args, lane, first, width);
      if (!base) continue;
      number[access.get()] = loads.size();
      loads.push_back(access);
      const std::string type = vector_type(access->type, width), name = "v" + std::to_string(temporaries_++);
      ExprPrinter values = printer();
      writer_.line("const " + type + " " + name + " = *reinterpret_cast<const " + type + "*>(" +
                   names_.buffers[static_cast<size_t>(access->id)] + " + " + unwrap(values.text(base)) + ");");
      for (int64_t i = 0; i < width; ++i) names.push_back(name + "." + "xyzw"[i]);
    }
    std::vector<std::string> texts;
    ExprPrinter values = printer();
    values.set_states(std::move(names));
    Exprs lanes;
    for (int64_t i = 0; i < width; ++i) {
      const Expr loaded = rewrite_loads(stmt.value, number, width, i);
      lanes.push_back(at_lane(loaded, {{lane, Expr(first + i)}}));
      values.announce(lanes.back());
    }
    const Expr base = chunk_base(stmt.buffer, stmt.indices, lane, first, width);
    const bool keep = !base && reads_elsewhere(stmt);
    for (int64_t i = 0; i < width; ++i) {
      const std::string value = values.text(lanes[static_cast<size_t>(i)]);
      if (base) {
        texts.push_back(value);
      } else if (keep) {
        texts.push_back("s" + std::to_string(temporaries_++));
        writer_.line("const " + std::string(type_name(stmt.value->type)) + " " + texts.back() + " = " + unwrap(value) +
                     ";");
      } else {
        writer_.line(lane_element(values, stmt, lane, first + i) + " = " + unwrap(value) + ";");
      }
    }
    for (int64_t i = 0; keep && i < width; ++i) {
      writer_.line(lane_element(values, stmt, lane, first + i) + " = " + texts[static_cast<size_t>(i)] + ";");
    }
    if (base) write_vector(stmt, unwrap(values.text(base)), texts);
  }

  void write_vector(const Stmt& stmt, const std::string& base, const std::vector<std::string>& texts) {
    const std::string type = vector_type(stmt.value->type, static_cast<int64_t>(texts.size()));
    std::string list;
    for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + unwrap(text);
    writer_.line("*reinterpret_cast<" + type + "*>(" + names_.buffers[static_cast<size_t>(stmt.buffer)] + " + " + base +
                 ") = make_" + type + "(" + list + ");");
  }

  std::string lane_element(ExprPrinter& values, const Stmt& stmt, const std::string& lane, int64_t i) {
    Exprs indices = stmt.indices;
    for (Expr& index : indices) index = substitute(index, {{lane, Expr(i)}});
    return values.element(stmt.buffer, indices);
  }

  /// Whether a lane may read what another lane stores.
  static bool reads_elsewhere(const Stmt& stmt) {
    bool elsewhere = false;
    visit(stmt.value, [&](const Expr& e) {
      if (!e.is(ExprKind::access) || e->id != stmt.buffer) return;
      for (size_t d = 0; d < e->args.size(); ++d) elsewhere = elsewhere || !equal(e->args[d], stmt.indices[d]);
    });
    return elsewhere;
  }

  /// Lane `i` of what was loaded: state(k) stands for its name.
  static Expr rewrite_loads(const Expr& value, const std::map<const ExprNode*, size_t>& number, int64_t width,
                            int64_t i) {
    if (number.empty()) return value;
    return rewrite(value, [&](const Expr& e) {
      const auto found = number.find(e.get());
      if (found == number.end()) return e;
      return state(static_cast<int>(static_cast<int64_t>(found->second) * width + i), e->type);
    });
  }

  /// Accesses that happen whatever the conditions in the value say.
  static std::vector<Expr> unguarded_accesses(const Expr& value) {
    std::vector<Expr> found;
    std::set<const ExprNode*> seen;
    const std::function<void(const Expr&)> look = [&](const Expr& e) {
      if (!seen.insert(e.get()).second) return;
      if (e.is(ExprKind::access)) {
        found.push_back(e);
      } else if (e.is(ExprKind::select)) {
        look(e->args[0]);
      } else {
        for (const Expr& argument : e->args) look(argument);
      }
    };
    look(value);
    return found;
  }

  const Nest& nest_;
  const Target& target_;
  const int64_t threads_;
  Writer writer_;
  Helpers helpers_;
  Tables tables_;
  ExprPrinter::Names names_;
  std::set<std::string> used_;
  std::unique_ptr<Analyzer> analyzer_;
  int temporaries_ = 0;
};

}  // namespace

std::string entry_name(const Nest& nest) { return identifier(nest.name); }

std::string cuda_source(const Nest& nest, const Target& target) { return KernelPrinter(nest, target).print(); }

}  // namespace altrt::jit::gpu
