// Matrix products by Strassen's algorithm (jit/expr/strassen.cc names the stages). Products and combination happen for
// one block of rows and columns of all quadrants at a time, in cache, with the epilogue; the sums of the first factor
//   by rows:    for one block of rows, before all columns; blocks of rows in parallel
//   by columns: in a kernel of their own; blocks of columns in parallel; where rows are too few, or too long for the
//               cache
#include <algorithm>

#include "jit/compile/templates.h"
#include "jit/expr/algorithms.h"

namespace altrt::jit {

namespace {

constexpr int64_t kProducts = 7, kElement = sizeof(float);

const Stage& stage_named(const Computation& c, const char* name) {
  return c.stages[static_cast<size_t>(c.find_stage(name))];
}

const Stage& output_stage(const Computation& c) {
  return c.stages[static_cast<size_t>(c.readers(c.find_tensor(kStrassenProducts))[0])];
}

// Depth that lies together in the sums of the first factor, rows next to each other; 0 = whole rows.
int64_t depth_block(const StrassenHalves& h, const StrassenParameters& p) { return h.k % p.depth == 0 ? p.depth : 0; }

class Scheduler {
 public:
  Scheduler(const Computation& c, const StrassenParameters& p)
      : c_(c), p_(p), h_(strassen_halves(c)), depth_(depth_block(h_, p)), out_(output_stage(c)) {
    const size_t rank = out_.axes.size();
    for (size_t i = 0; i + 2 < rank; ++i) batch_.push_back(out_.axes[i].name);
    m_ = out_.axes[rank - 2].name;
    n_ = out_.axes[rank - 1].name;
  }

  Schedule make() {
    const std::string block = combine();
    first();
    second();
    products(block);
    return std::move(schedule_);
  }

 private:
  // The output's loops; the one that holds a block of products.
  std::string combine() {
    StageSchedule& s = schedule_[out_.name];
    const int64_t m = out_.axes[out_.axes.size() - 2].extent.bound, n = out_.axes.back().extent.bound;
    s.split(m_, h_.m, m % 2 != 0 ? Tail::mask : Tail::peel);
    s.split(n_, h_.n, n % 2 != 0 ? Tail::mask : Tail::peel);
    std::string row = m_ + ".1", column = n_ + ".1";
    std::string rows, columns;  // loops over blocks
    const int64_t block_rows = p_.rows * p_.row_tiles, block_columns = p_.columns * p_.column_tiles;
    if (block_rows < h_.m) {
      s.split(row, block_rows, Tail::balance);
      rows = row + ".0";
      row += ".1";
    }
    if (block_columns < h_.n) {
      s.split(column, block_columns, Tail::peel);
      columns = column + ".0";
      column += ".1";
    }
    std::vector<std::string> order = batch_;
    const bool by_rows = p_.by_rows && !(rows.empty() && batch_.empty());
    if (by_rows) first_at_ = rows.empty() ? batch_.back() : rows;
    for (const std::string& loop : by_rows ? std::vector{rows, columns} : std::vector{columns, rows}) {
      if (!loop.empty()) order.push_back(loop);
    }
    const size_t outer = order.size();
    if (p_.columns < std::min(block_columns, h_.n)) {
      s.split(column, p_.columns, Tail::peel);
      order.push_back(column + ".0");
      column += ".1";
    }
    order.push_back(row);
    const std::string p = out_.reduce[0].name;
    order.insert(order.end(), {p, m_ + ".0", n_ + ".0", column});
    s.reorder(order).unroll(p).unroll(m_ + ".0").unroll(n_ + ".0").vectorize(column);
    const size_t tasks = batch_.size() + ((by_rows ? rows : columns).empty() ? 0 : 1);
    for (size_t i = 0; i < tasks; ++i) s.parallel(order[i]);
    return outer > 0 ? order[outer - 1] : "";
  }

  void first() {
    StageSchedule& s = schedule_[kStrassenFirst];
    const Stage& stage = stage_named(c_, kStrassenFirst);
    const size_t rank = stage.axes.size();
    std::string k = stage.axes[rank - 1].name;
    if (depth_ == 0 && h_.k > p_.depth) s.split(k, p_.depth, Tail::peel);
    std::vector<std::string> order;
    for (size_t i = 1; i + 1 < rank; ++i) order.push_back(stage.axes[i].name);
    const std::vector<std::string> tasks = order;
    if (depth_ > 0 || h_.k > p_.depth) {
      order.push_back(k + ".0");
      k += ".1";
    }
    const std::string r = stage.reduce[0].name, c = stage.reduce[1].name, p = stage.axes[0].name;
    order.insert(order.end(), {r, c, p, k});
    s.reorder(order).unroll(r).unroll(c).unroll(p).vectorize(k);
    if (!first_at_.empty()) {
      s.compute_at(out_.name, first_at_);
    } else {
      for (const std::string& loop : tasks) s.parallel(loop);
    }
  }

  void second() {
    StageSchedule& s = schedule_[kStrassenSecond];
    const Stage& stage = stage_named(c_, kStrassenSecond);
    const std::string r = stage.reduce[0].name, c = stage.reduce[1].name, p = stage.axes[0].name;
    const std::string k = stage.axes[1].name, n = stage.axes[2].name;
    if (h_.n <= p_.columns) {
      s.reorder({k, r, c, p, n}).unroll(r).unroll(c).unroll(p).vectorize(n).parallel(k);
    } else {
      s.reorder({n + ".0", k, r, c, p, n + ".1"}).unroll(r).unroll(c).unroll(p).vectorize(n + ".1");
      s.parallel(n + ".0").parallel(k);
    }
  }

