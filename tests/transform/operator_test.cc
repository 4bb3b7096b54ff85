// Operators of the user's own in models and sessions.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "tests/transform/operators.h"

namespace altrt {
namespace {

using testing::expect_near;
using testing::expect_says;
using testing::gated_box;
using testing::gated_model;
using testing::kImage;
using testing::noise;
using testing::plain_options;
using testing::refusal;
using testing::square_plus;

const Tensor& image() {
  static const Tensor tensor = noise(kImage, 5);
  return tensor;
}

Tensor reference(const Model& model, const SessionOptions& options) {
  return std::move(evaluate_reference(model, {{"x", image().view()}}, options.operators).at("y"));
}

void check(const Session& session, const Tensor& expected) {
  expect_near(session.run({{"x", image().view()}}).at("y"), expected);
}

// Written without the library.
Tensor gated_box_by_hand(const Tensor& x, const Tensor& bias, int64_t radius, float scale) {
  const Shape& shape = x.shape();
  Tensor y(DataType::f32, shape);
  for (int64_t plane = 0; plane < shape[0] * shape[1]; ++plane) {
    const float* from = x.as<float>() + plane * shape[2] * shape[3];
    for (int64_t h = 0; h < shape[2]; ++h) {
      for (int64_t w = 0; w < shape[3]; ++w) {
        double sum = 0;
        for (int64_t i = std::max<int64_t>(0, h - radius); i <= std::min(shape[2] - 1, h + radius); ++i) {
          for (int64_t j = std::max<int64_t>(0, w - radius); j <= std::min(shape[3] - 1, w + radius); ++j) {
            sum += from[i * shape[3] + j];
          }
        }
        const double gated = sum / (1 + std::exp(-scale * sum)) + bias.as<float>()[plane % shape[1]];
        y.as<float>()[(plane * shape[2] + h) * shape[3] + w] = static_cast<float>(std::max(0.0, gated));
      }
    }
  }
  return y;
}

TEST(Operators, computeWhatTheirDefinitionMeans) {
  const Tensor expected = gated_box_by_hand(image(), noise({kImage[1]}, 7), 1, 0.5f);
  const Model model = gated_model(0.5f);
  const SessionOptions options = plain_options();
  expect_near(reference(model, options), expected);
  check(Session(model, options), expected);
}

TEST(Operators, runInASessionFusedWithTheirNeighbours) {
  const Model model = gated_model();
  const SessionOptions options = plain_options();
  const Session session(model, options);
  check(session, reference(model, options));
  const SessionInfo info = session.info();
  ASSERT_EQ(info.plan.size(), 1u);
  EXPECT_EQ(info.plan[0].op, "GatedBox+Relu");
  EXPECT_EQ(info.plan[0].provider, "own");
}

TEST(Operators, elementwiseOnesJoinAConvolution) {
  GraphBuilder b("conv");
  b.input("x", DataType::f32, kImage);
  b.constant("w", noise({8, kImage[1], 3, 3}, 3));
  b.op("Conv", {"x", "w"}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}, "c");
  b.output(b.op("example::SquarePlus", {"c"}, {{"factor", 0.25f}}, "y"));
  const Model model = b.build({square_plus()});
  const SessionOptions options = plain_options();
  const std::vector<GroupInfo> groups = inspect_groups(model, options);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].op, "Conv+SquarePlus");
  check(Session(model, options), reference(model, options));
}

TEST(Operators, areFoundInAFileAndInTheListOfOperators) {
  const std::string path = ::testing::TempDir() + "custom_operator.onnx";
  gated_model(1.5f).save(path);
  const Model model = Model::load(path);
  std::filesystem::remove(path);
  const SessionOptions options = plain_options();
  for (const OperatorCount& op : model.operators()) EXPECT_EQ(op.supported, op.domain.empty()) << op.type;
  for (const OperatorCount& op : model.operators(options.operators)) EXPECT_TRUE(op.supported) << op.type;
  check(Session(model, options), reference(gated_model(1.5f), options));
}

TEST(Operators, unknownOnesAreStillNamedWithTheirCounts) {
  SessionOptions options = plain_options();
  options.operators = {square_plus()};
  const std::string message = refusal([&] { Session session(gated_model(), options); }, ErrorCode::unsupported);
  expect_says(message, {"example::GatedBox x1", "no such operator"});
}

TEST(Operators, namesAreTakenOnce) {
  const auto message = [](std::vector<CustomOperator> operators) {
    SessionOptions options = plain_options();
    options.operators = std::move(operators);
    return refusal([&] { Session session(gated_model(), options); });
  };
  CustomOperator relu = square_plus();
  relu.domain = "ai.onnx";
  relu.type = "Relu";
  expect_says(message({gated_box(), relu}), {"Relu", "library"});
  expect_says(message({gated_box(), square_plus(), gated_box()}), {"example::GatedBox", "twice"});
  CustomOperator nameless = square_plus(), shapeless = square_plus(), undefined = square_plus();
  nameless.type = "";
  shapeless.infer = nullptr;
  undefined.define = nullptr;
  expect_says(message({nameless}), {"type"});
  expect_says(message({shapeless}), {"example::SquarePlus", "infer"});
  expect_says(message({undefined}), {"example::SquarePlus", "define"});
}

