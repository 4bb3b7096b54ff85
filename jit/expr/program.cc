// Compiles expressions to programs.
#include "jit/expr/program.h"

#include <altrt/error.h>

#include <algorithm>
#include <unordered_map>

#include "jit/expr/math.h"
#include "jit/expr/program_code.h"
#include "jit/expr/scalar.h"

namespace altrt::jit {

// Where an instruction goes: the section of the innermost variable that it depends on, or, for accesses under a
// condition and what depends on them, a block of its own that jumps over the branch not taken.
class ProgramBuilder {
 public:
  using Op = Program::Op;
  using Instruction = Program::Instruction;

  ProgramBuilder(Program& program, const std::vector<std::string>& variables, const Program::Options& options)
      : p_(program), options_(options), levels_(static_cast<int>(variables.size()) + 2) {
    sections_.resize(levels_);
    for (const std::string& name : variables) {
      variables_[name] = static_cast<int>(p_.initial_.size());
      new_register();
    }
    p_.state_base_ = static_cast<int>(p_.initial_.size());
    p_.states_ = static_cast<int>(options.states.size());
    for (int i = 0; i < 2 * p_.states_; ++i) new_register();
  }

  void run(const Exprs& roots) {
    for (const Expr& root : roots) p_.results_.push_back(emit(root));
    for (Block& section : sections_) {
      p_.sections_.push_back(static_cast<int32_t>(p_.code_.size()));
      append(p_.code_, section);
    }
  }

 private:
  using Block = std::vector<Instruction>;

  // What is known of a node before it is compiled.
  struct Facts {
    int level = 0;     // section
    bool pure = true;  // no access, no table: may be computed even where it is not asked for
  };

  [[noreturn]] static void fail(const std::string& message) { throw Error(ErrorCode::internal, "program: " + message); }

  int new_register() {
    p_.initial_.push_back(Value{.i = 0});
    return static_cast<int>(p_.initial_.size()) - 1;
  }

  // Jump targets are relative to their block until here.
  static void append(Block& to, const Block& block) {
    const auto base = static_cast<int32_t>(to.size());
    for (Instruction i : block) {
      if (i.op == Op::jump || i.op == Op::jump_if_false) i.b += base;
      to.push_back(i);
    }
  }

  const Facts& facts(const Expr& e) {
    if (auto found = facts_.find(e.get()); found != facts_.end()) return found->second;
    Facts f;
    for (const Expr& a : e->args) {
      const Facts& inner = facts(a);
      f.level = std::max(f.level, inner.level);
      f.pure = f.pure && inner.pure;
    }
    if (e.is(ExprKind::variable)) {
      const auto found = variables_.find(e->name);
      if (found == variables_.end()) fail("variable " + e->name + " is not in scope");
      f.level = found->second + 1;
    }
    if (e.is(ExprKind::access) || e.is(ExprKind::table)) f.pure = false;
    if (e.is(ExprKind::state) || e.is(ExprKind::other) || (e.is(ExprKind::access) && !options_.hoist)) {
      f.level = levels_ - 1;
    }
    return facts_.emplace(e.get(), f).first->second;
  }

  // Results by structure: equal parts are computed once. Branch scopes are searched innermost first.
  using Scope = std::unordered_multimap<uint64_t, std::pair<Expr, int>>;

  static int find(const Scope& scope, const Expr& e) {
    const auto [first, last] = scope.equal_range(e->hash);
    for (auto i = first; i != last; ++i) {
      if (equal(i->second.first, e)) return i->second.second;
    }
    return -1;
  }

  int find(const Expr& e) const {
    for (auto b = branches_.rbegin(); b != branches_.rend(); ++b) {
      if (const int r = find(b->scope, e); r >= 0) return r;
    }
    return find(done_, e);
  }

  int emit(const Expr& e) {
    if (e.is(ExprKind::variable)) {
      facts(e);
      return variables_.at(e->name);
    }
    if (e.is(ExprKind::state) || e.is(ExprKind::other)) {
      if (e->id < 0 || e->id >= p_.states_ || options_.states[e->id] != e->type) fail(to_string(e) + " does not exist");
      return e.is(ExprKind::state) ? p_.state_register(e->id) : p_.other_register(e->id);
    }
    if (const int known = find(e); known >= 0) return known;
    const bool in_branch = !facts(e).pure && !branches_.empty();
    const int result = emit_new(e);
    (in_branch ? branches_.back().scope : done_).emplace(e->hash, std::make_pair(e, result));
    return result;
  }

