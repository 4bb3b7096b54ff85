// Random small Computations of every kind with random layouts and random schedules, for tests of lowering, of every
// back end and of the tuner's spaces.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "jit/expr/computation.h"
#include "jit/loop/lower.h"
#include "tests/property/random.h"

namespace altrt::property {

struct Case {
  uint64_t seed = 0;
  std::string kind;
  jit::Computation computation;
  jit::Layouts layouts;
  jit::Schedule schedule;
  jit::MathMode math = jit::MathMode::expanded;  // surrogate where the body has elementary functions: exact on integers
  std::vector<jit::LoweredKernel> kernels;       // lower() of the above
  int refused = 0;                               // schedules that lower() refused before this one
  std::vector<std::string> refusals;
};

/// The names of all kinds that make_computation knows.
const std::vector<std::string>& kinds();
/// A random Computation of a kind; extents are small and often prime.
jit::Computation make_computation(const std::string& kind, Random& random);
/// Elementary functions, division or square roots: only the surrogates are exact.
bool needs_surrogates(const jit::Computation& c);

/// Primitives that a case is steered towards, so that rare combinations come up: names as in features_of(), empty where
/// chance alone decides.
struct Wish {
  std::string layout, loop, tail, other_tail;
  bool threads = false;  // for GPUs: loops are bound to threads
};
/// The wishes of consecutive cases of a kind run over all combinations of the primitives that are rare by themselves.
Wish wish_of(uint64_t seed);

/// A random layout for a tensor that fits the shape.
jit::Layout make_layout(const jit::Computation& c, int tensor, const Wish& wish, Random& random);
jit::Schedule make_schedule(const jit::Computation& c, const jit::Layouts& layouts, const Wish& wish, Random& random);

/// The case of a seed: kind number seed % kinds().size(). Never refused: the last try is the plain schedule.
Case make_case(uint64_t seed);

/// The same for GPUs: blocks, threads and what they share.
Case make_gpu_case(uint64_t seed);

/// The primitives that layouts and schedule use: "layout.split", "loop.fuse", "tail.peel", ...
std::set<std::string> features_of(const jit::Layouts& layouts, const jit::Schedule& schedule);
/// All of them; and whether a kind of Computation has a place for one.
const std::vector<std::string>& features();
bool can_occur(const std::string& kind, const std::string& feature);

/// Computation, layouts, schedule and nests as text: everything needed to repeat it by hand.
std::string to_string(const Case& c);

}  // namespace altrt::property
