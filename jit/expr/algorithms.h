// Algorithms: functions Computation -> Computation that layout and loop primitives can't derive. Chosen before layouts
// and loops, by measurement.
#pragma once

#include <string>
#include <vector>

#include "jit/expr/computation.h"

namespace altrt::jit {

/// The algorithms that fit a Computation: "direct" first. "winograd2", "winograd4": convolutions with 3-wide kernels,
/// stride 1, dilation 1 in the last two spatial dimensions. "phases": transposed convolutions, one stage for each
/// residue of the output coordinates. "gemm", "gemm2", "gemm4", ... "gemm32": convolutions (transposed ones by
/// their phases) and matrix products as products of two matrices that are stages of their own, sums made in so many
/// parts.
std::vector<std::string> algorithms(const Computation& c);
/// What is used where nothing is known: "phases" where it fits, else "direct".
std::string default_algorithm(const Computation& c);
/// Whether the algorithm adds up the very products that the operator defines ("direct", "phases", "gemm").
bool is_direct(const std::string& algorithm);
/// The Computation by that algorithm; tensor names of inputs, constants and outputs stay. Stages that depend on
/// constants only (transformed weights) keep being stages: the plan runs them once. Error(invalid_argument) if the
/// algorithm doesn't fit.
Computation apply_algorithm(const Computation& c, const std::string& algorithm);

// One pair of functions per family, each family in a file of its own.
bool winograd_fits(const Computation& c);
Computation winograd(const Computation& c, int outputs_per_tile);  // F(m x m, 3 x 3), m = 2 or 4
bool phases_fit(const Computation& c);
Computation phases(const Computation& c);
bool gemm_fits(const Computation& c);
Computation gemm(const Computation& c, int parts);
/// Parts of a "gemm" algorithm; 0 of any other.
int gemm_parts(const std::string& algorithm);

}  // namespace altrt::jit
