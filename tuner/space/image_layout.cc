#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

using jit::Layout;
using jit::LayoutKind;
using jit::LayoutStep;

Layout image_layout(const std::vector<jit::Extent>& shape, int64_t block, const std::vector<LayoutStep>& borders) {
  Layout layout;
  if (block > 1) {
    const int64_t rest = jit::round_up_to(shape[1].bound, block) - shape[1].bound;
    if (rest) layout.pad(1, 0, rest, std::nullopt);
    layout.split(1, {0, block});
    std::vector<int64_t> order{0, 1};
    for (size_t i = 2; i < shape.size(); ++i) order.push_back(static_cast<int64_t>(i) + 1);
    order.push_back(2);
    layout.reorder(order);
  }
  for (const LayoutStep& border : borders) layout.pad(border.dim, border.lo, border.hi, border.fill);
  return layout;
}

}  // namespace

std::optional<Layout> with_channel_block(const Layout& layout, const std::vector<jit::Extent>& shape, int64_t block) {
  if (shape.size() < 3) return std::nullopt;
  size_t first_border = layout.steps.size();
  while (first_border > 0) {
    const LayoutStep& step = layout.steps[first_border - 1];
    if (step.kind != LayoutKind::pad || step.dim < 2 || !step.fill) break;
    --first_border;
  }
  const std::vector<LayoutStep> borders(layout.steps.begin() + static_cast<std::ptrdiff_t>(first_border),
                                        layout.steps.end());
  if (!(image_layout(shape, jit::channel_block(layout), borders) == layout)) return std::nullopt;
  return image_layout(shape, block, borders);
}

}  // namespace altrt::tuner
