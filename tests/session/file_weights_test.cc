// Sessions of models whose large weights are still in their file.
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "tests/records/folder.h"
#include "tests/session/models.h"

namespace altrt {
namespace {

// Weights that are packed, transformed by kernels, read as they are, and asked for by a host operator.
Model heavy_net(uint64_t seed = 0) {
  GraphBuilder b("heavy_net");
  b.input("x", DataType::f32, {1, 64, 12, 12});
  b.input("i", DataType::i64, {3});
  const auto constant = [&](const std::string& name, const Shape& shape, uint64_t number) {
    return b.constant(name, random_tensor(shape, 10 * seed + number, 0.05f));
  };
  const std::string conv =
      b.op("Conv", {"x", constant("w", {128, 64, 3, 3}, 1), constant("b", {128}, 2)}, {{"pads", Ints{1, 1, 1, 1}}});
  const std::string deep = b.op("Conv", {b.op("Relu", {conv}), constant("w2", {96, 128, 3, 3}, 3)});
  const std::string rows = b.op("Reshape", {deep, b.constant("shape", integers({96, 100}))});
  const std::string product = b.op("MatMul", {rows, constant("m", {100, 1024}, 4)});
  b.output(b.op("Softmax", {product}, {{"axis", int64_t{1}}}, "y"));
  b.output(b.op("Gather", {constant("table", {1000, 96}, 5), "i"}, {{"axis", int64_t{0}}}, "rows"));
  const std::string updates =
      b.op("Reshape", {b.op("ReduceSum", {deep}, {{"keepdims", int64_t{0}}}), b.constant("one", integers({1, 1}))});
  const std::string index = b.constant("index", [] {
    Tensor tensor(DataType::i64, {1, 1});
    tensor.as<int64_t>()[0] = 77;
    return tensor;
  }());
  b.output(b.op("ScatterElements", {constant("base", {100'000, 1}, 6), index, updates}, {}, "scattered"));
  return b.build();
}

SessionOptions options_in(const std::string& folder, const std::string& algorithm = "") {
  SessionOptions options;
  options.cache.directory = folder;
  options.threads = 2;
  options.algorithm = algorithm;
  return options;
}

struct Start {
  SessionInfo info;
  Tensors outputs;
};

Start start(const Model& model, const SessionOptions& options) {
  const Session session(model, options);
  Tensors inputs;
  inputs["x"] = random_tensor({1, 64, 12, 12}, 5);
  inputs["i"] = integers({0, 400, 800});
  return {session.info(), session.run(views(inputs))};
}

bool same(const Start& a, const Start& b) {
  if (a.outputs.size() != 3 || b.outputs.size() != 3) return false;
  for (const auto& [name, tensor] : a.outputs) {
    if (!same_bits(tensor, b.outputs.at(name))) return false;
  }
  return true;
}

class FileWeights : public testing::Test {
 protected:
  std::string path() const { return folder_.file("m.onnx"); }
  void write(uint64_t seed) const { heavy_net(seed).save(path()); }
  // All of it in memory.
  Model copied() const {
    const std::string bytes = read_bytes(path());
    return Model::load(bytes.data(), bytes.size(), "", "m.onnx");
  }
  // Another file takes the place of the one that sessions may read from.
  void replace(uint64_t seed) const {
    heavy_net(seed).save(folder_.file("new"));
    std::filesystem::rename(folder_.file("new"), path());
  }

  TestFolder folder_, cache_;
};

TEST_F(FileWeights, GiveTheSameBitsAsWeightsInMemory) {
  write(1);
  for (const std::string algorithm : {"", "direct", "winograd2", "winograd4", "strassen"}) {
    const Start in_memory = start(copied(), options_in("none", algorithm));
    EXPECT_TRUE(same(start(Model::load(path()), options_in("none", algorithm)), in_memory)) << algorithm;
  }
}

TEST_F(FileWeights, SessionsOfOneModelAndItsLaterUsesAgree) {
  write(1);
  const Model model = Model::load(path());
  const Start first = start(model, options_in("none"));
  std::filesystem::remove(path());
  EXPECT_TRUE(same(start(model, options_in("none")), first));
  model.save(path());
  EXPECT_TRUE(same(start(Model::load(path()), options_in("none")), first));
}

TEST_F(FileWeights, ABundleServesTheSameWeightsOnly) {
  write(1);
  const SessionOptions options = options_in(cache_.path());
  const Start first = start(Model::load(path()), options), second = start(Model::load(path()), options);
  EXPECT_FALSE(first.info.from_bundle);
  EXPECT_TRUE(second.info.from_bundle);
  EXPECT_TRUE(same(first, second));
  EXPECT_TRUE(start(copied(), options).info.from_bundle) << "the same model, however it was loaded";
  replace(2);  // the same graph
  const Start other = start(Model::load(path()), options);
  EXPECT_FALSE(other.info.from_bundle);
  EXPECT_FALSE(same(other, first));
  EXPECT_TRUE(same(other, start(copied(), options_in("none"))));
}

TEST_F(FileWeights, AFileThatIsWrittenToIsAnError) {
  write(1);
  const Model model = Model::load(path());
  heavy_net(2).save(folder_.file("other"));
  std::ofstream(path(), std::ios::binary | std::ios::trunc) << read_bytes(folder_.file("other"));
  std::filesystem::last_write_time(path(), std::filesystem::last_write_time(path()) + std::chrono::seconds(1));
  for (const std::string& cache : {std::string("none"), cache_.path()}) {
    try {
      start(model, options_in(cache));
      ADD_FAILURE() << "somebody else's weights";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::io);
      EXPECT_NE(std::string(error.what()).find("m.onnx"), std::string::npos) << error.what();
    }
  }
}

// A rolling restart: processes that find the same cache at the same time, first cold, then warm.
TEST_F(FileWeights, ProcessesAtOnce) {
  write(1);
  const Start wanted = start(copied(), options_in("none"));
  for (int round = 0; round < 2; ++round) {
    std::vector<pid_t> children;
    for (int child = 0; child < 4; ++child) {
      const pid_t pid = fork();
      ASSERT_GE(pid, 0);
      if (pid == 0) _exit(same(start(Model::load(path()), options_in(cache_.path())), wanted) ? 0 : 1);
      children.push_back(pid);
    }
    for (const pid_t pid : children) {
      int status = -1;
      ASSERT_EQ(waitpid(pid, &status, 0), pid);
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    }
  }
  EXPECT_TRUE(start(Model::load(path()), options_in(cache_.path())).info.from_bundle);
}

// Root may write everywhere while it has the capability to.
bool drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2]{};
  return syscall(SYS_capset, &header, none) == 0;
}

TEST_F(FileWeights, AFolderThatCannotBeWrittenServesWhatItHas) {
  write(1);
  const SessionOptions options = options_in(cache_.path());
  const Start first = start(Model::load(path()), options);
  std::filesystem::permissions(cache_.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!drop_capabilities() || std::ofstream(cache_.file("new"))) _exit(2);
    const Start second = start(Model::load(path()), options);
    _exit(second.info.from_bundle && second.info.cache_reasons.empty() && same(first, second) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace altrt
