// GraphBuilder, saving and loading.
#include <altrt/model.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "runtime/graph/graph.h"
#include "runtime/model/onnx_writer.h"
#include "tests/model/expect_error.h"

namespace altrt {
namespace {

namespace fs = std::filesystem;

Tensor filled(DataType type, const Shape& shape, float first) {
  Tensor tensor(type, shape);
  for (int64_t i = 0; i < element_count(shape); ++i) {
    if (type == DataType::f32) tensor.as<float>()[i] = first + static_cast<float>(i);
    if (type == DataType::i64) tensor.as<int64_t>()[i] = static_cast<int64_t>(first) + i;
  }
  return tensor;
}

Model sample() {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {1, 2, 4, 4});
  const auto w = b.constant("w", filled(DataType::f32, {3, 2, 3, 3}, 0.25f));
  const auto y =
      b.op("Conv", {"x", w}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}, {"group", 1}, {"auto_pad", "NOTSET"}});
  const auto parts = b.op_n("Split", {b.op("LeakyRelu", {y}, {{"alpha", 0.1f}})}, 3, {{"axis", 1}});
  b.output(parts[0]);
  b.output(b.op("Concat", {parts[1], parts[2]}, {{"axis", 1}}, "joined"));
  return b.build();
}

TEST(GraphBuilder, BuildsAndInfersOutputs) {
  const Model model = sample();
  EXPECT_EQ(graph::to_string(model.graph()),
            "graph net, opset 17\n"
            "  input x: f32[1, 2, 4, 4]\n"
            "  constant w: f32[3, 2, 3, 3]\n"
            "  Conv_0 = Conv(x, w) {auto_pad=\"NOTSET\", group=1, pads=[1, 1, 1, 1]} -> ?\n"
            "  LeakyRelu_0 = LeakyRelu(Conv_0) {alpha=0.100000001} -> ?\n"
            "  Split_0, Split_1, Split_2 = Split(LeakyRelu_0) {axis=1} -> ?, ?, ?\n"
            "  joined = Concat(Split_1, Split_2) {axis=1} -> ?\n"
            "  output Split_0\n"
            "  output joined\n");
  const auto outputs = model.outputs();
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].shape, (Shape{1, 1, 4, 4}));
  EXPECT_EQ(outputs[1].shape, (Shape{1, 2, 4, 4}));
}

TEST(GraphBuilder, SavedModelsReadBackTheSame) {
  const Model model = sample();
  const std::string path =
      (fs::temp_directory_path() / ("altrt_save_" + std::to_string(::getpid()) + ".onnx")).string();
  model.save(path);
  const Model again = Model::load(path);
  std::string text = graph::to_string(again.graph());
  text.replace(text.find(again.name()), again.name().size(), "net");
  EXPECT_EQ(text, graph::to_string(model.graph()));
  const Tensor& before = *model.graph().values[1].data;
  for (const auto& value : again.graph().values) {
    if (value.name != "w") continue;
    EXPECT_EQ(std::memcmp(value.data->data(), before.data(), before.bytes()), 0);
  }
  EXPECT_EQ(again.outputs()[1].shape, (Shape{1, 2, 4, 4}));
  // The second writing is the same bytes.
  graph::Graph renamed = again.graph();
  renamed.name = "net";
  EXPECT_EQ(model::write_onnx(renamed).size(), model::write_onnx(model.graph()).size());
  fs::remove(path);
}

TEST(GraphBuilder, SymbolicInputsAndScalarsAreKept) {
  GraphBuilder b("net");
  b.input("x", DataType::i64, {-1, 3, -1}, {"batch", "", ""});
  b.input("s", DataType::f32, {});
  b.output(b.op("Neg", {"x"}, {}, "y"));
  b.output(b.op("Neg", {"s"}, {}, "z"));
  const std::string bytes = model::write_onnx(b.build().graph());
  const auto inputs = Model::load(bytes.data(), bytes.size()).inputs();
  EXPECT_EQ(inputs[0].type, DataType::i64);
  EXPECT_EQ(inputs[0].shape, (Shape{-1, 3, -1}));
  EXPECT_EQ(inputs[0].symbols, (std::vector<std::string>{"batch", "", ""}));
  EXPECT_EQ(inputs[1].shape, Shape{});
}

