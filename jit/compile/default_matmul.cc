// Matrix products: [batch..., m, n] += A[.., m, k] * B[.., k, n].
#include <algorithm>

#include "jit/compile/defaults.h"

namespace altrt::jit {

MatmulTile matmul_tile(const Target& target, int64_t m, int64_t n) {
  MatmulTile best{1, target.lanes};
  double best_cost = -1;
  for (int64_t vectors = 1; vectors <= 8; ++vectors) {
    const int64_t columns = vectors * target.lanes;
    if (vectors > 1 && columns >= n + target.lanes) break;
    const RegisterTile tile = choose_rows(target, m, vectors);
    const double cost = tile_cost(tile, m) * static_cast<double>(ceil_div(n, columns));
    if (best_cost < 0 || cost < best_cost * 0.99) {
      best_cost = cost;
      best = {tile.rows, columns};
    }
  }
  return best;
}

namespace {

// The last axes of the output are m (if there is one) and n; a vector result has n only.
bool has_rows(const Computation& c, const Stage& stage) {
  for (const Expr& e : stage_accesses(stage)) {
    if (e->id == c.anchor.data && stage.axes.size() >= 2) {
      for (const Expr& index : e->args) {
        if (uses_variable(index, stage.axes[stage.axes.size() - 2].name)) return true;
      }
    }
  }
  return false;
}

}  // namespace

MatmulOperand matmul_operand(const Computation& c, const Stage& stage) {
  MatmulOperand operand;
  if (stage.reduce.empty() || stage.axes.empty()) return operand;
  for (const Expr& e : stage_accesses(stage)) {
    if (e->id != c.anchor.weights) continue;
    for (size_t i = 0; i < e->args.size(); ++i) {
      if (uses_variable(e->args[i], stage.reduce[0].name)) operand.k = static_cast<int>(i);
      if (uses_variable(e->args[i], stage.axes.back().name)) operand.n = static_cast<int>(i);
    }
    break;
  }
  return operand;
}

StageSchedule schedule_matmul(const Computation& c, const Stage& stage, const Layouts& layouts, const Target& target) {
  const MatmulOperand operand = matmul_operand(c, stage);
  std::vector<LoopInfo> spatial, reduce;
  for (const LoopInfo& loop : stage_loops(c, stage, layouts)) (loop.reduce ? reduce : spatial).push_back(loop);
  const bool plain = layout_of(c, stage.outputs[0], layouts).is_plain();
  if (operand.n < 0 || operand.k < 0 || reduce.size() != 1 || !plain) {
    return schedule_reduction(c, stage, layouts, target);
  }
  StageSchedule s;
  const bool rows = has_rows(c, stage);
  const LoopInfo n = spatial.back(), k = reduce[0];
  const LoopInfo m = rows ? spatial[spatial.size() - 2] : LoopInfo{};
  const MatmulTile tile = matmul_tile(target, rows ? m.extent : 1, n.extent);
  std::vector<std::string> outer, tile_loops;
  for (size_t i = 0; i + (rows ? 2 : 1) < spatial.size(); ++i) outer.push_back(spatial[i].name);
  std::string vector = n.name;
  if (n.extent > tile.columns) {
    s.split(n.name, tile.columns, n.extent % tile.columns ? Tail::mask : Tail::peel);
    outer.push_back(n.name + ".0");
    vector = n.name + ".1";
  }
  if (rows) {
    if (m.extent > tile.rows) {
      s.split(m.name, tile.rows, Tail::balance);
      outer.push_back(m.name + ".0");
      tile_loops.push_back(m.name + ".1");
    } else {
      tile_loops.push_back(m.name);
    }
  }
  std::vector<std::string> order = outer;
  const int64_t accumulators = tile.rows * std::max<int64_t>(1, tile.columns / target.lanes);
  const int64_t unroll = std::clamp<int64_t>(128 / accumulators, 1, 8);
  if (k.extent > unroll) {
    s.split(k.name, unroll, Tail::peel);
    order.push_back(k.name + ".0");
    order.push_back(k.name + ".1");
    s.unroll(k.name + ".1");
  } else {
    order.push_back(k.name);
    s.unroll(k.name);
  }
  for (const std::string& loop : tile_loops) order.push_back(loop);
  order.push_back(vector);
  s.reorder(order);
  for (const std::string& loop : tile_loops) s.unroll(loop);
  s.vectorize(vector);
  for (const std::string& loop : outer) s.parallel(loop);
  return s;
}

}  // namespace altrt::jit
