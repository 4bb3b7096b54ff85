// Large weights stay in their file until somebody needs them.
#include <altrt/model.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "runtime/base/deferred.h"
#include "runtime/base/team.h"
#include "runtime/graph/content_hash.h"
#include "runtime/graph/graph.h"
#include "tests/model/expect_error.h"
#include "tests/model/onnx_bytes.h"
#include "tests/records/folder.h"

namespace altrt::model {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kRows = 300, kColumns = 400;

std::vector<float> numbers(float first) {
  std::vector<float> result(kRows * kColumns);
  std::iota(result.begin(), result.end(), first);
  return result;
}

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

FileParts parts_with(const std::vector<std::string>& weights) {
  FileParts parts;
  parts.inputs = {value_info_bytes("x", onnx::float32, {1, kRows})};
  parts.outputs = {value_info_bytes("y", onnx::float32, {1, kColumns})};
  parts.initializers = weights;
  parts.nodes = {node_bytes("MatMul", {"x", "w"}, {"y"})};
  return parts;
}

std::string weights_inside(const std::string& name, float first) {
  return tensor_bytes(name, onnx::float32, {kRows, kColumns},
                      [&](Writer& w) { w.add_bytes(onnx::tensor_proto::raw_data, bytes_of(numbers(first))); });
}

std::string weights_outside(const std::string& name, const std::string& location) {
  return tensor_bytes(name, onnx::float32, {kRows, kColumns}, [&](Writer& w) {
    add_entry(w, "location", location);
    w.add_int64(onnx::tensor_proto::data_location, 1);
  });
}

const Tensor& weights(const Model& model, size_t number = 0) { return *model.graph().values[number].data; }

bool is_deferred(const Model& model, size_t number = 0) {
  const base::DeferredBytes* deferred = base::deferred_bytes(weights(model, number));
  return deferred && !deferred->in_memory();
}

void expect_numbers(const Tensor& tensor, float first) {
  const std::vector<float> wanted = numbers(first);
  ASSERT_EQ(tensor.shape(), (Shape{kRows, kColumns}));
  EXPECT_EQ(std::vector<float>(tensor.as<float>(), tensor.as<float>() + wanted.size()), wanted);
}

// Writes into the file as it is, at a later time than it was written at.
void overwrite(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
}

class DeferredWeights : public testing::TestWithParam<bool> {
 protected:
  // The model's file, or the one beside it that holds the weights.
  std::string weights_file() const { return folder_.file(GetParam() ? "w.bin" : "m.onnx"); }
  std::string file_bytes(float first) const {
    return GetParam() ? bytes_of(numbers(first)) : parts_with({weights_inside("w", first)}).bytes();
  }
  Model load() const {
    if (GetParam()) write_bytes(folder_.file("m.onnx"), parts_with({weights_outside("w", "w.bin")}).bytes());
    write_bytes(weights_file(), file_bytes(1));
    return Model::load(folder_.file("m.onnx"));
  }

  TestFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Outside, DeferredWeights, testing::Bool());

TEST_P(DeferredWeights, AreReadWhenAskedFor) {
  const Model model = load();
  ASSERT_TRUE(is_deferred(model));
  expect_numbers(weights(model), 1);
  EXPECT_FALSE(is_deferred(model));
}

TEST_P(DeferredWeights, SurviveThatTheFileIsReplacedOrRemoved) {
  const Model model = load(), other = Model::load(folder_.file("m.onnx"));
  const std::string replacement = folder_.file("new");
  write_bytes(replacement, file_bytes(9));
  fs::rename(replacement, weights_file());
  expect_numbers(weights(model), 1);
  fs::remove(weights_file());
  ASSERT_TRUE(is_deferred(other));
  expect_numbers(weights(other), 1);
}

TEST_P(DeferredWeights, AreRefusedWhereTheFileWasWrittenTo) {
  const Model loaded = load(), model = Model::load(folder_.file("m.onnx"));
  expect_numbers(weights(loaded), 1);
  const std::string file = GetParam() ? "w.bin" : "m.onnx";
  overwrite(weights_file(), file_bytes(2));
  expect_error(ErrorCode::io, {file, "written to since the model was loaded"}, [&] { weights(model).data(); });
  expect_error(ErrorCode::io, {file}, [&] { graph::hash_of(weights(model)); });
  base::Team team(2);
  expect_error(ErrorCode::io, {file}, [&] { graph::hash_deferred(model.graph(), team); });
  overwrite(weights_file(), file_bytes(2).substr(0, 1000));
  expect_error(ErrorCode::io, {file}, [&] { weights(model).data(); });
  expect_numbers(weights(loaded), 1);
}

TEST_P(DeferredWeights, HaveTheHashOfTheirBytes) {
  const Model model = load();
  const std::string whole = parts_with({weights_inside("w", 1)}).bytes();
  const Model from_memory = Model::load(whole.data(), whole.size());
  ASSERT_EQ(base::deferred_bytes(weights(from_memory)), nullptr);
  base::Team team(2);
  EXPECT_EQ(graph::content_hash(model.graph(), team), graph::content_hash(from_memory.graph(), team));
  EXPECT_TRUE(is_deferred(model)) << "hashed where they are";
  const std::string changed = parts_with({weights_inside("w", 2)}).bytes();
  const Model other = Model::load(changed.data(), changed.size());
  EXPECT_NE(graph::content_hash(model.graph(), team), graph::content_hash(other.graph(), team));
}

TEST_P(DeferredWeights, AreSavedIntoTheFileThatTheyCameFrom) {
  load().save(folder_.file("m.onnx"));
  if (GetParam()) fs::remove(weights_file());
  expect_numbers(weights(Model::load(folder_.file("m.onnx"))), 1);
}

TEST(DeferredWeightsOfEqualBytes, AreOneConstant) {
  const TestFolder folder;
  FileParts parts = parts_with({weights_inside("w", 1), weights_inside("v", 1), weights_inside("u", 2)});
  parts.nodes = {node_bytes("MatMul", {"x", "w"}, {"a"}), node_bytes("MatMul", {"x", "v"}, {"b"}),
                 node_bytes("MatMul", {"x", "u"}, {"c"}), node_bytes("Sum", {"a", "b", "c"}, {"y"})};
  write_bytes(folder.file("m.onnx"), parts.bytes());
  const Model model = Model::load(folder.file("m.onnx"));
  const graph::Graph simplified = graph::simplify(model.graph(), {}, {});
  int constants = 0;
  for (const graph::Value& value : simplified.values) constants += value.is_constant();
  EXPECT_EQ(constants, 2);
  for (size_t v = 0; v < 3; ++v) EXPECT_TRUE(is_deferred(model, v));
}

// Some writers make a file for every tensor; descriptors are scarce.
TEST(DeferredWeightsInManyFiles, DoNotKeepThemAllOpen) {
  const auto open_files = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  constexpr size_t kFiles = 40;
  const TestFolder folder;
  std::vector<std::string> tensors;
  for (size_t i = 0; i < kFiles; ++i) {
    const std::string number = std::to_string(i);
    tensors.push_back(weights_outside(i == 0 ? "w" : "w" + number, number + ".bin"));
    write_bytes(folder.file(number + ".bin"), bytes_of(numbers(static_cast<float>(i))));
  }
  write_bytes(folder.file("m.onnx"), parts_with(tensors).bytes());
  const auto before = open_files();
  {
    const Model model = Model::load(folder.file("m.onnx"));
    EXPECT_TRUE(is_deferred(model, 0));
    EXPECT_FALSE(is_deferred(model, kFiles - 1));
    EXPECT_LE(open_files(), before + 10);
    for (size_t i = 0; i < kFiles; ++i) expect_numbers(weights(model, i), static_cast<float>(i));
  }
  EXPECT_EQ(open_files(), before);
}

}  // namespace
}  // namespace altrt::model
