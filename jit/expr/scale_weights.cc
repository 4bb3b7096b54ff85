#include "jit/expr/scale_weights.h"

#include <algorithm>
#include <utility>

#include "jit/expr/algorithms.h"

namespace altrt::jit {

namespace {

/// Whether `e` differs between the pixels of the output.
bool varies(const Expr& e, const Stage& stage) {
  const size_t channels = std::min<size_t>(2, stage.axes.size());
  return std::any_of(stage.axes.begin() + static_cast<std::ptrdiff_t>(channels), stage.axes.end(),
                     [&](const Axis& axis) { return axis.extent != Extent(1) && uses_variable(e, axis.name); });
}

}  // namespace

bool scale_weights(Computation& c) {
  if (c.anchor.kind != AnchorKind::conv || c.anchor.stage < 0) return false;
  Stage& stage = c.stages[static_cast<size_t>(c.anchor.stage)];
  if (stage.state.size() != 1 || stage.reduce.empty()) return false;
  const Factors factors = factors_of(stage);
  if (!factors.first) return false;
  for (const auto& [scaled, weights] : {std::pair(factors.first, factors.second), {factors.second, factors.first}}) {
    if (!scaled.is(ExprKind::mul) || varies(weights, stage)) continue;
    for (const size_t side : {0u, 1u}) {
      const Expr &image = scaled->args[side], &scale = scaled->args[1 - side];
      if (!image.is(ExprKind::access) || !scale.is(ExprKind::access)) continue;
      if (!varies(image, stage) || varies(scale, stage)) continue;
      stage.state[0].update = fma(image, scale * weights, state(0, image->type));
      c.anchor.data = image->id;
      return true;
    }
  }
  return false;
}

}  // namespace altrt::jit
