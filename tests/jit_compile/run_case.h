// A Computation with layouts and a schedule, through the interpreter and as machine code, against the evaluator.
#pragma once

#include <string>

#include <altrt/error.h>

#include "jit/kernel/kernel.h"
#include "jit/loop/lower.h"
#include "tests/jit_cpu/run_nest.h"
#include "tests/property/harness.h"

namespace altrt::jit {

inline property::Case lowered_case(const std::string& kind, const Computation& c, const Layouts& layouts,
                                   const Schedule& schedule, uint64_t seed) {
  property::Case result;
  result.seed = seed;
  result.kind = kind;
  result.computation = c;
  result.layouts = layouts;
  result.schedule = schedule;
  result.math = property::needs_surrogates(c) ? MathMode::surrogate : MathMode::expanded;
  result.kernels = lower(c, layouts, schedule, result.math);
  return result;
}

/// Empty if machine code gives the evaluator's bits; "too large" where it is refused for its size.
inline std::string run_machine_code(const property::Case& c, const Target& target) {
  try {
    bool intact = true;
    const std::string difference = property::check(c, [&](const Nest& nest, const std::vector<void*>& arguments) {
      intact = run_object(cpu::compile(nest, target), nest, arguments) && intact;
    });
    return intact ? difference : "bytes beside the workspace were written";
  } catch (const Error& e) {
    return e.code() == ErrorCode::unsupported ? "too large" : e.what();
  }
}

}  // namespace altrt::jit
