#include "jit/gpu/cuda_expr.h"

#include <altrt/error.h>

#include <algorithm>

#include "jit/expr/math.h"
#include "jit/expr/scalar.h"

namespace altrt::jit::gpu {

void Writer::line(const std::string& text) { text_ += std::string(2 * static_cast<size_t>(depth_), ' ') + text + "\n"; }

void Writer::open(const std::string& head) {
  line(head.empty() ? "{" : head + " {");
  ++depth_;
}

void Writer::close(const std::string& tail) {
  --depth_;
  line("}" + tail);
}

std::string Tables::request(const ExprNode& e) {
  size_t i = 0;
  while (i < tables_.size() && !(tables_[i].type == e.type && *tables_[i].values == *e.table)) ++i;
  if (i == tables_.size()) tables_.push_back({e.table, e.type});
  return "table" + std::to_string(i);
}

std::string Tables::text() const {
  std::string text;
  for (size_t i = 0; i < tables_.size(); ++i) {
    const Table& t = tables_[i];
    text += "static __constant__ const " + std::string(type_name(t.type)) + " table" + std::to_string(i) + "[" +
            std::to_string(t.values->size()) + "] = {";
    for (size_t v = 0; v < t.values->size(); ++v) {
      const double value = (*t.values)[v];
      const int64_t integer = is_float(t.type) ? 0 : static_cast<int64_t>(value);
      text += (v ? ", " : "") + constant_text(t.type, integer, value);
    }
    text += "};\n";
  }
  return text;
}

bool is_pure_index(const Expr& e) {
  bool pure = e->type == DataType::i64;
  visit(e, [&](const Expr& node) {
    const bool arithmetic = node->type == DataType::i64 || node->type == DataType::boolean;
    pure = pure && arithmetic && !node.is(ExprKind::access) && !node.is(ExprKind::state);
  });
  return pure;
}

ExprPrinter::ExprPrinter(const Nest& nest, const Names& names, Helpers& helpers, Tables& tables, Analyzer& analyzer,
                         Writer& writer, int& temporaries)
    : nest_(nest),
      names_(names),
      helpers_(helpers),
      tables_(tables),
      analyzer_(analyzer),
      writer_(writer),
      temporaries_(temporaries) {
  memos_.emplace_back();
}

void ExprPrinter::announce(const Expr& e) {
  keep_.push_back(e);
  visit(e, [&](const Expr& node) {
    if (node.is(ExprKind::access)) return;  // indices are printed flat
    for (const Expr& argument : node->args) ++uses_[argument.get()];
  });
}

Expr ExprPrinter::flat(int buffer, const Exprs& indices) const {
  const std::vector<int64_t>& shape = nest_.buffers[static_cast<size_t>(buffer)].shape;
  Expr sum(0);
  for (size_t d = 0; d < indices.size(); ++d) sum = sum * shape[d] + indices[d];
  return analyzer_.simplify(sum);
}

std::string ExprPrinter::element(int buffer, const Exprs& indices) {
  return names_.buffers[static_cast<size_t>(buffer)] + "[" + unwrap(text(flat(buffer, indices))) + "]";
}

const std::string* ExprPrinter::find(const Expr& e) const {
  for (size_t i = memos_.size(); i-- > 0;) {
    const auto found = memos_[i].find(e.get());
    if (found != memos_[i].end()) return &found->second;
  }
  return nullptr;
}

bool ExprPrinter::is_shared(const Expr& e) const {
  if (e->args.empty()) return false;
  const auto found = uses_.find(e.get());
  return found != uses_.end() && found->second > 1;
}

bool ExprPrinter::is_index(const Expr& e) const { return is_pure_index(e); }

std::string ExprPrinter::type_of(const Expr& e) const {
  return e->type == DataType::i64 && is_index(e) ? names_.index_type : type_name(e->type);
}

std::string ExprPrinter::text(const Expr& e) {
  if (const std::string* name = find(e)) return *name;
  if (!is_shared(e)) return compute(e);
  const std::string value = compute(e);
  const std::string name = "t" + std::to_string(temporaries_++);
  writer_.line("const " + type_of(e) + " " + name + " = " + unwrap(value) + ";");
  memos_.back()[e.get()] = name;
  return name;
}

namespace {

/// How tightly C binds what an expression is printed with; 0 where brackets stay.
int precedence(const Expr& e) {
  switch (e->kind) {
    case ExprKind::mul:
    case ExprKind::div:
    case ExprKind::floor_div:
    case ExprKind::floor_mod:
      return 5;
    case ExprKind::add:
    case ExprKind::sub:
      return 4;
    case ExprKind::lt:
    case ExprKind::le:
      return 3;
    case ExprKind::eq:
    case ExprKind::ne:
      return 2;
    case ExprKind::logical_and:
      return 1;
    default:
      return 0;
  }
}

}  // namespace

std::string unwrap(const std::string& text) {
  if (text.size() < 2 || text.front() != '(' || text.back() != ')') return text;
  int depth = 0;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
    if (depth == 0) return text;
  }
  return text.substr(1, text.size() - 2);
}

