// Matrix products with row-major output: register tile, panels of the second operand, order of loops.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

class MatmulSpace final : public Space {
 public:
  MatmulSpace(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target)
      : Space(initial),
        c_(c),
        target_(target),
        stage_(c.stages[static_cast<size_t>(c.anchor.stage)]),
        extents_(jit::matmul_extents(c, stage_)) {
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
    if (c.anchor.data < 0) return;  // the first operand is computed here
    const jit::TensorDecl& rows = c.tensors[static_cast<size_t>(c.anchor.data)];
    const jit::Layout& now = jit::layout_of(c, c.anchor.data, initial.layouts);
    padding_ = now.is_plain() ? 0 : now.steps[0].hi;
    if (extents_.m > 1 && rows.role == jit::Role::input && now == jit::padded_rows(rows.shape, padding_)) {
      add_knob("row_padding", {0, 16}, padding_);
    }
  }

  bool plausible(const Point& point) const override {
    const jit::MatmulParameters p = parameters(point);
    const int64_t vectors = jit::ceil_div(p.columns, target_.lanes);
    const int64_t accumulators = p.rows * vectors;
    return accumulators <= jit::accumulator_limit(target_, vectors) && p.unroll * (accumulators + vectors) <= 560;
  }

  std::vector<Point> seeds() const override {
    struct Seed {
      double cost;
      Point point;
    };
    std::vector<Seed> seeds;
    for (int64_t vectors = 1; vectors <= 8; ++vectors) {
      for (int64_t rows = 1; rows <= std::min<int64_t>(extents_.m, 28); ++rows) {
        for (const int64_t rows_first : {1, 0}) {
          const Point point =
              point_with({{"rows", rows}, {"columns", vectors * target_.lanes}, {"rows_first", rows_first}});
          if (!plausible(point)) continue;
          const double cost = jit::tile_cost({rows, vectors}, extents_.m) *
                              static_cast<double>(jit::ceil_div(extents_.n, vectors * target_.lanes));
          seeds.push_back({cost, point});
        }
      }
    }
    std::stable_sort(seeds.begin(), seeds.end(), [](const Seed& a, const Seed& b) { return a.cost < b.cost; });
    std::vector<Point> points;
    for (const Seed& seed : seeds) {
      if (points.size() >= 24) break;
      if (std::find(points.begin(), points.end(), seed.point) == points.end()) points.push_back(seed.point);
    }
    return points;
  }

 private:
  jit::MatmulParameters parameters(const Point& point) const {
    jit::MatmulParameters p;
    p.rows = has("rows") ? value(point, "rows") : 1;
    p.columns = value(point, "columns");
    p.unroll = value(point, "unroll");
    p.rows_first = value(point, "rows_first") != 0;
    return p;
  }

  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    const jit::MatmulParameters p = parameters(point);
    const jit::TensorDecl& weights = c_.tensors[static_cast<size_t>(c_.anchor.weights)];
    if (weights.role == jit::Role::constant) decision.layouts[weights.name] = jit::matmul_weights(c_, p.columns);
    if (has("row_padding")) {
      const jit::TensorDecl& rows = c_.tensors[static_cast<size_t>(c_.anchor.data)];
      decision.layouts.erase(rows.name);
      const int64_t padding = value(point, "row_padding");
      if (padding > 0) decision.layouts[rows.name] = jit::padded_rows(rows.shape, padding);
    }
    decision.schedule = jit::default_schedule(c_, decision.layouts, target_);
    decision.schedule[stage_.name] = jit::schedule_matmul(c_, decision.layouts, p);
    return decision;
  }

  const jit::Computation& c_;
  const jit::Target target_;
  const jit::Stage& stage_;
  const jit::MatmulExtents extents_;
  int64_t padding_ = 0;  // of the first operand's rows, at the start
};

}  // namespace

std::unique_ptr<Space> matmul_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                    const jit::Target& target) {
  return std::make_unique<MatmulSpace>(c, initial, target);
}

}  // namespace altrt::tuner
