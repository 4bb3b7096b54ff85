// Attention: blocks of rows of the scores, what is made of them, and their product with the values, while they lie in
// the cache.
#include <algorithm>
#include <set>

#include "jit/compile/templates.h"
#include "jit/expr/attention.h"

namespace altrt::jit {

namespace {

const Stage& stage_of(const Computation& c, const Anchor& product) {
  return c.stages[static_cast<size_t>(product.stage)];
}

/// The same Computation, seen as the one product.
Computation around(const Computation& c, const Anchor& product) {
  Computation view = c;
  view.anchor = product;
  return view;
}

class AttentionScheduler {
 public:
  AttentionScheduler(const Computation& c, const AttentionParameters& p, const Target& target)
      : c_(c), p_(p), target_(target), attention_(*attention_of(c)), values_(stage_of(c, attention_.values)) {}

  Schedule make() {
    const std::string at = values();
    for (const int row : attention_.rows) {
      const Stage& stage = c_.stages[static_cast<size_t>(row)];
      schedule_[stage.name] = schedule_row(c_, stage, {}, target_);
      schedule_[stage.name].compute_at(values_.name, at);
    }
    const Stage& scores = stage_of(c_, attention_.scores);
    if (p_.apart) {
      schedule_[scores.name] = schedule_matmul(around(c_, attention_.scores), {}, p_.scores);
    } else {
      std::vector<std::string> order;
      tile(scores, scores.axes[attention_.row_axes - 1].name, p_.scores, order, schedule_[scores.name]);
      schedule_[scores.name].compute_at(values_.name, at);
    }
    return std::move(schedule_);
  }

 private:
  /// The last product, a block of rows at a time; the loop over those.
  std::string values() {
    StageSchedule& s = schedule_[values_.name];
    std::vector<std::string> order;
    for (size_t i = 0; i + 1 < attention_.row_axes; ++i) order.push_back(values_.axes[i].name);
    const Axis& rows = values_.axes[attention_.row_axes - 1];
    std::string row = rows.name;
    if (p_.block < rows.extent.bound) {
      s.split(row, p_.block, Tail::balance);
      order.push_back(row + ".0");
      row += ".1";
    }
    const std::vector<std::string> outer = order;
    tile(values_, row, p_.values, order, s);
    for (const std::string& loop : outer) s.parallel(loop);
    return outer.back();
  }

  /// A product's register tile within a block of rows, which loop `row` runs over; `order`: loops outside.
  void tile(const Stage& stage, std::string row, const MatmulParameters& p, std::vector<std::string>& order,
            StageSchedule& s) const {
    std::string column = stage.axes.back().name, k = stage.reduce[0].name;
    std::vector<std::string> tiles;
    if (p.columns < stage.axes.back().extent.bound) {
      s.split(column, p.columns, Tail::peel);
      tiles.push_back(column + ".0");
      column += ".1";
    }
    if (p.rows < std::min(p_.block, stage.axes[attention_.row_axes - 1].extent.bound)) {
      s.split(row, p.rows, Tail::balance);
      tiles.insert(p.rows_first ? tiles.begin() : tiles.end(), row + ".0");
      row += ".1";
    }
    append(order, tiles);
    if (p.unroll < stage.reduce[0].extent.bound) {
      s.split(k, p.unroll, Tail::peel);
      order.push_back(k + ".0");
      k += ".1";
    }
    append(order, {k, row, column});
    s.reorder(order).unroll(k).unroll(row).vectorize(column);
  }

