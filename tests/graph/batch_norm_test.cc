// Batch normalisation folded into its producer, or made Mul and Add: the same numbers either way.
#include <gtest/gtest.h>

#include "tests/graph/sample.h"

namespace altrt::graph {
namespace {

using Integers = std::vector<int64_t>;

std::vector<std::string> types(const Graph& graph) {
  std::vector<std::string> result;
  for (const auto& node : graph.nodes) result.push_back(node.type);
  return result;
}

std::string batch_norm(GraphBuilder& b, const std::string& x, int64_t channels, const std::string& name) {
  const std::string p = name + "_";
  const auto vector = [&](const char* what, unsigned seed, bool positive) {
    Tensor t = random_tensor({channels}, seed);
    for (int64_t i = 0; positive && i < channels; ++i) t.as<float>()[i] = 0.1f + std::abs(t.as<float>()[i]);
    return b.constant(p + what, std::move(t));
  };
  return b.op("BatchNormalization",
              {x, vector("scale", 1, false), vector("b", 2, false), vector("mean", 3, false), vector("var", 4, true)},
              {{"epsilon", 1e-3f}}, name);
}

// Compares the simplified graph with the graph as it was built.
void expect_same_numbers(const Model& model, const std::vector<std::string>& expected_types) {
  const Graph plain = infer_and_fold(model.graph());
  const Graph graph = simplified(model);
  EXPECT_EQ(types(graph), expected_types);
  const Tensor x = random_tensor(graph.values[graph.inputs[0]].shape, 9);
  const auto expected = evaluate(plain, {x.view()}), actual = evaluate(graph, {x.view()});
  ASSERT_EQ(expected.size(), actual.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(expected[i].shape(), actual[i].shape());
    EXPECT_LT(relative_l2(expected[i], actual[i]), 1e-6);
  }
}

TEST(FoldBatchNorm, IntoConvolutions) {
  for (const bool bias : {false, true}) {
    GraphBuilder b("net");
    b.input("x", DataType::f32, {2, 4, 5, 5});
    b.constant("w", random_tensor({6, 2, 3, 3}, 5));
    b.constant("bias", random_tensor({6}, 6));
    const auto y = b.op("Conv", bias ? std::vector<std::string>{"x", "w", "bias"} : std::vector<std::string>{"x", "w"},
                        {{"group", 2}, {"pads", Integers{1, 1, 1, 1}}});
    b.output(batch_norm(b, y, 6, "y"));
    expect_same_numbers(b.build(), {"Conv"});
  }
}

TEST(FoldBatchNorm, IntoTransposedConvolutions) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {1, 4, 3, 3});
  b.constant("w", random_tensor({4, 3, 2, 2}, 5));
  b.output(batch_norm(b, b.op("ConvTranspose", {"x", "w"}, {{"group", 2}, {"strides", Integers{2, 2}}}), 6, "y"));
  expect_same_numbers(b.build(), {"ConvTranspose"});
}

TEST(FoldBatchNorm, IntoMatrixProducts) {
  for (const int transposed : {0, 1}) {
    GraphBuilder b("net");
    b.input("x", DataType::f32, {3, 4});
    b.constant("w", random_tensor(transposed ? Shape{5, 4} : Shape{4, 5}, 5));
    b.constant("c", random_tensor({1, 5}, 6));
    const auto y = b.op("Gemm", {"x", "w", "c"}, {{"transB", transposed}, {"alpha", 0.5f}, {"beta", 2.0f}});
    b.output(batch_norm(b, y, 5, "y"));
    expect_same_numbers(b.build(), {"Gemm"});
  }
  GraphBuilder b("net");
  b.input("x", DataType::f32, {3, 4});
  b.constant("w", random_tensor({4, 5}, 5));
  b.output(batch_norm(b, b.op("MatMul", {"x", "w"}), 5, "y"));
  expect_same_numbers(b.build(), {"MatMul", "Add"});
}

TEST(FoldBatchNorm, ElsewhereItBecomesMulAndAdd) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {2, 3, 4, 4});
  b.constant("w", random_tensor({3, 3, 1, 1}, 5));
  const auto pre = b.op("Relu", {batch_norm(b, "x", 3, "pre")});
  const auto shared = b.op("Conv", {pre, "w"}, {}, "shared");
  b.output(batch_norm(b, shared, 3, "y"));
  b.output(shared);  // the convolution's own result is wanted, too
  expect_same_numbers(b.build(), {"Mul", "Add", "Relu", "Conv", "Mul", "Add"});
}

TEST(FoldBatchNorm, AfterOneAnother) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {1, 3, 4});
  b.constant("w", random_tensor({3, 3, 1}, 5));
  b.output(batch_norm(b, batch_norm(b, b.op("Conv", {"x", "w"}), 3, "first"), 3, "y"));
  expect_same_numbers(b.build(), {"Conv"});
}

TEST(FoldBatchNorm, MatrixProductsOfHigherRankAreLeftAlone) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {2, 3, 4});
  b.constant("w", random_tensor({4, 3}, 5));
  b.output(batch_norm(b, b.op("MatMul", {"x", "w"}), 3, "y"));  // channels are dimension 1, columns dimension 2
  expect_same_numbers(b.build(), {"MatMul", "Mul", "Add"});
}

}  // namespace
}  // namespace altrt::graph
