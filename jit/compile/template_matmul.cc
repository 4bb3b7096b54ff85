// Matrix products: [batch..., m, n] += A[.., m, k] * B[.., k, n].
#include <algorithm>
#include <numeric>
#include <set>

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
    MatmulOperand read;
    for (size_t i = 0; i < e->args.size(); ++i) {
      if (uses_variable(e->args[i], stage.reduce[0].name)) read.k = static_cast<int>(i);
      if (uses_variable(e->args[i], stage.axes.back().name)) read.n = static_cast<int>(i);
    }
    // One tensor may be both operands: the second one moves with the columns.
    if (operand.n < 0) operand = read;
  }
  return operand;
}

bool pads_rows_only(const Layout& layout, size_t rank) {
  return std::all_of(layout.steps.begin(), layout.steps.end(), [&](const LayoutStep& step) {
    return step.kind == LayoutKind::pad && step.dim + 1 == static_cast<int>(rank) && step.lo == 0;
  });
}

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

namespace {

/// The loops of a matrix product by the part they play, whatever the output's layout calls them.
struct MatmulLoops {
  std::vector<std::string> batch;
  LoopInfo rows, columns;                         // within a tile of the layout
  std::vector<LoopInfo> row_tiles, column_tiles;  // over the layout's tiles, outermost first
  bool has_rows = false;
};

MatmulLoops matmul_loops(const Computation& c, const Stage& stage, const Layouts& layouts) {
  std::vector<LoopInfo> spatial;
  for (const LoopInfo& loop : stage_loops(c, stage, layouts))
    if (!loop.reduce) spatial.push_back(loop);
  const int rank = static_cast<int>(stage.axes.size());
  const std::vector<PhysicalDim> dims = physical_dims(layout_of(c, stage.outputs[0], layouts), stage.axes.size());
  MatmulLoops loops;
  loops.has_rows = matmul_extents(c, stage).has_rows;
  for (size_t i = 0; i < spatial.size(); ++i) {
    // A part of a tensor is walked along the stage's own axes.
    const PhysicalDim dim = dims.size() == spatial.size() ? dims[i] : PhysicalDim{static_cast<int>(i), true};
    if (dim.dim == rank - 1) {
      (dim.innermost ? loops.columns : loops.column_tiles.emplace_back()) = spatial[i];
    } else if (dim.dim == rank - 2 && loops.has_rows && !spatial[i].symbolic) {
      (dim.innermost ? loops.rows : loops.row_tiles.emplace_back()) = spatial[i];
    } else {
      loops.batch.push_back(spatial[i].name);
    }
  }
  loops.has_rows = loops.has_rows && !loops.rows.name.empty();
  return loops;
}

// The length to which a layout cuts logical dimension `dim` of an operand; 0 = it does not.
int64_t cut_of(const Computation& c, int tensor, int dim, const Layouts& layouts) {
  if (tensor < 0 || dim < 0) return 0;
  const std::vector<Extent>& shape = c.tensors[static_cast<size_t>(tensor)].shape;
  const Layout& layout = layout_of(c, tensor, layouts);
  const std::vector<PhysicalDim> dims = physical_dims(layout, shape.size());
  const std::vector<Extent> physical = physical_shape(layout, shape);
  int64_t count = 0, cut = 0;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i].dim != dim) continue;
    ++count;
    if (dims[i].innermost) cut = physical[i].bound;
  }
  return count > 1 ? cut : 0;
}

// The dimension of an operand that the reduction runs over.
int reduced_dim(const Stage& stage, int tensor) {
  for (const Expr& e : stage_accesses(stage)) {
    if (e->id != tensor) continue;
    for (size_t i = 0; i < e->args.size(); ++i)
      if (uses_variable(e->args[i], stage.reduce[0].name)) return static_cast<int>(i);
  }
  return -1;
}

// Channels of the reduction that stay together in both operands' layouts; 0 where neither cuts them.
int64_t reduction_block(const Computation& c, const Stage& stage, const Layouts& layouts) {
  int64_t block = 0;
  for (const int tensor : {c.anchor.data, c.anchor.weights}) {
    const int dim = tensor < 0 ? -1 : reduced_dim(stage, tensor);
    if (const int64_t cut = cut_of(c, tensor, dim, layouts)) block = std::gcd(block, cut);
  }
  return block;
}

