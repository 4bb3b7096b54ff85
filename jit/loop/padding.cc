#include "jit/loop/padding.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "jit/expr/algorithms.h"
#include "jit/expr/analysis.h"
#include "jit/loop/scope.h"

namespace altrt::jit {

namespace {

/// Splits erase what was known about one dimension's padding; the rest moves along.
template <typename T>
std::vector<T> moved(const std::vector<T>& dims, const LayoutStep& step, const T& fresh) {
  const auto at = dims.begin() + step.dim;
  std::vector<T> result(dims.begin(), at);
  const auto keep_from = [&](std::ptrdiff_t count) { result.insert(result.end(), at + count, dims.end()); };
  switch (step.kind) {
    case LayoutKind::split:
      result.insert(result.end(), step.factors.size(), fresh);
      keep_from(1);
      return result;
    case LayoutKind::fuse:
      result.push_back(fresh);
      keep_from(step.factors[0]);
      return result;
    case LayoutKind::unfold:
      result.insert(result.end(), 2, fresh);
      keep_from(1);
      return result;
    case LayoutKind::fold:
      result.push_back(fresh);
      keep_from(2);
      return result;
    case LayoutKind::reorder:
      result.clear();
      for (int64_t from : step.factors) result.push_back(dims[static_cast<size_t>(from)]);
      return result;
    case LayoutKind::store_at:
      result.push_back(fresh);
      keep_from(0);
      return result;
    case LayoutKind::decouple_at:
      keep_from(1);
      return result;
    case LayoutKind::pad:
    case LayoutKind::unpad:
      return dims;
  }
  return dims;
}

size_t dims_touched(const LayoutStep& step) {
  if (step.kind == LayoutKind::fuse) return static_cast<size_t>(step.factors[0]);
  if (step.kind == LayoutKind::fold) return 2;
  return step.kind == LayoutKind::reorder || step.kind == LayoutKind::store_at ? 0 : 1;
}

bool same_value(double a, double b) {
  return (a == b && std::signbit(a) == std::signbit(b)) || (std::isnan(a) && std::isnan(b));
}

}  // namespace

LayoutPadding analyze_padding(const Layout& layout, size_t rank) {
  LayoutPadding result;
  std::vector<PhysicalPadding> dims(rank);
  for (const LayoutStep& step : layout.steps) {
    const auto first = static_cast<size_t>(step.dim);
    if (step.kind == LayoutKind::pad) {
      PhysicalPadding& dim = dims[first];
      dim.lo += step.lo;
      dim.hi += step.hi;
      dim.lo_filled = dim.lo_filled || (step.fill && step.lo > 0);
      dim.hi_filled = dim.hi_filled || (step.fill && step.hi > 0);
      continue;
    }
    for (size_t i = first; i < first + dims_touched(step); ++i) {
      result.inner_filled = result.inner_filled || dims[i].lo_filled || dims[i].hi_filled;
      dims[i] = PhysicalPadding();  // unpad too: what is left of the padding is walked over like elements
    }
    dims = moved(dims, step, PhysicalPadding());
  }
  result.outer = dims;
  return result;
}

std::vector<PadReach> fill_reach(const Layout& layout, size_t rank) {
  std::vector<PadReach> reach(rank);
  std::vector<int> logical(rank);
  for (size_t i = 0; i < rank; ++i) logical[i] = static_cast<int>(i);
  std::vector<bool> closed(rank, false);
  for (const LayoutStep& step : layout.steps) {
    const auto first = static_cast<size_t>(step.dim);
    if (step.kind == LayoutKind::pad && logical[first] >= 0 && !closed[static_cast<size_t>(logical[first])]) {
      const auto dim = static_cast<size_t>(logical[first]);
      PadReach& r = reach[dim];
      if (step.fill && (!r.fill || same_value(*r.fill, *step.fill))) {
        r.lo += step.lo;
        r.hi += step.hi;
        r.fill = step.fill;
      } else {
        closed[dim] = true;  // what lies further out is something else
      }
      continue;
    }
    if (step.kind == LayoutKind::unpad && logical[first] >= 0) {
      reach[static_cast<size_t>(logical[first])] = PadReach();
      closed[static_cast<size_t>(logical[first])] = true;
    }
    logical = moved(logical, step, -1);
  }
  return reach;
}

namespace {

/// a >= 0 exactly where b >= 0: b = m*a + r with 0 <= r < m.
bool same_condition(const Expr& a, const Expr& b) {
  const LinearForm x = linear_form(a), y = linear_form(b);
  if (x.terms.empty() || x.terms.size() != y.terms.size()) return false;
  if (y.terms[0].coefficient % x.terms[0].coefficient != 0) return false;
  const int64_t m = y.terms[0].coefficient / x.terms[0].coefficient;
  if (m < 1) return false;
  const LinearForm rest = add_scaled(y, x, -m);
  return rest.terms.empty() && rest.constant >= 0 && rest.constant < m;
}

enum class Side { none, low, high };

struct GuardedDim {
  size_t dim = 0;
  Side side = Side::none;
};

/// Which end of which dimension of `read` (an access) the condition protects.
GuardedDim protects(const Expr& condition, const Expr& read, const TensorDecl& tensor) {
  const Expr form = nonnegative_form(condition);
  if (!form) return {};
  for (size_t d = 0; d < read->args.size(); ++d) {
    if (same_condition(form, read->args[d])) return {d, Side::low};
    if (!tensor.shape[d].is_symbolic() && same_condition(form, Expr(tensor.shape[d].bound - 1) - read->args[d]))
      return {d, Side::high};
  }
  return {};
}

bool is_guarded_read(const Expr& e) {
  return e.is(ExprKind::select) && e->args[1].is(ExprKind::access) && e->args[2].is(ExprKind::constant);
}

double constant_value(const Expr& e) { return e.is_int() ? static_cast<double>(e->int_value) : e->float_value; }

template <typename F>
void for_each_body(Stage& stage, const F& f) {
  for (StateValue& state : stage.state) state.update = f(state.update);
  for (Expr& result : stage.results) result = f(result);
}

Ranges ranges_of(const Stage& stage) {
  Ranges ranges;
  for (const Axis& axis : stage.axes) ranges[axis.name] = {0, axis.extent.bound - 1};
  for (const Axis& axis : stage.reduce) ranges[axis.name] = {0, axis.extent.bound - 1};
  return ranges;
}

bool is_covered(const Expr& read, const GuardedDim& guarded, double value, const TensorDecl& tensor,
                const OutsideValues& outside, const Ranges& ranges) {
  const auto t = static_cast<size_t>(read->id);
  if (!outside.border[t].value.empty()) {
    const auto& border = outside.border[t].value[guarded.dim];
    return border && same_value(*border, value);
  }
  if (outside.reach[t].empty()) return false;
  const PadReach& reach = outside.reach[t][guarded.dim];
  if (!reach.fill || !same_value(*reach.fill, value)) return false;
  const auto interval = bounds(read->args[guarded.dim], ranges);
  if (!interval) return false;
  return guarded.side == Side::low ? interval->lo >= -reach.lo
                                   : interval->hi < tensor.shape[guarded.dim].bound + reach.hi;
}

}  // namespace

Exprs contributing_conditions(const Stage& stage) {
  if (stage.state.size() != 1) return {};
  const Expr& update = stage.state[0].update;
  const Factors product = factors_of(stage);
  Exprs parts;
  if (product.first) {
    parts = {product.first, product.second};
  } else if (update.is(ExprKind::add) && update->args[0].is(ExprKind::state)) {
    parts = {update->args[1]};
  }
  for (const Expr& part : parts)
    if (is_guarded_read(part) && same_value(constant_value(part->args[2]), 0)) return conjuncts(part->args[0]);
  return {};
}

Border common_border(const Computation& c, int tensor,
                     const std::function<bool(const Stage&, const Expr& condition)>& is_tested) {
  const TensorDecl& decl = c.tensors[static_cast<size_t>(tensor)];
  Border border;
  border.value.resize(decl.shape.size());
  std::vector<bool> differs(decl.shape.size(), false);
  const auto look = [&](const Stage& stage, const Expr& e) {
    if (!is_guarded_read(e) || e->args[1]->id != tensor) return;
    const double value = constant_value(e->args[2]);
    for (const Expr& condition : conjuncts(e->args[0])) {
      const GuardedDim guarded = protects(condition, e->args[1], decl);
      if (guarded.side == Side::none || is_tested(stage, condition)) continue;
      auto& known = border.value[guarded.dim];
      if (known && !same_value(*known, value)) differs[guarded.dim] = true;
      known = value;
    }
  };
  for (const Stage& stage : c.stages) {
    const auto look_here = [&](const Expr& e) { look(stage, e); };
    for (const StateValue& state : stage.state) visit(state.update, look_here);
    for (const Expr& result : stage.results) visit(result, look_here);
  }
  for (size_t d = 0; d < differs.size(); ++d)
    if (differs[d]) border.value[d].reset();
  return border;
}

void drop_covered_guards(Computation& c, const OutsideValues& outside) {
  for (Stage& stage : c.stages) {
    const Ranges ranges = ranges_of(stage);
    const auto drop = [&](const Expr& e) {
      if (!is_guarded_read(e)) return e;
      const Expr& read = e->args[1];
      const TensorDecl& tensor = c.tensors[static_cast<size_t>(read->id)];
      const double value = constant_value(e->args[2]);
      std::vector<Expr> kept;
      for (const Expr& condition : conjuncts(e->args[0])) {
        const GuardedDim guarded = protects(condition, read, tensor);
        const bool covered = guarded.side != Side::none && is_covered(read, guarded, value, tensor, outside, ranges);
        if (!covered) kept.push_back(condition);
      }
      return kept.empty() ? read : select(conjunction(kept), read, e->args[2]);
    };
    for_each_body(stage, [&](const Expr& body) { return rewrite(body, drop); });
  }
}

}  // namespace altrt::jit
