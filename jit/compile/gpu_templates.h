// Heuristic defaults for GPUs, one function per kind of stage; gpu_schedule and gpu_layouts dispatch here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jit/compile/decisions.h"
#include "jit/compile/stage_loops.h"

namespace altrt::jit {

/// A product of two matrices (algorithm "gemm"): what a block computes, and each of its threads.
struct GpuTile {
  int64_t rows = 64, columns = 64;              // of a block
  int64_t thread_rows = 4, thread_columns = 4;  // of a thread; they divide the block's
  int64_t depth = 8;                            // of the reduction in shared memory at a time
  bool prefetch = true;                         // the next depth is fetched while this one is computed

  int64_t threads() const { return (rows / thread_rows) * (columns / thread_columns); }
  bool operator==(const GpuTile&) const = default;
};

/// Extents of a product's matrices.
struct GpuProduct {
  int stage = -1;                       // of the (partial) product
  std::string rows_name, columns_name;  // of the operands' stages and tensors
  int64_t batch = 1, rows = 1, columns = 1, depth = 1;
  int64_t stretch = 1;  // of the depth: so many neighbours differ in one index of the columns' tensor only
};
/// Of a Computation made by gemm(), one or, of a transposed convolution, one for each phase; empty of others.
std::vector<GpuProduct> gpu_products(const Computation& c);

/// The tile of least estimated time for all of them, and that time in cycles of a multiprocessor.
struct GpuTileChoice {
  GpuTile tile;
  double cycles = 0;
};
GpuTileChoice choose_gpu_tile(const std::vector<GpuProduct>& products, const Target& target);

/// "gemm" in as many parts as keep the device busy, "phases", or "direct".
std::string gpu_algorithm(const Computation& c, const Target& target);
Layouts gpu_layouts(const Computation& c, const FixedLayouts& fixed);
Schedule gpu_schedule(const Computation& c, const Layouts& layouts, const Target& target);

// --- by kind of stage: parameters, what they are untuned, the schedule ---
/// Whether there are products with loops over rows and over columns, which the result's layout may have merged.
bool gpu_products_fit(const Computation& c, const Layouts& layouts);
/// The products' stages and those of their operands; the rest of the group is left alone. Only where they fit.
void schedule_gpu_products(const Computation& c, const Layouts& layouts, const GpuTile& tile, Schedule& schedule);

/// A pure map: all points in one row of blocks, each thread with `lanes` neighbours.
struct GpuMap {
  int64_t threads = 256, lanes = 1;
};
GpuMap default_gpu_map(const Computation& c, const Stage& stage, const Layouts& layouts);
StageSchedule schedule_gpu_map(const Computation& c, const Stage& stage, const Layouts& layouts, const GpuMap& map);

/// A reduction: one result a thread, or (`across`) one a block, whose threads share the terms.
struct GpuReduction {
  int64_t threads = 128;
  bool across = false;
};
GpuReduction default_gpu_reduction(const Computation& c, const Stage& stage, const Layouts& layouts,
                                   const Target& target);
StageSchedule schedule_gpu_reduction(const Computation& c, const Stage& stage, const Layouts& layouts,
                                     const GpuReduction& reduction);
/// Whether the threads of a block can exchange the stage's states.
bool can_cross_threads(const Stage& stage);

/// A softmax- or normalisation-like group, one row a block.
struct GpuRows {
  size_t axes = 0;  // of the root, the outermost ones: every other stage is computed once for each of their points; 0:
                    // the group is not of that form
  int64_t threads = 0;  // a power of two
};
GpuRows default_gpu_rows(const Computation& c, const Layouts& layouts, const Target& target);
void schedule_gpu_rows(const Computation& c, const Layouts& layouts, const GpuRows& rows, Schedule& schedule);

}  // namespace altrt::jit