// Whether vectors that run past the last column stay inside the second operand.
bool has_whole_panels(const Computation& c, const Stage& stage, const Layouts& layouts, int64_t columns) {
  const int64_t cut = cut_of(c, c.anchor.weights, matmul_operand(c, stage).n, layouts);
  return cut > 0 && cut % columns == 0;
}

}  // namespace

MatmulTile matmul_tile(const Computation& c, const Layouts& layouts) {
  const MatmulLoops loops = matmul_loops(c, c.stages[static_cast<size_t>(c.anchor.stage)], layouts);
  MatmulTile tile;
  tile.rows = loops.has_rows ? loops.rows.extent : 1;
  tile.columns = loops.columns.extent;
  for (const LoopInfo& loop : loops.row_tiles) tile.row_tiles *= loop.extent;
  for (const LoopInfo& loop : loops.column_tiles) tile.column_tiles *= loop.extent;
  return tile;
}

bool has_matmul_template(const Computation& c, const Layouts& layouts) {
  if (c.anchor.kind != AnchorKind::matmul || c.anchor.stage < 0) return false;
  const Stage& stage = c.stages[static_cast<size_t>(c.anchor.stage)];
  const MatmulOperand operand = matmul_operand(c, stage);
  if (operand.n < 0 || operand.k < 0 || stage.reduce.size() != 1) return false;
  const std::vector<PhysicalDim> dims = physical_dims(layout_of(c, stage.outputs[0], layouts), stage.axes.size());
  return dims.back().dim == static_cast<int>(stage.axes.size()) - 1 && dims.back().innermost &&
         std::all_of(dims.begin(), dims.end(), [](const PhysicalDim& d) { return d.dim >= 0; });
}

MatmulParameters default_matmul(const Computation& c, const Layouts& layouts, const Target& target) {
  const Stage& stage = c.stages[static_cast<size_t>(c.anchor.stage)];
  const MatmulLoops loops = matmul_loops(c, stage, layouts);
  const int64_t rows = loops.has_rows ? loops.rows.extent : 1;
  MatmulParameters best = default_matmul(target, rows, loops.columns.extent);
  // Several of the layout's tiles side by side, where one alone leaves the tile of registers half empty.
  constexpr int64_t kMostVectors = 4;
  const int64_t vectors = ceil_div(loops.columns.extent, target.lanes);
  const int64_t tiles = loops.column_tiles.empty() ? 1 : loops.column_tiles.back().extent;
  double best_cost = -1;
  for (int64_t blocks = 1; blocks <= tiles && blocks * vectors <= kMostVectors; ++blocks) {
    if (tiles % blocks != 0) continue;
    const RegisterTile tile = choose_rows(target, rows, blocks * vectors);
    const double cost = tile_cost(tile, rows) / static_cast<double>(blocks);
    if (best_cost >= 0 && cost >= best_cost * 0.99) continue;
    best_cost = cost;
    best.rows = tile.rows;
    best.columns = loops.columns.extent;
    best.blocks = blocks;
    best.unroll = std::clamp<int64_t>(128 / tile.accumulators(), 1, 8);
    if (tiles == 1) best = default_matmul(target, rows, loops.columns.extent);
  }
  return best;
}

namespace {

class MatmulScheduler {
 public:
  MatmulScheduler(const Computation& c, const Layouts& layouts, const MatmulParameters& p)
      : c_(c),
        layouts_(layouts),
        p_(p),
        stage_(c.stages[static_cast<size_t>(c.anchor.stage)]),
        loops_(matmul_loops(c, stage_, layouts)),
        columns_(loops_.column_tiles),
        rows_(loops_.row_tiles) {}

