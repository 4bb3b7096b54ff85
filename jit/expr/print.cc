// Text of expressions.
#include <charconv>
#include <unordered_map>

#include "jit/expr/expr.h"
#include "jit/expr/scalar.h"

namespace altrt {

using namespace jit;

namespace {

// Binding strength, weakest first.
enum Precedence { kLowest, kOr, kAnd, kCompare, kSum, kProduct, kUnary, kPrimary };

// Beyond this many nodes when written out as a tree, nodes that occur more than once are named.
constexpr int64_t kMaxTree = 400;

std::string float_text(DataType type, double value) {
  if (value != value) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  const auto end = type == DataType::f32 ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(value)).ptr
                                         : std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  std::string text(buffer, end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

const char* function_name(ExprKind kind) {
  switch (kind) {
    case ExprKind::min:
      return "min";
    case ExprKind::max:
      return "max";
    case ExprKind::div:
      return "trunc_div";
    case ExprKind::select:
      return "select";
    case ExprKind::abs:
      return "abs";
    case ExprKind::sqrt:
      return "sqrt";
    case ExprKind::floor:
      return "floor";
    case ExprKind::ceil:
      return "ceil";
    case ExprKind::round_even:
      return "round_even";
    case ExprKind::fma:
      return "fma";
    case ExprKind::exp:
      return "exp";
    case ExprKind::log:
      return "log";
    case ExprKind::tanh:
      return "tanh";
    case ExprKind::erf:
      return "erf";
    case ExprKind::sigmoid:
      return "sigmoid";
    default:
      return "?";
  }
}

struct Operator {
  const char* text;
  Precedence precedence;
};

// {nullptr, ...} for anything that is not written infix.
Operator infix(const ExprNode& n) {
  switch (n.kind) {
    case ExprKind::add:
      return {" + ", kSum};
    case ExprKind::sub:
      return {" - ", kSum};
    case ExprKind::mul:
      return {"*", kProduct};
    case ExprKind::div:
      return {is_float(n.type) ? " / " : nullptr, kProduct};
    case ExprKind::floor_div:
      return {" / ", kProduct};
    case ExprKind::floor_mod:
      return {" % ", kProduct};
    case ExprKind::eq:
      return {" == ", kCompare};
    case ExprKind::ne:
      return {" != ", kCompare};
    case ExprKind::lt:
      return {" < ", kCompare};
    case ExprKind::le:
      return {" <= ", kCompare};
    case ExprKind::shift_left:
      return {" << ", kCompare};
    case ExprKind::shift_right:
      return {" >> ", kCompare};
    case ExprKind::logical_and:
      return {" && ", kAnd};
    case ExprKind::logical_or:
      return {" || ", kOr};
    default:
      return {nullptr, kPrimary};
  }
}

class Printer {
 public:
  explicit Printer(const std::vector<std::string>* tensor_names) : tensor_names_(tensor_names) {}

  std::string run(const Expr& e) {
    if (!e) return "none";
    if (tree_size(e) <= kMaxTree) return text(e, kLowest);
    std::unordered_map<const ExprNode*, int> uses;
    visit(e, [&](const Expr& node) {
      for (const Expr& a : node->args) ++uses[a.get()];
    });
    std::string prefix;
    name_shared(e, uses, prefix);
    return prefix + text(e, kLowest);
  }

 private:
  int64_t tree_size(const Expr& e) {
    if (e->args.empty()) return 1;
    if (auto found = sizes_.find(e.get()); found != sizes_.end()) return found->second;
    int64_t size = 1;
    for (const Expr& a : e->args) size = std::min<int64_t>(size + tree_size(a), 1 << 30);
    return sizes_[e.get()] = size;
  }

  void name_shared(const Expr& e, const std::unordered_map<const ExprNode*, int>& uses, std::string& prefix) {
    if (e->args.empty() || names_.count(e.get())) return;
    for (const Expr& a : e->args) name_shared(a, uses, prefix);
    const auto use = uses.find(e.get());
    if (use == uses.end() || use->second < 2 || tree_size(e) < 4) return;
    const std::string value = text(e, kLowest);
    const std::string name = "%" + std::to_string(names_.size());
    names_[e.get()] = name;
    prefix += name + " = " + value + "; ";
  }

  std::string text(const Expr& e, Precedence outer) {
    if (auto named = names_.find(e.get()); named != names_.end()) return named->second;
    Precedence own = kPrimary;
    std::string s = bare(e, own);
    return own < outer ? "(" + s + ")" : s;
  }

  std::string list(const Exprs& args) {
    std::string s;
    for (const Expr& a : args) s += (s.empty() ? "" : ", ") + text(a, kLowest);
    return s;
  }

  std::string constant_text(const ExprNode& n, Precedence& own) {
    if (n.type == DataType::boolean) return n.int_value ? "true" : "false";
    std::string s = is_float(n.type) ? float_text(n.type, n.float_value) : std::to_string(n.int_value);
    if (s[0] == '-') own = kUnary;
    return s;
  }

  std::string table_text(const ExprNode& n) {
    constexpr size_t kShown = 8;
    std::string s;
    for (size_t i = 0; i < n.table->size() && i < kShown; ++i) {
      const double v = (*n.table)[i];
      s += (i ? ", " : "") + (is_float(n.type) ? float_text(n.type, v) : std::to_string(static_cast<int64_t>(v)));
    }
    if (n.table->size() > kShown) s += ", ... " + std::to_string(n.table->size());
    return "{" + s + "}[" + text(n.args[0], kLowest) + "]";
  }

  std::string bare(const Expr& e, Precedence& own) {
    const ExprNode& n = *e;
    if (const Operator op = infix(n); op.text) {
      own = op.precedence;
      const auto tighter = static_cast<Precedence>(own + 1);
      // Only additions and products of equal kind chain on the left; comparisons never chain.
      const bool divides = n.args[0].is(ExprKind::floor_div) || n.args[0].is(ExprKind::floor_mod);
      const std::string left = text(n.args[0], own == kCompare || (own == kProduct && divides) ? tighter : own);
      const bool associative = n.kind == ExprKind::logical_and || n.kind == ExprKind::logical_or;
      return left + op.text + text(n.args[1], associative ? own : tighter);
    }
    switch (n.kind) {
      case ExprKind::constant:
        return constant_text(n, own);
      case ExprKind::variable:
        return n.name;
      case ExprKind::neg:
        own = kUnary;
        return "-" + text(n.args[0], kPrimary);
      case ExprKind::logical_not:
        own = kUnary;
        return "!" + text(n.args[0], kPrimary);
      case ExprKind::cast:
        return std::string(altrt::to_string(n.type)) + "(" + text(n.args[0], kLowest) + ")";
      case ExprKind::bitcast:
        return std::string("bits_") + altrt::to_string(n.type) + "(" + text(n.args[0], kLowest) + ")";
      case ExprKind::call:
        return n.name + "(" + list(n.args) + ")";
      case ExprKind::access: {
        const bool known = tensor_names_ && n.id >= 0 && n.id < static_cast<int>(tensor_names_->size());
        return (known ? (*tensor_names_)[n.id] : "t" + std::to_string(n.id)) + "[" + list(n.args) + "]";
      }
      case ExprKind::state:
        return "state" + std::to_string(n.id);
      case ExprKind::other:
        return "other" + std::to_string(n.id);
      case ExprKind::table:
        return table_text(n);
      case ExprKind::shuffle:
        return "shuffle_down(" + list(n.args) + ", " + std::to_string(n.id) + ")";
      default:
        return std::string(function_name(n.kind)) + "(" + list(n.args) + ")";
    }
  }

  const std::vector<std::string>* tensor_names_;
  std::unordered_map<const ExprNode*, int64_t> sizes_;
  std::unordered_map<const ExprNode*, std::string> names_;
};

}  // namespace

std::string to_string(const Expr& e, const std::vector<std::string>* tensor_names) {
  return Printer(tensor_names).run(e);
}

}  // namespace altrt
