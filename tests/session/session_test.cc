// Sessions on small models: right answers by every entry point, whatever the number of threads.
#include "tests/session/models.h"

namespace altrt {
namespace {

SessionOptions threads(int count) {
  SessionOptions options;
  options.threads = count;
  options.cache.directory = "none";
  return options;
}

std::vector<Model> all_models() {
  return {conv_net(),     conv_net(3),     conv_net(40),      squeeze_net(),
          squeeze_net(3), attention_net(), attention_net(80), alias_net()};
}

TEST(Session, AgreesWithTheReferenceEvaluator) {
  for (const Model& model : all_models()) {
    SCOPED_TRACE(model.name());
    const Session session(model, threads(2));
    const Tensors inputs = make_inputs(session.inputs(), 5);
    expect_close(session.run(views(inputs)), evaluate_reference(model, views(inputs)));
  }
}

TEST(Session, BitsDoNotDependOnTheNumberOfThreads) {
  for (const Model& model : all_models()) {
    SCOPED_TRACE(model.name());
    const Session alone(model, threads(1));
    const Tensors inputs = make_inputs(alone.inputs(), 6);
    const Tensors wanted = alone.run(views(inputs));
    for (const int count : {2, 3, 7}) {
      const Tensors got = Session(model, threads(count)).run(views(inputs));
      for (const auto& [name, tensor] : wanted) EXPECT_TRUE(same_bits(got.at(name), tensor)) << name << count;
    }
  }
}

TEST(Session, DescribesInputsOutputsAndPlan) {
  const Session session(alias_net(), threads(1));
  ASSERT_EQ(session.inputs().size(), 1u);
  EXPECT_EQ(session.inputs()[0].name, "x");
  EXPECT_EQ(session.inputs()[0].shape, (Shape{3, 8}));
  std::vector<std::string> names;
  for (const ValueInfo& info : session.outputs()) names.push_back(info.name);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "k", "x", "values", "indices"}));
  EXPECT_EQ(session.outputs()[4].type, DataType::i64);
  const SessionInfo info = session.info();
  EXPECT_EQ(info.threads, 1);
  EXPECT_GT(info.kernels, 0);
  EXPECT_GE(info.kernels_compiled, 1);
  Context context = session.context();
  const Tensors inputs = make_inputs(session.inputs(), 1);
  context.bind("x", inputs.at("x").view());
  EXPECT_EQ(session.profile(context).size(), info.plan.size());
}

TEST(Session, EqualGroupsAreCompiledOnce) {
  GraphBuilder b("stack");
  b.input("x", DataType::f32, {1, 8, 9, 9});
  std::string value = "x";
  for (int i = 0; i < 4; ++i) {
    const auto w = b.constant("w" + std::to_string(i), random_tensor({8, 8, 3, 3}, 20 + i, 0.2f));
    value = b.op("Relu", {b.op("Conv", {value, w}, {{"pads", Ints{1, 1, 1, 1}}})});
  }
  b.output(value);
  const Model model = b.build();
  const Session session(model, threads(1));
  EXPECT_LT(session.info().kernels_compiled, session.info().kernels);
  const Tensors inputs = make_inputs(session.inputs(), 3);
  expect_close(session.run(views(inputs)), evaluate_reference(model, views(inputs)));
}

TEST(Session, BoundMemoryIsReadAndWrittenInPlace) {
  const Session session(conv_net(), threads(2));
  const Tensors inputs = make_inputs(session.inputs(), 7);
  const Tensors wanted = session.run(views(inputs));
  Context context = session.context();
  // Not even 16-byte aligned.
  std::vector<float> x(element_count({1, 3, 17, 17}) + 1), y(12, -1.0f);
  std::memcpy(x.data() + 1, inputs.at("x").data(), inputs.at("x").bytes());
  context.bind("x", TensorView(x.data() + 1, {1, 3, 17, 17}));
  context.bind("y", TensorView(y.data() + 1, {1, 10}));
  EXPECT_EQ(context.output("y").data, y.data() + 1);
  session.run(context);
  EXPECT_EQ(std::memcmp(y.data() + 1, wanted.at("y").data(), 40), 0);
  EXPECT_EQ(y.front(), -1.0f);
  EXPECT_EQ(y.back(), -1.0f);
  // The next run sees what the caller wrote meanwhile, and other memory when it is bound.
  x[1] += 100;
  session.run(context);
  EXPECT_NE(std::memcmp(y.data() + 1, wanted.at("y").data(), 40), 0);
  context.bind("x", inputs.at("x").view());
  Tensor other(DataType::f32, {1, 10});
  context.bind("y", other.view());
  session.run(context);
  EXPECT_TRUE(same_bits(other, wanted.at("y")));
}

