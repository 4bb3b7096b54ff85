// Random small Computations of every kind with random layouts and random schedules, for tests of lowering, of every
// back end and of the tuner's spaces.
#pragma once

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

/// A random layout for a tensor that fits the shape. `fill`: the value that defined padding holds where the readers'
/// predicates ask for one.
jit::Layout make_layout(const jit::Computation& c, int tensor, Random& random);
jit::Schedule make_schedule(const jit::Computation& c, const jit::Layouts& layouts, Random& random);

/// The case of a seed: kind number seed % kinds().size(). Never refused: the last try is the plain schedule.
Case make_case(uint64_t seed);

/// Computation, layouts, schedule and nests as text: everything needed to repeat it by hand.
std::string to_string(const Case& c);

}  // namespace altrt::property
