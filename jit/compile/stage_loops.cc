#include "jit/compile/stage_loops.h"

#include <algorithm>

namespace altrt::jit {

const Layout& layout_of(const Computation& c, int tensor, const Layouts& layouts) {
  static const Layout plain;
  const auto it = layouts.find(c.tensors[tensor].name);
  return it == layouts.end() ? plain : it->second;
}

namespace {

bool stores_at_axes(const Stage& stage) {
  if (stage.store.size() != stage.axes.size()) return false;
  for (size_t i = 0; i < stage.axes.size(); ++i) {
    if (!stage.store[i].is(ExprKind::variable) || stage.store[i]->name != stage.axes[i].name) return false;
  }
  return true;
}

// Padding with a value that no later primitive moves: loops stay inside it.
int64_t border_of(const Layout& layout, size_t step) {
  const LayoutStep& pad = layout.steps[step];
  for (size_t later = step + 1; later < layout.steps.size(); ++later) {
    if (layout.steps[later].kind != LayoutKind::pad) return 0;
  }
  return pad.fill ? pad.lo + pad.hi : 0;
}

}  // namespace

std::vector<LoopInfo> stage_loops(const Computation& c, const Stage& stage, const Layouts& layouts) {
  std::vector<LoopInfo> loops;
  if (stores_at_axes(stage)) {
    const Layout& layout = layout_of(c, stage.outputs[0], layouts);
    std::vector<std::string> names;
    for (const Axis& axis : stage.axes) names.push_back(axis.name);
    const std::vector<std::string> physical = physical_names(layout, names);
    const std::vector<Extent> shape = physical_shape(layout, c.tensors[stage.outputs[0]].shape);
    for (size_t i = 0; i < shape.size(); ++i) {
      loops.push_back({physical[i], shape[i].bound, shape[i].is_symbolic(), false});
    }
    for (size_t s = 0; s < layout.steps.size(); ++s) {
      const LayoutStep& step = layout.steps[s];
      if (step.kind == LayoutKind::pad) loops[step.dim].extent -= border_of(layout, s);
    }
  } else {
    for (const Axis& axis : stage.axes) {
      loops.push_back({axis.name, axis.extent.bound, axis.extent.is_symbolic(), false});
    }
  }
  for (const Axis& axis : stage.reduce) {
    loops.push_back({axis.name, axis.extent.bound, axis.extent.is_symbolic(), true});
  }
  return loops;
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
  const Layout& layout = layout_of(c, e->id, layouts);
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

}  // namespace altrt::jit
