// Passes, by golden text.
#include <gtest/gtest.h>

#include "tests/graph/sample.h"
#include "tests/model/expect_error.h"

namespace altrt::graph {
namespace {

using Integers = std::vector<int64_t>;

TEST(InferAndFold, ShapeArithmeticBecomesAConstant) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {-1, 3, 4}, {"batch", "", ""});
  const auto zero = b.constant("zero", tensor_of<int64_t>({}, {0}));
  const auto rest = b.constant("rest", tensor_of<int64_t>({1}, {-1}));
  const auto axes = b.constant("axes", tensor_of<int64_t>({1}, {0}));
  const auto batch = b.op("Gather", {b.op("Shape", {"x"}), zero}, {{"axis", 0}});
  const auto shape = b.op("Concat", {b.op("Unsqueeze", {batch, axes}), rest}, {{"axis", 0}}, "shape");
  b.output(b.op("Reshape", {"x", shape}, {}, "y"));
  const Graph graph = simplify(b.build().graph(), {}, {{"batch", 5}});
  EXPECT_EQ(body(graph),
            "  input x: f32[5, 3, 4]\n"
            "  constant shape: i64[2] = {5, -1}\n"
            "  y = Reshape(x, shape) -> f32[5, 12]\n"
            "  output y\n");
}

TEST(InferAndFold, NodesOfConstantsAreEvaluated) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {2, 2});
  const auto w = b.constant("w", tensor_of<float>({2, 2}, {1, 2, 3, 4}));
  const auto wt = b.op("Transpose", {w}, {{"perm", Integers{1, 0}}}, "wt");
  const auto scaled = b.op("Mul", {wt, b.constant("two", tensor_of<float>({}, {2}))}, {}, "scaled");
  b.output(b.op("MatMul", {"x", scaled}, {}, "y"));
  EXPECT_EQ(body(simplified(b.build())),
            "  input x: f32[2, 2]\n"
            "  constant scaled: f32[2, 2] = {2, 6, 4, 8}\n"
            "  y = MatMul(x, scaled) -> f32[2, 2]\n"
            "  output y\n");
}

TEST(InferAndFold, ConstantNodesAndGeneratedValues) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {4});
  const auto shape = b.op("Constant", {}, {{"value_ints", Integers{4}}}, "shape");
  const auto zeros = b.op("ConstantOfShape", {shape}, {}, "zeros");
  b.output(b.op("Add", {"x", zeros}, {}, "y"));
  b.output(b.op("Size", {"x"}, {}, "n"));
  EXPECT_EQ(body(simplified(b.build())),
            "  input x: f32[4]\n"
            "  constant zeros: f32[4] = {0, 0, 0, 0}\n"
            "  constant n: i64[] = {4}\n"
            "  y = Add(x, zeros) -> f32[4]\n"
            "  output y\n"
            "  output n\n");
}

// Each part with the moves before it, for readers to read through.
TEST(PartSplits, EveryPartIsANodeWithItsMoves) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {4, 6});
  const auto shape = b.constant("shape", tensor_of<int64_t>({3}, {4, 2, 3}));
  const auto moved = b.op("Transpose", {b.op("Reshape", {"x", shape}, {}, "r")}, {{"perm", Integers{1, 0, 2}}}, "t");
  const auto parts = b.op_n("Split", {moved}, 2, {{"axis", 0}});
  b.output(b.op("Relu", {parts[0]}, {}, "a"));
  b.output(b.op("Neg", {parts[1]}, {}, "b"));
  EXPECT_EQ(body(simplified(b.build())),
            "  input x: f32[4, 6]\n"
            "  constant shape: i64[3] = {4, 2, 3}\n"
            "  r.0 = Reshape(x, shape) -> f32[4, 2, 3]\n"
            "  t.0 = Transpose(r.0) {perm=[1, 0, 2]} -> f32[2, 4, 3]\n"
            "  Split_0, - = Split(t.0) {axis=0} -> f32[1, 4, 3], ?\n"
            "  r.1 = Reshape(x, shape) -> f32[4, 2, 3]\n"
            "  t.1 = Transpose(r.1) {perm=[1, 0, 2]} -> f32[2, 4, 3]\n"
            "  -, Split_1 = Split(t.1) {axis=0} -> ?, f32[1, 4, 3]\n"
            "  a = Relu(Split_0) -> f32[1, 4, 3]\n"
            "  b = Neg(Split_1) -> f32[1, 4, 3]\n"
            "  output a\n"
            "  output b\n");
}

