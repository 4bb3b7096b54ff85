#include "jit/expr/attention.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "jit/expr/algorithms.h"

namespace altrt::jit {

namespace {

bool is_sum(const Stage& stage) { return stage.reduce.size() == 1 && stage.state.size() == 1; }

/// A matrix product of two tensors as they are, the second of them not constant: those come packed, and in algorithms
/// of their own.
std::optional<Anchor> product_of(const Computation& c, int number) {
  const Stage& stage = c.stages[static_cast<size_t>(number)];
  if (!is_sum(stage) || stage.axes.size() < 2 || stage.outputs.size() != 1) return std::nullopt;
  const Factors factors = factors_of(stage);
  if (!factors.first || !factors.first.is(ExprKind::access) || !factors.second.is(ExprKind::access)) {
    return std::nullopt;
  }
  const std::string &row = stage.axes[stage.axes.size() - 2].name, &column = stage.axes.back().name;
  const bool swapped = uses_variable(factors.first, column);
  const Expr &data = swapped ? factors.second : factors.first, &weights = swapped ? factors.first : factors.second;
  if (uses_variable(data, column) || !uses_variable(weights, column) || uses_variable(weights, row)) {
    return std::nullopt;
  }
  if (c.tensors[static_cast<size_t>(weights->id)].role == Role::constant) return std::nullopt;
  Anchor product;
  product.kind = AnchorKind::matmul;
  product.stage = number;
  product.data = data->id;
  product.weights = weights->id;
  return product;
}

/// Every access in the expressions to what other stages make.
std::vector<Expr> reads_of_stages(const Computation& c, const Exprs& bodies) {
  std::vector<Expr> found;
  const auto collect = [&](const Expr& e) {
    if (e.is(ExprKind::access) && c.tensors[static_cast<size_t>(e->id)].role == Role::intermediate) found.push_back(e);
  };
  for (const Expr& body : bodies) visit(body, collect);
  return found;
}

std::vector<Expr> reads_of_stages(const Computation& c, const Stage& stage) {
  Exprs bodies = stage.results;
  for (const StateValue& value : stage.state) bodies.push_back(value.update);
  return reads_of_stages(c, bodies);
}

/// Whether a matrix product's sum is what the Computation is built round.
bool has_product(const Computation& c) {
  if (c.anchor.kind != AnchorKind::matmul || c.anchor.stage < 0) return false;
  const Stage& stage = c.stages[static_cast<size_t>(c.anchor.stage)];
  return is_sum(stage) && !stage.axes.empty() && factors_of(stage).first;
}

bool reads_own_row(const Stage& stage, const Expr& read, size_t row_axes) {
  if (read->args.size() < row_axes || stage.axes.size() < row_axes) return false;
  for (size_t d = 0; d < row_axes; ++d) {
    const Expr& index = read->args[d];
    const Axis& axis = stage.axes[d];
    const bool own = index.is(ExprKind::variable) && index->name == axis.name;
    if (!own && !(axis.extent == Extent(1) && index.is_int(0))) return false;
  }
  // What lies behind the row's number is not another row.
  return std::none_of(stage.axes.begin(), stage.axes.begin() + static_cast<std::ptrdiff_t>(row_axes),
                      [&](const auto& axis) {
                        return std::any_of(read->args.begin() + static_cast<std::ptrdiff_t>(row_axes), read->args.end(),
                                           [&](const Expr& index) { return uses_variable(index, axis.name); });
                      });
}

}  // namespace

bool hoist_factors(Computation& c) {
  if (!has_product(c)) return false;
  Stage& stage = c.stages[static_cast<size_t>(c.anchor.stage)];
  const Factors factors = factors_of(stage);
  Exprs both{factors.first, factors.second};
  for (Expr& factor : both) {
    if (!factor.is(ExprKind::mul)) continue;
    for (const size_t side : {0u, 1u}) {
      const Expr element = factor->args[side], scale = factor->args[1 - side];
      if (!element.is(ExprKind::access) || uses_variable(scale, stage.reduce[0].name)) continue;
      (uses_variable(element, stage.axes.back().name) ? c.anchor.weights : c.anchor.data) = element->id;
      const Expr sum = state(0, stage.state[0].type);
      factor = element;
      stage.state[0].update = fma(both[0], both[1], sum);
      for (Expr& result : stage.results) {
        result = rewrite(result, [&](const Expr& e) { return e.is(ExprKind::state) ? sum * scale : e; });
      }
      return true;
    }
  }
  return false;
}

namespace {

std::string unused_name(const Computation& c, std::string name) {
  std::set<std::string> taken;
  for (const TensorDecl& tensor : c.tensors) taken.insert(tensor.name);
  for (const Stage& stage : c.stages) {
    taken.insert(stage.name);
    for (const Axis& axis : stage.axes) taken.insert(axis.name);
    for (const Axis& axis : stage.reduce) taken.insert(axis.name);
  }
  while (taken.count(name)) name += "_";
  return name;
}

/// The stage that stores `value`, an expression over axes of `reader`, for all points of its rows and its reduction.
Stage map_of_rows(Computation& c, const Stage& reader, const Expr& value) {
  Stage map;
  map.name = unused_name(c, reader.name + "rows");
  Substitution renamed;
  TensorDecl tensor{unused_name(c, map.name + "_"), value->type, {}, Role::intermediate};
  std::vector<Axis> axes(reader.axes.begin(), reader.axes.end() - 1);
  axes.push_back(reader.reduce[0]);
  for (const Axis& axis : axes) {
    map.axes.push_back({unused_name(c, axis.name + "r"), axis.extent});
    renamed[axis.name] = variable(map.axes.back().name);
    tensor.shape.push_back(axis.extent);
  }
  map.store = variables(map.axes);
  map.results = {substitute(value, renamed)};
  map.outputs = {c.add_tensor(std::move(tensor))};
  return map;
}

}  // namespace

bool outline_factor(Computation& c) {
  if (!has_product(c)) return false;
  Stage product = c.stages[static_cast<size_t>(c.anchor.stage)];
  const Factors factors = factors_of(product);
  if (uses_variable(factors.first, product.axes.back().name) || factors.first.is(ExprKind::access)) return false;
  if (reads_of_stages(c, Exprs{factors.first}).empty()) return false;
  Stage map = map_of_rows(c, product, factors.first);
  Exprs point = variables({product.axes.begin(), product.axes.end() - 1});
  point.push_back(variable(product.reduce[0].name));
  const Expr element = access(map.outputs[0], factors.first->type, point);
  product.state[0].update = fma(element, factors.second, state(0, product.state[0].type));
  c.anchor.data = map.outputs[0];
  const auto at = c.stages.begin() + c.anchor.stage;
  *at = std::move(product);
  c.stages.insert(at, std::move(map));
  ++c.anchor.stage;
  return true;
}

std::optional<Attention> attention_of(const Computation& c) {
  const int last = static_cast<int>(c.stages.size()) - 1;
  if (c.anchor.kind != AnchorKind::matmul || last < 1 || c.anchor.stage != last) return std::nullopt;
  const std::optional<Anchor> values = product_of(c, last);
  if (!values || c.tensors[static_cast<size_t>(values->data)].role != Role::intermediate) return std::nullopt;
  Attention attention;
  attention.values = *values;
  for (int i = 0; i < last; ++i) {
    const std::optional<Anchor> product = product_of(c, i);
    if (product && reads_of_stages(c, c.stages[static_cast<size_t>(i)]).empty()) {
      if (attention.scores.stage >= 0) return std::nullopt;
      attention.scores = *product;
    } else {
      attention.rows.push_back(i);
    }
  }
  if (attention.scores.stage < 0) return std::nullopt;
  attention.row_axes = c.stages[static_cast<size_t>(attention.scores.stage)].axes.size() - 1;
  for (int i = 0; i <= last; ++i) {
    const Stage& stage = c.stages[static_cast<size_t>(i)];
    const std::vector<Expr> reads = reads_of_stages(c, stage);
    const bool own = std::all_of(reads.begin(), reads.end(),
                                 [&](const Expr& read) { return reads_own_row(stage, read, attention.row_axes); });
    if (!own || (i != attention.scores.stage && reads.empty())) return std::nullopt;
    if (i == last) continue;
    for (const int output : stage.outputs) {
      if (c.tensors[static_cast<size_t>(output)].role != Role::intermediate || c.writers(output).size() != 1)
        return std::nullopt;
    }
    if (stage.reduce.size() > 1) return std::nullopt;
  }
  const Stage& product = c.stages[static_cast<size_t>(last)];
  if (product.axes.size() != attention.row_axes + 1) return std::nullopt;
  return attention;
}

}  // namespace altrt::jit
