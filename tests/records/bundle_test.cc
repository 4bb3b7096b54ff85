#include "runtime/records/bundle.h"

#include <functional>

#include "runtime/records/file.h"
#include "tests/records/folder.h"

namespace altrt::records {
namespace {

const Fingerprint kFingerprint{{"library", "0.1.0 abc"}, {"llvm", "19.1.7"}, {"threads", "2"}};

Bundle sample() {
  Bundle bundle;
  bundle.groups = {{0, "provider own\n"}, {-1, ""}, {0, "provider own\n"}};
  jit::CompiledKernel kernel;
  kernel.object.name = kernel.object.entry = "altrt_g0_0";
  for (int i = 0; i < 70; ++i) kernel.object.bytes.push_back(static_cast<uint8_t>(i));
  kernel.object.workspace_bytes = 4096;
  kernel.object.frame_bytes = 64;
  kernel.object.code_bytes = 60;
  kernel.arguments = {2, 0, 1};
  kernel.written = {true, false, false};
  kernel.tasks = 56;
  kernel.flops = 1000000;
  kernel.loops = {{8, {{1, 8, {0, 0}, {7, 7}, 3, 64}, {}, {0, 30, {2, 5}, {20, 29}}}},
                  {7, {{}, {0, 7, {0, 1}, {6, 6}}, {}}}};
  jit::CompiledKernel weights = kernel;
  weights.object.name = "altrt_g0_1";
  weights.constant = true;
  weights.symbolic_size = 0;
  bundle.code.push_back({0, 0x1234, {kernel, weights}});
  jit::CompiledKernel conversion = kernel;
  conversion.object.name = "altrt_convert0";
  conversion.object.threads = 256;
  bundle.conversions.push_back({"f32[2, 3]  -> pad", conversion});
  bundle.records = 77;
  bundle.spent = {500, 60.5, 600, 70};
  return bundle;
}

void expect_equal(const jit::CompiledKernel& x, const jit::CompiledKernel& y) {
  EXPECT_EQ(x.object.name, y.object.name);
  EXPECT_EQ(x.object.entry, y.object.entry);
  EXPECT_EQ(x.object.bytes, y.object.bytes);
  EXPECT_EQ(x.object.workspace_bytes, y.object.workspace_bytes);
  EXPECT_EQ(x.object.frame_bytes, y.object.frame_bytes);
  EXPECT_EQ(x.object.code_bytes, y.object.code_bytes);
  EXPECT_EQ(x.object.threads, y.object.threads);
  EXPECT_EQ(x.arguments, y.arguments);
  EXPECT_EQ(x.written, y.written);
  EXPECT_EQ(x.tasks, y.tasks);
  EXPECT_EQ(x.symbolic_size, y.symbolic_size);
  EXPECT_EQ(x.flops, y.flops);
  EXPECT_EQ(x.loops, y.loops);
  EXPECT_EQ(x.constant, y.constant);
}

void expect_equal(const Bundle& a, const Bundle& b) {
  ASSERT_EQ(a.groups.size(), b.groups.size());
  for (size_t g = 0; g < a.groups.size(); ++g) {
    EXPECT_EQ(a.groups[g].code, b.groups[g].code);
    EXPECT_EQ(a.groups[g].decision, b.groups[g].decision);
  }
  ASSERT_EQ(a.code.size(), b.code.size());
  for (size_t c = 0; c < a.code.size(); ++c) {
    EXPECT_EQ(a.code[c].source, b.code[c].source);
    EXPECT_EQ(a.code[c].computation, b.code[c].computation);
    ASSERT_EQ(a.code[c].kernels.size(), b.code[c].kernels.size());
    for (size_t k = 0; k < a.code[c].kernels.size(); ++k) {
      expect_equal(a.code[c].kernels[k], b.code[c].kernels[k]);
    }
  }
  ASSERT_EQ(a.conversions.size(), b.conversions.size());
  for (size_t c = 0; c < a.conversions.size(); ++c) {
    EXPECT_EQ(a.conversions[c].key, b.conversions[c].key);
    expect_equal(a.conversions[c].kernel, b.conversions[c].kernel);
  }
  EXPECT_EQ(a.records, b.records);
  EXPECT_EQ(a.spent, b.spent);
}

TEST(Bundle, RoundTrip) {
  const TestFolder folder;
  const std::string path = folder.file("a.bundle");
  ASSERT_EQ(write_bundle(path, kFingerprint, sample()), "");
  const ReadBundle read = read_bundle(path, kFingerprint);
  ASSERT_TRUE(read.bundle) << read.trouble;
  expect_equal(*read.bundle, sample());
  EXPECT_EQ(bundle_fingerprint(path), kFingerprint);
}

TEST(Bundle, EveryDamageIsAMissWithAReason) {
  const TestFolder folder;
  const std::string path = folder.file("a.bundle");
  ASSERT_EQ(write_bundle(path, kFingerprint, sample()), "");
  const std::string good = read_bytes(path);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    write_bytes(path, bad);
    const ReadBundle read = read_bundle(path, kFingerprint);
    EXPECT_TRUE(!read.bundle && !read.trouble.empty()) << "byte " << i;
    write_bytes(path, good.substr(0, i));
    const ReadBundle cut = read_bundle(path, kFingerprint);
    EXPECT_TRUE(!cut.bundle && !cut.trouble.empty()) << "length " << i;
  }
}

TEST(Bundle, DamagedTablesBehindARightChecksum) {
  const TestFolder folder;
  const std::string path = folder.file("a.bundle");
  ASSERT_EQ(write_bundle(path, kFingerprint, sample()), "");
  const std::string good = read_bytes(path).substr(kHeaderBytes);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0xff);
    write_framed(path, Kind::bundle, bad);
    const ReadBundle read = read_bundle(path, kFingerprint);
    if (read.bundle) {
      EXPECT_EQ(contradiction(*read.bundle), "") << "byte " << i;
    }
  }
}

