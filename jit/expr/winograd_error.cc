// What Winograd's transforms cost in accuracy, with weights at hand: the same sums in fp32, in the order of the stages,
// beside the direct form in fp64.
#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "jit/expr/algorithms.h"
#include "jit/expr/winograd_dimension.h"
#include "jit/expr/winograd_matrices.h"

namespace altrt::jit {

namespace {

constexpr int64_t kMost = 6;  // points of the largest tile

struct Tile {
  float at[kMost][kMost] = {};
};

/// By dimension of a tile: rows, columns.
struct Transforms {
  WinogradDimension height, width;
  WinogradMatrices rows, columns;

  int64_t phases() const { return height.phases() * width.phases(); }
};

Transforms transforms_of(const Computation& c, int outputs_per_tile) {
  const WinogradDimension height = winograd_dimension(c.anchor, 2, outputs_per_tile),
                          width = winograd_dimension(c.anchor, 1, outputs_per_tile);
  return {height, width, winograd_matrices(height.outputs, height.taps()),
          winograd_matrices(width.outputs, width.taps())};
}

/// One of a Transforms' pair of matrices, `rows` x `columns`.
struct Matrix {
  const std::vector<double>& values;
  int64_t rows, columns;
  float at(int64_t r, int64_t c) const { return static_cast<float>(values[static_cast<size_t>(r * columns + c)]); }
};

/// left * tile * right^T in fp32.
Tile transform(const Matrix& left, const Matrix& right, const Tile& tile) {
  Tile half, result;
  for (int64_t r = 0; r < left.rows; ++r)
    for (int64_t k = 0; k < left.columns; ++k)
      for (int64_t c = 0; c < right.columns; ++c) half.at[r][c] += left.at(r, k) * tile.at[k][c];
  for (int64_t r = 0; r < left.rows; ++r)
    for (int64_t c = 0; c < right.rows; ++c)
      for (int64_t k = 0; k < right.columns; ++k) result.at[r][c] += right.at(c, k) * half.at[r][k];
  return result;
}

/// The taps of one phase; phases of one kernel lie one behind the other.
Tile kernel_of(const Transforms& m, const float* weights, int64_t number) {
  const int64_t phase = number % m.phases(), kernel = number / m.phases();
  const int64_t row_phase = phase / m.width.phases(), column_phase = phase % m.width.phases();
  Tile taps;
  for (int64_t r = 0; r < m.height.taps(); ++r) {
    for (int64_t s = 0; s < m.width.taps(); ++s) {
      const int64_t y = r * m.height.stride + row_phase, x = s * m.width.stride + column_phase;
      if (y < m.height.kernel && x < m.width.kernel)
        taps.at[r][s] = weights[(kernel * m.height.kernel + y) * m.width.kernel + x];
    }
  }
  return taps;
}

/// Squares of the error and of the exact outputs of one output channel, whose kernels lie one behind the other.
std::pair<double, double> squares(const Transforms& m, const float* weights, const std::vector<Tile>& data,
                                  const std::vector<Tile>& transformed) {
  Tile sum;
  double exact[kMost][kMost] = {};
  for (size_t i = 0; i < data.size(); ++i) {
    const Tile kernel = kernel_of(m, weights, static_cast<int64_t>(i));
    const Tile u = transform({*m.rows.g, m.rows.points, m.height.taps()},
                             {*m.columns.g, m.columns.points, m.width.taps()}, kernel);
    for (int64_t x = 0; x < m.rows.points; ++x)
      for (int64_t y = 0; y < m.columns.points; ++y) sum.at[x][y] += u.at[x][y] * transformed[i].at[x][y];
    for (int64_t a = 0; a < m.rows.outputs; ++a)
      for (int64_t b = 0; b < m.columns.outputs; ++b)
        for (int64_t r = 0; r < m.height.taps(); ++r)
          for (int64_t s = 0; s < m.width.taps(); ++s)
            exact[a][b] += static_cast<double>(kernel.at[r][s]) * static_cast<double>(data[i].at[a + r][b + s]);
  }
  const Tile found =
      transform({*m.rows.at, m.rows.outputs, m.rows.points}, {*m.columns.at, m.columns.outputs, m.columns.points}, sum);
  double error = 0, whole = 0;
  for (int64_t a = 0; a < m.rows.outputs; ++a) {
    for (int64_t b = 0; b < m.columns.outputs; ++b) {
      const double difference = static_cast<double>(found.at[a][b]) - exact[a][b];
      error += difference * difference;
      whole += exact[a][b] * exact[a][b];
    }
  }
  return {error, whole};
}

}  // namespace

double winograd_error(const Computation& c, int outputs_per_tile, const float* weights) {
  constexpr int64_t kChannels = 16, kTiles = 2;
  const Transforms m = transforms_of(c, outputs_per_tile);
  const std::vector<Extent>& shape = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
  const size_t cut = std::min<size_t>(2, c.anchor.kernel.size());
  int64_t kernels = 1;  // of one output channel: input channels and taps of the dimensions before the last two
  for (size_t d = 1; d + cut < shape.size(); ++d) kernels *= shape[d].bound;
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  std::vector<std::vector<Tile>> data(kTiles), transformed(kTiles);
  for (size_t t = 0; t < kTiles; ++t) {
    for (int64_t i = 0; i < kernels * m.phases(); ++i) {
      Tile tile;
      for (auto& row : tile.at)
        for (float& value : row) value = normal(random);
      data[t].push_back(tile);
      transformed[t].push_back(transform({*m.rows.bt, m.rows.points, m.rows.points},
                                         {*m.columns.bt, m.columns.points, m.columns.points}, tile));
    }
  }
  double worst = 0;
  const int64_t channels = shape[0].bound, sampled = std::min(channels, kChannels);
  for (int64_t k = 0; k < sampled; ++k) {
    const float* own = weights + k * channels / sampled * kernels * m.height.kernel * m.width.kernel;
    double error = 0, whole = 0;
    for (size_t t = 0; t < kTiles; ++t) {
      const auto [e, w] = squares(m, own, data[t], transformed[t]);
      error += e;
      whole += w;
    }
    if (!std::isfinite(error)) return INFINITY;
    if (error > 0) worst = std::max(worst, whole > 0 ? std::sqrt(error / whole) : INFINITY);
  }
  return worst;
}

}  // namespace altrt::jit
