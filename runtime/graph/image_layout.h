// Layouts of images: [N, C, spatial...] with channels in blocks and a border of zeros.
#pragma once

#include <cstdint>
#include <optional>

#include <altrt/tensor.h>

#include "jit/compile/image_layout.h"
#include "jit/layout/layout.h"

namespace altrt::graph {

struct ImageLayout {
  int64_t block = 1;
  jit::Borders borders;

  jit::Layout make(const Shape& shape) const;
  /// The inverse of make(); absent where the layout is of another form.
  static std::optional<ImageLayout> of(const jit::Layout& layout, const Shape& shape);
  bool operator==(const ImageLayout&) const = default;
};

/// 3 to 5 dimensions.
bool is_image(const Shape& shape);

}  // namespace altrt::graph
