// Register tiles: how many accumulators a target holds, and which tile of an iteration space computes fastest by a
// simple machine model.
#pragma once

#include <cstdint>
#include <vector>

#include "jit/kernel/kernel.h"

namespace altrt::jit {

/// Rows are broadcast operands, columns vector operands, as in a matrix product.
struct RegisterTile {
  int64_t rows = 1;     // points along the broadcast side (height x width of a convolution, m of a matrix product)
  int64_t vectors = 1;  // vectors along the vector side
  int64_t accumulators() const { return rows * vectors; }
};

/// Accumulators that fit beside the operands: all registers less the vector operands and one broadcast.
int64_t accumulator_limit(const Target& target, int64_t vectors);

/// Cycles for one step of the reduction over a whole row range of `extent` points cut into balanced tiles of at most
/// `tile.rows`: the most of arithmetic (two fused multiply-adds a cycle), loads (two a cycle) and latency (four cycles
/// over independent accumulators).
double tile_cost(const RegisterTile& tile, int64_t extent);

/// The cheapest number of rows for a range, given the vectors on the other side.
RegisterTile choose_rows(const Target& target, int64_t extent, int64_t vectors);

}  // namespace altrt::jit
