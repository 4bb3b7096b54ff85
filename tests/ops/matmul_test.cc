#include "tests/ops/harness.h"

namespace altrt::ops::testing {
namespace {

/// numpy.matmul by the book, on arguments of at least two dimensions.
Tensor reference(const Tensor& a, const Tensor& b, const Shape& shape) {
  const auto element = [&](const Tensor& t, const Shape& batch, int64_t row, int64_t column) {
    const size_t own = t.shape().size() - 2;
    Shape index;
    for (size_t d = 0; d < own; ++d) index.push_back(t.shape()[d] == 1 ? 0 : batch[batch.size() - own + d]);
    index.push_back(row);
    index.push_back(column);
    return at(t, index);
  };
  return filled(a.type(), shape, [&](const Shape& index) {
    const Shape batch(index.begin(), index.end() - 2);
    double sum = 0;
    for (int64_t k = 0; k < a.shape().back(); ++k) {
      sum += element(a, batch, index[index.size() - 2], k) * element(b, batch, k, index.back());
    }
    return sum;
  });
}

TEST(MatMul, BroadcastsBatches) {
  const DataType types[] = {DataType::f32, DataType::f64, DataType::i64, DataType::i32};
  for (int round = 0; round < 40; ++round) {
    const int64_t m = pick(1, 5), n = pick(1, 5), k = pick(1, 5);
    const Shape batch = pick_shape(0, 2, 3);
    Shape shapes[2];
    for (Shape& shape : shapes) {
      shape.assign(batch.begin() + pick(0, static_cast<int64_t>(batch.size())), batch.end());
      for (int64_t& extent : shape) extent = pick(0, 2) == 0 ? 1 : extent;
    }
    shapes[0].insert(shapes[0].end(), {m, k});
    shapes[1].insert(shapes[1].end(), {k, n});
    const DataType type = types[round % 4];
    const Tensor a = whole(type, shapes[0]), b = whole(type, shapes[1]);
    const Tensor y = run({.type = "MatMul", .inputs = {a, b}})[0];
    expect_near(y, reference(a, b, y.shape()));
  }
}

TEST(MatMul, Vectors) {
  const Tensor v = floats({2}, {1, 2}), m = floats({2, 2}, {1, 2, 3, 4});
  expect_near(run({.type = "MatMul", .inputs = {v, v}})[0], floats({}, {5}));
  expect_near(run({.type = "MatMul", .inputs = {v, m}})[0], floats({2}, {7, 10}));
  expect_near(run({.type = "MatMul", .inputs = {m, v}})[0], floats({2}, {5, 11}));
  const Tensor batch = floats({2, 2, 2}, {1, 0, 0, 1, 2, 0, 0, 2});
  expect_near(run({.type = "MatMul", .inputs = {v, batch}})[0], floats({2, 2}, {1, 2, 2, 4}));
  expect_near(run({.type = "MatMul", .inputs = {batch, v}})[0], floats({2, 2}, {1, 2, 2, 4}));
}

TEST(MatMul, AnchorAndAxes) {
  const jit::Computation c =
      computation({.type = "MatMul", .inputs = {whole(DataType::f32, {2, 3, 4, 5}), whole(DataType::f32, {5, 6})}});
  EXPECT_EQ(c.anchor.kind, jit::AnchorKind::matmul);
  EXPECT_EQ(c.anchor.data, 0);
  EXPECT_EQ(c.anchor.weights, 1);
  std::vector<std::string> names;
  for (const auto& axis : c.stages[0].axes) names.push_back(axis.name);
  names.push_back(c.stages[0].reduce[0].name);
  EXPECT_EQ(names, (std::vector<std::string>{"b0", "b1", "m", "n", "k"}));
}

TEST(MatMul, EmptySumIsZero) {
  expect_near(run({.type = "MatMul", .inputs = {Tensor(DataType::f32, {2, 0}), Tensor(DataType::f32, {0, 3})}})[0],
              Tensor(DataType::f32, {2, 3}));
}

TEST(Gemm, AllForms) {
  for (int round = 0; round < 32; ++round) {
    const int64_t m = pick(1, 5), n = pick(1, 5), k = pick(1, 5);
    const bool trans_a = round & 1, trans_b = round & 2, has_c = round & 4, scaled = round & 8;
    const Tensor a = whole(DataType::f32, trans_a ? Shape{k, m} : Shape{m, k});
    const Tensor b = whole(DataType::f32, trans_b ? Shape{n, k} : Shape{k, n});
    const Shape c_shapes[] = {{m, n}, {n}, {1, n}, {m, 1}, {1}, {}};
    const Tensor c = whole(DataType::f32, c_shapes[pick(0, 5)]);
    Node node{.type = "Gemm", .inputs = {a, b}, .attributes = {{"transA", int(trans_a)}, {"transB", int(trans_b)}}};
    if (has_c) node.inputs.push_back(c);
    if (scaled) node.attributes.emplace("alpha", 0.5f);
    if (scaled) node.attributes.emplace("beta", 2.0f);
    const Tensor expected = filled(DataType::f32, {m, n}, [&](const Shape& i) {
      double sum = 0;
      for (int64_t r = 0; r < k; ++r) {
        sum += at(a, trans_a ? Shape{r, i[0]} : Shape{i[0], r}) * at(b, trans_b ? Shape{i[1], r} : Shape{r, i[1]});
      }
      if (scaled) sum *= 0.5;
      Shape own;
      for (size_t d = 0; d < c.shape().size(); ++d) {
        own.push_back(c.shape()[d] == 1 ? 0 : i[2 - c.shape().size() + d]);
      }
      return has_c ? sum + (scaled ? 2 : 1) * at(c, own) : sum;
    });
    expect_near(run(node)[0], expected);
  }
}

TEST(Einsum, Forms) {
  const Tensor a = whole(DataType::f32, {2, 3, 4}), b = whole(DataType::f32, {2, 4, 5}),
               m = whole(DataType::f32, {3, 3});
  const Tensor product = run({.type = "Einsum", .inputs = {a, b}, .attributes = {{"equation", "bij, bjk -> bik"}}})[0];
  expect_near(product, reference(a, b, {2, 3, 5}));
  expect_near(run({.type = "Einsum", .inputs = {a, b}, .attributes = {{"equation", "...ij,...jk"}}})[0], product);
  expect_near(run({.type = "Einsum", .inputs = {m}, .attributes = {{"equation", "...ii->...i"}}})[0],
              filled(DataType::f32, {3}, [&](const Shape& i) {
                return at(m, {i[0], i[0]});
              }));
  expect_near(run({.type = "Einsum", .inputs = {m}, .attributes = {{"equation", "ij->ji"}}})[0],
              filled(DataType::f32, {3, 3}, [&](const Shape& i) {
                return at(m, {i[1], i[0]});
              }));
  expect_near(run({.type = "Einsum", .inputs = {m}, .attributes = {{"equation", "ij->i"}}})[0],
              filled(DataType::f32, {3}, [&](const Shape& i) {
                return at(m, {i[0], 0}) + at(m, {i[0], 1}) + at(m, {i[0], 2});
              }));
  const Tensor v = floats({3}, {1, 2, 3});
  expect_near(run({.type = "Einsum", .inputs = {v, v}, .attributes = {{"equation", "i,i"}}})[0], floats({}, {14}));
  refusal({.type = "Einsum", .inputs = {a, b}, .attributes = {{"equation", "bij->b"}}});
  refusal({.type = "Einsum", .inputs = {a, b}, .attributes = {{"equation", "bij,bik->bjk"}}});
  refusal({.type = "Einsum", .inputs = {m}, .attributes = {{"equation", "ij->ik"}}});
  refusal({.type = "Einsum", .inputs = {m}, .attributes = {{"equation", "i.->i"}}});
}

}  // namespace
}  // namespace altrt::ops::testing