std::string ExprPrinter::binary(const Expr& e, const char* symbol) {
  std::string a = text(e->args[0]), b = text(e->args[1]);
  const int own = precedence(e);
  if (own > 0 && precedence(e->args[0]) >= own) a = unwrap(a);
  if (own > 0 && precedence(e->args[1]) > own) b = unwrap(b);
  return "(" + a + " " + symbol + " " + b + ")";
}

/// Sums and products; integers wrap.
std::string ExprPrinter::arithmetic(const Expr& e, const char* symbol) {
  const DataType type = e->type;
  if (is_float(type) || (type == DataType::i64 && is_index(e))) return binary(e, symbol);
  const std::string a = text(e->args[0]), b = text(e->args[1]);
  const std::string wide = type == DataType::i64 ? "(unsigned long long)" : "(unsigned)";
  return "(" + std::string(type_name(type)) + ")(" + wide + a + " " + symbol + " " + wide + b + ")";
}

std::string ExprPrinter::division(const Expr& e) {
  if (is_float(e->type)) return binary(e, "/");
  const Expr &a = e->args[0], &b = e->args[1];
  const bool plain = b.is_int() && b->int_value > 0 &&
                     (e.is(ExprKind::div) || (e->type == DataType::i64 && analyzer_.interval(a).lo >= 0));
  if (plain) return binary(e, e.is(ExprKind::floor_mod) ? "%" : "/");
  const char* name = e.is(ExprKind::div) ? "int_div_" : e.is(ExprKind::floor_div) ? "floor_div_" : "floor_mod_";
  const std::string function = helpers_.request(name + std::string(altrt::to_string(e->type)));
  const std::string x = text(a), y = text(b);
  return function + "(" + x + ", " + y + ")";
}

std::string ExprPrinter::min_max(const Expr& e) {
  const bool is_min = e.is(ExprKind::min);
  if (e->type == DataType::boolean) return binary(e, is_min ? "&&" : "||");
  const std::string a = text(e->args[0]), b = text(e->args[1]);
  const Expr& second = e->args[1];
  const bool may_be_nan =
      is_float(e->type) && !(second.is(ExprKind::constant) && second->float_value == second->float_value);
  const bool narrow = type_of(e) == std::string("int");
  const std::string name = std::string(may_be_nan ? "nan_" : "plain_") + (is_min ? "min_" : "max_");
  return helpers_.request(name + (narrow ? "i32" : altrt::to_string(e->type))) + "(" + unwrap(a) + ", " + unwrap(b) +
         ")";
}

bool ExprPrinter::reads_memory(const Expr& e) const {
  bool reads = false;
  visit(e, [&](const Expr& node) {
    if (node.is(ExprKind::access) || node.is(ExprKind::table)) reads = reads || !find(node);
  });
  return reads;
}

/// Whether printing the branch would leave lines behind that must not run unless it is taken.
bool ExprPrinter::needs_block(const Expr& branch) const {
  if (find(branch) || !reads_memory(branch)) return false;
  bool leaves = false;
  visit(branch, [&](const Expr& node) { leaves = leaves || (is_shared(node) && !find(node) && reads_memory(node)); });
  return leaves;
}

std::string ExprPrinter::select(const Expr& e) {
  const std::string condition = text(e->args[0]);
  if (!needs_block(e->args[1]) && !needs_block(e->args[2])) {
    const std::string a = text(e->args[1]), b = text(e->args[2]);
    return "(" + (precedence(e->args[0]) > 0 ? unwrap(condition) : condition) + " ? " + a + " : " + b + ")";
  }
  const std::string name = "t" + std::to_string(temporaries_++);
  writer_.line(type_of(e) + " " + name + ";");
  writer_.open("if (" + unwrap(condition) + ")");
  for (size_t branch : {1, 2}) {
    if (branch == 2) {
      writer_.close();
      writer_.open("else");
    }
    memos_.emplace_back();
    const std::string value = text(e->args[branch]);
    writer_.line(name + " = " + unwrap(value) + ";");
    memos_.pop_back();
  }
  writer_.close();
  return name;
}

