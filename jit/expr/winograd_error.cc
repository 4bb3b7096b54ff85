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

/// The weights of a convolution by output channel; the remainders of a transposed one have channels of their own.
class Weights {
 public:
  Weights(const Computation& c, const Transforms& m, const float* values) : m_(m), values_(values) {
    const std::vector<Extent>& shape = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
    const size_t cut = std::min<size_t>(2, c.anchor.kernel.size());
    transposed_ = m.width.transposed;
    taps_ = shape.back().bound;
    if (cut == 2) rows_ = shape[shape.size() - 2].bound;
    outputs_ = shape[static_cast<size_t>(weight_outputs(c.anchor))].bound;
    if (transposed_) kernels_ = shape[0].bound;
    for (size_t d = 1; !transposed_ && d + cut < shape.size(); ++d) kernels_ *= shape[d].bound;
  }

  int64_t channels() const { return outputs_ * m_.height.remainders * m_.width.remainders; }
  /// Of one channel: kernels, each in all its phases.
  int64_t kernels() const { return kernels_ * m_.phases(); }

  /// Taps in the window; phases of one kernel lie one behind the other.
  Tile kernel(int64_t channel, int64_t number) const {
    const int64_t output = channel % outputs_, remainder = channel / outputs_;
    const int64_t phase = number % m_.phases(), kernel = number / m_.phases();
    const float* own =
        values_ + (transposed_ ? kernel * outputs_ + output : output * kernels_ + kernel) * rows_ * taps_;
    Tile taps;
    for (int64_t r = 0; r < m_.height.taps(); ++r) {
      for (int64_t s = 0; s < m_.width.taps(); ++s) {
        const int64_t y = m_.height.kernel_tap(r, phase / m_.width.phases(), remainder / m_.width.remainders),
                      x = m_.width.kernel_tap(s, phase % m_.width.phases(), remainder % m_.width.remainders);
        if (y >= 0 && y < rows_ && x >= 0 && x < taps_) taps.at[r][s] = own[y * taps_ + x];
      }
    }
    return taps;
  }

 private:
  const Transforms& m_;
  const float* values_;
  bool transposed_ = false;
  int64_t rows_ = 1, taps_ = 1, outputs_ = 1, kernels_ = 1;
};

/// Squares of the error and of the exact outputs of one output channel.
std::pair<double, double> squares(const Transforms& m, const Weights& weights, int64_t channel,
                                  const std::vector<Tile>& data, const std::vector<Tile>& transformed) {
  Tile sum;
  double exact[kMost][kMost] = {};
  for (size_t i = 0; i < data.size(); ++i) {
    const Tile kernel = weights.kernel(channel, static_cast<int64_t>(i));
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
  const Weights of(c, m, weights);
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  std::vector<std::vector<Tile>> data(kTiles), transformed(kTiles);
  for (size_t t = 0; t < kTiles; ++t) {
    for (int64_t i = 0; i < of.kernels(); ++i) {
      Tile tile;
      for (auto& row : tile.at)
        for (float& value : row) value = normal(random);
      data[t].push_back(tile);
      transformed[t].push_back(transform({*m.rows.bt, m.rows.points, m.rows.points},
                                         {*m.columns.bt, m.columns.points, m.columns.points}, tile));
    }
  }
  double worst = 0;
  const int64_t channels = of.channels(), sampled = std::min(channels, kChannels);
  for (int64_t k = 0; k < sampled; ++k) {
    double error = 0, whole = 0;
    for (size_t t = 0; t < kTiles; ++t) {
      const auto [e, w] = squares(m, of, k * channels / sampled, data[t], transformed[t]);
      error += e;
      whole += w;
    }
    if (!std::isfinite(error)) return INFINITY;
    if (error > 0) worst = std::max(worst, whole > 0 ? std::sqrt(error / whole) : INFINITY);
  }
  return worst;
}

}  // namespace altrt::jit
