// The spaces by kind of group. Internal to tuner/space.
#pragma once

#include <memory>
#include <vector>

#include "jit/compile/templates.h"
#include "tuner/space/space.h"

namespace altrt::tuner {

std::unique_ptr<LoopSpace> conv_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                      const jit::Target& target, const SpaceOptions& options, bool stored);
std::unique_ptr<LoopSpace> window_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                        const jit::Target& target, const SpaceOptions& options, bool stored);
std::unique_ptr<LoopSpace> pixel_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                       const jit::Target& target, const SpaceOptions& options, bool stored);
std::unique_ptr<LoopSpace> matmul_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                        const jit::Target& target, const SpaceOptions& options, bool stored);
std::unique_ptr<LoopSpace> winograd_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                          const jit::Target& target);
std::unique_ptr<LoopSpace> strassen_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                          const jit::Target& target);
std::unique_ptr<LoopSpace> attention_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                           const jit::Target& target);
std::unique_ptr<LoopSpace> gpu_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                     const jit::Target& target);
std::unique_ptr<LoopSpace> generic_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                         const jit::Target& target);

/// Convolutions of all kinds and pools: channels in blocks, last, or images one after the other.
std::unique_ptr<LayoutSpace> image_layouts(const jit::Computation& c, const jit::GroupDecision& initial,
                                           const jit::Target& target, const SpaceOptions& options);
/// Matrix products.
std::unique_ptr<LayoutSpace> matmul_layouts(const jit::Computation& c, const jit::GroupDecision& initial,
                                            const jit::Target& target, const SpaceOptions& options);

/// Multiples of one that fit under `limit`, small ones densely.
std::vector<int64_t> counts_up_to(int64_t limit);

/// Register tiles of matrix products that are worth trying.
inline constexpr int64_t kMostTileRows = 28, kMostTileVectors = 8;
/// Columns of such tiles, where there are `columns` in all.
std::vector<int64_t> tile_columns(int64_t columns, const jit::Target& target);
/// Whether a tile's accumulators stay in registers and one block of code does not grow too long.
bool is_tile_plausible(int64_t rows, int64_t vectors, int64_t unroll, const jit::Target& target);

/// The best `count` distinct points by their costs, best first.
struct CostedPoint {
  double cost;
  Point point;
};
std::vector<Point> cheapest(std::vector<CostedPoint> points, size_t count);

/// The register tile's features.
void describe_tile(int64_t rows, int64_t vectors, int64_t unroll, const jit::Target& target, Features& features);
/// Features of what register tiles are cut from: a tile of the layout, and the columns of a register tile.
void describe_cuts(int64_t height, int64_t width, int64_t columns, const jit::Target& target, Features& features);
/// The tasks' features.
void describe_tasks(int64_t tasks, Features& features);

}  // namespace altrt::tuner
