#include "runtime/graph/image_layout.h"

namespace altrt::graph {

using jit::Layout;

Layout ImageLayout::make(const Shape& shape) const {
  return jit::blocked({shape.begin(), shape.end()}, block, borders);
}

std::optional<ImageLayout> ImageLayout::of(const Layout& layout, const Shape& shape) {
  if (!is_image(shape)) return std::nullopt;
  const ImageLayout image{jit::channel_block(layout), jit::borders_of(layout, {shape.begin(), shape.end()})};
  if (!(image.make(shape) == layout)) return std::nullopt;
  return image;
}

bool is_image(const Shape& shape) { return shape.size() >= 3 && shape.size() <= 5; }

}  // namespace altrt::graph
