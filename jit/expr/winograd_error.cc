// What Winograd's transforms cost in accuracy, with weights at hand: the same sums in fp32, in the order of the stages,
// beside the direct form in fp64.
#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "jit/expr/algorithms.h"
#include "jit/expr/winograd_matrices.h"

namespace altrt::jit {

namespace {

WinogradMatrices::Values values(std::vector<double> v) {
  return std::make_shared<const std::vector<double>>(std::move(v));
}

}  // namespace

WinogradMatrices winograd_matrices(int64_t m) {
  if (m == 2) {
    return {2, 4, values({1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, 1, 0, -1}),
            values({1, 0, 0, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0, 0, 1}), values({1, 1, 1, 0, 0, 1, -1, -1})};
  }
  return {4, 6, values({4, 0,  -5, 0, 1, 0, 0, -4, -4, 1,  1, 0, 0, 4, -4, -1, 1, 0,
                        0, -2, -1, 2, 1, 0, 0, 2,  -1, -2, 1, 0, 0, 4, 0,  -5, 0, 1}),
          values({1. / 4, 0, 0, -1. / 6, -1. / 6, -1. / 6, -1. / 6, 1. / 6, -1. / 6, 1. / 24, 1. / 12, 1. / 6, 1. / 24,
                  -1. / 12, 1. / 6, 0, 0, 1}),
          values({1, 1, 1, 1, 1, 0, 0, 1, -1, 2, -2, 0, 0, 1, 1, 4, 4, 0, 0, 1, -1, 8, -8, 1})};
}

namespace {

constexpr int64_t kTaps = 3, kMost = 6;  // points of the largest tile

struct Tile {
  float at[kMost][kMost] = {};
};

/// left * tile * left^T in fp32, `rows` x `columns` of `left`, whose columns are the tile's rows.
Tile transform(const WinogradMatrices::Values& left, int64_t rows, int64_t columns, const Tile& tile) {
  const auto entry = [&](int64_t r, int64_t c) {
    return static_cast<float>((*left)[static_cast<size_t>(r * columns + c)]);
  };
  Tile half, result;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < columns; ++k)
      for (int64_t c = 0; c < columns; ++c) half.at[r][c] += entry(r, k) * tile.at[k][c];
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < rows; ++c)
      for (int64_t k = 0; k < columns; ++k) result.at[r][c] += entry(c, k) * half.at[r][k];
  return result;
}

/// Squares of the error and of the exact outputs of one output channel, whose kernels lie one behind the other.
std::pair<double, double> squares(const WinogradMatrices& m, const float* weights, const std::vector<Tile>& data,
                                  const std::vector<Tile>& transformed) {
  Tile sum;
  double exact[kMost][kMost] = {};
  for (size_t i = 0; i < data.size(); ++i) {
    Tile kernel;
    for (int64_t r = 0; r < kTaps; ++r)
      for (int64_t s = 0; s < kTaps; ++s)
        kernel.at[r][s] = weights[static_cast<int64_t>(i) * kTaps * kTaps + r * kTaps + s];
    const Tile u = transform(m.g, m.points, kTaps, kernel);
    for (int64_t x = 0; x < m.points; ++x)
      for (int64_t y = 0; y < m.points; ++y) sum.at[x][y] += u.at[x][y] * transformed[i].at[x][y];
    for (int64_t a = 0; a < m.outputs; ++a)
      for (int64_t b = 0; b < m.outputs; ++b)
        for (int64_t r = 0; r < kTaps; ++r)
          for (int64_t s = 0; s < kTaps; ++s)
            exact[a][b] += static_cast<double>(kernel.at[r][s]) * static_cast<double>(data[i].at[a + r][b + s]);
  }
  const Tile found = transform(m.at, m.outputs, m.points, sum);
  double error = 0, whole = 0;
  for (int64_t a = 0; a < m.outputs; ++a) {
    for (int64_t b = 0; b < m.outputs; ++b) {
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
  const WinogradMatrices m = winograd_matrices(outputs_per_tile);
  const std::vector<Extent>& shape = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
  int64_t kernels = 1;  // of one output channel: input channels and taps of the dimensions before the last two
  for (size_t d = 1; d + 2 < shape.size(); ++d) kernels *= shape[d].bound;
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  std::vector<std::vector<Tile>> data(kTiles), transformed(kTiles);
  for (size_t t = 0; t < kTiles; ++t) {
    for (int64_t i = 0; i < kernels; ++i) {
      Tile tile;
      for (auto& row : tile.at)
        for (float& value : row) value = normal(random);
      data[t].push_back(tile);
      transformed[t].push_back(transform(m.bt, m.points, m.points, tile));
    }
  }
  double worst = 0;
  const int64_t channels = shape[0].bound, sampled = std::min(channels, kChannels);
  for (int64_t k = 0; k < sampled; ++k) {
    const float* own = weights + k * channels / sampled * kernels * kTaps * kTaps;
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