TEST(GraphBuilder, OperatorsMayComeBeforeWhatTheyRead) {
  GraphBuilder b("net");
  b.op("Relu", {"later"}, {}, "y");
  b.input("x", DataType::f32, {2});
  b.op("Neg", {"x"}, {}, "later");
  b.output("y");
  EXPECT_EQ(b.build().graph().nodes[0].type, "Neg");
}

TEST(GraphBuilder, Refusals) {
  const auto build = [](const std::function<void(GraphBuilder&)>& f) {
    GraphBuilder b("net");
    b.input("x", DataType::f32, {2, 3});
    f(b);
    b.build();
  };
  expect_error(ErrorCode::invalid_model, {"net: node 'y' (Relu): input 0: nothing defines 'ghost'"},
               [&] { build([](GraphBuilder& b) { b.output(b.op("Relu", {"ghost"}, {}, "y")); }); });
  expect_error(ErrorCode::invalid_model, {"net: output 'ghost'"},
               [&] { build([](GraphBuilder& b) { b.output("ghost"); }); });
  expect_error(ErrorCode::invalid_model, {"'x' is defined more than once"},
               [&] { build([](GraphBuilder& b) { b.op("Relu", {"x"}, {}, "x"); }); });
  expect_error(ErrorCode::invalid_model, {"cycle of 2 nodes", "'a' (Add)", "'b' (Neg)"}, [&] {
    build([](GraphBuilder& b) {
      b.op("Add", {"x", "b"}, {}, "a");
      b.output(b.op("Neg", {"a"}, {}, "b"));
    });
  });
  expect_error(ErrorCode::invalid_model, {"net: node 'm' (MatMul)"}, [&] {
    build([](GraphBuilder& b) { b.output(b.op("MatMul", {"x", "x"}, {}, "m")); });
  });
  expect_error(ErrorCode::invalid_argument, {"needs an output"},
               [&] { build([](GraphBuilder& b) { b.op_n("Split", {"x"}, 0); }); });
  expect_error(ErrorCode::invalid_argument, {"has no data"},
               [&] { build([](GraphBuilder& b) { b.constant("w", Tensor()); }); });
  expect_error(ErrorCode::invalid_model, {"no outputs"}, [&] { build([](GraphBuilder&) {}); });
}

TEST(GraphBuilder, IsEmptyAfterBuilding) {
  GraphBuilder b("net");
  b.output(b.input("x", DataType::f32, {1}));
  EXPECT_EQ(b.build().inputs().size(), 1u);
  b.input("x", DataType::f32, {1});
  expect_error(ErrorCode::invalid_model, {"no outputs"}, [&] { b.build(); });
}

TEST(Save, LeavesWhatWasThereWhenItFails) {
  const fs::path folder = fs::temp_directory_path() / ("altrt_save_dir_" + std::to_string(::getpid()));
  fs::create_directories(folder / "target");
  expect_error(ErrorCode::io, {"target"}, [&] { sample().save((folder / "target").string()); });
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 1);  // no temporary file stays
  expect_error(ErrorCode::io, {"absent"}, [&] { sample().save((folder / "absent" / "m.onnx").string()); });
  fs::remove_all(folder);
}

TEST(Model, LoadsWithAName) {
  const std::string bytes = model::write_onnx(sample().graph());
  EXPECT_EQ(Model::load(bytes.data(), bytes.size()).name(), "<memory>");
  EXPECT_EQ(Model::load(bytes.data(), bytes.size(), "", "mine").name(), "mine");
  expect_error(ErrorCode::invalid_argument, {"null"}, [] { Model::load(nullptr, 4); });
  expect_error(ErrorCode::invalid_argument, {}, [] { Model(nullptr); });
}

}  // namespace
}  // namespace altrt
