#include "jit/expr/computation.h"

#include <algorithm>

#include "runtime/base/hash.h"

namespace altrt {

using namespace jit;

namespace {

bool reads(const Expr& e, int tensor) {
  bool found = false;
  visit(e, [&](const Expr& node) { found = found || (node.is(ExprKind::access) && node->id == tensor); });
  return found;
}

bool reads(const Stage& s, int tensor) {
  const auto any = [&](const Expr& e) { return reads(e, tensor); };
  return std::any_of(s.results.begin(), s.results.end(), any) ||
         std::any_of(s.state.begin(), s.state.end(), [&](const StateValue& v) { return reads(v.update, tensor); });
}

void add_extent(base::Hasher& h, const Extent& e) { h.add(e.bound).add(e.size_index); }

void add_list(base::Hasher& h, const std::vector<int64_t>& list) {
  h.add(list.size());
  for (const int64_t x : list) h.add(x);
}

void add_stage(base::Hasher& h, const Stage& s) {
  Substitution numbered;
  for (const auto* axes : {&s.axes, &s.reduce}) {
    h.add(axes->size());
    for (const Axis& a : *axes) {
      add_extent(h, a.extent);
      numbered[a.name] = variable("a" + std::to_string(numbered.size()));
    }
  }
  const auto add = [&](const Expr& e) { h.add(e ? hash(substitute(e, numbered)) : 0); };
  h.add(s.state.size());
  for (const StateValue& v : s.state) {
    h.add(v.type);
    add(v.init);
    add(v.update);
    add(v.combine);
  }
  h.add(s.outputs.size());
  for (const int t : s.outputs) h.add(t);
  h.add(s.store.size());
  for (const Expr& e : s.store) add(e);
  for (const Expr& e : s.results) add(e);
}

}  // namespace

int Computation::add_tensor(TensorDecl decl) {
  tensors.push_back(std::move(decl));
  return static_cast<int>(tensors.size()) - 1;
}

int Computation::find_tensor(const std::string& name) const {
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

int Computation::find_stage(const std::string& name) const {
  for (size_t i = 0; i < stages.size(); ++i) {
    if (stages[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

std::vector<int> Computation::writers(int tensor) const {
  std::vector<int> found;
  for (size_t i = 0; i < stages.size(); ++i) {
    const std::vector<int>& outputs = stages[i].outputs;
    if (std::find(outputs.begin(), outputs.end(), tensor) != outputs.end()) found.push_back(static_cast<int>(i));
  }
  return found;
}

std::vector<int> Computation::readers(int tensor) const {
  std::vector<int> found;
  for (size_t i = 0; i < stages.size(); ++i) {
    if (reads(stages[i], tensor)) found.push_back(static_cast<int>(i));
  }
  return found;
}

std::vector<int> Computation::with_role(Role role) const {
  std::vector<int> found;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].role == role) found.push_back(static_cast<int>(i));
  }
  return found;
}

uint64_t hash(const Computation& c) {
  base::Hasher h;
  h.add(std::string_view(c.algorithm));
  h.add(c.tensors.size());
  for (const TensorDecl& t : c.tensors) {
    h.add(t.type).add(t.role).add(t.shape.size());
    for (const Extent& e : t.shape) add_extent(h, e);
  }
  h.add(c.stages.size());
  for (const Stage& s : c.stages) add_stage(h, s);
  const Anchor& a = c.anchor;
  h.add(a.kind).add(a.stage).add(a.groups).add(a.data).add(a.weights);
  for (const auto* list : {&a.kernel, &a.strides, &a.dilations, &a.pads}) add_list(h, *list);
  return h.value();
}

Exprs variables(const std::vector<Axis>& axes) {
  Exprs result;
  result.reserve(axes.size());
  for (const Axis& a : axes) result.push_back(variable(a.name));
  return result;
}

Expr in_range(const Expr& e, int64_t lo, int64_t hi) { return logical_and(le(Expr(lo), e), lt(e, Expr(hi))); }

Ranges jit::axis_ranges(const Stage& s) {
  Ranges ranges;
  for (const auto* axes : {&s.axes, &s.reduce}) {
    for (const Axis& a : *axes) ranges[a.name] = {0, a.extent.bound - 1};
  }
  return ranges;
}

}  // namespace altrt
