#include "runtime/plan/slabs.h"

#include <algorithm>

namespace altrt::plan {
namespace {

// What a thread reads and packs at a time, about: it stays in the second-level cache.
constexpr int64_t kBytes = 512 << 10;
// Each thread has a piece in memory.
constexpr int64_t kMostBytes = 16 << 20;

// Rows that lie together in the layout's outermost dimension; 0 if that is not made of the first dimension alone.
int64_t rows_together(const jit::Layout& layout) {
  int64_t rows = 1;
  bool blocked = false;
  for (size_t i = 0; i < layout.steps.size(); ++i) {
    const jit::LayoutStep& step = layout.steps[i];
    switch (step.kind) {
      case jit::LayoutKind::pad:  // up to whole blocks: the last piece has it
        if (step.dim == 0 && (i > 0 || step.lo != 0)) return 0;
        break;
      case jit::LayoutKind::split:
        if (step.dim != 0) break;
        if (blocked || step.factors[0] != 0) return 0;
        blocked = true;
        for (size_t f = 1; f < step.factors.size(); ++f) rows *= step.factors[f];
        break;
      case jit::LayoutKind::reorder:
        if (step.factors[0] != 0) return 0;
        break;
      default:
        return 0;
    }
  }
  return rows;
}

}  // namespace

Slabs::Slabs(const Tensor& tensor, const jit::Layout& layout)
    : type_(tensor.type()), shape_(tensor.shape()), layout_(layout) {
  const int64_t together = shape_.empty() || tensor.bytes() == 0 ? 0 : rows_together(layout);
  if (together == 0) return;
  const int64_t row = static_cast<int64_t>(tensor.bytes()) / shape_[0];
  if (row > kMostBytes / together) return;
  rows_ = std::max<int64_t>(1, kBytes / (row * together)) * together;
  bytes_ = static_cast<size_t>(rows_ * row);
}

jit::Permute Slabs::permute(bool last) const {
  std::vector<int64_t> shape = shape_;
  jit::Layout layout = layout_;
  shape[0] = last ? shape_[0] - (count() - 1) * rows_ : rows_;
  const auto pads_rows = [](const jit::LayoutStep& step) { return step.kind == jit::LayoutKind::pad && step.dim == 0; };
  if (!last && !layout.steps.empty() && pads_rows(layout.steps.front())) layout.steps.erase(layout.steps.begin());
  return jit::Permute(type_, shape, {}, layout);
}

}  // namespace altrt::plan
