// What inference refuses, and that the message names the node and the field.
#include <limits>

#include "tests/ops/harness.h"

namespace altrt::ops::testing {
namespace {

Tensor ones(const Shape& shape) {
  return filled(DataType::f32, shape, [](const Shape&) { return 1; });
}

void expect_field(const Node& node, const std::string& field, ErrorCode code = ErrorCode::invalid_model) {
  const std::string message = refusal(node, code);
  EXPECT_NE(message.find(field), std::string::npos) << message;
}

TEST(Refusal, Conv) {
  const Tensor x = ones({1, 4, 5, 5}), w = ones({2, 4, 3, 3});
  const auto with = [&](AttributeMap attributes) {
    return Node{.type = "Conv", .inputs = {x, w}, .attributes = attributes};
  };
  using List = std::vector<int64_t>;
  expect_field({.type = "Conv", .inputs = {x}}, "input 1 is missing");
  expect_field({.type = "Conv", .inputs = {x, ones({2, 3, 3, 3})}}, "input channels");
  expect_field({.type = "Conv", .inputs = {x, ones({2, 4, 3})}}, "'W'");
  expect_field({.type = "Conv", .inputs = {x, w, ones({3})}}, "'B'");
  expect_field({.type = "Conv", .inputs = {x, w, ones({2}), ones({2})}}, "4 inputs");
  expect_field({.type = "Conv", .inputs = {ones({1, 4}), ones({2, 4})}}, "'X'");
  expect_field({.type = "Conv", .inputs = {make<int64_t>({1, 1, 1}, {1}), make<int64_t>({1, 1, 1}, {1})}}, "'X'",
               ErrorCode::unsupported);
  expect_field({.type = "Conv", .inputs = {ones({1, 1, 2, 2, 2, 2}), ones({1, 1, 1, 1, 1, 1})}}, "three spatial",
               ErrorCode::unsupported);
  expect_field(with({{"strides", List{0, 1}}}), "'strides'");
  expect_field(with({{"strides", List{1}}}), "'strides'");
  expect_field(with({{"strides", 1}}), "'strides'");
  expect_field(with({{"dilations", List{1, int64_t{1} << 40}}}), "'dilations'");
  expect_field(with({{"dilations", List{3, 1}}}), "kernel covers 7");
  expect_field(with({{"pads", List{0, 0, 0}}}), "'pads'");
  expect_field(with({{"pads", List{0, 0, 0, -1}}}), "'pads'");
  expect_field(with({{"group", 3}}), "3 groups");
  expect_field(with({{"group", 0}}), "'group'");
  expect_field(with({{"auto_pad", "SOME"}}), "'auto_pad'");
  expect_field(with({{"kernel_shape", List{2, 2}}}), "'kernel_shape'");
  Node outputs = with({});
  outputs.outputs = 2;
  expect_field(outputs, "2 outputs");
}

TEST(Refusal, ConvTranspose) {
  const Tensor x = ones({1, 4, 5}), w = ones({4, 2, 3});
  using List = std::vector<int64_t>;
  const auto with = [&](AttributeMap a) { return Node{.type = "ConvTranspose", .inputs = {x, w}, .attributes = a}; };
  expect_field({.type = "ConvTranspose", .inputs = {x, ones({3, 2, 3})}}, "input channels");
  expect_field({.type = "ConvTranspose", .inputs = {x, w, ones({3})}}, "'B'");
  expect_field(with({{"output_padding", List{1, 1}}}), "'output_padding'");
  expect_field(with({{"output_shape", List{1, 1}}}), "'output_shape'");
  expect_field(with({{"pads", List{9, 9}}}), "empty");
  expect_field(with({{"auto_pad", "SOME"}}), "'auto_pad'");
}

TEST(Refusal, Pools) {
  const Tensor x = ones({1, 2, 5});
  using List = std::vector<int64_t>;
  expect_field({.type = "MaxPool", .inputs = {x}}, "'kernel_shape'");
  expect_field({.type = "MaxPool", .inputs = {x}, .attributes = {{"kernel_shape", List{2, 2}}}}, "spatial dimensions");
  expect_field({.type = "MaxPool", .inputs = {x}, .attributes = {{"kernel_shape", List{0}}}}, "kernel");
  expect_field({.type = "MaxPool", .inputs = {x}, .attributes = {{"kernel_shape", List{2}}, {"pads", List{2, 0}}}},
               "padding");
  expect_field({.type = "AveragePool", .inputs = {x}, .attributes = {{"kernel_shape", List{6}}}}, "kernel covers 6");
  expect_field({.type = "GlobalAveragePool", .inputs = {ones({2, 3})}}, "'X'");
}

TEST(Refusal, Products) {
  expect_field({.type = "MatMul", .inputs = {ones({2, 3}), ones({2, 3})}}, "do not multiply");
  expect_field({.type = "MatMul", .inputs = {ones({}), ones({2, 3})}}, "scalar");
  expect_field({.type = "MatMul", .inputs = {ones({2, 2, 3}), ones({3, 3, 2})}}, "do not broadcast");
  expect_field({.type = "MatMul", .inputs = {ones({2, 3}), make<double>({3, 1}, {1, 2, 3})}}, "types f32 and f64");
  expect_field({.type = "Gemm", .inputs = {ones({2, 3}), ones({2, 3})}}, "do not multiply");
  expect_field({.type = "Gemm", .inputs = {ones({2, 3}), ones({3, 4}), ones({3})}}, "'C'");
  expect_field({.type = "Gemm", .inputs = {ones({2}), ones({3, 4})}}, "matrices");
}

TEST(Refusal, TypesShapesAndAxes) {
  expect_field({.type = "Add", .inputs = {ones({2}), ones({3})}}, "do not broadcast");
  expect_field({.type = "Add", .inputs = {ones({2}), longs({1, 2})}}, "types f32 and i64");
  expect_field({.type = "Exp", .inputs = {longs({1})}}, "'X'", ErrorCode::unsupported);
  expect_field({.type = "And", .inputs = {ones({2}), ones({2})}}, "'A'", ErrorCode::unsupported);
  expect_field({.type = "Softmax", .inputs = {ones({2, 2})}, .attributes = {{"axis", 2}}}, "axis 2");
  expect_field({.type = "ReduceSum", .inputs = {ones({2, 2}), longs({0, 0})}, .known = {1}}, "twice");
  expect_field({.type = "ReduceSum", .inputs = {ones({2, 2}), longs({0})}}, "'axes' is not known at load",
               ErrorCode::unsupported);
  expect_field({.type = "ArgMax", .inputs = {Tensor(DataType::f32, {2, 0})}, .attributes = {{"axis", 1}}},
               "no elements");
  expect_field({.type = "LayerNormalization", .inputs = {ones({2, 3}), ones({2})}}, "broadcast");
  expect_field({.type = "InstanceNormalization", .inputs = {ones({1, 3, 2}), ones({2}), ones({3})}}, "'scale'");
  expect_field({.type = "BatchNormalization", .inputs = {ones({1, 3}), ones({3}), ones({3}), ones({3}), ones({2})}},
               "'input_var'");
  expect_field({.type = "Cast", .inputs = {ones({1})}, .attributes = {{"to", 8}}}, "'to'", ErrorCode::unsupported);
  expect_field({.type = "Cast", .inputs = {ones({1})}}, "'to'");
  expect_field({.type = "Where", .inputs = {ones({1}), ones({1}), ones({1})}}, "'condition'", ErrorCode::unsupported);
  expect_field({.type = "Gather", .inputs = {ones({2}), ones({1})}}, "'indices'", ErrorCode::unsupported);
  expect_field({.type = "Clip", .inputs = {ones({2}), ones({2})}}, "'min'");
}

TEST(Refusal, AbsurdSizes) {
  const int64_t huge = std::numeric_limits<int64_t>::max() / 2;
  expect_field({.type = "Expand", .inputs = {ones({1, 1}), longs({2147483647, 2147483647})}, .known = {1}}, "shape",
               ErrorCode::out_of_memory);
  expect_field({.type = "Expand", .inputs = {ones({1}), longs({huge})}, .known = {1}}, "'shape'");
  expect_field({.type = "Tile", .inputs = {ones({1, 1}), longs({2147483647, 2147483647})}, .known = {1}}, "shape",
               ErrorCode::out_of_memory);
  expect_field({.type = "ConstantOfShape", .inputs = {longs({1 << 20, 1 << 20, 1 << 20, 1 << 20})}, .known = {0}},
               "shape", ErrorCode::out_of_memory);
  expect_field({.type = "Range", .inputs = {scalar(0.0), scalar(1e300), scalar(1.0)}, .known = {0, 1, 2}}, "elements",
               ErrorCode::out_of_memory);
  expect_field({.type = "Unsqueeze", .inputs = {ones({1}), longs(std::vector<int64_t>(1000, 0))}, .known = {1}},
               "1000 values", ErrorCode::unsupported);
  expect_field({.type = "Expand", .inputs = {ones({1}), longs(std::vector<int64_t>(1000, 1))}, .known = {1}},
               "1000 dimensions", ErrorCode::unsupported);
  expect_field({.type = "Reshape", .inputs = {ones({1}), longs({huge, huge})}, .known = {1}}, "overflow",
               ErrorCode::out_of_memory);
  expect_field({.type = "Conv",
                .inputs = {ones({1, 1, 1}), ones({1, 1, 1})},
                .attributes = {{"pads", std::vector<int64_t>{huge, huge}}}},
               "'pads'");
}

}  // namespace
}  // namespace altrt::ops::testing