TEST(Session, UnboundOutputsLiveInTheContext) {
  const Session session(conv_net(), threads(1));
  const Tensors inputs = make_inputs(session.inputs(), 8);
  Context context = session.context();
  context.bind("x", inputs.at("x").view());
  session.run(context);
  const TensorView output = context.output("y");
  EXPECT_EQ(output.shape, (Shape{1, 10}));
  EXPECT_EQ(std::memcmp(output.data, session.run(views(inputs)).at("y").data(), output.bytes()), 0);
  EXPECT_EQ(context.output("y").data, output.data);
}

TEST(Session, ContextsMoveAndKeepThePlanAlive) {
  const Tensors inputs = make_inputs(Session(conv_net(), threads(1)).inputs(), 9);
  Session* session = new Session(conv_net(), threads(1));
  Context first = session->context();
  first.bind("x", inputs.at("x").view());
  Context second = std::move(first);
  const Session copy = *session;
  delete session;
  copy.run(second);
  EXPECT_EQ(second.output("y").shape, (Shape{1, 10}));
}

TEST(Session, SymbolicDimensionsAreFixedByOptions) {
  GraphBuilder b("symbolic");
  b.input("x", DataType::f32, {-1, 6}, {"batch", ""});
  b.output(b.op("Relu", {b.op("MatMul", {"x", b.constant("w", random_tensor({6, 5}, 1))})}, {}, "y"));
  const Model model = b.build();
  SessionOptions options = threads(1);
  EXPECT_THROW(Session(model, options), Error);
  options.dimensions["batch"] = 3;
  EXPECT_EQ(Session(model, options).outputs()[0].shape, (Shape{3, 5}));
  options = threads(1);
  options.input_shapes["x"] = {4, 6};
  const Session session(model, options);
  EXPECT_EQ(session.outputs()[0].shape, (Shape{4, 5}));
  const Tensors inputs = make_inputs(session.inputs(), 2);
  expect_close(session.run(views(inputs)), evaluate_reference(model, views(inputs)));
}

TEST(Session, AlgorithmsCanBeAskedFor) {
  const Model model = conv_net();
  for (const char* algorithm : {"direct", "winograd2", "winograd4"}) {
    SessionOptions options = threads(2);
    options.algorithm = algorithm;
    const Session session(model, options);
    const Tensors inputs = make_inputs(session.inputs(), 11);
    expect_close(session.run(views(inputs)), evaluate_reference(model, views(inputs)), 5e-5);
  }
}

TEST(Session, StrassenCanBeAskedFor) {
  GraphBuilder b("product");
  b.input("x", DataType::f32, {1, 33, 70});
  b.input("r", DataType::f32, {1, 33, 81});
  const auto y = b.op("Add", {b.op("MatMul", {"x", b.constant("w", random_tensor({70, 81}, 1))}),
                              b.constant("b", random_tensor({81}, 2))});
  b.output(b.op("Relu", {b.op("Add", {y, "r"})}, {}, "y"));
  const Model model = b.build();
  SessionOptions options = threads(2);
  options.algorithm = "strassen";
  const Session session(model, options);
  EXPECT_NE(session.inspect("nests").find("strassen_z"), std::string::npos);
  const Tensors inputs = make_inputs(session.inputs(), 11);
  expect_close(session.run(views(inputs)), evaluate_reference(model, views(inputs)), 1e-5);
  options.numerics = Numerics::strict;
  EXPECT_THROW(Session(model, options), Error);
}

TEST(Session, StrictNumericsRefuseOtherSums) {
  SessionOptions options = threads(1);
  options.numerics = Numerics::strict;
  options.algorithm = "direct";
  const Session direct(conv_net(), options);
  options.algorithm = "winograd2";
  try {
    const Session session(conv_net(), options);
    ADD_FAILURE() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("'winograd2' is none of strict numerics"), std::string::npos)
        << error.what();
  }
}

TEST(Session, EveryStageCanBePrinted) {
  const Session session(conv_net(), threads(1));
  for (const char* stage : {"graph", "groups", "layouts", "nests", "llvm", "asm", "plan"}) {
    EXPECT_GT(session.inspect(stage).size(), 50u) << stage;
  }
  EXPECT_THROW(session.inspect("nonsense"), Error);
}

TEST(Session, EmptyTensorsRun) {
  const Session session(one_op("Relu", {0, 4}), threads(2));
  EXPECT_EQ(session.run({{"x", TensorView(static_cast<float*>(nullptr), {0, 4})}}).at("y").shape(), (Shape{0, 4}));
}

TEST(Session, NaNAndInfinityPass) {
  const Session session(one_op("Relu", {4}), threads(1));
  float x[4] = {NAN, INFINITY, -INFINITY, -0.0f};
  const Tensors outputs = session.run({{"x", TensorView(x, {4})}});
  const float* y = outputs.at("y").as<float>();
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], INFINITY);
  EXPECT_EQ(y[2], 0.0f);
}

}  // namespace
}  // namespace altrt
