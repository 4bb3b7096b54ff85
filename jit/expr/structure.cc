// Structure of expressions: rebuilding, walking, comparing.
#include <altrt/error.h>

#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "jit/expr/expr.h"
#include "jit/expr/scalar.h"

namespace altrt::jit {

Expr with_args(const Expr& e, Exprs args) {
  if (args.size() != e->args.size()) {
    throw Error(ErrorCode::internal, "expression: with_args changes the number of arguments");
  }
  bool same = true;
  for (size_t i = 0; i < args.size(); ++i) same = same && args[i].get() == e->args[i].get();
  if (same) return e;
  switch (e->kind) {
    case ExprKind::constant:
    case ExprKind::variable:
    case ExprKind::state:
    case ExprKind::other:
      return e;
    case ExprKind::add:
      return args[0] + args[1];
    case ExprKind::sub:
      return args[0] - args[1];
    case ExprKind::mul:
      return args[0] * args[1];
    case ExprKind::div:
      return div(args[0], args[1]);
    case ExprKind::floor_div:
      return floor_div(args[0], args[1]);
    case ExprKind::floor_mod:
      return floor_mod(args[0], args[1]);
    case ExprKind::min:
      return min(args[0], args[1]);
    case ExprKind::max:
      return max(args[0], args[1]);
    case ExprKind::eq:
      return eq(args[0], args[1]);
    case ExprKind::ne:
      return ne(args[0], args[1]);
    case ExprKind::lt:
      return lt(args[0], args[1]);
    case ExprKind::le:
      return le(args[0], args[1]);
    case ExprKind::logical_and:
      return logical_and(args[0], args[1]);
    case ExprKind::logical_or:
      return logical_or(args[0], args[1]);
    case ExprKind::logical_not:
      return logical_not(args[0]);
    case ExprKind::select:
      return select(args[0], args[1], args[2]);
    case ExprKind::cast:
      return cast(e->type, args[0]);
    case ExprKind::fma:
      return fma(args[0], args[1], args[2]);
    case ExprKind::bitcast:
      return bitcast(e->type, args[0]);
    case ExprKind::shift_left:
    case ExprKind::shift_right:
      return shift(e->kind, args[0], args[1]);
    case ExprKind::call:
      return call(e->name, e->type, std::move(args));
    case ExprKind::access:
      return access(e->id, e->type, std::move(args));
    case ExprKind::table:
      return table(e->table, e->type, args[0]);
    case ExprKind::shuffle:
      return shuffle_down(args[0], e->id);
    default:
      return unary(e->kind, args[0]);
  }
}

namespace {

int compare_bits(double a, double b) {
  const int64_t x = bits_as<int64_t>(a), y = bits_as<int64_t>(b);
  return x < y ? -1 : x > y;
}

template <typename T>
int three_way(const T& a, const T& b) {
  return a < b ? -1 : b < a;
}

int compare_tables(const ExprNode& a, const ExprNode& b) {
  if (a.table == b.table) return 0;
  if (!a.table || !b.table) return a.table ? 1 : -1;
  return three_way(*a.table, *b.table);
}

// Equal hashes are taken for equality only after a full comparison of the shallow fields; arguments recurse. Pairs
// found equal are remembered so that two equal graphs with much sharing are compared in linear time.
struct PairHash {
  size_t operator()(const std::pair<const ExprNode*, const ExprNode*>& p) const {
    return reinterpret_cast<size_t>(p.first) * 0x9E3779B97F4A7C15u ^ reinterpret_cast<size_t>(p.second);
  }
};
using EqualPairs = std::unordered_set<std::pair<const ExprNode*, const ExprNode*>, PairHash>;

int compare_nodes(const ExprNode* a, const ExprNode* b, EqualPairs& known) {
  if (a == b) return 0;
  if (!a || !b) return a ? 1 : -1;
  const bool inner = !a->args.empty();
  if (inner && a->hash == b->hash && known.count({a, b})) return 0;
  int c = three_way(a->kind, b->kind);
  if (c == 0) c = three_way(a->type, b->type);
  if (c == 0) c = three_way(a->id, b->id);
  if (c == 0) c = three_way(a->int_value, b->int_value);
  if (c == 0) c = compare_bits(a->float_value, b->float_value);
  if (c == 0) c = a->name.compare(b->name);
  if (c == 0) c = three_way(a->args.size(), b->args.size());
  for (size_t i = 0; c == 0 && i < a->args.size(); ++i) c = compare_nodes(a->args[i].get(), b->args[i].get(), known);
  if (c == 0) c = compare_tables(*a, *b);
  if (c == 0 && inner) known.insert({a, b});
  return c;
}

Expr rewrite_node(const Expr& e, const std::function<Expr(const Expr&)>& f,
                  std::unordered_map<const ExprNode*, Expr>& done) {
  if (auto found = done.find(e.get()); found != done.end()) return found->second;
  Exprs args;
  args.reserve(e->args.size());
  for (const Expr& a : e->args) args.push_back(rewrite_node(a, f, done));
  Expr result = f(with_args(e, std::move(args)));
  done.emplace(e.get(), result);
  return result;
}

void visit_node(const Expr& e, const std::function<void(const Expr&)>& f, std::unordered_set<const ExprNode*>& seen) {
  if (!seen.insert(e.get()).second) return;
  f(e);
  for (const Expr& a : e->args) visit_node(a, f, seen);
}

}  // namespace

int compare(const Expr& a, const Expr& b) {
  EqualPairs known;
  return compare_nodes(a.get(), b.get(), known);
}

Expr rewrite(const Expr& e, const std::function<Expr(const Expr&)>& f) {
  if (!e) return e;
  std::unordered_map<const ExprNode*, Expr> done;
  return rewrite_node(e, f, done);
}

void visit(const Expr& e, const std::function<void(const Expr&)>& f) {
  if (!e) return;
  std::unordered_set<const ExprNode*> seen;
  visit_node(e, f, seen);
}

bool uses_variable(const Expr& e, const std::string& name) {
  bool found = false;
  visit(e, [&](const Expr& node) { found = found || (node.is(ExprKind::variable) && node->name == name); });
  return found;
}

}  // namespace altrt::jit

namespace altrt {

bool equal(const Expr& a, const Expr& b) {
  if (a.get() == b.get()) return true;
  if (!a || !b || a->hash != b->hash) return false;
  return jit::compare(a, b) == 0;
}

uint64_t hash(const Expr& e) { return e ? e->hash : 0; }

Expr substitute(const Expr& e, const Substitution& variables) {
  if (variables.empty()) return e;
  return jit::rewrite(e, [&](const Expr& node) {
    if (!node.is(ExprKind::variable)) return node;
    const auto found = variables.find(node->name);
    return found == variables.end() ? node : found->second;
  });
}

}  // namespace altrt
