#pragma once

#include "jit/expr/computation.h"

namespace altrt::jit {

/// Where a convolution's image is multiplied point by point by a factor that is the same for all pixels, the weights
/// are instead: a product that all pixels of a tile share. The image becomes the anchor's data. Returns false and
/// leaves `c` alone where there is no such factor.
bool scale_weights(Computation& c);

}  // namespace altrt::jit
