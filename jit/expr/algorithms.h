// Algorithms: functions Computation -> Computation that layout and loop primitives can't derive. Chosen before layouts
// and loops, by measurement.
#pragma once

#include <string>
#include <vector>

#include "jit/expr/computation.h"

namespace altrt::jit {

/// What is used where nothing is known: "phases" where it fits, else "direct".
std::string default_algorithm(const Computation& c);
/// Whether the algorithm adds up the very products that the operator defines ("direct", "phases", "gemm").
bool is_direct(const std::string& algorithm);
/// Which dimension of a convolution's weights counts its outputs: 0, [O, I, taps...]; 1 of a transposed one, [I, O,
/// taps...].
int weight_outputs(const Anchor& anchor);
/// In spatial dimension d: taps of a transposed convolution that serve outputs of one remainder are so many apart.
int64_t tap_step(const Anchor& anchor, size_t d);
// One pair of functions per family, each family in a file of its own.
/// The most outputs a tile, in each dimension, that winograd() knows for this convolution; none where it does not fit.
std::vector<int> winograd_sizes(const Computation& c);
Computation winograd(const Computation& c, int outputs_per_tile);
/// "winograd2", "winograd4", and back; 0 of any other algorithm.
std::string winograd_name(int outputs_per_tile);
int winograd_outputs(const std::string& algorithm);
/// Relative L2 error against fp64 of the worst of some output channels with these weights (as the anchor's tensor,
/// dense) on normally distributed data. A pure function; infinite where a sum is no number.
double winograd_error(const Computation& c, int outputs_per_tile, const float* weights);
bool phases_fit(const Computation& c);
Computation phases(const Computation& c);
bool strassen_fits(const Computation& c);
Computation strassen(const Computation& c);
bool gemm_fits(const Computation& c);
Computation gemm(const Computation& c, int parts);
/// Parts of a "gemm" algorithm; 0 of any other.
int gemm_parts(const std::string& algorithm);

/// The stages, and their outputs, that strassen() makes: sums of the first factor, sums of the second, products.
inline constexpr const char* kStrassenFirst = "strassen_a";
inline constexpr const char* kStrassenSecond = "strassen_w";
inline constexpr const char* kStrassenProducts = "strassen_z";

bool is_zero(const Expr& e);  // the constant 0

/// The product that a sum adds up: update = state + first * second, or fma(first, second, state). Both are absent where
/// the stage is no such sum.
struct Factors {
  Expr first, second;
};
Factors factors_of(const Stage& stage);

}  // namespace altrt::jit
