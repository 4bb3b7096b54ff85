// The reader on well formed files, and on contradictions in graph and nodes.
#include <altrt/model.h>
#include <gtest/gtest.h>

#include "runtime/model/onnx_reader.h"
#include "tests/model/expect_error.h"
#include "tests/model/onnx_bytes.h"

namespace altrt::model {
namespace {

graph::Graph read(const FileParts& parts) { return read_onnx(parts.bytes(), "m.onnx"); }

void refuse(ErrorCode code, const std::vector<std::string>& texts, const FileParts& parts) {
  expect_error(code, texts, [&] { read(parts); });
}

std::string attribute(const std::string& name, int64_t type, const Fields& value) {
  return message([&](Writer& w) {
    w.add_string(onnx::attribute_proto::name, name);
    if (value) value(w);
    if (type) w.add_int64(onnx::attribute_proto::type, type);
  });
}

FileParts with_attributes(const std::vector<std::string>& attributes) {
  FileParts parts = relu_file();
  parts.nodes = {node_bytes("Relu", {"x"}, {"y"}, [&](Writer& w) {
    for (const auto& one : attributes) w.add_message(onnx::node_proto::attribute, one);
  })};
  return parts;
}

TEST(Reader, ReadsAGraph) {
  const auto graph = read(add_file(tensor_bytes("w", onnx::float32, {3}, [](Writer& w) {
    w.add_bytes(onnx::tensor_proto::raw_data, float_bytes({1, 2.5f, -3}));
  })));
  EXPECT_EQ(graph::to_string(graph),
            "graph m.onnx, opset 17\n"
            "  input x: f32[2, 3]\n"
            "  constant w: f32[3] = {1, 2.5, -3}\n"
            "  y = Add(x, w) -> ?\n"
            "  output y\n");
}

TEST(Reader, SortsNodesAndKeepsTheOrderOfSortedOnes) {
  FileParts parts = relu_file();
  parts.nodes = {node_bytes("Abs", {"b"}, {"y"}), node_bytes("Exp", {"x"}, {"a"}), node_bytes("Neg", {"a"}, {"b"})};
  const auto graph = read(parts);
  EXPECT_EQ(graph.nodes[0].type, "Exp");
  EXPECT_EQ(graph.nodes[1].type, "Neg");
  EXPECT_EQ(graph.nodes[2].type, "Abs");
}

TEST(Reader, CycleNamesItsNodes) {
  FileParts parts = relu_file();
  parts.nodes = {node_bytes("Add", {"x", "c"}, {"a"}), node_bytes("Neg", {"a"}, {"b"}), node_bytes("Exp", {"b"}, {"c"}),
                 node_bytes("Relu", {"c"}, {"y"})};
  refuse(ErrorCode::invalid_model, {"m.onnx", "cycle of 3 nodes", "'make_a' (Add)", "'make_b' (Neg)", "'make_c' (Exp)"},
         parts);
  parts.nodes = {node_bytes("Add", {"x", "y"}, {"y"})};
  refuse(ErrorCode::invalid_model, {"cycle of 1 nodes", "'make_y'"}, parts);
}

TEST(Reader, SymbolicDimensions) {
  FileParts parts = relu_file();
  const std::string dims = message([](Writer& w) {
    w.add_message(1, message([](Writer& d) { d.add_string(onnx::dimension::dim_param, "batch"); }));
    w.add_message(1, message([](Writer& d) { d.add_int64(onnx::dimension::dim_value, 3); }));
    w.add_bytes(1, "");
    w.add_message(1, message([](Writer& d) { d.add_string(onnx::dimension::dim_param, "?"); }));
  });
  const std::string type = message([&](Writer& w) {
    w.add_int64(onnx::tensor_type::elem_type, onnx::float32);
    w.add_message(onnx::tensor_type::shape, dims);
  });
  parts.inputs = {message([&](Writer& w) {
    w.add_string(onnx::value_info::name, "x");
    w.add_message(onnx::value_info::type, message([&](Writer& t) { t.add_message(1, type); }));
  })};
  const std::string bytes = parts.bytes();
  const auto inputs = Model::load(bytes.data(), bytes.size()).inputs();
  ASSERT_EQ(inputs.size(), 1u);
  EXPECT_EQ(inputs[0].shape, (Shape{-1, 3, -1, -1}));
  EXPECT_EQ(inputs[0].symbols, (std::vector<std::string>{"batch", "", "", ""}));
}

TEST(Reader, AnInitializerAmongTheInputsIsAConstant) {
  const std::string w = tensor_bytes("w", onnx::float32, {3}, [](Writer& t) {
    t.add_bytes(onnx::tensor_proto::raw_data, float_bytes({1, 2, 3}));
  });
  FileParts parts = add_file(w);
  parts.inputs.push_back(value_info_bytes("w", onnx::float32, {3}));
  const auto graph = read(parts);
  EXPECT_EQ(graph.inputs.size(), 1u);
  parts.inputs.back() = value_info_bytes("w", onnx::float32, {4});
  refuse(ErrorCode::invalid_model, {"input 'w'", "contradicts the initializer"}, parts);
}

TEST(Reader, Attributes) {
  using namespace onnx::attribute_proto;
  const auto graph =
      read(with_attributes({attribute("int", type_int, [](Writer& w) { w.add_int64(i, -5); }),
                            attribute("float", 0, [](Writer& w) { w.add_float(f, 0.5f); }),
                            attribute("text", type_string, [](Writer& w) { w.add_bytes(s, "SAME"); }),
                            attribute("packed", type_ints,
                                      [](Writer& w) {
                                        const std::vector<int64_t> v{1, -1, 300};
                                        w.add_packed_int64(ints, v.begin(), v.end());
                                      }),
                            attribute("loose", type_ints,
                                      [](Writer& w) {
                                        w.add_int64(ints, 7);
                                        w.add_int64(ints, 8);
                                      }),
                            attribute("floats", type_floats, [](Writer& w) { w.add_float(floats, 1.5f); }),
                            attribute("zero", type_int, {}), attribute("t", type_tensor, [](Writer& w) {
                              w.add_message(t, tensor_bytes("", onnx::int64, {}, [](Writer& v) {
                                              v.add_int64(onnx::tensor_proto::int64_data, 9);
                                            }));
                            })}));
  EXPECT_NE(graph::to_string(graph).find("{float=0.5, floats=[1.5], int=-5, loose=[7, 8], packed=[1, -1, 300], "
                                         "text=\"SAME\", zero=0, t=i64[] = {9}}"),
            std::string::npos)
      << graph::to_string(graph);
}

TEST(Reader, RefusesContradictingAttributes) {
  using namespace onnx::attribute_proto;
  const auto one = [](const std::string& bytes) { return with_attributes({bytes}); };
  refuse(ErrorCode::invalid_model, {"m.onnx: node 'make_y' (Relu): attribute 'a'", "contradicts"},
         one(attribute("a", type_int, [](Writer& w) { w.add_float(f, 1); })));
  refuse(ErrorCode::invalid_model, {"'a' holds values of more than one type"}, one(attribute("a", 0, [](Writer& w) {
           w.add_float(f, 1);
           w.add_int64(i, 1);
         })));
  refuse(ErrorCode::invalid_model, {"neither type nor value"}, one(attribute("a", 0, {})));
  refuse(ErrorCode::invalid_model, {"field 'type' is 99"}, one(attribute("a", 99, {})));
  refuse(ErrorCode::invalid_model, {"'name' is missing"}, one(attribute("", type_int, {})));
  refuse(ErrorCode::invalid_model, {"occurs more than once"},
         with_attributes({attribute("a", type_int, {}), attribute("a", type_float, {})}));
  refuse(ErrorCode::invalid_model, {"wrong wire type"},
         one(attribute("a", type_int, [](Writer& w) { w.add_float(i, 1); })));
}

TEST(Reader, NamesEverythingUnsupportedAtOnce) {
  using namespace onnx::attribute_proto;
  FileParts parts = with_attributes({attribute("then_branch", type_graph, [](Writer& w) { w.add_bytes(g, ""); }),
                                     attribute("list", type_strings, [](Writer& w) { w.add_bytes(strings, "a"); })});
  parts.initializers = {tensor_bytes("half", onnx::float16, {2}, {}), tensor_bytes("words", onnx::string, {1}, {})};
  parts.inputs.push_back(value_info_bytes("z", onnx::bfloat16, {1}));
  parts.more_graph = [](Writer& w) { w.add_bytes(onnx::graph_proto::sparse_initializer, "x"); };
  parts.more_model = [](Writer& w) { w.add_bytes(onnx::model_proto::functions, "x"); };
  refuse(ErrorCode::unsupported,
         {"m.onnx", "local functions (1)", "node 'make_y' (Relu): attribute 'then_branch': is a subgraph",
          "attribute 'list': is a list of strings", "tensor 'half': has elements of type float16", "tensor 'words'",
          "input 'z': has elements of type bfloat16", "sparse initializers"},
         parts);
}

TEST(Reader, RefusesAmbiguousNames) {
  FileParts parts = relu_file();
  parts.nodes = {node_bytes("Relu", {"x"}, {"y"}), node_bytes("Abs", {"x"}, {"y"})};
  refuse(ErrorCode::invalid_model, {"node 'make_y' (Abs)", "'y' is defined more than once"}, parts);
  parts.nodes = {node_bytes("Relu", {"x"}, {"x"}), node_bytes("Relu", {"x"}, {"y"})};
  refuse(ErrorCode::invalid_model, {"'x' is defined more than once"}, parts);
  parts = relu_file();
  parts.inputs.push_back(parts.inputs[0]);
  refuse(ErrorCode::invalid_model, {"input: the name 'x' is defined more than once"}, parts);
  parts = relu_file();
  parts.outputs.push_back(parts.outputs[0]);
  refuse(ErrorCode::invalid_model, {"output 'y' occurs more than once"}, parts);
  const std::string w = tensor_bytes("w", onnx::float32, {0}, {});
  parts = relu_file();
  parts.initializers = {w, w};
  refuse(ErrorCode::invalid_model, {"initializer: the name 'w' is defined more than once"}, parts);
}

TEST(Reader, RefusesDanglingNames) {
  FileParts parts = relu_file();
  parts.nodes = {node_bytes("Add", {"x", "ghost"}, {"y"})};
  refuse(ErrorCode::invalid_model, {"node 'make_y' (Add): input 1: nothing defines 'ghost'"}, parts);
  parts = relu_file();
  parts.outputs = {value_info_bytes("ghost", onnx::float32, {1})};
  refuse(ErrorCode::invalid_model, {"output 'ghost': nothing defines it"}, parts);
  parts = relu_file();
  parts.outputs.clear();
  refuse(ErrorCode::invalid_model, {"no outputs"}, parts);
  parts = relu_file();
  parts.nodes = {node_bytes("Relu", {"x"}, {})};
  refuse(ErrorCode::invalid_model, {"has no outputs"}, parts);
}

TEST(Reader, RefusesMissingFields) {
  FileParts parts = relu_file();
  parts.nodes = {node_bytes("", {"x"}, {"y"})};
  refuse(ErrorCode::invalid_model, {"node 0", "'op_type' is missing"}, parts);
  parts = relu_file();
  parts.inputs = {message([](Writer& w) { w.add_string(onnx::value_info::name, "x"); })};
  refuse(ErrorCode::invalid_model, {"input 'x'", "'type' is missing"}, parts);
  parts.inputs = {message([](Writer& w) { w.add_string(onnx::value_info::name, ""); })};
  refuse(ErrorCode::invalid_model, {"input 0", "'name' is missing"}, parts);
  parts = relu_file();
  parts.opset = 0;
  refuse(ErrorCode::invalid_model, {"opset import ''", "'version' is 0"}, parts);
  parts = relu_file();
  parts.nodes = {
      node_bytes("Gelu", {"x"}, {"y"}, [](Writer& w) { w.add_string(onnx::node_proto::domain, "com.example"); })};
  refuse(ErrorCode::invalid_model, {"imports no operator set for the domain 'com.example'"}, parts);
  expect_error(ErrorCode::invalid_model, {"m.onnx", "is empty"}, [] { read_onnx("", "m.onnx"); });
  expect_error(ErrorCode::invalid_model, {"has no graph"},
               [] { read_onnx(message([](Writer& w) { w.add_int64(1, 8); }), "m.onnx"); });
}

TEST(Reader, RefusesFieldsThatMayOccurOnceTwice) {
  FileParts parts = relu_file();
  parts.more_model = [](Writer& w) { w.add_bytes(onnx::model_proto::graph, "\x0a"); };
  refuse(ErrorCode::invalid_model, {"ModelProto: field 7 occurs more than once"}, parts);
}

TEST(Reader, ControlCharactersOfNamesAreEscapedInMessages) {
  FileParts parts = relu_file();
  parts.nodes = {node_bytes("Add", {"x", "gh\n\x1b[31most"}, {"y"})};
  refuse(ErrorCode::invalid_model, {"'gh\\x0a\\x1b[31most'"}, parts);
}

TEST(Reader, AbsentOptionalInputsAndUnwantedOutputs) {
  FileParts parts = relu_file();
  parts.nodes = {node_bytes("Clip", {"x", "", "x"}, {"y", "", ""}), node_bytes("Clip", {"x", "", ""}, {"z"})};
  const auto graph = read(parts);
  EXPECT_EQ(graph.nodes[0].inputs, (std::vector<int>{0, -1, 0}));
  EXPECT_EQ(graph.nodes[0].outputs.size(), 1u);
  EXPECT_EQ(graph.nodes[1].inputs, (std::vector<int>{0}));
}

TEST(Reader, MemoryIsInProportionToTheFile) {
  // Each empty dimension list costs two bytes in the file; a million nodes of the smallest kind pass, more do not.
  FileParts parts = relu_file();
  const std::string node = message([](Writer& w) { w.add_string(onnx::node_proto::op_type, "A"); });
  parts.nodes.assign((1 << 20) + 1, node);
  refuse(ErrorCode::out_of_memory, {"more than 1048576 nodes"}, parts);
}

TEST(Reader, OperatorsAreListedWithoutASession) {
  FileParts parts = relu_file();
  parts.nodes = {node_bytes("Frobnicate", {"x"}, {"a"}), node_bytes("Frobnicate", {"a"}, {"b"}),
                 node_bytes("Twist", {"b"}, {"c"}), node_bytes("Relu", {"c"}, {"y"})};
  const std::string bytes = parts.bytes();
  const auto operators = Model::load(bytes.data(), bytes.size()).operators();
  ASSERT_EQ(operators.size(), 3u);
  EXPECT_EQ(operators[0].type, "Frobnicate");
  EXPECT_EQ(operators[0].count, 2);
  EXPECT_FALSE(operators[0].supported);
  EXPECT_FALSE(operators[0].reason.empty());
  EXPECT_TRUE(operators[1].supported) << operators[1].type;
}

}  // namespace
}  // namespace altrt::model
