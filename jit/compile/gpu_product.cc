// Products of two matrices on GPUs: tiles of both operands in shared memory, a tile of the result in each thread's
// registers.
#include <algorithm>
#include <cmath>
#include <limits>

#include "jit/compile/gpu_templates.h"
#include "jit/expr/algorithms.h"

namespace altrt::jit {

namespace {

/// The index of an access to an operand in the product's stage.
Exprs operand_index(const Computation& c, const Stage& stage, const std::string& operand) {
  for (const Expr& e : stage_accesses(stage)) {
    if (c.tensors[static_cast<size_t>(e->id)].name == operand) return e->args;
  }
  return {};
}

int64_t extent_of(const Computation& c, int tensor, size_t dim) {
  return c.tensors[static_cast<size_t>(tensor)].shape[dim].bound;
}

}  // namespace

namespace {

GpuProduct product_of(const Computation& c, int rows, int columns) {
  GpuProduct product;
  product.rows_name = c.tensors[static_cast<size_t>(rows)].name;
  product.columns_name = c.tensors[static_cast<size_t>(columns)].name;
  product.stage = c.readers(rows).at(0);
  const Stage& stage = c.stages[static_cast<size_t>(product.stage)];
  product.rows = extent_of(c, rows, c.tensors[static_cast<size_t>(rows)].shape.size() - 1);
  product.columns = extent_of(c, columns, c.tensors[static_cast<size_t>(columns)].shape.size() - 1);
  product.depth = stage.reduce[0].extent.bound;
  int64_t points = 1;
  for (const Axis& axis : stage.axes) points *= axis.extent.bound;
  product.batch = points / (product.rows * product.columns);
  const Stage& operand = c.stages[static_cast<size_t>(c.find_stage(product.columns_name))];
  const std::string& k = operand.axes[operand.axes.size() - 2].name;
  product.stretch = product.depth;
  visit(operand.results[0], [&](const Expr& e) {
    const bool digit = (e.is(ExprKind::floor_div) || e.is(ExprKind::floor_mod)) && e->args[1].is_int();
    if (digit && e->args[0].is(ExprKind::variable) && e->args[0]->name == k)
      product.stretch = std::min(product.stretch, e->args[1]->int_value);
  });
  return product;
}

}  // namespace

std::vector<GpuProduct> gpu_products(const Computation& c) {
  std::vector<GpuProduct> products;
  if (gemm_parts(c.algorithm) == 0) return products;
  for (int number = 0;; ++number) {
    const std::string prefix = number > 0 ? "gemm" + std::to_string(number) + "_" : "gemm_";
    const int rows = c.find_tensor(prefix + "rows"), columns = c.find_tensor(prefix + "cols");
    if (rows < 0 || columns < 0) return products;
    products.push_back(product_of(c, rows, columns));
  }
}

namespace {

struct TileKind {
  GpuTile tile;
  double
      efficiency;  // share of the arithmetic's peak with many blocks, after tests/performance/gpu_tiles.cc on an H200
  int resident;    // blocks of a multiprocessor, by their registers
};

constexpr TileKind kTiles[] = {
    {{128, 128, 8, 8, 8}, 0.59, 2}, {{64, 128, 8, 8, 8}, 0.59, 4},  {{128, 64, 8, 8, 8}, 0.50, 4},
    {{64, 128, 4, 8, 8}, 0.48, 2},  {{128, 64, 8, 4, 8}, 0.46, 2},  {{64, 64, 8, 4, 16}, 0.38, 5},
    {{64, 64, 4, 4, 16}, 0.32, 4},  {{32, 64, 4, 4, 16}, 0.28, 8},  {{16, 64, 4, 4, 16}, 0.28, 16},
    {{64, 32, 4, 4, 16}, 0.24, 8},  {{32, 32, 4, 4, 16}, 0.23, 16}, {{32, 32, 2, 2, 16}, 0.17, 6},
    {{16, 32, 2, 2, 16}, 0.19, 12}};

/// The deeper tiles need a depth that they divide, with one index a step.
GpuTile fitted(GpuTile tile, const std::vector<GpuProduct>& products) {
  const bool fits = std::all_of(products.begin(), products.end(), [&](const GpuProduct& product) {
    return product.depth % tile.depth == 0 && product.stretch % tile.depth == 0;
  });
  if (!fits) tile.depth = std::min<int64_t>(tile.depth, 8);
  return tile;
}

/// Blocks that are resident at the same time share the arithmetic; one alone waits for its barriers and its memory.
double tile_cycles(const TileKind& kind, const GpuTile& tile, const GpuProduct& product, const Target& target) {
  constexpr double kMultiplyAdds = 128;  // of a multiprocessor, a cycle
  constexpr double kStepCycles = 700;    // until a step's values are there
  constexpr double kAlone = 1.45;        // a block alone computes so much faster than its share
  const int64_t blocks = product.batch * ceil_div(product.rows, tile.rows) * ceil_div(product.columns, tile.columns);
  const auto work = static_cast<double>(tile.rows * tile.columns * tile.depth) / (kMultiplyAdds * kind.efficiency);
  const auto steps = static_cast<double>(ceil_div(product.depth, tile.depth));
  double cycles = 0;
  for (int64_t left = ceil_div(blocks, target.multiprocessors); left > 0; left -= kind.resident) {
    const auto together = static_cast<double>(std::min<int64_t>(left, kind.resident));
    cycles += steps * std::max(kStepCycles + work / kAlone, together * work);
    // Full rounds are all alike.
    const int64_t rounds = left / kind.resident;
    if (rounds > 1) {
      cycles += static_cast<double>(rounds - 1) * steps * std::max(kStepCycles + work / kAlone, kind.resident * work);
      left -= (rounds - 1) * kind.resident;
    }
  }
  return cycles;
}

}  // namespace

GpuTileChoice choose_gpu_tile(const std::vector<GpuProduct>& products, const Target& target) {
  GpuTileChoice best;
  best.cycles = std::numeric_limits<double>::infinity();
  for (const TileKind& kind : kTiles) {
    const GpuTile tile = fitted(kind.tile, products);
    double cycles = 0;
    for (const GpuProduct& product : products) cycles += tile_cycles(kind, tile, product, target);
    if (cycles < best.cycles) best = {tile, cycles};
  }
  return best;
}

namespace {

/// Loops of the product's stage by what they run over.
struct ProductLoops {
  std::vector<std::string> others, rows, columns;
  std::string k;
};

ProductLoops product_loops(const Computation& c, const GpuProduct& product, const Layouts& layouts) {
  const Stage& stage = c.stages[static_cast<size_t>(product.stage)];
  const Expr row = operand_index(c, stage, product.rows_name).back();
  const Expr column = operand_index(c, stage, product.columns_name).back();
  ProductLoops loops;
  for (const LoopInfo& loop : stage_loops(c, stage, layouts)) {
    if (loop.reduce) {
      loops.k = loop.name;
    } else if (loop.extent > 1 && uses_variable(row, loop.name)) {
      loops.rows.push_back(loop.name);
    } else if (loop.extent > 1 && uses_variable(column, loop.name)) {
      loops.columns.push_back(loop.name);
    } else {
      loops.others.push_back(loop.name);  // a digit that is always 0 would hide how the others follow from one number
    }
  }
  // A matrix may be one row or column.
  for (auto* list : {&loops.rows, &loops.columns}) {
    if (list->empty() && !loops.others.empty()) {
      list->push_back(loops.others.back());
      loops.others.pop_back();
    }
  }
  return loops;
}

std::string fuse(StageSchedule& s, const std::vector<std::string>& loops) {
  std::string name = loops[0];
  for (size_t i = 1; i < loops.size(); ++i) name += "*" + loops[i];
  if (loops.size() > 1) s.fuse(loops);
  return name;
}

/// An operand's tile, fetched by all threads: in the order in which its source lies in memory.
void schedule_operand(const Computation& c, const std::string& name, const std::string& product,
                      const std::string& loop, const Layouts& layouts, const GpuTile& tile, Schedule& schedule) {
  const Stage& stage = c.stages[static_cast<size_t>(c.find_stage(name))];
  std::vector<std::string> axes;
  for (const Axis& axis : stage.axes) axes.push_back(axis.name);
  const std::string own = axes[axes.size() - 1], k = axes[axes.size() - 2];
  StageSchedule& s = schedule[name];
  bool along_k = false;
  for (const Expr& e : stage_accesses(stage)) {
    const AxisStride by_k = axis_stride(c, e, k, layouts), by_own = axis_stride(c, e, own, layouts);
    along_k = along_k || (by_k.known && by_k.elements == 1 && !(by_own.known && by_own.elements == 1));
  }
  if (along_k) {
    s.reorder({own, k});
    std::swap(axes[axes.size() - 1], axes[axes.size() - 2]);
  }
  const std::string all = fuse(s, axes);
  s.split(all, tile.threads(), Tail::mask).bind(all + ".1").unroll(all + ".0");
  s.compute_at(product, loop);
  if (tile.prefetch) s.prefetch();
}

void schedule_product(const Computation& c, const GpuProduct& product, const Layouts& layouts, const GpuTile& tile,
                      Schedule& schedule) {
  const Stage& stage = c.stages[static_cast<size_t>(product.stage)];
  const ProductLoops loops = product_loops(c, product, layouts);
  StageSchedule& s = schedule[stage.name];
  std::vector<std::string> order = loops.others;
  append(order, loops.rows);
  append(order, loops.columns);
  order.push_back(loops.k);
  s.reorder(order);
  const std::string r = fuse(s, loops.rows), n = fuse(s, loops.columns), k = loops.k;
  s.split(r, tile.rows, Tail::mask).split(n, tile.columns, Tail::mask);
  // A thread's columns are vectors of four that lie as far apart as all threads' first ones are wide, so that
  // neighbours read neighbouring banks.
  constexpr int64_t kVector = 4;
  const bool apart = tile.thread_columns > kVector && tile.thread_columns % kVector == 0;
  std::string threads = n + ".1.0", column = n + ".1.1", repeat;
  s.split(r + ".1", tile.thread_rows);
  if (apart) {
    repeat = n + ".1.0";
    threads = n + ".1.1.0";
    column = n + ".1.1.1";
    s.split(n + ".1", tile.columns / (tile.thread_columns / kVector)).split(n + ".1.1", kVector);
  } else {
    s.split(n + ".1", tile.thread_columns);
  }
  s.split(k, tile.depth, Tail::mask);
  const std::string row = r + ".1.1";
  order = loops.others;
  append(order, {r + ".0", n + ".0", r + ".1.0", threads, k + ".0", k + ".1", row});
  if (apart) order.push_back(repeat);
  order.push_back(column);
  s.reorder(order);
  s.fuse({r + ".1.0", threads}).bind(r + ".1.0*" + threads);
  for (const std::string& loop : loops.others) s.parallel(loop);
  s.parallel(r + ".0").parallel(n + ".0");
  s.unroll(k + ".1").unroll(row).vectorize(column);
  if (apart) s.unroll(repeat);
  for (const std::string& operand : {product.rows_name, product.columns_name}) {
    schedule_operand(c, operand, stage.name, k + ".0", layouts, tile, schedule);
  }
}

}  // namespace

bool gpu_products_fit(const Computation& c, const Layouts& layouts) {
  const std::vector<GpuProduct> products = gpu_products(c);
  return !products.empty() && std::all_of(products.begin(), products.end(), [&](const GpuProduct& product) {
    const ProductLoops loops = product_loops(c, product, layouts);
    return !loops.rows.empty() && !loops.columns.empty();
  });
}

void schedule_gpu_products(const Computation& c, const Layouts& layouts, const GpuTile& tile, Schedule& schedule) {
  for (const GpuProduct& product : gpu_products(c)) schedule_product(c, product, layouts, tile, schedule);
}

}  // namespace altrt::jit