TEST(PartSplits, MovesThatOthersReadStayOne) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {4, 6});
  const auto moved = b.op("Transpose", {"x"}, {{"perm", Integers{1, 0}}}, "t");
  const auto parts = b.op_n("Split", {moved}, 2, {{"axis", 0}});
  b.output(b.op("Relu", {parts[0]}, {}, "a"));
  b.output(b.op("Neg", {parts[1]}, {}, "b"));
  b.output(b.op("Abs", {moved}, {}, "c"));
  EXPECT_EQ(body(simplified(b.build())),
            "  input x: f32[4, 6]\n"
            "  t = Transpose(x) {perm=[1, 0]} -> f32[6, 4]\n"
            "  Split_0, - = Split(t) {axis=0} -> f32[3, 4], ?\n"
            "  -, Split_1 = Split(t) {axis=0} -> ?, f32[3, 4]\n"
            "  a = Relu(Split_0) -> f32[3, 4]\n"
            "  b = Neg(Split_1) -> f32[3, 4]\n"
            "  c = Abs(t) -> f32[6, 4]\n"
            "  output a\n"
            "  output b\n"
            "  output c\n");
}

Model generator(const std::string& type, const Integers& operand) {
  GraphBuilder b("bomb");
  b.input("x", DataType::f32, {1});
  b.input("open", DataType::f32, {-1}, {"n"});
  const auto size = static_cast<int64_t>(operand.size());
  const auto shape = b.constant("shape", tensor_of<int64_t>({size}, operand));
  b.output(b.op(type,
                type == "ConstantOfShape" ? std::vector<std::string>{shape} : std::vector<std::string>{"x", shape}, {},
                "big"));
  return b.build();
}

TEST(InferAndFold, AbsurdSizesAreRefusedBeforeTheyAreAllocated) {
  const auto refuse = [](ErrorCode code, const std::string& type, const Integers& operand) {
    expect_error(code, {"bomb: node 'big' (" + type + ")"}, [&] {
      simplify(generator(type, operand).graph(), {}, {{"n", 1}});
    });
  };
  const int64_t huge = int64_t{1} << 30;
  for (const char* type : {"ConstantOfShape", "Expand"}) {
    refuse(ErrorCode::out_of_memory, type, {1 << 10, huge});     // 4 TiB
    refuse(ErrorCode::out_of_memory, type, {huge, huge, huge});  // the count overflows
    refuse(ErrorCode::invalid_model, type, {int64_t{1} << 40});  // no dimension is that long
    refuse(ErrorCode::invalid_model, type, {INT64_MIN});
  }
  refuse(ErrorCode::invalid_model, "Tile", {int64_t{1} << 40});
}

TEST(InferAndFold, LargeResultsAreLeftToRunTime) {
  const Graph graph = simplify(generator("ConstantOfShape", {int64_t{1} << 29}).graph(), {}, {{"n", 1}});  // 2 GiB
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].type, "ConstantOfShape");
}

TEST(InferAndFold, NamesAllMissingOperatorsAtOnce) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {2});
  b.output(b.op("Twist", {b.op("Frobnicate", {b.op("Frobnicate", {b.op("Relu", {"x"})})})}, {}, "y"));
  const Model model = b.build();
  expect_error(ErrorCode::unsupported,
               {"net: 2 operators are not supported: Frobnicate x2 (", "Twist x1 (no such operator"},
               [&] { simplified(model); });
}

TEST(InferAndFold, ErrorsNameTheNode) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {-1, 3}, {"n", ""});
  b.output(b.op("MatMul", {"x", "x"}, {}, "product"));
  const Model model = b.build();
  expect_error(ErrorCode::invalid_model, {"net: node 'product' (MatMul)"}, [&] {
    simplify(model.graph(), {}, {{"n", 2}});
  });
}

