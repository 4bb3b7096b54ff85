// The layouts of frameworks that search loops alone: what joint search is compared with.
#pragma once

#include "runtime/graph/layouts.h"

namespace altrt::graph {

/// One group's decision with data and outputs channels last, and weights packed for that or in plain order.
jit::GroupDecision channels_last(const Group& group, const jit::GroupDecision& decision, const jit::Target& target,
                                 bool pack_weights);

/// `decisions` with images [N, spatial..., C] (borders stay) and matrices row-major instead, by the default loops for
/// them. Weights: packed as those loops want them, or plain ([kernel..., I, O]; [K, N]). Groups by other providers or
/// on the host stay.
Decisions channels_last(const std::vector<Group>& groups, Decisions decisions, const jit::Target& target,
                        bool pack_weights);

}  // namespace altrt::graph
