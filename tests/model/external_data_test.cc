// External data: what lies in the model's folder is read, nothing else is ever opened.
#include "runtime/model/external_data.h"

#include <altrt/model.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "runtime/graph/graph.h"
#include "runtime/model/onnx_reader.h"
#include "tests/model/expect_error.h"
#include "tests/model/onnx_bytes.h"

namespace altrt::model {
namespace {

namespace fs = std::filesystem;

// root/model/ holds the model; root/secret.bin must never be read.
class ExternalDataTest : public testing::TestWithParam<Containment> {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "altrt_external_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    fs::create_directories(folder() / "sub");
    write(root_ / "secret.bin", std::string(64, 's'));
    write(folder() / "w.bin", float_bytes({1, 2, 3, 4, 5, 6}));
    write(folder() / "sub" / "w.bin", float_bytes({7, 8, 9}));
  }
  void TearDown() override { fs::remove_all(root_); }

  fs::path folder() const { return root_ / "model"; }

  static void write(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

  std::string first_bytes(const std::string& location) const {
    const ReadContext context("m.onnx", 0);
    const File file = open_inside(folder().string(), location, context, GetParam());
    char bytes[4] = {};
    EXPECT_EQ(::read(file.descriptor(), bytes, 4), 4);
    return {bytes, 4};
  }

  void refuse(ErrorCode code, const std::string& text, const std::string& location) const {
    expect_error(code, {"m.onnx", text}, [&] { first_bytes(location); });
  }

  fs::path root_;
};

INSTANTIATE_TEST_SUITE_P(Containment, ExternalDataTest,
                         testing::Values(Containment::automatic, Containment::component_walk));

TEST_P(ExternalDataTest, OpensFilesInside) {
  EXPECT_EQ(first_bytes("w.bin"), float_bytes({1}));
  EXPECT_EQ(first_bytes("./sub//./w.bin"), float_bytes({7}));
}

TEST_P(ExternalDataTest, RefusesPathsThatLeave) {
  refuse(ErrorCode::invalid_model, "'..' is refused", "../secret.bin");
  refuse(ErrorCode::invalid_model, "'..' is refused", "sub/../../secret.bin");
  refuse(ErrorCode::invalid_model, "'..' is refused", "sub/../w.bin");
  refuse(ErrorCode::invalid_model, "'..' is refused", "..");
  refuse(ErrorCode::invalid_model, "absolute paths", (root_ / "secret.bin").string());
  refuse(ErrorCode::invalid_model, "absolute paths", "//" + (root_ / "secret.bin").string());
  refuse(ErrorCode::invalid_model, "is empty", "");
  refuse(ErrorCode::invalid_model, "names no file", "./.");
  refuse(ErrorCode::invalid_model, "zero byte", std::string("w.bin\0/../x", 11));
  refuse(ErrorCode::io, "No such file", "absent.bin");
}

TEST_P(ExternalDataTest, RefusesLinks) {
  fs::create_symlink(root_ / "secret.bin", folder() / "link.bin");
  fs::create_symlink("w.bin", folder() / "inside.bin");
  fs::create_directory_symlink(root_, folder() / "out");
  fs::create_hard_link(root_ / "secret.bin", folder() / "hard.bin");
  refuse(ErrorCode::invalid_model, "symbolic links", "link.bin");
  refuse(ErrorCode::invalid_model, "symbolic links", "inside.bin");
  refuse(ErrorCode::invalid_model, "symbolic links", "out/secret.bin");
  refuse(ErrorCode::invalid_model, "further hard links", "hard.bin");
}

TEST_P(ExternalDataTest, RefusesWhatIsNoRegularFile) {
  ASSERT_EQ(::mkfifo((folder() / "fifo").c_str(), 0600), 0);
  refuse(ErrorCode::invalid_model, "not a regular file", "fifo");  // and does not block
  refuse(ErrorCode::invalid_model, "not a regular file", "sub");
  refuse(ErrorCode::invalid_model, "", "w.bin/x");
}

// A folder is swapped for a link to the outside again and again while it is opened: the outside must never be seen.
TEST_P(ExternalDataTest, RaceWithALinkNeverEscapes) {
  const fs::path flip = folder() / "flip", kept = folder() / "kept";
  fs::create_directory(root_ / "evil");
  write(root_ / "evil" / "w.bin", "evil");
  fs::create_directory(flip);
  write(flip / "w.bin", "good");
  std::atomic<bool> stop{false};
  std::thread attacker([&] {
    while (!stop) {
      std::rename(flip.c_str(), kept.c_str());
      (void)!::symlink("../evil", flip.c_str());
      ::unlink(flip.c_str());
      std::rename(kept.c_str(), flip.c_str());
    }
  });
  int opened = 0;
  for (int i = 0; i < 20000; ++i) {
    try {
      const std::string bytes = first_bytes("flip/w.bin");
      ASSERT_EQ(bytes, "good");
      ++opened;
    } catch (const Error&) {
    }
  }
  stop = true;
  attacker.join();
  EXPECT_GT(opened, 0);
}

std::string external_tensor(const std::vector<std::pair<std::string, std::string>>& entries, const Shape& dims = {3}) {
  return tensor_bytes("w", onnx::float32, dims, [&](Writer& w) {
    for (const auto& [key, value] : entries) add_entry(w, key, value);
    w.add_int64(onnx::tensor_proto::data_location, 1);
  });
}

class ExternalModel : public ExternalDataTest {
 protected:
  graph::Graph load(const std::vector<std::pair<std::string, std::string>>& entries, const Shape& dims = {3}) const {
    return read_onnx(add_file(external_tensor(entries, dims)).bytes(), "m.onnx", folder().string());
  }
  void refuse_range(const std::string& text, const std::vector<std::pair<std::string, std::string>>& entries) const {
    expect_error(ErrorCode::invalid_model, {"m.onnx", "tensor 'w'", text}, [&] { load(entries); });
  }
};
INSTANTIATE_TEST_SUITE_P(Containment, ExternalModel, testing::Values(Containment::automatic));

TEST_P(ExternalModel, ReadsRanges) {
  const auto second = [&](const graph::Graph& graph) { return graph.values[0].data->as<float>()[1]; };
  EXPECT_EQ(second(load({{"location", "w.bin"}})), 2);
  EXPECT_EQ(second(load({{"location", "w.bin"}, {"offset", "12"}, {"length", "12"}, {"checksum", "x"}})), 5);
  EXPECT_EQ(second(load({{"location", "sub/w.bin"}})), 8);
}

TEST_P(ExternalModel, LoadsFromTheFilesOwnFolder) {
  write(folder() / "m.onnx", add_file(external_tensor({{"location", "w.bin"}})).bytes());
  const Model model = Model::load((folder() / "m.onnx").string());
  EXPECT_EQ(model.name(), "m.onnx");
  EXPECT_EQ(model.graph().values[0].data->as<float>()[2], 3);
  // From memory only with a folder.
  const std::string bytes = add_file(external_tensor({{"location", "w.bin"}})).bytes();
  EXPECT_NO_THROW(Model::load(bytes.data(), bytes.size(), folder().string()));
  expect_error(ErrorCode::invalid_model, {"tensor 'w'", "loaded from memory without a folder"},
               [&] { Model::load(bytes.data(), bytes.size()); });
}

TEST_P(ExternalModel, RefusesRangesOutside) {
  refuse_range("beyond the end", {{"location", "w.bin"}, {"offset", "16"}});
  refuse_range("beyond the end", {{"location", "w.bin"}, {"offset", "18446744073709551608"}});  // offset + 12 wraps
  refuse_range("'length' is 13", {{"location", "w.bin"}, {"length", "13"}});
  refuse_range("'length' is 18446744073709551615", {{"location", "w.bin"}, {"length", "18446744073709551615"}});
  refuse_range("'offset' is not a number", {{"location", "w.bin"}, {"offset", "-1"}});
  refuse_range("'offset' is not a number", {{"location", "w.bin"}, {"offset", "99999999999999999999"}});
  refuse_range("'length' is not a number", {{"location", "w.bin"}, {"length", "12 "}});
  refuse_range("'location' occurs more than once", {{"location", "w.bin"}, {"location", "w.bin"}});
  refuse_range("no location", {{"offset", "0"}});
  expect_error(ErrorCode::invalid_model, {"beyond the end"}, [&] {
    load({{"location", "w.bin"}}, {int64_t{1} << 40});
  });
}

TEST_P(ExternalModel, ManyTensorsOnOneRangeAreLimited) {
  write(folder() / "big.bin", std::string(1 << 20, 'x'));
  FileParts parts = relu_file();
  for (int i = 0; i < 400; ++i) {  // 400 MB from a file of 1 MB
    parts.initializers.push_back(tensor_bytes("w" + std::to_string(i), onnx::int8, {1 << 20}, [](Writer& w) {
      add_entry(w, "location", "big.bin");
      w.add_int64(onnx::tensor_proto::data_location, 1);
    }));
  }
  expect_error(ErrorCode::out_of_memory, {"out of proportion"},
               [&] { read_onnx(parts.bytes(), "m.onnx", folder().string()); });
}

TEST_P(ExternalModel, AttributesHaveNoExternalData) {
  FileParts parts = relu_file();
  parts.nodes = {node_bytes("Constant", {}, {"y"}, [](Writer& w) {
    w.add_message(onnx::node_proto::attribute, message([](Writer& a) {
                    a.add_string(onnx::attribute_proto::name, "value");
                    a.add_message(onnx::attribute_proto::t, external_tensor({{"location", "w.bin"}}));
                  }));
  })};
  expect_error(ErrorCode::invalid_model, {"node 'make_y'", "attribute 'value'", "external data is refused here"},
               [&] { read_onnx(parts.bytes(), "m.onnx", folder().string()); });
}

TEST_P(ExternalModel, ModelFilesMustBeRegular) {
  ASSERT_EQ(::mkfifo((folder() / "fifo.onnx").c_str(), 0600), 0);
  expect_error(ErrorCode::io, {"fifo.onnx", "not a regular file"},
               [&] { Model::load((folder() / "fifo.onnx").string()); });
  expect_error(ErrorCode::io, {"not a regular file"}, [&] { Model::load(folder().string()); });
  expect_error(ErrorCode::io, {"absent.onnx", "No such file"}, [&] { Model::load("/absent.onnx"); });
}

}  // namespace
}  // namespace altrt::model
