// The fastest that this machine multiplies and adds, for fractions of peak.
#pragma once

namespace altrt::tool {

/// GFLOP/s of independent f32 fused multiply-adds in the widest vectors this machine has, on `threads` threads at once:
/// the best of several short rounds. 0 where there is no FMA.
double fma_peak_gflops(int threads);

}  // namespace altrt::tool
