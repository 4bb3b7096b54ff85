// The matrices of Winograd's F(m x m, 3 x 3); jit/expr/winograd.cc has the formulas and their source.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace altrt::jit {

struct WinogradMatrices {
  using Values = std::shared_ptr<const std::vector<double>>;  // row-major
  int64_t outputs, points;
  Values bt, g, at;  // points x points, points x taps (3, or 1), outputs x points
};

/// m = 2 or 4; 1: a dimension that is not transformed.
WinogradMatrices winograd_matrices(int64_t m);

}  // namespace altrt::jit
