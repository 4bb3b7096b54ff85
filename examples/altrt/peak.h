// The fastest that this machine multiplies and adds, and reads memory, for fractions of peak.
#pragma once

#include <cstdint>

namespace altrt::tool {

/// GFLOP/s of independent f32 fused multiply-adds in the widest vectors this machine has, on `threads` threads at once:
/// the best of several short rounds. 0 where there is no FMA.
double fma_peak_gflops(int threads);

/// GB/s of reading with `threads` threads at once, the best of several passes.
struct Bandwidth {
  double memory_gbs = 0;    ///< of twice the last-level cache
  double cache_gbs = 0;     ///< of a quarter of it
  int64_t cache_bytes = 0;  ///< the last-level cache
};
Bandwidth read_bandwidth(int threads);

}  // namespace altrt::tool
