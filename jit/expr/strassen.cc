// One level of Strassen's algorithm for matrix products whose second factor is constant: seven products of half the
// rows, columns and depth in place of eight. Source: Strassen, "Gaussian Elimination is not Optimal" (Numerische
// Mathematik 13, 1969). Of the variants with seven products this one has the fewest terms in the sums of the first
// factor and of the result, 12 each; Winograd's, which saves additions by sums of sums, has 14 where each sum is made
// for itself, the same passes over memory, and the larger rounding error.
//
//   a[p, b.., i, k] = sum_{r,c} A[p, r, c] first[b.., r*M + i, c*K + k]    M, N, K: half the extents, rounded up;
//   w[p, k, j]      = sum_{r,c} W[p, r, c] second[r*K + k, c*N + j]        constants only: the plan runs it once
//   z[p, b.., i, j] = sum_k a[p, b.., i, k] w[p, k, j]
//   out[b.., m, n]  = epilogue(sum_p C[m div M, n div N, p] z[p, b.., m mod M, n mod N])
//
// Of odd extents the last row or column of the second half is zero. NaN and infinities reach all four quadrants.
#include <memory>

#include <altrt/error.h>

#include "jit/expr/algorithms.h"

namespace altrt::jit {

namespace {

using Values = std::shared_ptr<const std::vector<double>>;

constexpr int64_t kProducts = 7;

Values values(std::vector<double> v) { return std::make_shared<const std::vector<double>>(std::move(v)); }

// One row a product: its terms in quadrants 11, 12, 21, 22.
Values first_terms() {
  return values({1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, -1, 0, 1, 0, 0, 1, 0, -1});
}
Values second_terms() {
  return values({1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, -1, -1, 0, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1});
}
// One row a quadrant of the result.
Values result_terms() {
  return values({1, 0, 0, 1, -1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, -1, 1, 0, 0, 1, 0});
}

/// The product's own axes and factors; no factors if it is no such product.
struct Product {
  std::vector<Axis> batch;
  Axis m, n, k;
  Factors factors;  // first: of the rows, second: constant
};

bool reads_constants_only(const Computation& c, const Expr& e) {
  bool constant = true;
  visit(e, [&](const Expr& node) {
    constant &= !node.is(ExprKind::access) || c.tensors[static_cast<size_t>(node->id)].role == Role::constant;
  });
  return constant;
}

Product product_of(const Computation& c) {
  Product product;
  if (c.anchor.kind != AnchorKind::matmul || c.anchor.stage < 0) return product;
  const Stage& stage = c.stages[static_cast<size_t>(c.anchor.stage)];
  if (stage.axes.size() < 2 || stage.reduce.size() != 1 || stage.state.size() != 1 || stage.outputs.size() != 1)
    return product;
  for (const auto* list : {&stage.axes, &stage.reduce}) {
    for (const Axis& axis : *list) {
      if (axis.extent.is_symbolic()) return product;
    }
  }
  product.batch.assign(stage.axes.begin(), stage.axes.end() - 2);
  product.m = stage.axes[stage.axes.size() - 2];
  product.n = stage.axes.back();
  product.k = stage.reduce[0];
  Factors factors = factors_of(stage);
  if (!factors.first || factors.first->type != DataType::f32 || !is_zero(stage.state[0].init)) return product;
  if (!uses_variable(factors.second, product.n.name)) std::swap(factors.first, factors.second);
  for (const Axis& axis : product.batch) {
    if (uses_variable(factors.second, axis.name)) return product;
  }
  const bool apart = uses_variable(factors.first, product.m.name) && !uses_variable(factors.first, product.n.name) &&
                     uses_variable(factors.second, product.n.name) && !uses_variable(factors.second, product.m.name);
  if (apart && reads_constants_only(c, factors.second)) product.factors = factors;
  return product;
}

int64_t half(const Axis& axis) { return (axis.extent.bound + 1) / 2; }

class Strassen {
 public:
  Strassen(const Computation& c, Product product) : c_(c), product_(std::move(product)) {}

  Computation make() const {
    Computation result = c_;
    result.algorithm = "strassen";
    const auto at = result.stages.begin() + c_.anchor.stage;
    Stage first = sums(kStrassenFirst, first_terms(), product_.factors.first, product_.batch, product_.m, product_.k);
    Stage second = sums(kStrassenSecond, second_terms(), product_.factors.second, {}, product_.k, product_.n);
    first.outputs = {add(result, first)};
    second.outputs = {add(result, second)};
    Stage products = dot(first.outputs[0], second.outputs[0]);
    products.outputs = {add(result, products)};
    *at = combination(products.outputs[0]);
    result.stages.insert(at, {first, second, products});
    result.anchor.stage = c_.anchor.stage + 2;
    return result;
  }

