// Convolutions and matrix products as one product of two matrices, each a stage of its own: what indexes the operands,
// padding included, happens where their elements are fetched, so that a block of a GPU can put tiles of both into its
// shared memory (implicit GEMM).
//
//   rows[b.., k, r] = first factor     r: the axes that occur in the first factor only, as one
//   cols[b.., k, c] = second factor    c: those that occur in the second only, k: the reduction axes, b: in both
//   out[..] = epilogue(sum_k rows[b.., k, r] * cols[b.., k, c])
//
// In `parts` parts (split-K) the sum is made of partial sums over as many stretches of k, added up in order. The
// products are those of the direct form; k is filled up with zeros.
#include <algorithm>

#include <altrt/error.h>

#include "jit/expr/algorithms.h"

namespace altrt::jit {

Factors factors_of(const Stage& stage) {
  const Expr& update = stage.state[0].update;
  if (update.is(ExprKind::fma) && update->args[2].is(ExprKind::state)) return {update->args[0], update->args[1]};
  if (update.is(ExprKind::add) && update->args[0].is(ExprKind::state) && update->args[1].is(ExprKind::mul)) {
    return {update->args[1]->args[0], update->args[1]->args[1]};
  }
  return {};
}

namespace {

/// How a factor depends on an output axis: not at all (0), through its quotient by this constant (a group of channels),
/// or as it is (1).
int64_t dependence(const Expr& factor, const std::string& axis) {
  if (!uses_variable(factor, axis)) return 0;
  int64_t divisor = 0;
  const Expr without = rewrite(factor, [&](const Expr& e) {
    const bool quotient = e.is(ExprKind::floor_div) && e->args[0].is(ExprKind::variable) && e->args[0]->name == axis &&
                          e->args[1].is_int();
    if (!quotient || (divisor != 0 && divisor != e->args[1]->int_value)) return e;
    divisor = e->args[1]->int_value;
    return Expr(0);
  });
  return uses_variable(without, axis) ? 1 : divisor;
}

/// One dimension of a matrix: an output axis, or its quotient.
struct Digit {
  size_t axis = 0;
  int64_t divisor = 1;
};

/// One stage as a product. What it adds to the Computation has names that begin with `prefix`.
class Gemm {
 public:
  Gemm(const Computation& c, const Stage& stage, std::string prefix)
      : c_(c), stage_(stage), prefix_(std::move(prefix)) {}

  /// Finds rows, columns and what both have; false if the stage is no such product.
  bool fits() {
    if (stage_.state.size() != 1 || stage_.axes.empty() || stage_.reduce.empty()) return false;
    if (!stage_.state[0].init.is(ExprKind::constant)) return false;
    for (const auto* list : {&stage_.axes, &stage_.reduce}) {
      for (const Axis& axis : *list) {
        if (axis.extent.is_symbolic()) return false;
      }
    }
    factors_ = factors_of(stage_);
    if (!factors_.first || factors_.first->type != DataType::f32) return false;
    // The columns are the factor that moves along the output's last axis.
    if (dependence(factors_.second, stage_.axes.back().name) != 1) std::swap(factors_.first, factors_.second);
    if (dependence(factors_.second, stage_.axes.back().name) != 1) return false;
    for (size_t i = 0; i < stage_.axes.size(); ++i) {
      const int64_t first = dependence(factors_.first, stage_.axes[i].name);
      const int64_t second = dependence(factors_.second, stage_.axes[i].name);
      if (first > 1) return false;
      if (first == 1 && second == 1) {
        batch_.push_back({i, 1});
      } else if (first == 1) {
        rows_.push_back({i, 1});
        if (second > 1) groups_.push_back({i, second});
      } else {
        if (second > 1) return false;
        columns_.push_back({i, 1});
      }
    }
    for (const Digit& row : rows_) row_extent_ *= extent(row);
    // With a few rows in a group, or a row alone, there is nothing to share.
    const int64_t shared = groups_.empty() ? row_extent_ : groups_[0].divisor;
    return !rows_.empty() && shared >= kLeastRows;
  }