  void products(const std::string& block) {
    StageSchedule& s = schedule_[kStrassenProducts];
    const Stage& stage = stage_named(c_, kStrassenProducts);
    const size_t rank = stage.axes.size();
    std::string m = stage.axes[rank - 2].name, n = stage.axes[rank - 1].name, k = stage.reduce[0].name;
    std::vector<std::string> order{stage.axes[0].name};
    for (size_t i = 1; i + 2 < rank; ++i) order.push_back(stage.axes[i].name);
    if (std::min(h_.n, p_.columns * p_.column_tiles) > p_.columns) {
      s.split(n, p_.columns, Tail::peel);
      order.push_back(n + ".0");
      n += ".1";
    }
    if (std::min(h_.m, p_.rows * p_.row_tiles) > p_.rows) {
      s.split(m, p_.rows, Tail::balance);
      order.push_back(m + ".0");
      m += ".1";
    }
    for (const int64_t factor : {depth_, p_.unroll}) {
      const int64_t extent = factor == p_.unroll && depth_ > 0 ? depth_ : h_.k;
      if (factor == 0 || factor >= extent) continue;
      s.split(k, factor, Tail::peel);
      order.push_back(k + ".0");
      k += ".1";
    }
    order.insert(order.end(), {k, m, n});
    s.reorder(order).unroll(k).unroll(m).vectorize(n);
    if (!block.empty()) s.compute_at(out_.name, block);
  }

  const Computation& c_;
  const StrassenParameters& p_;
  const StrassenHalves h_;
  const int64_t depth_;
  const Stage& out_;
  std::vector<std::string> batch_;
  std::string m_, n_, first_at_;
  Schedule schedule_;
};

}  // namespace

StrassenHalves strassen_halves(const Computation& c) {
  const Stage& z = stage_named(c, kStrassenProducts);
  const size_t rank = z.axes.size();
  StrassenHalves h{z.axes[rank - 2].extent.bound, z.axes[rank - 1].extent.bound, z.reduce[0].extent.bound, 1};
  for (size_t i = 1; i + 2 < rank; ++i) h.batch *= z.axes[i].extent.bound;
  return h;
}

bool strassen_may_pay(const Computation& c) {
  // Cycles for a vector: half a cycle for each multiplication saved, loads, sums and stores of four elements of the
  // first factor and of the result. Below so many rows the seven sums of weights, which are more than the weights, come
  // from memory too slowly.
  constexpr double kSaved = 0.5, kFirst = 10, kResult = 14, kMargin = 1.5;
  constexpr int64_t kLeastRows = 16;
  const StrassenHalves h = strassen_halves(c);
  const auto n = static_cast<double>(h.n), k = static_cast<double>(h.k);
  return h.m >= kLeastRows && kSaved * n * k > kMargin * (kFirst * k + kResult * n);
}

bool has_strassen_template(const Computation& c, const Layouts& layouts) {
  if (c.algorithm != "strassen") return false;
  return layout_of(c, output_stage(c).outputs[0], layouts).is_plain();
}

StrassenParameters default_strassen(const Computation& c, const Target& target) {
  const StrassenHalves h = strassen_halves(c);
  // The sums of a block's rows lie in the second-level cache; an even number of blocks, for teams of two threads.
  const int64_t fitting = std::max<int64_t>(1, target.l2_bytes / (kProducts * h.k * kElement));
  const int64_t block = ceil_div(h.m, 2 * ceil_div(h.m, 2 * fitting));
  const MatmulParameters tile = default_matmul(target, block, h.n);
  StrassenParameters p;
  p.rows = tile.rows;
  p.columns = tile.columns;
  p.unroll = tile.unroll;
  p.row_tiles = ceil_div(block, tile.rows);
  p.depth = target.lanes;
  p.by_rows = true;
  return p;
}

void layout_strassen(const Computation& c, const StrassenParameters& p, Layouts& layouts) {
  const StrassenHalves h = strassen_halves(c);
  layouts.erase(kStrassenFirst);
  layouts.erase(kStrassenSecond);
  if (depth_block(h, p) > 0) {
    const auto rank = static_cast<int64_t>(stage_named(c, kStrassenFirst).axes.size());
    std::vector<int64_t> order;
    for (int64_t i = 0; i < rank - 2; ++i) order.push_back(i);
    order.insert(order.end(), {rank - 1, rank - 2, rank});
    layouts[kStrassenFirst].split(static_cast<int>(rank - 1), {0, p.depth}).reorder(order);
  }
  if (h.n > p.columns) {
    Layout second;
    const int64_t rest = round_up_to(h.n, p.columns) - h.n;
    if (rest) second.pad(2, 0, rest, std::nullopt);
    layouts[kStrassenSecond] = second.split(2, {0, p.columns}).reorder({2, 0, 1, 3});
  }
}

Schedule schedule_strassen(const Computation& c, const StrassenParameters& p) { return Scheduler(c, p).make(); }

}  // namespace altrt::jit