TEST(FixShapes, ByNameOfDimensionAndByInput) {
  GraphBuilder b("net");
  b.input("a", DataType::f32, {-1, -1, 3}, {"n", "s", ""});
  b.input("b", DataType::f32, {-1, -1}, {"n", ""});
  b.output(b.op("Relu", {"a"}, {}, "y"));
  const Graph graph = b.build().graph();
  const auto text = [](const Graph& g) { return to_string(g.values[0].shape) + to_string(g.values[1].shape); };
  EXPECT_EQ(text(fix_shapes(graph, {{"b", {2, 7}}}, {{"s", 9}})), "[2, 9, 3][2, 7]");
  EXPECT_EQ(text(fix_shapes(graph, {{"a", {0, 1, 3}}, {"b", {0, 1}}}, {})), "[0, 1, 3][0, 1]");

  const auto refuse = [&](const std::vector<std::string>& texts, const std::map<std::string, Shape>& shapes,
                          const std::map<std::string, int64_t>& dimensions) {
    expect_error(ErrorCode::invalid_argument, texts, [&] { fix_shapes(graph, shapes, dimensions); });
  };
  refuse({"net", "left open: 'n' of input 'a', 's' of input 'a', 'n' of input 'b', dimension 1 of input 'b'"}, {}, {});
  refuse({"left open: dimension 1 of input 'b'"}, {{"a", {1, 2, 3}}}, {});
  refuse({"'n' is 1", "input 'a'", "but 2", "input 'b'"}, {{"a", {1, 2, 3}}, {"b", {2, 2}}}, {});
  refuse({"'n' is 4 in the dimensions given, but 2"}, {{"b", {2, 2}}}, {{"n", 4}});
  refuse({"[1, 2, 4], the model fixes [1, 2, 3]"}, {{"a", {1, 2, 4}}}, {});
  refuse({"input 'a' has 2 dimensions, the model's has 3"}, {{"a", {1, 2}}}, {});
  refuse({"'c', which is no input"}, {{"c", {1, 2}}}, {});
  refuse({"no input has a dimension named 'q'"}, {}, {{"q", 1}});
  refuse({"'n' is -2"}, {}, {{"n", -2}});
  refuse({"[-1, 2, 3]"}, {{"a", {-1, 2, 3}}}, {});
}

TEST(FixShapes, RefusesInputsBeyondTheLimits) {
  GraphBuilder b("net");
  b.input("a", DataType::f32, {-1, -1}, {"n", "m"});
  b.output(b.op("Relu", {"a"}, {}, "y"));
  const Graph graph = b.build().graph();
  expect_error(ErrorCode::out_of_memory, {"input 'a'"}, [&] {
    fix_shapes(graph, {}, {{"n", int64_t{1} << 40}, {"m", int64_t{1} << 40}});
  });
}

TEST(RemoveNoOps, ChainsVanish) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {2, 1, 3});
  auto v = b.op("Identity", {"x"});
  v = b.op("Dropout", {v});
  v = b.op("Cast", {v}, {{"to", 1}});
  v = b.op("Transpose", {v}, {{"perm", Integers{1, 0, 2}}});  // moves only an extent of one, but changes the shape
  v = b.op("Relu", {v}, {}, "r");
  v = b.op("Reshape", {v, b.constant("same", tensor_of<int64_t>({3}, {0, 0, -1}))});
  v = b.op("Slice",
           {v, b.constant("from", tensor_of<int64_t>({1}, {0})), b.constant("to", tensor_of<int64_t>({1}, {99}))});
  v = b.op("Concat", {v}, {{"axis", 1}});
  b.output(b.op("Neg", {v}, {}, "y"));
  EXPECT_EQ(body(simplified(b.build())),
            "  input x: f32[2, 1, 3]\n"
            "  Transpose_0 = Transpose(x) {perm=[1, 0, 2]} -> f32[1, 2, 3]\n"
            "  r = Relu(Transpose_0) -> f32[1, 2, 3]\n"
            "  y = Neg(r) -> f32[1, 2, 3]\n"
            "  output y\n");
}

TEST(RemoveNoOps, OutputsKeepTheirNames) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {2});
  const auto r = b.op("Relu", {"x"}, {}, "r");
  b.output(b.op("Identity", {r}, {}, "y"));
  b.output(b.op("Neg", {r}, {}, "z"));
  b.output(b.op("Identity", {"x"}, {}, "copy"));
  EXPECT_EQ(body(simplified(b.build())),
            "  input x: f32[2]\n"
            "  y = Relu(x) -> f32[2]\n"
            "  z = Neg(y) -> f32[2]\n"
            "  copy = Identity(x) -> f32[2]\n"
            "  output y\n"
            "  output z\n"
            "  output copy\n");
}