  /// The stages that take the stage's place, their tensors added to `c`.
  std::vector<Stage> make(int64_t parts, Computation& c) {
    for (const Axis& axis : stage_.reduce) reduction_ *= axis.extent.bound;
    part_ = (reduction_ + parts - 1) / parts;
    if (part_ > kStretch) part_ = (part_ + kStretch - 1) / kStretch * kStretch;
    std::vector<Digit> shared = batch_;
    std::vector<Stage> stages{operand("rows", factors_.first, shared, rows_, parts, c)};
    shared.insert(shared.end(), groups_.begin(), groups_.end());
    stages.push_back(operand("cols", factors_.second, shared, columns_, parts, c));
    const int rows = stages[0].outputs[0], columns = stages[1].outputs[0];
    Stage product = stage_;
    product.reduce = {{prefix_ + "k", part_}};
    if (parts > 1) {
      stages.push_back(partial(product, rows, columns, parts, c));
      stages.push_back(sum(stages.back().outputs[0], parts));
    } else {
      product.state[0] = dot(rows, columns, Expr(0), stage_.axes);
      stages.push_back(product);
    }
    return stages;
  }

 private:
  static constexpr int64_t kLeastRows = 4;
  static constexpr int64_t kStretch = 8;  // parts are multiples of it, so that tiles of k can be

  int64_t extent(const Digit& digit) const { return stage_.axes[digit.axis].extent.bound / digit.divisor; }

  /// The number that the digits make of the given axes.
  Expr number(const std::vector<Digit>& digits, const std::vector<Axis>& axes) const {
    Expr sum(0);
    for (const Digit& digit : digits) sum = sum * extent(digit) + variable(axes[digit.axis].name);
    return sum;
  }

  /// Stage and tensor that hold one factor: dimensions `shared`, k, and `own` as one.
  Stage operand(const std::string& name, const Expr& factor, const std::vector<Digit>& shared,
                const std::vector<Digit>& own, int64_t parts, Computation& c) const {
    Stage stage;
    stage.name = prefix_ + name;
    Substitution values;
    const auto add_axis = [&](const std::string& suffix, int64_t extent) {
      stage.axes.push_back({stage.name + "_" + suffix, extent});
      return variable(stage.axes.back().name);
    };
    for (const Digit& digit : shared) {
      const std::string& axis = stage_.axes[digit.axis].name;
      const Expr value = add_axis(digit.divisor > 1 ? "g" : "b" + std::to_string(digit.axis), extent(digit));
      values[axis] = digit.divisor > 1 ? value * digit.divisor : value;
    }
    const Expr k = add_axis("k", part_ * parts);
    int64_t own_extent = 1;
    for (const Digit& digit : own) own_extent *= extent(digit);
    const Expr at = add_axis(name == "rows" ? "r" : "c", own_extent);
    split_digits(at, own, values);
    int64_t below = reduction_;
    for (const Axis& axis : reduction_order()) {
      below /= axis.extent.bound;
      values[axis.name] = floor_mod(floor_div(k, below), axis.extent.bound);
    }
    Expr value = substitute(factor, values);
    if (part_ * parts > reduction_) value = select(lt(k, Expr(reduction_)), value, constant(factor->type, 0));
    std::vector<Extent> shape;
    for (const Axis& axis : stage.axes) shape.push_back(axis.extent);
    stage.store = variables(stage.axes);
    stage.results = {simplify(value, axis_ranges(stage))};
    stage.outputs = {c.add_tensor({stage.name, factor->type, shape, Role::intermediate})};
    return stage;
  }

  /// Channels last where whole stretches of k have one tap.
  std::vector<Axis> reduction_order() const {
    std::vector<Axis> order = stage_.reduce;
    if (order[0].extent.bound % kStretch == 0) std::rotate(order.begin(), order.begin() + 1, order.end());
    return order;
  }

  void split_digits(const Expr& at, const std::vector<Digit>& digits, Substitution& values) const {
    int64_t below = 1;
    for (const Digit& digit : digits) below *= extent(digit);
    for (const Digit& digit : digits) {
      below /= extent(digit);
      values[stage_.axes[digit.axis].name] = floor_mod(floor_div(at, below), extent(digit));
    }
  }

