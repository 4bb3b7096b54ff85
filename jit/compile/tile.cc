#include "jit/compile/tile.h"

#include <algorithm>

namespace altrt::jit {

int64_t accumulator_limit(const Target& target, int64_t vectors) {
  const int64_t operands = vectors + 1;
  return std::max<int64_t>(target.vector_registers - operands, vectors);
}

namespace {

double step_cost(int64_t rows, int64_t vectors) {
  const double arithmetic = static_cast<double>(rows * vectors) / 2;
  const double loads = static_cast<double>(rows + vectors) / 2;
  constexpr double kLatency = 4;
  return std::max({arithmetic, loads, kLatency});
}

}  // namespace

double tile_cost(const RegisterTile& tile, int64_t extent) {
  const int64_t blocks = (extent + tile.rows - 1) / tile.rows;
  const int64_t small = extent / blocks, large_blocks = extent % blocks;
  return static_cast<double>(large_blocks) * step_cost(small + 1, tile.vectors) +
         static_cast<double>(blocks - large_blocks) * step_cost(small, tile.vectors);
}

RegisterTile choose_rows(const Target& target, int64_t extent, int64_t vectors) {
  RegisterTile best{1, vectors};
  double best_cost = tile_cost(best, extent);
  const int64_t limit = std::min(extent, accumulator_limit(target, vectors) / vectors);
  for (int64_t rows = 2; rows <= limit; ++rows) {
    const double cost = tile_cost({rows, vectors}, extent);
    if (cost <= best_cost) {
      best_cost = cost;
      best.rows = rows;
    }
  }
  return best;
}

}  // namespace altrt::jit
