#include "jit/compile/stage_loops.h"

#include <algorithm>

#include "jit/layout/stored.h"
#include "jit/loop/loops.h"

namespace altrt::jit {

const Layout& layout_of(const Computation& c, int tensor, const Layouts& layouts) {
  static const Layout plain;
  const auto it = layouts.find(c.tensors[tensor].name);
  return it == layouts.end() ? plain : it->second;
}

namespace {

/// As it lies in memory, alone or with others.
Layout memory_layout(const Computation& c, int tensor, const Layouts& layouts) {
  const bool shared = std::any_of(layouts.begin(), layouts.end(), [](const auto& entry) {
    const auto& steps = entry.second.steps;
    return !steps.empty() &&
           (steps.back().kind == LayoutKind::store_at || steps.back().kind == LayoutKind::decouple_at);
  });
  return shared ? resolve_store_at(c, layouts).layout(c, tensor) : layout_of(c, tensor, layouts);
}

}  // namespace

std::vector<LoopInfo> stage_loops(const Computation& c, const Stage& stage, const Layouts& layouts) {
  const Region whole{{}, c.tensors[stage.outputs[0]].shape};
  const StageLoops initial = build_loops(c, stage, layout_of(c, stage.outputs[0], layouts), whole, false, {});
  std::vector<LoopInfo> loops;
  for (const Loop& loop : initial.order)
    loops.push_back({loop.name, loop.extent.bound, loop.extent.is_symbolic(), loop.reduction});
  return loops;
}

void append(std::vector<std::string>& to, const std::vector<std::string>& loops) {
  for (const std::string& loop : loops) append_one(to, loop);
}

void append_one(std::vector<std::string>& to, const std::string& loop) {
  if (!loop.empty()) to.push_back(loop);
}

int64_t points(const std::vector<LoopInfo>& loops) {
  int64_t count = 1;
  for (const LoopInfo& loop : loops) count *= loop.extent;
  return count;
}

std::vector<PhysicalDim> physical_dims(const Layout& layout, size_t rank) {
  std::vector<std::string> numbers;
  for (size_t i = 0; i < rank; ++i) numbers.push_back(std::to_string(i));
  const std::vector<std::string> names = physical_names(layout, numbers);
  std::vector<PhysicalDim> dims;
  for (const std::string& name : names) dims.push_back({name.find('*') == std::string::npos ? std::stoi(name) : -1});
  // Names of one dimension's digits sort in the order of their weight: "2.0.1" before "2.1".
  for (size_t i = 0; i < dims.size(); ++i) {
    dims[i].innermost = true;
    for (size_t k = 0; k < dims.size(); ++k)
      if (dims[k].dim == dims[i].dim && names[k] > names[i]) dims[i].innermost = false;
  }
  return dims;
}

std::vector<Expr> stage_accesses(const Stage& stage) {
  std::vector<Expr> found;
  const auto collect = [&](const Expr& e) {
    if (!e) return;
    visit(e, [&](const Expr& node) {
      if (node.is(ExprKind::access)) found.push_back(node);
    });
  };
  for (const StateValue& value : stage.state) collect(value.update);
  for (const Expr& result : stage.results) collect(result);
  return found;
}

AxisStride axis_stride(const Computation& c, const Expr& e, const std::string& axis, const Layouts& layouts) {
  const Layout layout = memory_layout(c, e->id, layouts);
  const std::vector<Extent>& shape = c.tensors[e->id].shape;
  // One step along the axis, seen from index 0 of everything else: exact for linear indices, and within one block for
  // split ones.
  Substitution zero, one;
  for (const Expr& index : e->args) {
    bool opaque = false;
    visit(index, [&](const Expr& node) {
      if (node.is(ExprKind::access)) opaque = true;
      if (node.is(ExprKind::variable)) zero[node->name] = one[node->name] = Expr(0);
    });
    if (opaque && uses_variable(index, axis)) return {};
  }
  if (!zero.count(axis)) return {true, 0};
  one[axis] = Expr(1);
  const auto place = [&](const Substitution& at) -> AxisStride {
    Exprs index;
    for (const Expr& i : e->args) {
      const Expr value = simplify(substitute(i, at), {});
      index.push_back(value.is_int() ? value : Expr(0));
    }
    const Exprs physical = to_physical(layout, shape, index, {});
    const std::vector<Extent> extents = physical_shape(layout, shape);
    int64_t flat = 0;
    for (size_t i = 0; i < physical.size(); ++i) {
      const Expr value = simplify(physical[i], {});
      if (!value.is_int()) return {};
      flat = flat * extents[i].bound + value->int_value;
    }
    return {true, flat};
  };
  const AxisStride first = place(zero), second = place(one);
  if (!first.known || !second.known) return {};
  return {true, second.elements - first.elements};
}

int64_t stage_flops(const Stage& stage) {
  int64_t points = 1, reduced = 1;
  for (const Axis& axis : stage.axes) points *= axis.extent.bound;
  for (const Axis& axis : stage.reduce) reduced *= axis.extent.bound;
  return stage.reduce.empty() ? points : 2 * points * reduced;
}

}  // namespace altrt::jit
