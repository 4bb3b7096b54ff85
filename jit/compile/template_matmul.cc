// Matrix products: [batch..., m, n] += A[.., m, k] * B[.., k, n].
#include <algorithm>
#include <numeric>

#include "jit/compile/templates.h"

namespace altrt::jit {

MatmulParameters default_matmul(const Target& target, int64_t m, int64_t n) {
  MatmulParameters best{1, target.lanes, 4, false};
  double best_cost = -1;
  for (int64_t vectors = 1; vectors <= 8; ++vectors) {
    const int64_t columns = vectors * target.lanes;
    if (vectors > 1 && columns >= n + target.lanes) break;
    const RegisterTile tile = choose_rows(target, m, vectors);
    const double cost = tile_cost(tile, m) * static_cast<double>(ceil_div(n, columns));
    if (best_cost < 0 || cost < best_cost * 0.99) {
      best_cost = cost;
      best.rows = tile.rows;
      best.columns = columns;
    }
  }
  const int64_t accumulators = best.rows * std::max<int64_t>(1, best.columns / target.lanes);
  best.unroll = std::clamp<int64_t>(128 / accumulators, 1, 8);
  return best;
}

MatmulExtents matmul_extents(const Computation& c, const Stage& stage) {
  MatmulExtents extents;
  if (stage.axes.empty() || stage.reduce.empty()) return extents;
  extents.n = stage.axes.back().extent.bound;
  extents.k = stage.reduce[0].extent.bound;
  if (stage.axes.size() < 2) return extents;
  // A vector times a matrix has no rows: the axis before n is then a batch.
  const Axis& rows = stage.axes[stage.axes.size() - 2];
  for (const Expr& e : stage_accesses(stage)) {
    if (e->id != c.anchor.data) continue;
    for (const Expr& index : e->args) extents.has_rows |= uses_variable(index, rows.name);
  }
  if (extents.has_rows) extents.m = rows.extent.bound;
  return extents;
}

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

namespace {

bool pads_rows_only(const Layout& layout, size_t rank) {
  return std::all_of(layout.steps.begin(), layout.steps.end(), [&](const LayoutStep& step) {
    return step.kind == LayoutKind::pad && step.dim + 1 == static_cast<int>(rank) && step.lo == 0;
  });
}

}  // namespace

Layout padded_rows(const std::vector<Extent>& shape, int64_t padding) {
  Layout layout;
  if (padding > 0) layout.pad(static_cast<int>(shape.size()) - 1, 0, padding, std::nullopt);
  return layout;
}

int64_t matmul_row_padding(const Computation& c, const Target& target) {
  // Lines of one set, as caches of this size and its usual eight ways have them.
  constexpr int64_t kWays = 8, kLine = 64, kFewSets = 2;
  const Stage& stage = c.stages[c.anchor.stage];
  const MatmulExtents extents = matmul_extents(c, stage);
  const TensorDecl& rows = c.tensors[c.anchor.data];
  const auto element = static_cast<int64_t>(size_of(rows.type));
  if (!extents.has_rows || extents.m < kWays || rows.shape.size() < 2 || rows.shape.back().bound != extents.k) return 0;
  const int64_t period = target.l1_bytes / kWays;  // addresses so far apart share a set
  const int64_t sets = period / std::gcd(extents.k * element, period);
  return sets <= kFewSets ? kLine / element : 0;
}

bool is_row_major_matmul(const Computation& c, const Layouts& layouts) {
  if (c.anchor.kind != AnchorKind::matmul || c.anchor.stage < 0) return false;
  const Stage& stage = c.stages[c.anchor.stage];
  const MatmulOperand operand = matmul_operand(c, stage);
  return operand.n >= 0 && operand.k >= 0 && stage.reduce.size() == 1 &&
         pads_rows_only(layout_of(c, stage.outputs[0], layouts), stage.axes.size());
}

Layout matmul_weights(const Computation& c, int64_t columns) {
  const Stage& stage = c.stages[c.anchor.stage];
  const MatmulOperand operand = matmul_operand(c, stage);
  const std::vector<Extent>& shape = c.tensors[c.anchor.weights].shape;
  const int rank = static_cast<int>(shape.size());
  if (operand.n < 0 || operand.k < 0 || operand.n == operand.k) return {};
  if (std::min(operand.n, operand.k) != rank - 2) return {};
  Layout layout;
  std::vector<int64_t> order;
  for (int64_t i = 0; i < rank - 2; ++i) order.push_back(i);
  const int64_t n = shape[operand.n].bound;
  if (n <= columns) {  // one panel
    if (operand.n == rank - 1) return {};
    order.insert(order.end(), {rank - 1, rank - 2});
    return layout.reorder(order);
  }
  const int64_t rest = round_up_to(n, columns) - n;
  if (rest) layout.pad(operand.n, 0, rest, 0.0);
  layout.split(operand.n, {0, columns});
  if (operand.n == rank - 1) {
    order.insert(order.end(), {rank - 1, rank - 2, rank});
  } else {
    order.insert(order.end(), {rank - 2, rank, rank - 1});
  }
  return layout.reorder(order);
}

StageSchedule schedule_matmul(const Computation& c, const Layouts& layouts, const MatmulParameters& p) {
  StageSchedule s;
  const Stage& stage = c.stages[c.anchor.stage];
  std::vector<LoopInfo> spatial;
  for (const LoopInfo& loop : stage_loops(c, stage, layouts)) {
    if (!loop.reduce) spatial.push_back(loop);
  }
  const MatmulExtents extents = matmul_extents(c, stage);
  const std::string n = spatial.back().name, k = stage.reduce[0].name;
  std::vector<std::string> outer, tile;
  for (size_t i = 0; i + (extents.has_rows ? 2 : 1) < spatial.size(); ++i) outer.push_back(spatial[i].name);
  std::string vector = n, columns, rows;
  if (extents.n > p.columns) {
    s.split(n, p.columns, extents.n % p.columns ? Tail::mask : Tail::peel);
    columns = n + ".0";
    vector = n + ".1";
  }
  if (extents.has_rows) {
    const std::string m = spatial[spatial.size() - 2].name;
    if (extents.m > p.rows) {
      s.split(m, p.rows, Tail::balance);
      rows = m + ".0";
      tile.push_back(m + ".1");
    } else {
      tile.push_back(m);
    }
  }
  const auto add = [&](const std::string& loop) {
    if (!loop.empty()) outer.push_back(loop);
  };
  add(p.rows_first ? rows : columns);
  add(p.rows_first ? columns : rows);
  std::vector<std::string> order = outer;
  if (extents.k > p.unroll) {
    s.split(k, p.unroll, Tail::peel);
    order.push_back(k + ".0");
    order.push_back(k + ".1");
    s.unroll(k + ".1");
  } else {
    order.push_back(k);
    s.unroll(k);
  }
  order.insert(order.end(), tile.begin(), tile.end());
  order.push_back(vector);
  s.reorder(order);
  for (const std::string& loop : tile) s.unroll(loop);
  s.vectorize(vector);
  for (const std::string& loop : outer) s.parallel(loop);
  return s;
}

}  // namespace altrt::jit
