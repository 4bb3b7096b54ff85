// What the tasks of a native conversion touch.
#pragma once

#include <vector>

#include "jit/layout/permute.h"
#include "jit/loop/reach.h"

namespace altrt::plan {

/// As jit::reach() says it of a nest, but for a few elements at the ends of the intervals; arguments are {from, to}.
/// Found by converting numbers, so it takes as long as a few conversions; none for tensors that are too large for that.
std::vector<jit::LoopReach> reach(DataType type, const std::vector<int64_t>& shape, const jit::Layout& from,
                                  const jit::Layout& to);

}  // namespace altrt::plan