  StageSchedule make() {
    cut_rows();
    cut_columns();
    std::vector<std::string> outer = loops_.batch, inside;
    for (const std::string& part : {cut(columns_, p_.cache_columns), cut(rows_, p_.cache_rows)})
      if (!part.empty()) outer.push_back(part);
    for (const LoopInfo& loop : p_.rows_first ? rows_ : columns_) inside.push_back(loop.name);
    for (const LoopInfo& loop : p_.rows_first ? columns_ : rows_) inside.push_back(loop.name);
    std::string k = stage_.reduce[0].name;
    int64_t extent = stage_.reduce[0].extent.bound;
    size_t tasks = 0;
    order_ = outer;
    if (p_.chunk > 0 && p_.chunk < extent && (p_.cache_rows > 0 || p_.cache_columns > 0)) {
      tasks = order_.size();
      split_k(k, extent, p_.chunk);
      order_.insert(order_.end(), inside.begin(), inside.end());
    } else {
      order_.insert(order_.end(), inside.begin(), inside.end());
      while (tasks < order_.size() && !varying_.count(order_[tasks])) ++tasks;
    }
    const std::vector<std::string> parallel(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(tasks));
    const int64_t block = std::gcd(reduction_block(c_, stage_, layouts_), extent);
    constexpr int64_t kShortest = 4;  // of a block that is worth a loop
    if (block >= kShortest) split_k(k, extent, block);
    split_k(k, extent, p_.unroll);
    order_.push_back(k);
    s_.unroll(k);
    order_.insert(order_.end(), tile_.begin(), tile_.end());
    order_.push_back(vector_);
    s_.reorder(order_);
    for (const std::string& loop : tile_) s_.unroll(loop);
    s_.vectorize(vector_);
    for (const std::string& loop : parallel) s_.parallel(loop);
    return s_;
  }

 private:
  void cut_rows() {
    if (!loops_.has_rows) return;
    const std::string m = loops_.rows.name;
    if (loops_.rows.extent <= p_.rows) return tile_.push_back(m);
    s_.split(m, p_.rows, Tail::balance);
    rows_.push_back({m + ".0", ceil_div(loops_.rows.extent, p_.rows), false, false});
    tile_.push_back(m + ".1");
  }

  void cut_columns() {
    vector_ = loops_.columns.name;
    const int64_t extent = loops_.columns.extent;
    if (extent > p_.columns) {
      const bool mask = extent % p_.columns && has_whole_panels(c_, stage_, layouts_, p_.columns);
      s_.split(vector_, p_.columns, mask ? Tail::mask : Tail::peel);
      columns_.push_back({vector_ + ".0", ceil_div(extent, p_.columns), false, false});
      vector_ += ".1";
    } else if (p_.blocks > 1 && !columns_.empty()) {
      const LoopInfo last = columns_.back();
      columns_.pop_back();
      if (last.extent <= p_.blocks) return tile_.push_back(last.name);
      s_.split(last.name, p_.blocks, Tail::peel);
      columns_.push_back({last.name + ".0", ceil_div(last.extent, p_.blocks), false, false});
      tile_.push_back(last.name + ".1");
    }
  }

  // Cuts the innermost of some loops in parts for the cache; the outer loop's name, "" if nothing is cut.
  std::string cut(std::vector<LoopInfo>& loops, int64_t factor) {
    if (factor <= 0 || loops.empty() || loops.back().extent <= factor) return "";
    LoopInfo& last = loops.back();
    const std::string name = last.name;
    s_.split(name, factor, Tail::peel);
    if (last.extent % factor) varying_.insert(name + ".1");
    last = {name + ".1", factor, false, false};
    return name + ".0";
  }

  void split_k(std::string& k, int64_t& extent, int64_t factor) {
    if (factor >= extent) return;
    s_.split(k, factor, Tail::peel);
    order_.push_back(k + ".0");
    k += ".1";
    extent = factor;
  }

  const Computation& c_;
  const Layouts& layouts_;
  const MatmulParameters& p_;
  const Stage& stage_;
  const MatmulLoops loops_;
  std::vector<LoopInfo> columns_, rows_;  // loops over tiles, outermost first
  StageSchedule s_;
  std::vector<std::string> order_, tile_;
  std::string vector_;
  std::set<std::string> varying_;  // loops that don't always have as many iterations
};

}  // namespace

StageSchedule schedule_matmul(const Computation& c, const Layouts& layouts, const MatmulParameters& parameters) {
  return MatmulScheduler(c, layouts, parameters).make();
}

}  // namespace altrt::jit
