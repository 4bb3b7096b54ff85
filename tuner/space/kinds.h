// The spaces by kind of group. Internal to tuner/space.
#pragma once

#include <memory>

#include "jit/compile/templates.h"
#include "tuner/space/space.h"

namespace altrt::tuner {

std::unique_ptr<Space> conv_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                  const jit::Target& target, const SpaceOptions& options);
std::unique_ptr<Space> window_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                    const jit::Target& target);
std::unique_ptr<Space> matmul_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                    const jit::Target& target);
std::unique_ptr<Space> winograd_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                      const jit::Target& target);
std::unique_ptr<Space> gpu_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                 const jit::Target& target);
std::unique_ptr<Space> generic_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                     const jit::Target& target);

/// Multiples of one that fit under `limit`, small ones densely.
std::vector<int64_t> counts_up_to(int64_t limit);

}  // namespace altrt::tuner
