#include "runtime/graph/image_layout.h"

#include "jit/compile/stage_loops.h"
#include "jit/compile/templates.h"

namespace altrt::graph {

using jit::Layout;
using jit::LayoutKind;
using jit::LayoutStep;

Layout ImageLayout::make(const Shape& shape) const {
  Layout layout;
  const int spatial = static_cast<int>(shape.size()) - 2;
  if (block > 1) {
    const int64_t rest = jit::round_up_to(shape[1], block) - shape[1];
    if (rest) layout.pad(1, 0, rest, std::nullopt);
    layout.split(1, {0, block});
    std::vector<int64_t> order{0, 1};
    for (int i = 0; i < spatial; ++i) order.push_back(i + 3);
    order.push_back(2);
    layout.reorder(order);
  }
  for (size_t i = 0; i < lo.size(); ++i) {
    if (lo[i] || hi[i]) layout.pad(static_cast<int>(i) + 2, lo[i], hi[i], 0.0);
  }
  return layout;
}

std::optional<ImageLayout> ImageLayout::of(const Layout& layout, const Shape& shape) {
  if (!is_image(shape)) return std::nullopt;
  ImageLayout image;
  image.block = jit::channel_block(layout);
  size_t borders = layout.steps.size();
  while (borders > 0) {
    const LayoutStep& step = layout.steps[borders - 1];
    if (step.kind != LayoutKind::pad || step.dim < 2 || step.fill != 0.0) break;
    --borders;
  }
  for (size_t s = borders; s < layout.steps.size(); ++s) {
    const auto spatial = static_cast<size_t>(layout.steps[s].dim) - 2;
    if (spatial >= shape.size() - 2) return std::nullopt;
    image.lo.resize(shape.size() - 2, 0);
    image.hi.resize(shape.size() - 2, 0);
    image.lo[spatial] = layout.steps[s].lo;
    image.hi[spatial] = layout.steps[s].hi;
  }
  if (!(image.make(shape) == layout)) return std::nullopt;
  return image;
}

bool is_image(const Shape& shape) { return shape.size() >= 3 && shape.size() <= 5; }

}  // namespace altrt::graph