  void put(const Expr& e, Instruction i) {
    const Facts& f = facts(e);
    (!f.pure && !branches_.empty() ? branches_.back().code : sections_[f.level]).push_back(i);
  }

  int emit_new(const Expr& e) {
    switch (e->kind) {
      case ExprKind::constant:
        return emit_constant(e);
      case ExprKind::select:
        return emit_select(e);
      case ExprKind::access:
        return emit_access(e);
      case ExprKind::cast:
        return emit_cast(e);
      default:
        break;
    }
    Instruction i{.op = operation(e), .type = e->type};
    int32_t* const slots[] = {&i.a, &i.b, &i.c};
    if (e->args.size() > 3) fail("too many arguments: " + to_string(e));
    for (size_t k = 0; k < e->args.size(); ++k) *slots[k] = emit(e->args[k]);
    if (e.is(ExprKind::table)) {
      i.id = static_cast<int32_t>(p_.tables_.size());
      p_.tables_.push_back(e->table);
    }
    if (e.is(ExprKind::call)) i.id = helper(e), i.c = static_cast<int32_t>(e->args.size());
    i.to = new_register();
    put(e, i);
    if (may_leave_width(e)) put(e, {.op = Op::wrap, .type = e->type, .to = i.to, .a = i.to});
    return i.to;
  }

  int emit_constant(const Expr& e) {
    const int r = new_register();
    if (e->type == DataType::f32) {
      p_.initial_[r].f = static_cast<float>(e->float_value);
    } else if (e->type == DataType::f64) {
      p_.initial_[r].d = e->float_value;
    } else {
      p_.initial_[r].i = e->int_value;
    }
    return r;
  }

  // Whether all accesses in `e` are performed anyway where we are.
  bool is_safe(const Expr& e) {
    if (facts(e).pure || find(e) >= 0) return true;
    if (e.is(ExprKind::access) || e.is(ExprKind::table) || e.is(ExprKind::select)) return false;
    return std::all_of(e->args.begin(), e->args.end(), [&](const Expr& a) { return is_safe(a); });
  }

  int emit_select(const Expr& e) {
    const int condition = emit(e->args[0]);
    if (is_safe(e->args[1]) && is_safe(e->args[2])) {
      const int a = emit(e->args[1]), b = emit(e->args[2]), r = new_register();
      put(e, {.op = Op::select, .to = r, .a = condition, .b = a, .c = b});
      return r;
    }
    const int r = new_register();
    const Block yes = branch(e->args[1], r), no = branch(e->args[2], r);
    Block block;
    block.push_back({.op = Op::jump_if_false, .a = condition, .b = static_cast<int32_t>(yes.size()) + 2});
    append(block, yes);
    block.push_back({.op = Op::jump, .b = static_cast<int32_t>(block.size() + 1 + no.size())});
    append(block, no);
    append(branches_.empty() ? sections_[facts(e).level] : branches_.back().code, block);
    return r;
  }

  Block branch(const Expr& e, int result) {
    branches_.emplace_back();
    const int value = emit(e);
    branches_.back().code.push_back({.op = Op::copy, .to = result, .a = value});
    Block code = std::move(branches_.back().code);
    branches_.pop_back();
    return code;
  }

  int emit_access(const Expr& e) {
    std::vector<int32_t> indices;
    for (const Expr& i : e->args) indices.push_back(emit(i));
    const auto first = static_cast<int32_t>(p_.index_registers_.size());
    p_.index_registers_.insert(p_.index_registers_.end(), indices.begin(), indices.end());
    const int r = new_register();
    put(e,
        {.op = Op::load, .type = e->type, .to = r, .b = first, .c = static_cast<int32_t>(indices.size()), .id = e->id});
    return r;
  }

  int emit_cast(const Expr& e) {
    const DataType from = e->args[0]->type, to = e->type;
    const int a = emit(e->args[0]), r = new_register();
    Op op = Op::wrap;
    if (from == DataType::f32) op = to == DataType::f64 ? Op::f32_to_f64 : Op::f32_to_int;
    if (from == DataType::f64) op = to == DataType::f32 ? Op::f64_to_f32 : Op::f64_to_int;
    if (!is_float(from) && is_float(to)) op = to == DataType::f32 ? Op::int_to_f32 : Op::int_to_f64;
    put(e, {.op = op, .type = to, .to = r, .a = a});
    return r;
  }