 private:
  static int add(Computation& c, const Stage& stage) {
    std::vector<Extent> shape;
    for (const Axis& axis : stage.axes) shape.push_back(axis.extent);
    return c.add_tensor({stage.name, DataType::f32, shape, Role::intermediate});
  }

  static StateValue sum_of(const Expr& a, const Expr& b) {
    const Expr self = state(0, DataType::f32);
    return {DataType::f32, constant_float(DataType::f32, 0), fma(a, b, self), self + other(0, DataType::f32)};
  }

  static Stage stage_of(const std::string& name, std::vector<Axis> axes, std::vector<Axis> reduce, StateValue value) {
    Stage stage;
    stage.name = name;
    stage.store = variables(axes);
    stage.axes = std::move(axes);
    stage.reduce = std::move(reduce);
    stage.state = {std::move(value)};
    stage.results = {state(0, DataType::f32)};
    return stage;
  }

  /// The sums of a factor's quadrants: axes p, the batch, rows and columns of a quadrant.
  static Stage sums(const std::string& name, const Values& terms, const Expr& factor, const std::vector<Axis>& batch,
                    const Axis& rows, const Axis& columns) {
    const Axis r{name + "_r", 2}, c{name + "_c", 2};
    std::vector<Axis> axes{{name + "_p", kProducts}};
    Substitution place;
    for (const Axis& axis : batch) {
      axes.push_back({name + "_" + axis.name, axis.extent});
      place[axis.name] = variable(axes.back().name);
    }
    axes.push_back({name + "_" + rows.name, half(rows)});
    const Expr row = variable(r.name) * half(rows) + variable(axes.back().name);
    axes.push_back({name + "_" + columns.name, half(columns)});
    const Expr column = variable(c.name) * half(columns) + variable(axes.back().name);
    place[rows.name] = row;
    place[columns.name] = column;
    Expr inside = boolean(true), element = substitute(factor, place);
    if (rows.extent.bound % 2 != 0) inside = logical_and(inside, lt(row, Expr(rows.extent.bound)));
    if (columns.extent.bound % 2 != 0) inside = logical_and(inside, lt(column, Expr(columns.extent.bound)));
    if (!inside.is_int(1)) element = select(inside, element, constant_float(DataType::f32, 0));
    const Expr term = table(terms, DataType::f32, variable(axes[0].name) * 4 + variable(r.name) * 2 + variable(c.name));
    return stage_of(name, axes, {r, c}, sum_of(term, element));
  }

  Stage dot(int first, int second) const {
    const std::string name = kStrassenProducts;
    std::vector<Axis> axes{{name + "_p", kProducts}};
    for (const Axis& axis : product_.batch) axes.push_back({name + "_" + axis.name, axis.extent});
    axes.push_back({name + "_" + product_.m.name, half(product_.m)});
    Exprs left = variables(axes);
    axes.push_back({name + "_" + product_.n.name, half(product_.n)});
    const Axis k{name + "_" + product_.k.name, half(product_.k)};
    left.push_back(variable(k.name));
    const Exprs right{variable(axes[0].name), variable(k.name), variable(axes.back().name)};
    return stage_of(name, axes, {k}, sum_of(access(first, DataType::f32, left), access(second, DataType::f32, right)));
  }

  /// The product's own stage keeps its name, axes, store and epilogue; only where its state comes from changes.
  Stage combination(int products) const {
    Stage out = c_.stages[static_cast<size_t>(c_.anchor.stage)];
    const Expr p = variable("strassen_p"), m = variable(product_.m.name), n = variable(product_.n.name);
    Exprs index{p};
    for (const Axis& axis : product_.batch) index.push_back(variable(axis.name));
    index.push_back(floor_mod(m, half(product_.m)));
    index.push_back(floor_mod(n, half(product_.n)));
    const Expr quadrant = floor_div(m, half(product_.m)) * 2 + floor_div(n, half(product_.n));
    out.reduce = {{"strassen_p", kProducts}};
    out.state = {
        sum_of(table(result_terms(), DataType::f32, quadrant * kProducts + p), access(products, DataType::f32, index))};
    return out;
  }

  const Computation& c_;
  const Product product_;
};

}  // namespace

bool strassen_fits(const Computation& c) {
  if (c.algorithm != "direct") return false;
  const Product product = product_of(c);
  return product.factors.first && product.m.extent.bound > 1 && product.n.extent.bound > 1 &&
         product.k.extent.bound > 1;
}

Computation strassen(const Computation& c) {
  if (!strassen_fits(c)) {
    throw Error(ErrorCode::invalid_argument, "group '" + c.name + "' is no matrix product with a constant factor");
  }
  return Strassen(c, product_of(c)).make();
}

}  // namespace altrt::jit
