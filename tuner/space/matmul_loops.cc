// Matrix products with row-major output: register tile, order of loops; panels of a constant second operand follow it.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

class MatmulLoops final : public LoopSpace {
 public:
  MatmulLoops(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target)
      : LoopSpace(c, initial, target),
        c_(changed()),
        stage_(c_.stages[static_cast<size_t>(c_.anchor.stage)]),
        extents_(jit::matmul_extents(c_, stage_)) {
    const jit::MatmulParameters start = jit::default_matmul(target, extents_.m, extents_.n);
    std::vector<int64_t> columns;
    for (const int64_t vectors : {1, 2, 3, 4, 6, 8}) {
      if (vectors == 1 || vectors * target.lanes < extents_.n + target.lanes) {
        columns.push_back(vectors * target.lanes);
      }
    }
    if (extents_.m > 1) add_knob("rows", counts_up_to(std::min<int64_t>(extents_.m, 28)), start.rows);
    add_knob("columns", columns, start.columns);
    add_knob("unroll", {1, 2, 4, 8, 16}, start.unroll);
    add_knob("rows_first", {0, 1}, start.rows_first);
  }

  bool plausible(const Point& point) const override {
    const jit::MatmulParameters p = parameters(point);
    const int64_t vectors = jit::ceil_div(p.columns, target().lanes);
    const int64_t accumulators = p.rows * vectors;
    return accumulators <= jit::accumulator_limit(target(), vectors) && p.unroll * (accumulators + vectors) <= 560;
  }

  std::vector<Point> seeds() const override {
    std::vector<CostedPoint> seeds;
    for (int64_t vectors = 1; vectors <= 8; ++vectors) {
      for (int64_t rows = 1; rows <= std::min<int64_t>(extents_.m, 28); ++rows) {
        for (const int64_t rows_first : {1, 0}) {
          const Point point =
              nearest({{"rows", rows}, {"columns", vectors * target().lanes}, {"rows_first", rows_first}});
          if (!plausible(point)) continue;
          seeds.push_back({cost(rows, vectors), point});
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
    p.unroll = value(point, "unroll");
    p.rows_first = value(point, "rows_first") != 0;
    return p;
  }

  // Machine model: cycles for one step of the reduction over the whole product.
  double cost(int64_t rows, int64_t vectors) const {
    return jit::tile_cost({rows, vectors}, extents_.m) *
           static_cast<double>(jit::ceil_div(extents_.n, vectors * target().lanes));
  }

  void describe(const Point& point, Features& features) const override {
    const jit::MatmulParameters p = parameters(point);
    const int64_t vectors = jit::ceil_div(p.columns, target().lanes);
    describe_tile(p.rows, vectors, p.unroll, target(), features);
    const int64_t row_tiles = jit::ceil_div(extents_.m, p.rows), panels = jit::ceil_div(extents_.n, p.columns);
    int64_t batch = 1;
    for (size_t a = 0; a + 2 < stage_.axes.size(); ++a) batch *= stage_.axes[a].extent.bound;
    describe_tasks(batch * row_tiles * panels, features);
    features.set_log(Feature::panel_bytes, static_cast<double>(4 * extents_.k * p.columns));
    features.set_log(Feature::strip_bytes, static_cast<double>(4 * extents_.k * p.rows));
    features.set_log(Feature::panel_reuse, p.rows_first ? 1 : static_cast<double>(row_tiles));
    features.set(Feature::tail_waste, static_cast<double>(row_tiles * p.rows * panels * p.columns) /
                                              static_cast<double>(extents_.m * extents_.n) -
                                          1);
    features.set(Feature::order, p.rows_first ? 1 : 0);
    features.set_log(Feature::parameter_0, static_cast<double>(p.rows));
    features.set_log(Feature::parameter_1, static_cast<double>(extents_.m));
    features.set_log(Feature::parameter_2, static_cast<double>(extents_.n));
    features.set_log(Feature::parameter_3, static_cast<double>(extents_.k));
    features.set(Feature::parameter_4, cost(p.rows, vectors) / static_cast<double>(extents_.m * extents_.n));
  }

  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    const jit::MatmulParameters p = parameters(point);
    const jit::TensorDecl& weights = c_.tensors[static_cast<size_t>(c_.anchor.weights)];
    if (weights.role == jit::Role::constant) decision.layouts[weights.name] = jit::matmul_weights(c_, p.columns);
    decision.schedule = jit::default_schedule(c_, decision.layouts, target());
    decision.schedule[stage_.name] = jit::schedule_matmul(c_, decision.layouts, p);
    return decision;
  }

  const jit::Computation& c_;
  const jit::Stage& stage_;
  const jit::MatmulExtents extents_;
};

}  // namespace

std::unique_ptr<LoopSpace> matmul_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                        const jit::Target& target) {
  return std::make_unique<MatmulLoops>(c, initial, target);
}

}  // namespace altrt::tuner
