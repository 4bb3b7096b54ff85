// The reference evaluation of whole graphs.
#include <gtest/gtest.h>

#include "tests/graph/sample.h"
#include "tests/model/expect_error.h"

namespace altrt::graph {
namespace {

TEST(Evaluate, RunsNodesInOrder) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {2, 2});
  b.constant("w", tensor_of<float>({2, 2}, {1, 2, 3, 4}));
  const auto product = b.op("MatMul", {"x", "w"}, {}, "product");
  b.output(b.op("Relu", {product}, {}, "y"));
  b.output(product);
  const Tensor x = tensor_of<float>({2, 2}, {1, 0, -1, 0});
  const auto outputs = evaluate(simplified(b.build()), {x.view()});
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(relative_l2(tensor_of<float>({2, 2}, {1, 2, 0, 0}), outputs[0]), 0);
  EXPECT_EQ(relative_l2(tensor_of<float>({2, 2}, {1, 2, -1, -2}), outputs[1]), 0);
}

TEST(Evaluate, OutputsMayBeInputsAndConstants) {
  GraphBuilder b("net");
  b.output(b.input("x", DataType::f32, {2}));
  b.output(b.constant("w", tensor_of<int64_t>({2}, {7, 8})));
  const Tensor x = tensor_of<float>({2}, {1, 2});
  const auto outputs = evaluate(simplified(b.build()), {x.view()});
  EXPECT_EQ(outputs[0].as<float>()[1], 2);
  EXPECT_EQ(outputs[1].as<int64_t>()[1], 8);
}

TEST(Evaluate, HostOperatorsAndSeveralOutputs) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {1, 4});
  const auto top = b.op_n("TopK", {"x", b.constant("k", tensor_of<int64_t>({1}, {2}))}, 2);
  const auto halves = b.op_n("Split", {"x"}, 2, {{"axis", 1}});
  b.output(top[1]);
  b.output(halves[1]);
  const Tensor x = tensor_of<float>({1, 4}, {3, 1, 4, 1.5f});
  const auto outputs = evaluate(simplified(b.build()), {x.view()});
  EXPECT_EQ(outputs[0].as<int64_t>()[0], 2);
  EXPECT_EQ(outputs[0].as<int64_t>()[1], 0);
  EXPECT_EQ(outputs[1].as<float>()[1], 1.5f);
}

TEST(Evaluate, EmptyTensors) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {0, 3});
  b.output(b.op("Relu", {"x"}, {}, "y"));
  const Tensor x(DataType::f32, {0, 3});
  EXPECT_EQ(evaluate(simplified(b.build()), {x.view()})[0].shape(), (Shape{0, 3}));
}

TEST(Evaluate, ChecksItsInputs) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {2});
  b.output(b.op("Relu", {"x"}, {}, "y"));
  const Graph graph = simplified(b.build());
  const Tensor wrong = tensor_of<float>({3}, {1, 2, 3});
  expect_error(ErrorCode::invalid_argument, {"net", "0 inputs given, 1 expected"}, [&] { evaluate(graph, {}); });
  expect_error(ErrorCode::invalid_argument, {"input 'x' is f32[2], given is f32[3]"},
               [&] { evaluate(graph, {wrong.view()}); });
}

}  // namespace
}  // namespace altrt::graph
