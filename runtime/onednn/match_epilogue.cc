// The result of a stage as a chain of operations on state(0).
#include <algorithm>
#include <cmath>

#include "runtime/onednn/match.h"

namespace altrt::onednn {
namespace {

using jit::Expr;
using jit::ExprKind;

using Chain = std::optional<std::vector<Epilogue>>;

class Matcher {
 public:
  explicit Matcher(const jit::Computation& c) : c_(c), stage_(c.stages[0]) {}

  Chain chain(const Expr& e) const {
    if (e.is(ExprKind::state)) return std::vector<Epilogue>{};
    if (!e.is(ExprKind::add) && !e.is(ExprKind::max) && !e.is(ExprKind::min)) return {};
    for (const size_t side : {0u, 1u}) {
      const Expr &inner = e->args[side], &other = e->args[1 - side];
      if (other.is(e.is(ExprKind::add) ? ExprKind::access : ExprKind::constant)) {
        Chain steps = chain(inner);
        return steps && append(*steps, e->kind, other) ? steps : std::nullopt;
      }
    }
    return {};
  }

 private:
  bool append(std::vector<Epilogue>& steps, ExprKind kind, const Expr& other) const {
    if (kind == ExprKind::add) return append_addend(steps, other);
    const double limit = other->float_value;
    if (std::isnan(limit)) return false;
    if (steps.empty() || steps.back().kind != Epilogue::Kind::clip) steps.push_back({});
    Epilogue& clip = steps.back();
    if (kind == ExprKind::max) {
      clip.low = std::max(clip.low, limit);
    } else {
      clip.high = std::min(clip.high, limit);
    }
    return clip.low <= clip.high;
  }

  bool append_addend(std::vector<Epilogue>& steps, const Expr& addend) const {
    Epilogue step;
    step.tensor = addend->id;
    const jit::TensorDecl& tensor = c_.tensors[static_cast<size_t>(addend->id)];
    if (is_bias(addend, tensor)) {
      step.kind = Epilogue::Kind::bias;
    } else if (is_residual(addend, tensor)) {
      step.kind = Epilogue::Kind::residual;
    } else {
      return false;
    }
    for (const Epilogue& earlier : steps) {
      if (earlier.kind == step.kind) return false;
      if (earlier.kind == Epilogue::Kind::clip && step.kind == Epilogue::Kind::bias) return false;
    }
    steps.push_back(step);
    return true;
  }

  // One element per output channel of a convolution or per column of a product.
  bool is_bias(const Expr& e, const jit::TensorDecl& tensor) const {
    const jit::Axis& axis = c_.anchor.kind == jit::AnchorKind::conv ? stage_.axes[1] : stage_.axes.back();
    if (tensor.shape.empty() || axis.extent.bound == 1) return false;
    int64_t elements = 1;
    for (const jit::Extent& extent : tensor.shape) elements *= extent.bound;
    if (elements != axis.extent.bound) return false;
    // All its other extents are 1, so the only index that isn't 0 must be the axis.
    return std::count_if(e->args.begin(), e->args.end(),
                         [&](const Expr& i) { return i.is(ExprKind::variable) && i->name == axis.name; }) == 1;
  }

  bool is_residual(const Expr& e, const jit::TensorDecl& tensor) const {
    const jit::TensorDecl& output = c_.tensors[static_cast<size_t>(stage_.outputs[0])];
    if (tensor.shape != output.shape) return false;
    for (size_t d = 0; d < stage_.axes.size(); ++d) {
      if (!is_axis(e->args[d], stage_.axes[d])) return false;
    }
    return true;
  }

  const jit::Computation& c_;
  const jit::Stage& stage_;
};

}  // namespace

Chain match_epilogue(const jit::Computation& c) { return Matcher(c).chain(c.stages[0].results[0]); }

}  // namespace altrt::onednn
