#include "jit/expr/winograd_matrices.h"

#include <cmath>

#include <altrt/error.h>

namespace altrt::jit {

namespace {

/// Coefficients of the product of (x - p) over all points but the one left out, lowest power first.
std::vector<double> product_without(const std::vector<double>& points, size_t left_out) {
  std::vector<double> polynomial{1};
  for (size_t i = 0; i < points.size(); ++i) {
    if (i == left_out) continue;
    std::vector<double> next(polynomial.size() + 1, 0);
    for (size_t k = 0; k < polynomial.size(); ++k) {
      next[k + 1] += polynomial[k];
      next[k] -= points[i] * polynomial[k];
    }
    polynomial = next;
  }
  return polynomial;
}

double value_at(const std::vector<double>& polynomial, double x) {
  double value = 0;
  for (size_t k = polynomial.size(); k-- > 0;) value = value * x + polynomial[k];
  return value;
}

}  // namespace

WinogradMatrices winograd_matrices(int64_t outputs, int64_t taps) {
  static const std::vector<double> kPoints{0, 1, -1, 2, -2};
  const auto values = [](std::vector<double> v) { return std::make_shared<const std::vector<double>>(std::move(v)); };
  if (taps == 1) return {1, 1, values({1}), values({1}), values({1})};
  const int64_t points = outputs + taps - 1;
  const auto finite_count = static_cast<size_t>(points - 1);
  if (outputs < 2 || finite_count > kPoints.size())
    throw Error(ErrorCode::invalid_argument,
                "Winograd: no F(" + std::to_string(outputs) + ", " + std::to_string(taps) + ")");
  const std::vector<double> finite(kPoints.begin(), kPoints.begin() + static_cast<std::ptrdiff_t>(finite_count));
  const auto n = static_cast<size_t>(points), m = static_cast<size_t>(outputs), r = static_cast<size_t>(taps);
  std::vector<double> bt(n * n, 0), g(n * r, 0), at(m * n, 0);
  for (size_t i = 0; i < n; ++i) {
    const bool infinite = i == finite_count;
    const std::vector<double> row = product_without(finite, infinite ? n : i);
    for (size_t k = 0; k < row.size(); ++k) bt[i * n + k] = row[k];
    const double scale = infinite ? 1 : 1 / value_at(row, finite[i]);
    for (size_t k = 0; k < r; ++k)
      g[i * r + k] = infinite ? (k + 1 == r ? 1 : 0) : std::pow(finite[i], static_cast<double>(k)) * scale;
    for (size_t a = 0; a < m; ++a)
      at[a * n + i] = infinite ? (a + 1 == m ? 1 : 0) : std::pow(finite[i], static_cast<double>(a));
  }
  return {outputs, points, values(bt), values(g), values(at)};
}

}  // namespace altrt::jit