TEST(Operators, mayFillAGapOfTheStandardDomain) {
  CustomOperator op = square_plus();
  op.domain = "";
  op.type = "SquarePlusOne";
  GraphBuilder b("standard");
  b.input("x", DataType::f32, kImage);
  b.output(b.op("SquarePlusOne", {"x"}, {}, "y"));
  const Model model = b.build({op});
  SessionOptions options = plain_options();
  options.operators = {op};
  check(Session(model, options), reference(model, options));
}

TEST(Operators, errorsOfTheirFunctionsNameTheNode) {
  const auto message = [](const CustomOperator& op, ErrorCode code) {
    SessionOptions options = plain_options();
    options.operators = {op};
    const Model model = gated_model();
    const std::string text = refusal([&] { Session session(model, options); }, code);
    EXPECT_EQ(refusal([&] { evaluate_reference(model, {{"x", image().view()}}, {op}); }, code), text);
    EXPECT_EQ(refusal([&] { inspect(model, options, "graph"); }, code), text);
    expect_says(text, {"gated: node 'gate' (example::GatedBox): "});
    return text;
  };
  CustomOperator op = gated_box();
  op.infer = [](const NodeInfo&) -> std::vector<ResultType> { throw std::runtime_error("no shape today"); };
  expect_says(message(op, ErrorCode::invalid_argument), {"infer: no shape today"});
  op.infer = [](const NodeInfo& node) -> std::vector<ResultType> { node.fail("odd", ErrorCode::unsupported); };
  expect_says(message(op, ErrorCode::unsupported), {"infer: odd"});
  op.infer = [](const NodeInfo&) -> std::vector<ResultType> { return {}; };
  expect_says(message(op, ErrorCode::invalid_model), {"outputs"});
  op = gated_box();
  op.define = [](const NodeInfo&, ComputationBuilder& b) { b.shape(9); };
  expect_says(message(op, ErrorCode::invalid_argument), {"define: ", "tensor number 9"});
  op.define = [](const NodeInfo&, ComputationBuilder&) {};
  expect_says(message(op, ErrorCode::invalid_argument), {"define: ", "0 of 2688 elements are stored"});
  op.define = [](const NodeInfo&, ComputationBuilder& b) {
    const std::vector<Axis> axes = b.axes(b.shape(b.output()));
    Exprs beside = variables(axes);
    beside[3] = beside[3] + Expr(1);
    b.map(b.output(), axes, b.at(b.input(0), beside));
  };
  expect_says(message(op, ErrorCode::invalid_argument), {"define: "});
  op.define = [](const NodeInfo&, ComputationBuilder& b) {
    const std::vector<Axis> axes = b.axes(b.shape(b.output()));
    Exprs store = variables(axes);
    store[3] = Expr(kImage[3] - 1) - store[3];
    b.map(b.output(), axes, b.at(b.input(0), variables(axes)), store);
  };
  expect_says(message(op, ErrorCode::invalid_argument), {"define: ", "negative"});
  op.define = [](const NodeInfo&, ComputationBuilder&) { throw 7; };
  SessionOptions options = plain_options();
  options.operators = {op};
  EXPECT_THROW(Session(gated_model(), options), int);
}

TEST(Operators, areFoldedWhereTheirInputsAreConstant) {
  GraphBuilder b("folded");
  b.input("x", DataType::f32, kImage);
  b.constant("c", noise({kImage[3]}, 4));
  b.op("example::SquarePlus", {"c"}, {}, "s");
  b.output(b.op("Add", {"x", "s"}, {}, "y"));
  const Model model = b.build({square_plus()});
  const SessionOptions options = plain_options();
  const Session session(model, options);
  ASSERT_EQ(session.info().plan.size(), 1u);
  EXPECT_EQ(session.info().plan[0].op, "Add");
  check(session, reference(model, options));

  // Another operator of that name: sessions of one model share weights, but not those that differ.
  CustomOperator other = square_plus();
  other.define = [](const NodeInfo&, ComputationBuilder& b) {
    const std::vector<Axis> axes = b.axes(b.shape(b.input(0)));
    b.map(b.output(), axes, b.at(b.input(0), variables(axes)) * constant(DataType::f32, -3));
  };
  SessionOptions second = plain_options();
  second.operators = {other};
  check(Session(model, second), reference(model, second));
  check(session, reference(model, options));
}

TEST(Operators, serveSeveralThreadsAtOnce) {
  const Model model = gated_model();
  const SessionOptions options = plain_options();
  const Tensor expected = reference(model, options);
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const Session session(model, options);
      for (int i = 0; i < 4; ++i) check(session, expected);
      ++done;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 4);
}

TEST(Operators, instantiateMakesWhatTheSessionCompiles) {
  GraphBuilder b("alone");
  b.input("x", DataType::f32, kImage);
  b.input("bias", DataType::f32, {kImage[1]});
  b.output(b.op("example::GatedBox", {"x", "bias"}, {{"radius", 1}}, "y"));
  const std::vector<GroupInfo> groups = inspect_groups(b.build(), plain_options());
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].op, "GatedBox");
  Computation alone = testing::box_computation();
  EXPECT_EQ(hash(groups[0].computation), hash(alone));
  EXPECT_EQ(alone.name, "GatedBox");
  alone.name = groups[0].computation.name;
  EXPECT_EQ(nests(groups[0].computation), nests(alone));
}

}  // namespace
}  // namespace altrt
