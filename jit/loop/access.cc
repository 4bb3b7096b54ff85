#include "jit/loop/access.h"

#include <algorithm>

#include "jit/loop/loops.h"

namespace altrt::jit {

namespace {

size_t depth_of(const Expr& e, const std::vector<std::string>& variables) {
  size_t depth = 0;
  visit(e, [&](const Expr& node) {
    if (!node.is(ExprKind::variable)) return;
    const auto at = std::find(variables.begin(), variables.end(), node->name);
    depth = std::max(depth, static_cast<size_t>(at - variables.begin()) + 1);
  });
  return depth;
}

/// Integer arithmetic over variables only.
bool is_pure_index(const Expr& e) {
  if (e->type != DataType::i64) return false;
  bool pure = true;
  visit(e, [&](const Expr& node) {
    if (node.is(ExprKind::access) || node.is(ExprKind::state) || node.is(ExprKind::other) || node.is(ExprKind::table) ||
        node.is(ExprKind::cast) || node->type != DataType::i64)
      pure = false;
  });
  return pure;
}

}  // namespace

Expr inside_condition(const Exprs& index, const std::vector<Interval>& ranges, Analyzer& analyzer) {
  std::vector<Expr> conditions;
  for (size_t d = 0; d < index.size(); ++d) {
    const Expr low = le(Expr(ranges[d].lo), index[d]), high = le(index[d], Expr(ranges[d].hi));
    const Interval interval = analyzer.interval(index[d]);
    if (interval.lo < ranges[d].lo && !analyzer.always(low)) conditions.push_back(low);
    if (interval.hi > ranges[d].hi && !analyzer.always(high)) conditions.push_back(high);
  }
  return conjunction(conditions);
}

Expr inside_condition(const Exprs& index, const std::vector<int64_t>& shape, Analyzer& analyzer) {
  std::vector<Interval> ranges;
  for (int64_t extent : shape) ranges.push_back({0, extent - 1});
  return inside_condition(index, ranges, analyzer);
}

Expr in_loop_order(const Expr& index, const std::vector<std::string>& variables) {
  if (index->type != DataType::i64) return index;
  const LinearForm form = linear_form(index);
  if (form.terms.size() < 2) return index;
  std::vector<std::pair<size_t, Expr>> terms;
  for (const LinearForm::Term& term : form.terms)
    terms.emplace_back(depth_of(term.atom, variables), term.atom * term.coefficient);
  std::stable_sort(terms.begin(), terms.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  Expr sum = terms[0].second;
  for (size_t i = 1; i < terms.size(); ++i) sum = sum + terms[i].second;
  return sum + form.constant;
}

Expr BodyRewriter::rewrite(const Expr& body, const BodyValues& values) const {
  return finish(scope_.simplify(lower(body, values, scope_.analyzer())), scope_.analyzer());
}

/// Last pass: indices in loop order. Simplification may have brought an index into a form whose bounds can't be seen
/// any more; it is guarded then, in the very form that it is used in.
Expr BodyRewriter::finish(const Expr& e, Analyzer& analyzer) const {
  if (e->args.empty()) return e;
  if (e.is(ExprKind::select)) {
    Analyzer taken = analyzer.assume(e->args[0]), other = analyzer.assume(e->args[0], false);
    return select(finish(e->args[0], analyzer), finish(e->args[1], taken), finish(e->args[2], other));
  }
  Exprs args;
  for (const Expr& argument : e->args) args.push_back(finish(argument, analyzer));
  if (e.is(ExprKind::table)) {
    const auto size = static_cast<int64_t>(e->table->size());
    if (!within(analyzer, args[0], 0, size)) args[0] = min(max(args[0], Expr(0)), Expr(size - 1));
    return with_args(e, args);
  }
  if (!e.is(ExprKind::access)) return with_args(e, args);
  for (Expr& index : args) index = in_loop_order(index, scope_.variables);
  const Expr inside = inside_condition(args, nest_.buffers[static_cast<size_t>(e->id)].shape, analyzer);
  const Expr read = access(e->id, e->type, args);
  return inside.is_int(1) ? read : select(inside, read, constant(e->type, 0));
}

Expr BodyRewriter::lower(const Expr& e, const BodyValues& values, Analyzer& analyzer) const {
  switch (e->kind) {
    case ExprKind::variable: {
      const auto found = values.axes.find(e->name);
      return found == values.axes.end() ? e : found->second;
    }
    case ExprKind::state:
      return values.state[static_cast<size_t>(e->id)];
    case ExprKind::other:
      return values.other[static_cast<size_t>(e->id)];
    case ExprKind::access:
      return lower_access(e, values, analyzer);
    case ExprKind::select:
      return lower_select(e, values, analyzer);
    case ExprKind::table:
      return lower_table(e, values, analyzer);
    default:
      break;
  }
  if (e->args.empty()) return e;
  if (is_pure_index(e)) return analyzer.simplify(substitute(e, values.axes));
  Exprs args;
  for (const Expr& argument : e->args) args.push_back(lower(argument, values, analyzer));
  return with_args(e, args);
}

Expr BodyRewriter::lower_select(const Expr& e, const BodyValues& values, Analyzer& analyzer) const {
  const Expr condition = analyzer.simplify(lower(e->args[0], values, analyzer));
  if (condition.is_int()) return lower(e->args[condition->int_value ? 1 : 2], values, analyzer);
  Analyzer taken = analyzer.assume(condition), other = analyzer.assume(condition, false);
  return select(condition, lower(e->args[1], values, taken), lower(e->args[2], values, other));
}

Expr BodyRewriter::lower_table(const Expr& e, const BodyValues& values, Analyzer& analyzer) const {
  Expr index = analyzer.simplify(lower(e->args[0], values, analyzer));
  const auto size = static_cast<int64_t>(e->table->size());
  if (!within(analyzer, index, 0, size)) index = min(max(index, Expr(0)), Expr(size - 1));
  return with_args(e, {index});
}

Expr BodyRewriter::lower_access(const Expr& e, const BodyValues& values, Analyzer& analyzer) const {
  const auto found = storages_.find(e->id);
  if (found == storages_.end())
    refuse(stage_, "",
           "reads a tensor outside the loop at which it is computed (tensor " + std::to_string(e->id) + ")");
  Exprs logical;
  for (const Expr& index : e->args) logical.push_back(lower(index, values, analyzer));
  Expr inside;
  const Exprs index = physical(found->second, logical, values.window, analyzer, inside);
  const Expr read = access(found->second.buffer, e->type, index);
  return inside.is_int(1) ? read : select(inside, read, constant(e->type, 0));
}

Exprs BodyRewriter::physical(const Storage& storage, const Exprs& logical, const std::vector<std::string>& window,
                             Analyzer& analyzer, Expr& inside) const {
  Exprs relative = logical;
  for (size_t d = 0; d < relative.size(); ++d) {
    if (!storage.base.empty()) relative[d] = relative[d] - storage.base[d];
    relative[d] = analyzer.simplify(relative[d]);
  }
  Exprs index = to_physical(storage.layout, storage.shape, relative, analyzer.ranges(), window);
  for (Expr& e : index) e = analyzer.simplify(e);
  if (storage.elements_only) {
    std::vector<int64_t> extents;
    for (const Extent& extent : storage.shape) extents.push_back(extent.bound);
    const Expr element = inside_condition(relative, extents, analyzer);
    if (!element.is_int(1)) {
      Analyzer under = analyzer.assume(element);
      for (Expr& e : index) e = under.simplify(e);
      inside = conjunction({element, inside_condition(index, storage.written, under)});
      return index;
    }
  }
  inside = storage.written.empty()
               ? inside_condition(index, nest_.buffers[static_cast<size_t>(storage.buffer)].shape, analyzer)
               : inside_condition(index, storage.written, analyzer);
  return index;
}

}  // namespace altrt::jit
