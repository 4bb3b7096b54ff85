#include "runtime/ops/op.h"

namespace altrt::ops {
namespace {

using jit::Expr;
using jit::Exprs;

bool has_empty_axis(const std::vector<jit::Axis>& axes) {
  for (const jit::Axis& axis : axes) {
    if (axis.extent.bound == 0) return true;
  }
  return false;
}

/// `e` with every state value replaced.
Expr with_state(const Expr& e, const Exprs& values) {
  return jit::rewrite(e, [&](const Expr& node) { return node.is(jit::ExprKind::state) ? values.at(node->id) : node; });
}

/// How much an anchor has to say about a group.
int weight(jit::AnchorKind kind) {
  switch (kind) {
    case jit::AnchorKind::none:
      return 0;
    case jit::AnchorKind::reduce:
      return 1;
    case jit::AnchorKind::normalize:
      return 2;
    case jit::AnchorKind::pool:
      return 3;
    default:
      return 4;
  }
}

}  // namespace

Builder::Builder(jit::Computation& computation, std::vector<int> inputs, std::vector<int> outputs, std::string prefix)
    : computation_(computation), inputs_(std::move(inputs)), outputs_(std::move(outputs)), prefix_(std::move(prefix)) {
  for (const jit::TensorDecl& tensor : computation.tensors) names_.insert(tensor.name);
  for (const jit::Stage& stage : computation.stages) {
    names_.insert(stage.name);
    for (const jit::Axis& axis : stage.axes) names_.insert(axis.name);
    for (const jit::Axis& axis : stage.reduce) names_.insert(axis.name);
  }
}

Shape Builder::shape(int tensor) const {
  Shape shape;
  for (const jit::Extent& extent : computation_.tensors.at(tensor).shape) shape.push_back(extent.bound);
  return shape;
}

Expr Builder::at(int tensor, Exprs indices) const { return jit::access(tensor, type(tensor), std::move(indices)); }

Expr Builder::broadcast_at(int tensor, const Exprs& point) const {
  const Shape extents = shape(tensor);
  Exprs indices;
  for (size_t d = 0; d < extents.size(); ++d) {
    indices.push_back(extents[d] == 1 ? Expr(0) : point.at(point.size() - extents.size() + d));
  }
  return at(tensor, std::move(indices));
}

std::vector<jit::Axis> Builder::axes(const Shape& shape, const std::vector<std::string>& names) {
  std::vector<jit::Axis> axes;
  for (size_t d = 0; d < shape.size(); ++d) {
    axes.push_back({unique(d < names.size() ? names[d] : "d" + std::to_string(d)), shape[d]});
  }
  return axes;
}

int Builder::intermediate(const std::string& name, DataType type, const Shape& shape) {
  jit::TensorDecl decl;
  decl.name = unique(prefix_.empty() ? name : prefix_ + "." + name);
  decl.type = type;
  decl.shape.assign(shape.begin(), shape.end());
  decl.role = jit::Role::intermediate;
  return computation_.add_tensor(std::move(decl));
}

int Builder::add_stage(jit::Stage stage) {
  const jit::TensorDecl& tensor = computation_.tensors.at(stage.outputs.front());
  stage.name = unique(tensor.role == jit::Role::intermediate ? tensor.name + "_" : prefix_.empty() ? "y_" : prefix_);
  computation_.stages.push_back(std::move(stage));
  return static_cast<int>(computation_.stages.size()) - 1;
}

int Builder::map(int tensor, const std::vector<jit::Axis>& axes, const Expr& value, Exprs store) {
  if (has_empty_axis(axes)) return -1;
  jit::Stage stage;
  stage.axes = axes;
  stage.outputs = {tensor};
  stage.store = store.empty() ? jit::variables(axes) : std::move(store);
  stage.results = {value};
  return add_stage(std::move(stage));
}

int Builder::reduce(int tensor, const std::vector<jit::Axis>& axes, const std::vector<jit::Axis>& reduce,
                    const jit::StateValue& state, const Expr& finalise) {
  return reduce_many({tensor}, axes, reduce, {state}, {finalise ? finalise : jit::state(0, state.type)});
}

int Builder::reduce_many(const std::vector<int>& tensors, const std::vector<jit::Axis>& axes,
                         const std::vector<jit::Axis>& reduce, const std::vector<jit::StateValue>& state,
                         const Exprs& results) {
  if (has_empty_axis(axes)) return -1;
  jit::Stage stage;
  stage.axes = axes;
  stage.store = jit::variables(axes);
  stage.state = state;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i] < 0) continue;
    stage.outputs.push_back(tensors[i]);
    stage.results.push_back(results.at(i));
  }
  if (stage.outputs.empty()) return -1;
  jit::Substitution units;
  for (const jit::Axis& axis : reduce) {
    if (axis.extent == jit::Extent(1)) {
      units.emplace(axis.name, Expr(0));
    } else {
      stage.reduce.push_back(axis);
    }
  }
  for (jit::StateValue& value : stage.state) {
    if (!units.empty()) value.update = jit::substitute(value.update, units);
  }
  if (stage.reduce.empty() || has_empty_axis(stage.reduce)) {
    Exprs init, last;
    for (const jit::StateValue& value : stage.state) init.push_back(value.init);
    for (const jit::StateValue& value : stage.state) {
      last.push_back(stage.reduce.empty() ? with_state(value.update, init) : value.init);
    }
    for (Expr& result : stage.results) result = with_state(result, last);
    stage.reduce.clear();
    stage.state.clear();
  }
  return add_stage(std::move(stage));
}

void Builder::set_anchor(const jit::Anchor& anchor) {
  if (anchor.stage < 0 || computation_.stages[anchor.stage].reduce.empty()) return;
  if (weight(anchor.kind) > weight(computation_.anchor.kind)) computation_.anchor = anchor;
}

std::string Builder::unique(const std::string& name) {
  std::string candidate = name;
  for (int i = 2; !names_.insert(candidate).second; ++i) candidate = name + std::to_string(i);
  return candidate;
}

}  // namespace altrt::ops
