// Operators, models and checks of these tests, by the public interface only.
#pragma once

#include <altrt/altrt.h>
#include <altrt/transform.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace altrt::testing {

inline StateValue sum_of(const Expr& term) {
  return {DataType::f32, constant(DataType::f32, 0), state(0, DataType::f32) + term,
          state(0, DataType::f32) + other(0, DataType::f32)};
}

/// y = v * sigmoid(scale * v) + bias[c] with v the sum of x over a square window that reaches `radius` far: a
/// reduction along rows, then one along columns.
inline CustomOperator gated_box() {
  CustomOperator op;
  op.domain = "example";
  op.type = "GatedBox";
  op.infer = [](const NodeInfo& node) -> std::vector<ResultType> {
    const Operand& x = node.input(0);
    if (x.type != DataType::f32 || x.shape.size() != 4) node.fail("input 0 must be f32 with 4 dimensions");
    if (node.input(1).shape != Shape{x.shape[1]}) node.fail("input 1 must hold one bias a channel");
    return {{x.type, x.shape}};
  };
  op.define = [](const NodeInfo& node, ComputationBuilder& b) {
    const int64_t radius = node.integer("radius", 1);
    const int x = b.input(0);
    const Shape shape = b.shape(x);
    const Expr zero = constant(DataType::f32, 0), one = constant(DataType::f32, node.real("scale", 1));
    const auto window = [&](const std::string& name) { return b.axes({2 * radius + 1}, {name}); };

    const int rows = b.intermediate("rows", DataType::f32, shape);
    const std::vector<Axis> points = b.axes(shape, {"rn", "rc", "rh", "rw"}), kw = window("kw");
    Exprs at = variables(points);
    at[3] = at[3] + variable(kw[0].name) - Expr(radius);
    b.reduce(rows, points, kw, sum_of(select(in_range(at[3], 0, shape[3]), b.at(x, at), zero)));

    const std::vector<Axis> axes = b.axes(shape, {"n", "c", "h", "w"}), kh = window("kh");
    Exprs from = variables(axes);
    const Expr channel = from[1];
    from[2] = from[2] + variable(kh[0].name) - Expr(radius);
    const Expr v = state(0, DataType::f32);
    b.reduce(b.output(), axes, kh, sum_of(select(in_range(from[2], 0, shape[2]), b.at(rows, from), zero)),
             v * unary(ExprKind::sigmoid, one * v) + b.at(b.input(1), {channel}));
  };
  return op;
}

/// y = x * x + factor: an elementwise map.
inline CustomOperator square_plus() {
  CustomOperator op;
  op.domain = "example";
  op.type = "SquarePlus";
  op.infer = [](const NodeInfo& node) -> std::vector<ResultType> {
    return {{node.input(0).type, node.input(0).shape}};
  };
  op.define = [](const NodeInfo& node, ComputationBuilder& b) {
    const std::vector<Axis> axes = b.axes(b.shape(b.input(0)));
    const Expr x = b.at(b.input(0), variables(axes));
    b.map(b.output(), axes, x * x + constant(DataType::f32, node.real("factor", 1)));
  };
  return op;
}

inline Tensor noise(const Shape& shape, int seed) {
  Tensor tensor(DataType::f32, shape);
  uint32_t bits = static_cast<uint32_t>(seed) * 2654435761u + 12345u;
  for (int64_t i = 0; i < element_count(shape); ++i) {
    bits = bits * 1664525u + 1013904223u;
    tensor.as<float>()[i] = static_cast<float>(static_cast<int32_t>(bits >> 8) % 2001 - 1000) / 1000.0f;
  }
  return tensor;
}

inline void expect_near(const Tensor& found, const Tensor& expected, double tolerance = 1e-5) {
  ASSERT_EQ(found.type(), expected.type());
  ASSERT_EQ(found.shape(), expected.shape());
  double error = 0, norm = 0;
  for (int64_t i = 0; i < element_count(found.shape()); ++i) {
    const double difference = found.as<float>()[i] - expected.as<float>()[i];
    error += difference * difference;
    norm += static_cast<double>(expected.as<float>()[i]) * expected.as<float>()[i];
  }
  EXPECT_LE(std::sqrt(error), tolerance * std::sqrt(norm));
  EXPECT_GT(norm, 0);
}

/// What the action throws as an Error of this code; a failure of the test if it throws none.
template <typename Action>
std::string refusal(const Action& action, ErrorCode code = ErrorCode::invalid_argument) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return "";
}

inline void expect_says(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    EXPECT_TRUE(message.find(part) != std::string::npos) << "no \"" << part << "\" in: " << message;
  }
}

inline const Shape kImage{1, 16, 12, 14};

/// x -> GatedBox -> Relu -> y, and its input.
inline Model gated_model(float scale = 1) {
  GraphBuilder b("gated");
  b.input("x", DataType::f32, kImage);
  b.constant("bias", noise({kImage[1]}, 7));
  b.op("example::GatedBox", {"x", "bias"}, {{"radius", 1}, {"scale", scale}}, "gate");
  b.output(b.op("Relu", {"gate"}, {}, "y"));
  return b.build({gated_box()});
}

/// A session's options that use no files, threads or tuning.
inline SessionOptions plain_options() {
  SessionOptions options;
  options.cache.directory = "none";
  options.threads = 2;
  options.providers = {"own"};
  options.operators = {gated_box(), square_plus()};
  return options;
}

inline Computation box_computation(const Shape& shape = kImage) {
  return instantiate(gated_box(), {{DataType::f32, shape, nullptr}, {DataType::f32, {shape[1]}, nullptr}},
                     {{"radius", 1}});
}

}  // namespace altrt::testing
