// What a session keeps: weights once, and with Memory::lean no free memory.
#include <fstream>
#include <memory>
#include <optional>

#include "tests/records/folder.h"
#include "tests/session/models.h"

namespace altrt {
namespace {

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which keep what is freed

double resident_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kilobytes = 0;
    if (word == "VmRSS:" && status >> kilobytes) return kilobytes / 1024;
  }
  return 0;
}

SessionOptions options_for(Memory memory) {
  SessionOptions options;
  options.cache.directory = "none";
  options.memory = memory;
  return options;
}

// 64 MB of weights that the compiler packs anew.
Model heavy_model() {
  GraphBuilder b("heavy");
  b.input("x", DataType::f32, {32, 2048});
  std::string value = "x";
  for (int i = 0; i < 4; ++i) {
    value = b.op("MatMul", {value, b.constant("w" + std::to_string(i),
                                              random_tensor({2048, 2048}, static_cast<uint64_t>(i), 0.01f))});
  }
  b.output(b.op("Relu", {value}, {}, "y"));
  return b.build();
}

TEST(SessionMemory, WeightsAreKeptOnceWhenTheModelIsGone) {
  Session(conv_net(), options_for(Memory::lean));  // what any compilation leaves behind
  const double before = resident_mb();
  ASSERT_GT(before, 0);
  std::optional<Session> session;
  {
    const Model model = heavy_model();
    session.emplace(model, options_for(Memory::lean));
    EXPECT_GT(resident_mb() - before, 64);
  }
  const Tensor x = random_tensor({32, 2048}, 3);
  session->run({{"x", x.view()}});
  const double grown = resident_mb() - before;
  EXPECT_GT(grown, 60);
  EXPECT_LT(grown, 100) << "64 MB of weights";
}

// The weights' file is memory enough for them: nothing is kept of it beside what is packed, nor while that is made.
TEST(SessionMemory, WeightsOfAFileAreKeptOnceWhileTheModelIsThere) {
  const TestFolder folder;
  heavy_model().save(folder.file("heavy.onnx"));
  Session(conv_net(), options_for(Memory::lean));  // what any compilation leaves behind
  const double before = resident_mb();
  const Model model = Model::load(folder.file("heavy.onnx"));
  EXPECT_LT(resident_mb() - before, 8);
  const Session session(model, options_for(Memory::lean));
  const Tensor x = random_tensor({32, 2048}, 3);
  session.run({{"x", x.view()}});
  EXPECT_GT(resident_mb() - before, 60);
  EXPECT_LT(resident_mb() - before, 100) << "64 MB of weights";
}

// Free blocks, each too small to be given back when it is freed, between others of their size that stay.
std::vector<std::unique_ptr<char[]>> free_memory(size_t megabytes) {
  constexpr size_t kBlock = 60'000;
  std::vector<std::unique_ptr<char[]>> freed, kept;
  for (size_t block = 0; block * kBlock < megabytes << 20; ++block) {
    auto& blocks = block % 16 == 15 ? kept : freed;
    blocks.emplace_back(new char[kBlock]);
    std::memset(blocks.back().get(), 1, kBlock);
  }
  return kept;
}

TEST(SessionMemory, LeanGivesFreeMemoryBack) {
  const Model model = conv_net();
  Session(model, options_for(Memory::standard));
  const auto kept = free_memory(96);
  const double before = resident_mb();
  ASSERT_GT(before, 96);
  const Session standard(model, options_for(Memory::standard));
  EXPECT_GT(resident_mb(), before - 48) << "the heap is the host's";
  const Session lean(model, options_for(Memory::lean));
  EXPECT_LT(resident_mb(), before - 48);
}

#endif

}  // namespace
}  // namespace altrt
