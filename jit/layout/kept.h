// Whether a layout keeps every element.
#pragma once

#include <vector>

#include "jit/layout/layout.h"

namespace altrt::jit {

/// Error(invalid_argument) names the step and the reason unless every logical element is stored: an unpad takes away no
/// more than was padded, and a fold puts into one place only what an unfold had copied. Where elements come from is
/// followed through splits and fusions that fit each other; what can't be followed is refused. `layout` has been
/// verified.
void verify_kept(const Layout& layout, const std::vector<Extent>& shape);

}  // namespace altrt::jit