std::string ExprPrinter::cast(const Expr& e) {
  const Expr& a = e->args[0];
  const std::string x = text(a);
  if (e->type == DataType::boolean) return "(" + x + " != 0)";
  if (is_float(a->type) && !is_float(e->type)) {
    return helpers_.request("to_" + std::string(altrt::to_string(e->type)) + "_" + altrt::to_string(a->type)) + "(" +
           x + ")";
  }
  return "(" + std::string(type_name(e->type)) + ")" + x;
}

std::string ExprPrinter::bitcast(const Expr& e) {
  const char* name = e->type == DataType::f32   ? "__int_as_float("
                     : e->type == DataType::i32 ? "__float_as_int("
                     : e->type == DataType::f64 ? "__longlong_as_double("
                                                : "__double_as_longlong(";
  return name + text(e->args[0]) + ")";
}

std::string ExprPrinter::call(const Expr& e) {
  std::string function = math_function(e->name);
  if (e->name == "pow_i64") function = helpers_.request("power_i64");
  if (e->name == "sigmoid_f64") function = helpers_.request("sigmoid_f64");
  if (function.empty()) throw Error(ErrorCode::unsupported, nest_.name + ": CUDA has no function for " + e->name);
  std::string list;
  for (const Expr& argument : e->args) list += (list.empty() ? "" : ", ") + unwrap(text(argument));
  return function + "(" + list + ")";
}

/// A math function by its name for floats.
std::string ExprPrinter::function(const Expr& e, const char* single) {
  std::string name = single;
  if (e->type == DataType::f64) name.pop_back();
  std::string list;
  for (const Expr& argument : e->args) list += (list.empty() ? "" : ", ") + unwrap(text(argument));
  return name + "(" + list + ")";
}

std::string ExprPrinter::compute(const Expr& e) {
  switch (e->kind) {
    case ExprKind::constant:
      return constant_text(e->type, e->int_value, e->float_value);
    case ExprKind::variable:
      return names_.variables.at(e->name);
    case ExprKind::add:
      return arithmetic(e, "+");
    case ExprKind::sub:
      return arithmetic(e, "-");
    case ExprKind::mul:
      return arithmetic(e, "*");
    case ExprKind::div:
    case ExprKind::floor_div:
    case ExprKind::floor_mod:
      return division(e);
    case ExprKind::min:
    case ExprKind::max:
      return min_max(e);
    case ExprKind::eq:
      return binary(e, "==");
    case ExprKind::ne:
      return binary(e, "!=");
    case ExprKind::lt:
      return binary(e, "<");
    case ExprKind::le:
      return binary(e, "<=");
    case ExprKind::logical_and:
      return binary(e, "&&");
    case ExprKind::logical_or:
      return binary(e, "||");
    case ExprKind::logical_not:
      return "!" + text(e->args[0]);
    case ExprKind::select:
      return select(e);
    case ExprKind::cast:
      return cast(e);
    case ExprKind::neg:
      if (is_float(e->type) || (e->type == DataType::i64 && is_index(e))) return "(-" + text(e->args[0]) + ")";
      return "(" + std::string(type_name(e->type)) + ")(0" + (e->type == DataType::i64 ? "ull" : "u") + " - " +
             text(e->args[0]) + ")";
    case ExprKind::abs:
      if (is_float(e->type)) return function(e, "fabsf");
      return helpers_.request("int_abs_" + std::string(altrt::to_string(e->type))) + "(" + text(e->args[0]) + ")";
    case ExprKind::sqrt:
      return function(e, "sqrtf");
    case ExprKind::floor:
      return function(e, "floorf");
    case ExprKind::ceil:
      return function(e, "ceilf");
    case ExprKind::round_even:
      return function(e, "rintf");
    case ExprKind::fma:
      return function(e, "fmaf");
    case ExprKind::bitcast:
      return bitcast(e);
    case ExprKind::shift_left: {
      const std::string wide = e->type == DataType::i64 ? "(unsigned long long)" : "(unsigned)";
      return "(" + std::string(type_name(e->type)) + ")(" + wide + text(e->args[0]) + " << " + text(e->args[1]) + ")";
    }
    case ExprKind::shift_right:
      return binary(e, ">>");
    case ExprKind::call:
      return call(e);
    case ExprKind::access:
      return element(e->id, e->args);
    case ExprKind::state:
      return states_.at(static_cast<size_t>(e->id));
    case ExprKind::shuffle:
      return "__shfl_down_sync(0xffffffffu, " + unwrap(text(e->args[0])) + ", " + std::to_string(e->id) + ")";
    case ExprKind::table:
      return tables_.request(*e) + "[" + unwrap(text(e->args[0])) + "]";
    default:
      throw Error(ErrorCode::internal, nest_.name + ": CUDA can't hold " + to_string(e));
  }
}

}  // namespace altrt::jit::gpu
