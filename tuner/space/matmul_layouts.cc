// Layouts of matrix products: padding behind the rows of the first operand.
#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

class MatmulLayouts final : public LayoutSpace {
 public:
  MatmulLayouts(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target)
      : LayoutSpace(c, initial, target) {
    const int data = changed().anchor.data;
    if (data < 0) return;  // the first operand is computed here
    const jit::TensorDecl& rows = changed().tensors[static_cast<size_t>(data)];
    const jit::Layout& now = jit::layout_of(changed(), data, initial.layouts);
    const int64_t padding = now.is_plain() ? 0 : now.steps[0].hi;
    const jit::MatmulExtents extents =
        jit::matmul_extents(changed(), changed().stages[static_cast<size_t>(changed().anchor.stage)]);
    if (extents.m > 1 && rows.role == jit::Role::input && now == jit::padded_rows(rows.shape, padding)) {
      add_knob("row_padding", {0, 16}, padding);
    }
  }

 private:
  jit::Layouts layouts(const Point& point) const override {
    jit::Layouts layouts = initial().layouts;
    if (!has("row_padding")) return layouts;
    const jit::TensorDecl& rows = changed().tensors[static_cast<size_t>(changed().anchor.data)];
    layouts.erase(rows.name);
    const int64_t padding = value(point, "row_padding");
    if (padding > 0) layouts[rows.name] = jit::padded_rows(rows.shape, padding);
    return layouts;
  }
};

}  // namespace

std::unique_ptr<LayoutSpace> matmul_layouts(const jit::Computation& c, const jit::GroupDecision& initial,
                                            const jit::Target& target) {
  return std::make_unique<MatmulLayouts>(c, initial, target);
}

}  // namespace altrt::tuner