TEST(RemoveNoOps, WhatIsNotANoOpStays) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {3, 3});
  const auto from = b.constant("from", tensor_of<int64_t>({1}, {-1}));
  const auto to = b.constant("to", tensor_of<int64_t>({1}, {INT64_MIN}));
  const auto axis = b.constant("axis", tensor_of<int64_t>({1}, {0}));
  const auto back = b.constant("back", tensor_of<int64_t>({1}, {-1}));
  auto v = b.op("Slice", {"x", from, to, axis, back});  // reverses, keeps the shape
  v = b.op("Transpose", {v});
  b.output(b.op("Cast", {v}, {{"to", 11}}, "y"));
  EXPECT_EQ(simplified(b.build()).nodes.size(), 3u);
}

TEST(RemoveNoOps, EqualNodesAndConstantsAreMerged) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {2});
  const auto one = b.constant("one", tensor_of<float>({}, {1})), uno = b.constant("uno", tensor_of<float>({}, {1}));
  const auto a = b.op("LeakyRelu", {b.op("Add", {"x", one}, {}, "a")}, {{"alpha", 0.5f}}, "la");
  const auto c = b.op("LeakyRelu", {b.op("Add", {"x", uno}, {}, "c")}, {{"alpha", 0.5f}}, "lc");
  const auto d = b.op("LeakyRelu", {b.op("Add", {"x", uno}, {}, "d")}, {{"alpha", 0.25f}}, "ld");
  b.output(b.op("Sum", {a, c, d}, {}, "y"));
  EXPECT_EQ(body(simplified(b.build())),
            "  input x: f32[2]\n"
            "  constant one: f32[] = {1}\n"
            "  a = Add(x, one) -> f32[2]\n"
            "  la = LeakyRelu(a) {alpha=0.5} -> f32[2]\n"
            "  ld = LeakyRelu(a) {alpha=0.25} -> f32[2]\n"
            "  y = Sum(la, la, ld) -> f32[2]\n"
            "  output y\n");
}

TEST(Prune, DropsWhatNoOutputNeeds) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {2});
  b.input("unused", DataType::f32, {2});
  b.constant("w", tensor_of<float>({1}, {1}));
  b.op("Frobnicate", {"x", "w"}, {}, "dead");
  b.output(b.op("Relu", {"x"}, {}, "y"));
  EXPECT_EQ(body(simplified(b.build())),
            "  input x: f32[2]\n"
            "  input unused: f32[2]\n"
            "  y = Relu(x) -> f32[2]\n"
            "  output y\n");
}

TEST(Verify, FindsWhatPassesMustNotDo) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {2});
  b.output(b.op("Neg", {b.op("Relu", {"x"}, {}, "r")}, {}, "y"));
  const Graph good = b.build().graph();
  const auto refuse = [&](const std::string& text, const std::function<void(Graph&)>& change) {
    Graph graph = good;
    change(graph);
    expect_error(ErrorCode::invalid_model, {"net", text}, [&] { verify(graph); });
  };
  EXPECT_NO_THROW(verify(good));
  refuse("nothing defines 'r' before", [](Graph& g) { std::swap(g.nodes[0], g.nodes[1]); });
  refuse("value number 99 does not exist", [](Graph& g) { g.nodes[0].inputs[0] = 99; });
  refuse("value number 99 does not exist", [](Graph& g) { g.nodes[0].outputs[0] = 99; });
  refuse("value number -2 does not exist", [](Graph& g) { g.outputs[0] = -2; });
  refuse("'x' is defined more than once", [](Graph& g) { g.inputs.push_back(g.inputs[0]); });
  refuse("'r' is defined more than once", [](Graph& g) { g.nodes[1].outputs[0] = g.nodes[0].outputs[0]; });
  refuse("two values have the name 'x'", [](Graph& g) { g.values[g.outputs[0]].name = "x"; });
  refuse("has no name", [](Graph& g) { g.values[g.outputs[0]].name = ""; });
  refuse("has no outputs", [](Graph& g) { g.nodes[0].outputs[0] = -1; });
  refuse("'y' occurs more than once", [](Graph& g) { g.outputs.push_back(g.outputs[0]); });
  refuse("no operator type", [](Graph& g) { g.nodes[0].type = ""; });
  refuse("'x' is defined more than once",
         [](Graph& g) { g.values[g.inputs[0]].data = std::make_shared<const Tensor>(DataType::f32, Shape{2}); });
}

}  // namespace
}  // namespace altrt::graph