  /// The sum over one part of k, which begins at `begin`, for the point that the axes name.
  StateValue dot(int rows, int columns, const Expr& begin, const std::vector<Axis>& axes) const {
    const DataType type = factors_.first->type;
    const Expr k = begin + variable(prefix_ + "k"), self = state(0, type);
    Exprs row_index, column_index;
    for (const Digit& digit : batch_) {
      row_index.push_back(variable(axes[digit.axis].name));
      column_index.push_back(row_index.back());
    }
    for (const Digit& digit : groups_) {
      column_index.push_back(floor_div(variable(axes[digit.axis].name), digit.divisor));
    }
    row_index.insert(row_index.end(), {k, number(rows_, axes)});
    column_index.insert(column_index.end(), {k, number(columns_, axes)});
    StateValue value = stage_.state[0];
    value.update = fma(access(rows, type, row_index), access(columns, type, column_index), self);
    return value;
  }

  Stage partial(Stage stage, int rows, int columns, int64_t parts, Computation& c) const {
    stage.name = prefix_ + "part";
    const Axis part{prefix_ + "p", parts};
    for (Axis& axis : stage.axes) axis.name = prefix_ + axis.name;
    stage.state[0] = dot(rows, columns, variable(part.name) * part_, stage.axes);
    stage.axes.insert(stage.axes.begin(), part);
    std::vector<Extent> shape;
    for (const Axis& axis : stage.axes) shape.push_back(axis.extent);
    stage.store = variables(stage.axes);
    stage.results = {state(0, factors_.first->type)};
    stage.outputs = {c.add_tensor({stage.name, factors_.first->type, shape, Role::intermediate})};
    return stage;
  }

  Stage sum(int partial, int64_t parts) const {
    Stage stage = stage_;
    stage.reduce = {{prefix_ + "s", parts}};
    Exprs index{variable(prefix_ + "s")};
    for (const Axis& axis : stage_.axes) index.push_back(variable(axis.name));
    const DataType type = factors_.first->type;
    stage.state[0].update = state(0, type) + access(partial, type, index);
    return stage;
  }

  const Computation& c_;
  const Stage& stage_;
  const std::string prefix_;
  Factors factors_;
  std::vector<Digit> batch_, groups_, rows_, columns_;
  int64_t row_extent_ = 1, reduction_ = 1, part_ = 1;
};

}  // namespace

namespace {

/// What is made into products: the anchor's stage, or the phases of a transposed convolution.
Computation with_products(const Computation& c) { return phases_fit(c) ? phases(c) : c; }

bool is_product(const Computation& c, size_t number) {
  const Stage& stage = c.stages[number];
  if (stage.reduce.empty()) return false;
  if (c.algorithm != "phases") return static_cast<int>(number) == c.anchor.stage;
  return stage.outputs == c.stages[static_cast<size_t>(c.anchor.stage)].outputs;
}

}  // namespace

bool gemm_fits(const Computation& direct) {
  const AnchorKind kind = direct.anchor.kind;
  const bool product = kind == AnchorKind::conv || kind == AnchorKind::matmul || phases_fit(direct);
  if (!product || direct.anchor.stage < 0 || direct.algorithm != "direct") return false;
  const Computation c = with_products(direct);
  if (kind != AnchorKind::conv_transpose &&
      c.writers(c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0]).size() != 1)
    return false;
  bool any = false;
  for (size_t i = 0; i < c.stages.size(); ++i) {
    if (!is_product(c, i)) continue;
    any = true;
    if (!Gemm(c, c.stages[i], "gemm_").fits()) return false;
  }
  return any;
}

Computation gemm(const Computation& direct, int parts) {
  if (!gemm_fits(direct)) throw Error(ErrorCode::invalid_argument, "group '" + direct.name + "' is no matrix product");
  const Computation c = with_products(direct);
  Computation result = c;
  result.stages.clear();
  int products = 0;
  for (size_t i = 0; i < c.stages.size(); ++i) {
    if (is_product(c, i)) {
      Gemm product(c, c.stages[i], products > 0 ? "gemm" + std::to_string(products) + "_" : "gemm_");
      product.fits();
      for (Stage& stage : product.make(parts, result)) result.stages.push_back(std::move(stage));
      ++products;
    } else {
      result.stages.push_back(c.stages[i]);
    }
    if (static_cast<int>(i) == c.anchor.stage) result.anchor.stage = static_cast<int>(result.stages.size()) - 1;
  }
  result.algorithm = parts > 1 ? "gemm" + std::to_string(parts) : "gemm";
  return result;
}

}  // namespace altrt::jit
