// Matrix products by Strassen's algorithm: the tile of the seven products, the block that is made of them at a time,
// and when the sums of the first factor are made.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

class StrassenLoops final : public LoopSpace {
 public:
  StrassenLoops(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target)
      : LoopSpace(c, initial, target), extents_(jit::strassen_halves(changed())) {
    const jit::StrassenParameters start = jit::default_strassen(changed(), target);
    add_tile("rows", counts_up_to(std::min(extents_.m, kMostTileRows)), start.rows, extents_.m);
    add_tile("columns", tile_columns(extents_.n, target), start.columns, extents_.n);
    add_knob("unroll", {1, 2, 4, 8, 16}, start.unroll);
    add_knob("row_tiles", {1, 2, 3, 4, 5, 6, 8, 16}, start.row_tiles);
    add_knob("column_tiles", {1, 2, 4, 8}, start.column_tiles);
    add_knob("by_rows", {0, 1}, start.by_rows);
  }

  bool plausible(const Point& point) const override {
    const jit::StrassenParameters p = parameters(point);
    return is_tile_plausible(p.rows, vectors(p), p.unroll, target());
  }

  std::vector<Point> seeds() const override {
    // As many rows at a time as the defaults take; all of them where the sums are made first.
    const jit::StrassenParameters usual = parameters(start());
    std::vector<CostedPoint> seeds;
    for (int64_t v = 1; v <= kMostTileVectors; ++v) {
      for (int64_t rows = 1; rows <= std::min(extents_.m, kMostTileRows); ++rows) {
        for (const int64_t by_rows : {1, 0}) {
          const int64_t block = by_rows != 0 ? usual.rows * usual.row_tiles : extents_.m;
          const Point point = nearest({{"rows", rows},
                                       {"columns", v * target().lanes},
                                       {"row_tiles", jit::ceil_div(block, rows)},
                                       {"by_rows", by_rows}});
          if (plausible(point)) seeds.push_back({cost(parameters(point)), point});
        }
      }
    }
    return cheapest(std::move(seeds), 12);
  }

 private:
  jit::StrassenParameters parameters(const Point& point) const {
    jit::StrassenParameters p = jit::default_strassen(changed(), target());
    p.rows = value(point, "rows");
    p.columns = value(point, "columns");
    p.unroll = value(point, "unroll");
    p.row_tiles = value(point, "row_tiles");
    p.column_tiles = value(point, "column_tiles");
    p.by_rows = value(point, "by_rows") != 0;
    return p;
  }

  int64_t vectors(const jit::StrassenParameters& p) const {
    return jit::ceil_div(std::min(p.columns, jit::round_up_to(extents_.n, target().lanes)), target().lanes);
  }

  // Machine model: cycles for one step of the reduction over one of the products.
  double cost(const jit::StrassenParameters& p) const {
    return jit::tile_cost({p.rows, vectors(p)}, extents_.m) *
           static_cast<double>(jit::ceil_div(extents_.n, vectors(p) * target().lanes));
  }

  void describe(const Point& point, Features& features) const override {
    const jit::StrassenParameters p = parameters(point);
    describe_tile(p.rows, vectors(p), p.unroll, target(), features);
    describe_cuts(extents_.m, extents_.n, std::min(p.columns, extents_.n), target(), features);
    const int64_t row_tiles = jit::ceil_div(extents_.m, p.rows), panels = jit::ceil_div(extents_.n, p.columns);
    const int64_t row_blocks = jit::ceil_div(row_tiles, p.row_tiles);
    const int64_t column_blocks = jit::ceil_div(panels, p.column_tiles);
    describe_tasks(extents_.batch * (p.by_rows ? row_blocks : column_blocks), features);
    const auto depth = static_cast<double>(7 * extents_.k);
    features.set_log(Feature::panel_bytes, 4 * depth * static_cast<double>(p.columns));
    features.set_log(Feature::strip_bytes, 4 * depth * static_cast<double>(p.rows * p.row_tiles));
    features.set_log(Feature::panel_reuse, static_cast<double>(p.by_rows ? p.row_tiles : row_tiles));
    features.set(Feature::tail_waste, static_cast<double>(row_tiles * p.rows * panels * p.columns) /
                                              static_cast<double>(extents_.m * extents_.n) -
                                          1);
    features.set(Feature::order, p.by_rows ? 1 : 0);
    features.set_log(Feature::parameter_0, static_cast<double>(p.rows));
    features.set_log(Feature::parameter_1, static_cast<double>(p.row_tiles));
    features.set_log(Feature::parameter_2, static_cast<double>(p.column_tiles));
    features.set_log(Feature::parameter_4, static_cast<double>(extents_.k));
  }

  jit::GroupDecision make(const Point& point) const override {
    const jit::StrassenParameters p = parameters(point);
    jit::GroupDecision decision = initial();
    jit::layout_strassen(changed(), p, decision.layouts);
    decision.schedule = jit::schedule_strassen(changed(), p);
    return decision;
  }

  const jit::StrassenHalves extents_;
};

}  // namespace

std::unique_ptr<LoopSpace> strassen_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                          const jit::Target& target) {
  return std::make_unique<StrassenLoops>(c, initial, target);
}

}  // namespace altrt::tuner
