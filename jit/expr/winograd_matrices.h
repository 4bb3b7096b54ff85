// The matrices of Winograd's F(m, r): m outputs of a filter with r taps from m + r - 1 products.
// jit/expr/winograd.cc has the formulas and their source.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace altrt::jit {

struct WinogradMatrices {
  using Values = std::shared_ptr<const std::vector<double>>;  // row-major
  int64_t outputs, points;
  Values bt, g, at;  // points x points, points x taps, outputs x points
};

/// Toom and Cook's construction on the points 0, 1, -1, 2, -2, infinity, so that m + r - 1 <= 6; m = 1 where there is a
/// single tap. Row i of bt: coefficients of the product of all (x - p) but the i-th, at infinity of all of them; of g:
/// powers of p over that product's value at p; column i of at: powers of p. Error(invalid_argument) for other m and r.
WinogradMatrices winograd_matrices(int64_t outputs, int64_t taps);

}  // namespace altrt::jit