TEST(Bundle, EveryFieldOfTheFingerprintCounts) {
  const TestFolder folder;
  const std::string path = folder.file("a.bundle");
  ASSERT_EQ(write_bundle(path, kFingerprint, sample()), "");
  for (const auto& [name, value] : kFingerprint) {
    Fingerprint wanted = kFingerprint;
    wanted[name] = "other";
    const ReadBundle read = read_bundle(path, wanted);
    EXPECT_FALSE(read.bundle);
    EXPECT_EQ(read.trouble, name + " differs: '" + value + "' -> 'other'");
  }
}

TEST(Bundle, Contradictions) {
  EXPECT_EQ(contradiction(sample()), "");
  const std::vector<std::function<void(Bundle&)>> faults{
      [](Bundle& b) { b.groups[0].code = 1; },
      [](Bundle& b) { b.groups[0].code = -2; },
      [](Bundle& b) { b.groups[1].decision = "x"; },
      [](Bundle& b) { b.groups[0].decision = ""; },
      [](Bundle& b) { b.code[0].source = 3; },
      [](Bundle& b) { b.code[0].source = -1; },
      [](Bundle& b) { b.code[0].source = 1; },
      [](Bundle& b) { b.code[0].kernels[0].object.entry = ""; },
      [](Bundle& b) { b.code[0].kernels[0].object.bytes.clear(); },
      [](Bundle& b) { b.code[0].kernels[0].object.workspace_bytes = -1; },
      [](Bundle& b) { b.code[0].kernels[0].object.workspace_bytes = int64_t{1} << 60; },
      [](Bundle& b) { b.code[0].kernels[0].tasks = -1; },
      [](Bundle& b) { b.code[0].kernels[0].loops.pop_back(); },
      [](Bundle& b) { b.code[0].kernels[0].loops[0].extent = 0; },
      [](Bundle& b) { b.code[0].kernels[0].loops[0].arguments.pop_back(); },
      [](Bundle& b) { b.code[0].kernels[0].loops[0].arguments[0].dimension = -2; },
      [](Bundle& b) { b.code[0].kernels[0].loops[0].arguments[0].extent = 7; },
      [](Bundle& b) {
        b.code[0].kernels[0].loops[0].arguments[0].first = {3, 2};
      },
      [](Bundle& b) { b.code[0].kernels[0].loops[0].arguments[2].last.lo = -1; },
      [](Bundle& b) { b.code[0].kernels[0].object.threads = -1; },
      [](Bundle& b) { b.code[0].kernels[0].object.threads = 1025; },
      [](Bundle& b) { b.conversions[0].kernel.object.threads = 1025; },
      [](Bundle& b) { b.conversions[0].kernel.object.name = ""; },
      [](Bundle& b) { b.code[0].kernels[0].written.pop_back(); },
      [](Bundle& b) { b.code[0].kernels[0].arguments[1] = -1; },
      [](Bundle& b) { b.spent.seconds = -1; },
  };
  const TestFolder folder;
  for (size_t f = 0; f < faults.size(); ++f) {
    Bundle bundle = sample();
    faults[f](bundle);
    EXPECT_NE(contradiction(bundle), "") << f;
    EXPECT_NE(write_bundle(folder.file("a.bundle"), kFingerprint, bundle), "") << f;
  }
}

}  // namespace
}  // namespace altrt::records