  int32_t helper(const Expr& e) {
    const MathHelper* h = find_math_helper(e->name);
    if (!h || h->arity != static_cast<int>(e->args.size()) || h->type != e->type) fail("unknown helper " + e->name);
    p_.functions_.push_back(h->address);
    return static_cast<int32_t>(p_.functions_.size()) - 1;
  }

  static bool may_leave_width(const Expr& e) {
    if (is_float(e->type) || e->type == DataType::i64 || e->type == DataType::boolean) return false;
    switch (e->kind) {
      case ExprKind::add:
      case ExprKind::sub:
      case ExprKind::mul:
      case ExprKind::div:
      case ExprKind::floor_div:
      case ExprKind::neg:
      case ExprKind::abs:
      case ExprKind::shift_left:
        return true;
      default:
        return false;
    }
  }

  static Op by_type(DataType type, Op f32, Op f64, Op integer) {
    return type == DataType::f32 ? f32 : type == DataType::f64 ? f64 : integer;
  }

  static Op operation(const Expr& e);
  static Op bitcast_operation(const Expr& e);

  struct Branch {
    Block code;
    Scope scope;
  };

  Program& p_;
  const Program::Options& options_;
  const int levels_;
  std::vector<Block> sections_;
  std::vector<Branch> branches_;
  Scope done_;
  std::unordered_map<std::string, int> variables_;
  std::unordered_map<const ExprNode*, Facts> facts_;
};

Program::Op ProgramBuilder::bitcast_operation(const Expr& e) {
  if (size_of(e->type) == 8) return Op::copy;
  return e->type == DataType::f32 ? Op::bits_int_to_f32 : Op::bits_f32_to_int;
}

Program::Op ProgramBuilder::operation(const Expr& e) {
  const DataType type = e->args.empty() ? e->type : e->args[0]->type;
#define ALTRT_NUMERIC(name) \
  case ExprKind::name:      \
    return by_type(type, Op::name##_f32, Op::name##_f64, Op::name##_int)
#define ALTRT_FLOAT(name, code) \
  case ExprKind::name:          \
    return by_type(type, Op::code##_f32, Op::code##_f64, Op::code##_f64)
#define ALTRT_SAME(name) \
  case ExprKind::name:   \
    return Op::name
  switch (e->kind) {
    ALTRT_NUMERIC(add);
    ALTRT_NUMERIC(sub);
    ALTRT_NUMERIC(mul);
    ALTRT_NUMERIC(div);
    ALTRT_NUMERIC(min);
    ALTRT_NUMERIC(max);
    ALTRT_NUMERIC(eq);
    ALTRT_NUMERIC(ne);
    ALTRT_NUMERIC(lt);
    ALTRT_NUMERIC(le);
    ALTRT_NUMERIC(neg);
    ALTRT_NUMERIC(abs);
    ALTRT_FLOAT(sqrt, sqrt);
    ALTRT_FLOAT(floor, floor);
    ALTRT_FLOAT(ceil, ceil);
    ALTRT_FLOAT(round_even, round);
    ALTRT_FLOAT(fma, fma);
    ALTRT_SAME(floor_div);
    ALTRT_SAME(floor_mod);
    ALTRT_SAME(logical_and);
    ALTRT_SAME(logical_or);
    ALTRT_SAME(logical_not);
    ALTRT_SAME(shift_left);
    ALTRT_SAME(shift_right);
    ALTRT_SAME(table);
    case ExprKind::bitcast:
      return bitcast_operation(e);
    case ExprKind::call:
      return by_type(e->type, Op::call_f32, Op::call_f64, Op::call_int);
    default:
      fail("not expanded: " + to_string(e));
  }
#undef ALTRT_NUMERIC
#undef ALTRT_FLOAT
#undef ALTRT_SAME
}

Program::Program(const Exprs& roots, const std::vector<std::string>& variables, const Options& options) {
  ProgramBuilder(*this, variables, options).run(roots);
}

}  // namespace altrt::jit
