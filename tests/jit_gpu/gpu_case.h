// Random cases with threads: Computations of every kind, layouts and schedules whose kernels are for GPUs.
#pragma once

#include <cstdint>
#include <string>

#include "jit/kernel/kernel.h"
#include "tests/property/generator.h"

namespace altrt::property {

/// A GPU to make schedules for; small, so that small cases have blocks enough.
jit::Target gpu_for_cases();

/// The case of a seed. A third each: make_gpu_case(); the layouts of make_case() with new schedules around a loop over
/// threads; what compile's defaults for GPUs make of the Computation by a random algorithm, with random tiles. Never
/// refused by lower().
Case make_threaded_case(uint64_t seed);

/// Of all kernels: the most threads of a block; stores, barriers and shuffles of all threads, at most; whether there
/// are barriers, shuffles, shared memory.
struct ThreadFeatures {
  int64_t threads = 1, work = 0;
  bool barriers = false, shuffles = false, shared = false;
};
ThreadFeatures thread_features(const Case& c);

}  // namespace altrt::property
