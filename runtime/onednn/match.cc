#include "runtime/onednn/match.h"

#include <algorithm>

namespace altrt::onednn {
namespace {

using jit::AnchorKind;
using jit::Expr;
using jit::ExprKind;

bool is_state(const Expr& e) { return e.is(ExprKind::state) && e->id == 0; }

// What the group must be whatever its anchor: one stage of f32 with fixed extents that writes its whole output in
// order.
bool is_simple(const jit::Computation& c) {
  if (c.algorithm != "direct" || c.stages.size() != 1 || c.anchor.stage != 0) return false;
  const jit::Stage& stage = c.stages[0];
  if (stage.outputs.size() != 1 || stage.state.size() != 1 || c.anchor.data < 0 || c.anchor.weights < 0) return false;
  for (const jit::TensorDecl& tensor : c.tensors) {
    if (tensor.type != DataType::f32 || (fixed_shape(tensor).empty() && !tensor.shape.empty())) return false;
  }
  const std::vector<int64_t> shape = fixed_shape(c.tensors[static_cast<size_t>(stage.outputs[0])]);
  if (shape.size() != stage.axes.size() || stage.store.size() != shape.size()) return false;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (stage.axes[d].extent != jit::Extent(shape[d]) || !is_axis(stage.store[d], stage.axes[d])) return false;
  }
  return std::none_of(stage.reduce.begin(), stage.reduce.end(),
                      [](const jit::Axis& axis) { return axis.extent.is_symbolic() || axis.extent.bound < 1; });
}

// Tensors other than operands, epilogue and output would not be handed to the kernel.
bool uses_all_tensors(const jit::Computation& c, const Match& m) {
  std::vector<bool> used(c.tensors.size(), false);
  for (const int tensor : {m.data, m.weights, m.output}) used[static_cast<size_t>(tensor)] = true;
  for (const Epilogue& step : m.epilogue) {
    if (step.tensor >= 0) used[static_cast<size_t>(step.tensor)] = true;
  }
  return std::all_of(used.begin(), used.end(), [](bool u) { return u; });
}

}  // namespace

std::optional<Factors> factors(const jit::Stage& stage) {
  const jit::StateValue& state = stage.state[0];
  const bool zero = state.init.is(ExprKind::constant) && state.init->float_value == 0;
  if (state.type != DataType::f32 || !zero) return {};
  const Expr& update = state.update;
  if (update.is(ExprKind::fma) && is_state(update->args[2])) return Factors{update->args[0], update->args[1]};
  if (!update.is(ExprKind::add)) return {};
  for (const size_t side : {0u, 1u}) {
    const Expr &sum = update->args[side], &product = update->args[1 - side];
    if (is_state(sum) && product.is(ExprKind::mul)) return Factors{product->args[0], product->args[1]};
  }
  return {};
}

std::vector<int64_t> fixed_shape(const jit::TensorDecl& tensor) {
  std::vector<int64_t> shape;
  for (const jit::Extent& extent : tensor.shape) {
    if (extent.is_symbolic() || extent.bound < 1) return {};
    shape.push_back(extent.bound);
  }
  return shape;
}

bool is_axis(const Expr& e, const jit::Axis& axis) {
  if (e.is(ExprKind::variable)) return e->name == axis.name;
  return axis.extent.bound == 1 && e.is_int(0);
}

std::optional<Match> match(const jit::Computation& c) {
  if (!is_simple(c)) return {};
  Match m;
  if (c.anchor.kind == AnchorKind::conv) m.convolution = match_convolution(c);
  if (c.anchor.kind == AnchorKind::matmul) m.product = match_product(c);
  if (!m.convolution && !m.product) return {};
  std::optional<std::vector<Epilogue>> epilogue = match_epilogue(c);
  if (!epilogue) return {};
  m.epilogue = std::move(*epilogue);
  m.data = c.anchor.data;
  m.weights = c.anchor.weights;
  m.output = c.stages[0].outputs[0];
  if (m.data == m.weights || !uses_all_tensors(c, m)) return {};
  return m;
}

}  // namespace altrt::onednn
