// Loops of matrix products: register tile, order, blocking for caches; panels of a constant second operand follow.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

class MatmulLoops final : public LoopSpace {
 public:
  MatmulLoops(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target,
              const SpaceOptions& options, bool stored)
      : LoopSpace(c, initial, target, stored),
        stage_(changed().stages[static_cast<size_t>(changed().anchor.stage)]),
        extents_(jit::matmul_extents(changed(), stage_)),
        tile_(jit::matmul_tile(changed(), initial.layouts)) {
    packs_ = packs_weights(options) && tile_.column_tiles == 1;
    const jit::MatmulParameters start = jit::default_matmul(changed(), initial.layouts, target);
    if (tile_.rows > 1) add_tile("rows", counts_up_to(std::min(tile_.rows, kMostTileRows)), start.rows, tile_.rows);
    add_tile("columns", tile_columns(tile_.columns, target), start.columns, tile_.columns);
    if (tile_.column_tiles > 1) {
      add_tile("blocks", counts_up_to(std::min<int64_t>(tile_.column_tiles, 4)), start.blocks, tile_.column_tiles);
    }
    add_knob("unroll", {1, 2, 4, 8, 16}, start.unroll);
    add_knob("rows_first", {0, 1}, start.rows_first);
    if (extents_.m > 1) add_knob("cache_rows", {0, 2, 4, 8, 16}, start.cache_rows);
    add_knob("cache_columns", {0, 2, 4, 8, 16}, start.cache_columns);
    if (extents_.k > 128) add_tile("chunk", {0, 64, 128, 256, 512}, start.chunk, extents_.k);
  }

  bool plausible(const Point& point) const override {
    const jit::MatmulParameters p = parameters(point);
    if (p.chunk > 0 && (p.chunk >= extents_.k || (p.cache_rows == 0 && p.cache_columns == 0))) return false;
    return is_tile_plausible(p.rows, vectors(p), p.unroll, target());
  }

  std::vector<Point> seeds() const override {
    std::vector<CostedPoint> seeds;
    for (int64_t v = 1; v <= kMostTileVectors; ++v) {
      for (int64_t rows = 1; rows <= std::min(tile_.rows, kMostTileRows); ++rows) {
        for (const int64_t rows_first : {1, 0}) {
          const Point point = nearest({{"rows", rows}, {"columns", v * target().lanes}, {"rows_first", rows_first}});
          if (plausible(point)) seeds.push_back({cost(parameters(point)), point});
        }
      }
    }
    return cheapest(std::move(seeds), 24);
  }

 private:
  jit::MatmulParameters parameters(const Point& point) const {
    jit::MatmulParameters p;
    p.rows = value(point, "rows", 1);
    p.columns = value(point, "columns");
    p.blocks = value(point, "blocks", 1);
    p.unroll = value(point, "unroll");
    p.rows_first = value(point, "rows_first") != 0;
    p.cache_rows = value(point, "cache_rows", 0);
    p.cache_columns = value(point, "cache_columns");
    p.chunk = value(point, "chunk", 0);
    return p;
  }

  int64_t vectors(const jit::MatmulParameters& p) const {
    return p.blocks *
           jit::ceil_div(std::min(p.columns, jit::round_up_to(tile_.columns, target().lanes)), target().lanes);
  }

  // Machine model: cycles for one step of the reduction over the whole product.
  double cost(const jit::MatmulParameters& p) const {
    return jit::tile_cost({p.rows, vectors(p)}, tile_.rows) * static_cast<double>(tile_.row_tiles) *
           static_cast<double>(jit::ceil_div(extents_.n, vectors(p) * target().lanes));
  }

  void describe(const Point& point, Features& features) const override {
    const jit::MatmulParameters p = parameters(point);
    describe_tile(p.rows, vectors(p), p.unroll, target(), features);
    describe_cuts(tile_.rows, tile_.columns, std::min(p.columns, tile_.columns), target(), features);
    const int64_t width = vectors(p) * target().lanes;
    const int64_t row_tiles = tile_.row_tiles * jit::ceil_div(tile_.rows, p.rows);
    const int64_t panels = jit::ceil_div(extents_.n, width);
    int64_t batch = 1;
    for (size_t a = 0; a + 2 < stage_.axes.size(); ++a) batch *= stage_.axes[a].extent.bound;
    describe_tasks(batch * row_tiles * panels, features);
    const auto depth = static_cast<double>(p.chunk > 0 ? p.chunk : extents_.k);
    features.set_log(Feature::panel_bytes, 4 * depth * static_cast<double>(width));
    features.set_log(Feature::strip_bytes, 4 * depth * static_cast<double>(p.rows));
    features.set_log(Feature::panel_reuse,
                     p.rows_first ? static_cast<double>(p.cache_rows + 1) : static_cast<double>(row_tiles));
    features.set(
        Feature::tail_waste,
        static_cast<double>(row_tiles * p.rows * panels * width) / static_cast<double>(extents_.m * extents_.n) - 1);
    features.set(Feature::order, p.rows_first ? 1 : 0);
    features.set_log(Feature::parameter_0, static_cast<double>(p.rows));
    features.set_log(Feature::parameter_1, static_cast<double>(p.cache_rows));
    features.set_log(Feature::parameter_2, static_cast<double>(p.cache_columns));
    features.set_log(Feature::parameter_3, static_cast<double>(p.chunk));
    features.set_log(Feature::parameter_4, static_cast<double>(extents_.k));
    features.set(Feature::parameter_5,
                 cost(p) * static_cast<double>(target().lanes) * 2 / static_cast<double>(extents_.m * extents_.n));
  }

  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    const jit::MatmulParameters p = parameters(point);
    const jit::TensorDecl& weights = changed().tensors[static_cast<size_t>(changed().anchor.weights)];
    if (packs_) decision.layouts[weights.name] = jit::matmul_weights(changed(), p.columns);
    decision.schedule = jit::default_schedule(changed(), decision.layouts, target());
    decision.schedule[stage_.name] = jit::schedule_matmul(changed(), decision.layouts, p);
    return decision;
  }

  const jit::Stage& stage_;
  const jit::MatmulExtents extents_;
  const jit::MatmulTile tile_;
  bool packs_ = false;
};

}  // namespace

std::unique_ptr<LoopSpace> matmul_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                        const jit::Target& target, const SpaceOptions& options, bool stored) {
  return std::make_unique<MatmulLoops>(c, initial, target, options, stored);
}

}  // namespace altrt::tuner
