#include "runtime/ops/op.h"

#include "jit/expr/bound_shape.h"

namespace altrt {
namespace {

bool has_empty_axis(const std::vector<Axis>& axes) {
  for (const Axis& axis : axes) {
    if (axis.extent.bound == 0) return true;
  }
  return false;
}

/// `e` with every state value replaced.
Expr with_state(const Expr& e, const Exprs& values) {
  return jit::rewrite(e, [&](const Expr& node) { return node.is(ExprKind::state) ? values.at(node->id) : node; });
}

/// How much an anchor has to say about a group.
int weight(AnchorKind kind) {
  switch (kind) {
    case AnchorKind::none:
      return 0;
    case AnchorKind::reduce:
      return 1;
    case AnchorKind::normalize:
      return 2;
    case AnchorKind::pool:
      return 3;
    default:
      return 4;
  }
}

}  // namespace

ComputationBuilder::ComputationBuilder(Computation& computation, std::vector<int> inputs, std::vector<int> outputs,
                                       std::string prefix)
    : computation_(computation), inputs_(std::move(inputs)), outputs_(std::move(outputs)), prefix_(std::move(prefix)) {
  for (const TensorDecl& tensor : computation.tensors) names_.insert(tensor.name);
  for (const Stage& stage : computation.stages) {
    names_.insert(stage.name);
    for (const Axis& axis : stage.axes) names_.insert(axis.name);
    for (const Axis& axis : stage.reduce) names_.insert(axis.name);
  }
}

const TensorDecl& ComputationBuilder::declaration(int tensor) const {
  if (tensor >= 0 && tensor < static_cast<int>(computation_.tensors.size())) {
    return computation_.tensors[static_cast<size_t>(tensor)];
  }
  throw Error(ErrorCode::invalid_argument, "computation " + computation_.name + ": there is no tensor number " +
                                               std::to_string(tensor) +
                                               (tensor == -1 ? ": the input is absent or the output not wanted" : ""));
}

Shape ComputationBuilder::shape(int tensor) const { return jit::bound_shape(declaration(tensor).shape); }

DataType ComputationBuilder::type(int tensor) const { return declaration(tensor).type; }

Expr ComputationBuilder::at(int tensor, Exprs indices) const {
  return jit::access(tensor, type(tensor), std::move(indices));
}

Expr ComputationBuilder::broadcast_at(int tensor, const Exprs& point) const {
  const Shape extents = shape(tensor);
  Exprs indices;
  for (size_t d = 0; d < extents.size(); ++d) {
    indices.push_back(extents[d] == 1 ? Expr(0) : point.at(point.size() - extents.size() + d));
  }
  return at(tensor, std::move(indices));
}

std::vector<Axis> ComputationBuilder::axes(const Shape& shape, const std::vector<std::string>& names) {
  std::vector<Axis> axes;
  for (size_t d = 0; d < shape.size(); ++d) {
    axes.push_back({unique(d < names.size() ? names[d] : "d" + std::to_string(d)), shape[d]});
  }
  return axes;
}

int ComputationBuilder::intermediate(const std::string& name, DataType type, const Shape& shape) {
  TensorDecl decl;
  decl.name = unique(prefix_.empty() ? name : prefix_ + "." + name);
  decl.type = type;
  decl.shape.assign(shape.begin(), shape.end());
  decl.role = Role::intermediate;
  return computation_.add_tensor(std::move(decl));
}

int ComputationBuilder::add_stage(Stage stage) {
  const TensorDecl& tensor = declaration(stage.outputs.front());
  stage.name = unique(tensor.role == Role::intermediate ? tensor.name + "_" : prefix_.empty() ? "y_" : prefix_);
  computation_.stages.push_back(std::move(stage));
  return static_cast<int>(computation_.stages.size()) - 1;
}

int ComputationBuilder::map(int tensor, const std::vector<Axis>& axes, const Expr& value, Exprs store) {
  if (has_empty_axis(axes)) return -1;
  Stage stage;
  stage.axes = axes;
  stage.outputs = {tensor};
  stage.store = store.empty() ? jit::variables(axes) : std::move(store);
  stage.results = {value};
  return add_stage(std::move(stage));
}

int ComputationBuilder::reduce(int tensor, const std::vector<Axis>& axes, const std::vector<Axis>& reduce,
                               const StateValue& state, const Expr& finalise) {
  return reduce_many({tensor}, axes, reduce, {state}, {finalise ? finalise : jit::state(0, state.type)});
}

int ComputationBuilder::reduce_many(const std::vector<int>& tensors, const std::vector<Axis>& axes,
                                    const std::vector<Axis>& reduce, const std::vector<StateValue>& state,
                                    const Exprs& results) {
  if (has_empty_axis(axes)) return -1;
  Stage stage;
  stage.axes = axes;
  stage.store = jit::variables(axes);
  stage.state = state;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i] < 0) continue;
    stage.outputs.push_back(tensors[i]);
    stage.results.push_back(results.at(i));
  }
  if (stage.outputs.empty()) return -1;
  Substitution units;
  for (const Axis& axis : reduce) {
    if (axis.extent == Extent(1)) {
      units.emplace(axis.name, Expr(0));
    } else {
      stage.reduce.push_back(axis);
    }
  }
  for (StateValue& value : stage.state) {
    if (!units.empty()) value.update = jit::substitute(value.update, units);
  }
  if (stage.reduce.empty() || has_empty_axis(stage.reduce)) {
    Exprs init, last;
    for (const StateValue& value : stage.state) init.push_back(value.init);
    for (const StateValue& value : stage.state) {
      last.push_back(stage.reduce.empty() ? with_state(value.update, init) : value.init);
    }
    for (Expr& result : stage.results) result = with_state(result, last);
    stage.reduce.clear();
    stage.state.clear();
  }
  return add_stage(std::move(stage));
}

void ComputationBuilder::set_anchor(const Anchor& anchor) {
  if (anchor.stage < 0 || computation_.stages[anchor.stage].reduce.empty()) return;
  if (weight(anchor.kind) >= weight(computation_.anchor.kind)) computation_.anchor = anchor;
}

std::string ComputationBuilder::unique(const std::string& name) {
  std::string candidate = name;
  for (int i = 2; !names_.insert(candidate).second; ++i) candidate = name + std::to_string(i);
  return candidate;
}

}  // namespace altrt