  const Computation& c_;
  const AttentionParameters& p_;
  const Target& target_;
  const Attention attention_;
  const Stage& values_;
  Schedule schedule_;
};

/// Lengths of the parts that a balanced split makes.
std::set<int64_t> parts(int64_t extent, int64_t factor) {
  const int64_t count = ceil_div(extent, std::max<int64_t>(1, factor));
  return {extent / count, ceil_div(extent, count)};
}

/// Blocks of at most so many rows: all of one length where that leaves them half as long at least, else as even as they
/// can be.
int64_t even(int64_t extent, int64_t block) {
  for (int64_t size = std::min(extent, block); 2 * size > block; --size)
    if (extent % size == 0) return size;
  return *parts(extent, block).rbegin();
}

/// Vector instructions of one product's tiles in a block of `rows`, with loads, and what is done with the sums: each
/// length of rows and columns, and what is left of the sum, has code of its own.
int64_t product_code(const MatmulParameters& p, int64_t rows, int64_t columns, int64_t depth, int64_t lanes) {
  constexpr int64_t kResult = 4;
  const int64_t unroll = std::min(p.unroll, depth), steps = unroll + depth % unroll;
  int64_t count = 0;
  for (const int64_t tile : parts(rows, p.rows)) {
    for (const int64_t width : {std::min(p.columns, columns), columns % std::min(p.columns, columns)}) {
      const int64_t vectors = ceil_div(width, lanes);
      count += vectors > 0 ? steps * (vectors * tile + vectors + tile) + kResult * vectors * tile : 0;
    }
  }
  return count;
}

/// Of the stages between: exponentials, mostly.
int64_t rows_code(int64_t length, int64_t lanes) {
  constexpr int64_t kOperations = 40;
  return kOperations * std::min<int64_t>(ceil_div(length, lanes), 8);
}

}  // namespace

bool has_attention_template(const Computation& c, const Layouts& layouts) {
  const std::optional<Attention> attention = attention_of(c);
  if (!attention) return false;
  const int output = stage_of(c, attention->values).outputs[0];
  if (!pads_rows_only(layout_of(c, output, layouts), c.tensors[static_cast<size_t>(output)].shape.size())) return false;
  const AttentionExtents extents = attention_extents(c);
  if (extents.batch == 1 && extents.rows == 1) return false;
  return std::all_of(c.tensors.begin(), c.tensors.end(), [&](const TensorDecl& tensor) {
    return tensor.role != Role::intermediate || layouts.count(tensor.name) == 0;
  });
}

AttentionExtents attention_extents(const Computation& c) {
  const Attention attention = *attention_of(c);
  const Stage &scores = stage_of(c, attention.scores), &values = stage_of(c, attention.values);
  AttentionExtents e;
  for (size_t i = 0; i + 1 < attention.row_axes; ++i) e.batch *= scores.axes[i].extent.bound;
  e.rows = scores.axes[attention.row_axes - 1].extent.bound;
  e.depth = scores.reduce[0].extent.bound;
  e.length = scores.axes.back().extent.bound;
  e.columns = values.axes.back().extent.bound;
  return e;
}

AttentionParameters attention_of_block(const Computation& c, int64_t block, const Target& target) {
  const AttentionExtents e = attention_extents(c);
  AttentionParameters p;
  p.block = even(e.rows, block);
  p.scores = default_matmul(target, p.block, e.length);
  p.values = default_matmul(target, p.block, e.columns);
  while (attention_code(e, p, target) > kMostAttentionCode && std::max(p.scores.unroll, p.values.unroll) > 1) {
    for (MatmulParameters* product : {&p.scores, &p.values})
      product->unroll = std::max<int64_t>(1, product->unroll / 2);
  }
  return p;
}

int64_t attention_code(const AttentionExtents& e, const AttentionParameters& p, const Target& target) {
  int64_t count = 0;
  for (const int64_t rows : parts(e.rows, p.block)) {
    if (!p.apart) count += product_code(p.scores, rows, e.length, e.depth, target.lanes);
    count += product_code(p.values, rows, e.columns, e.length, target.lanes) + rows_code(e.length, target.lanes);
  }
  return count;
}

AttentionParameters default_attention(const Computation& c, const Target& target) {
  // A block's scores, and what is made of them, stay in the second-level cache beside the operands.
  constexpr int64_t kMostRows = 32, kEnoughTasks = 16, kElement = 4, kTensors = 2;
  const AttentionExtents e = attention_extents(c);
  const int64_t fitting = target.l2_bytes / (2 * kTensors * kElement * e.length);
  const int64_t enough = e.rows * e.batch / kEnoughTasks;
  return attention_of_block(c, std::clamp<int64_t>(std::min(fitting, enough), 8, kMostRows), target);
}

Schedule schedule_attention(const Computation& c, const AttentionParameters& parameters, const Target& target) {
  return AttentionScheduler(c, parameters, target).make();
}

}  // namespace altrt::jit
