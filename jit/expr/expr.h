// What the compiler does with expressions beside making them: the public <altrt/expr.h> has the type and its makers.
#pragma once

#include <functional>
#include <string>

#include <altrt/expr.h>

namespace altrt::jit {

using altrt::Expr;
using altrt::ExprKind;
using altrt::ExprNode;
using altrt::Exprs;
using altrt::Substitution;

using altrt::access;
using altrt::bitcast;
using altrt::boolean;
using altrt::call;
using altrt::cast;
using altrt::constant;
using altrt::constant_float;
using altrt::constant_int;
using altrt::div;
using altrt::eq;
using altrt::floor_div;
using altrt::floor_mod;
using altrt::fma;
using altrt::le;
using altrt::logical_and;
using altrt::logical_not;
using altrt::logical_or;
using altrt::lt;
using altrt::max;
using altrt::min;
using altrt::ne;
using altrt::other;
using altrt::select;
using altrt::shift;
using altrt::state;
using altrt::table;
using altrt::unary;
using altrt::variable;

using altrt::equal;
using altrt::hash;
using altrt::substitute;
using altrt::to_string;

/// `a` as the thread `distance` places up in the warp has it.
Expr shuffle_down(const Expr& a, int distance);

/// A node like `e` with other arguments (through the makers, so that folding happens again).
Expr with_args(const Expr& e, Exprs args);
/// A total order by structure (kind, names, values, arguments), equal on every machine: negative, 0 or positive.
int compare(const Expr& a, const Expr& b);
/// Rebuilds bottom-up; `f` sees each node after its arguments were rewritten and returns its replacement. Called once
/// per distinct node: what was shared stays shared, and time is linear in the number of distinct nodes.
Expr rewrite(const Expr& e, const std::function<Expr(const Expr&)>& f);
/// Calls `f` once on every distinct node, parents first.
void visit(const Expr& e, const std::function<void(const Expr&)>& f);
bool uses_variable(const Expr& e, const std::string& name);

}  // namespace altrt::jit
