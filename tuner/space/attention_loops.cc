// Loops of attention: how many rows of the scores at a time, the register tiles of both products, and whether all
// scores are made first.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

class AttentionLoops final : public LoopSpace {
 public:
  AttentionLoops(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target)
      : LoopSpace(c, initial, target), extents_(jit::attention_extents(changed())) {
    const jit::AttentionParameters start = jit::default_attention(changed(), target);
    const int64_t most = std::min(extents_.rows, kMostTileRows);
    add_tile("block", {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128}, start.block, extents_.rows);
    add_knob("apart", {0, 1}, start.apart);
    add_tile("score_rows", counts_up_to(most), start.scores.rows, extents_.rows);
    add_tile("score_columns", tile_columns(extents_.length, target), start.scores.columns, extents_.length);
    add_knob("score_unroll", {1, 2, 4, 8, 16}, start.scores.unroll);
    add_tile("value_rows", counts_up_to(most), start.values.rows, extents_.rows);
    add_tile("value_columns", tile_columns(extents_.columns, target), start.values.columns, extents_.columns);
    add_knob("value_unroll", {1, 2, 4, 8, 16}, start.values.unroll);
    add_knob("rows_first", {0, 1}, start.values.rows_first);
  }

  bool plausible(const Point& point) const override {
    const jit::AttentionParameters p = parameters(point);
    return is_tile_plausible(p.scores.rows, vectors(p.scores, extents_.length), p.scores.unroll, target()) &&
           is_tile_plausible(p.values.rows, vectors(p.values, extents_.columns), p.values.unroll, target()) &&
           jit::attention_code(extents_, p, target()) <= jit::kMostAttentionCode;
  }

  std::vector<Point> seeds() const override {
    std::vector<Point> seeds;
    for (const int64_t block : {16, 32, 8, 12, 24, 6, 48}) {
      if (block > extents_.rows) continue;
      const jit::AttentionParameters best = jit::attention_of_block(changed(), block, target());
      for (const int64_t apart : {0, 1}) {
        const Point point = nearest({{"block", best.block},
                                     {"apart", apart},
                                     {"score_rows", best.scores.rows},
                                     {"score_columns", best.scores.columns},
                                     {"score_unroll", best.scores.unroll},
                                     {"value_rows", best.values.rows},
                                     {"value_columns", best.values.columns},
                                     {"value_unroll", best.values.unroll}});
        if (plausible(point)) seeds.push_back(point);
      }
    }
    return seeds;
  }

 private:
  jit::AttentionParameters parameters(const Point& point) const {
    jit::AttentionParameters p;
    p.block = value(point, "block", 1);
    p.apart = value(point, "apart") != 0;
    p.scores.rows = std::min(value(point, "score_rows", 1), p.apart ? extents_.rows : p.block);
    p.scores.columns = value(point, "score_columns");
    p.scores.unroll = value(point, "score_unroll");
    p.values.rows = std::min(value(point, "value_rows", 1), p.block);
    p.values.columns = value(point, "value_columns");
    p.values.unroll = value(point, "value_unroll");
    p.scores.rows_first = p.values.rows_first = value(point, "rows_first") != 0;
    return p;
  }

  int64_t vectors(const jit::MatmulParameters& p, int64_t columns) const {
    return jit::ceil_div(std::min(p.columns, jit::round_up_to(columns, target().lanes)), target().lanes);
  }

  void describe(const Point& point, Features& features) const override {
    const jit::AttentionParameters p = parameters(point);
    const int64_t length = vectors(p.scores, extents_.length), columns = vectors(p.values, extents_.columns);
    describe_tile(p.values.rows, columns, p.values.unroll, target(), features);
    describe_tasks(extents_.batch * jit::ceil_div(extents_.rows, p.block), features);
    const auto row_bytes = 4 * static_cast<double>(extents_.length);
    features.set_log(Feature::panel_bytes, row_bytes * static_cast<double>(p.values.columns));
    features.set_log(Feature::strip_bytes, row_bytes * static_cast<double>(p.block));
    features.set(Feature::order, (p.values.rows_first ? 1 : 0) + (p.apart ? 2 : 0));
    features.set_log(Feature::parameter_0, static_cast<double>(p.block));
    features.set_log(Feature::parameter_1, static_cast<double>(p.scores.rows));
    features.set_log(Feature::parameter_2, static_cast<double>(length));
    features.set_log(Feature::parameter_3, static_cast<double>(p.scores.unroll));
    features.set_log(Feature::parameter_4, static_cast<double>(extents_.length));
    features.set(Feature::parameter_5,
                 jit::tile_cost({p.scores.rows, length}, p.block) / static_cast<double>(p.block * length));
  }

  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    decision.schedule = jit::schedule_attention(changed(), parameters(point), target());
    return decision;
  }

  const jit::AttentionExtents extents_;
};

}  // namespace

std::unique_ptr<LoopSpace> attention_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                           const jit::Target& target) {
  return std::make_unique<AttentionLoops>(c, initial, target);
}

}  // namespace altrt::tuner
