// Loading: executable memory on friendly and hostile hosts, and nothing of the code generator.
#include <altrt/error.h>
#include <gtest/gtest.h>

#include <llvm/MC/TargetRegistry.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "jit/cpu/cpu.h"
#include "tests/jit_loop/build.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

namespace altrt::jit {
namespace {

using namespace build;

constexpr int kRefuseExecGain = 1;

/// y[v] = x[v] * factor + sin(x[0]): code, a constant and a helper.
KernelObject make_object(int factor) {
  Nest nest;
  nest.name = "times_" + std::to_string(factor);
  const int y = add_buffer(&nest, "y", DataType::f32, {16}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {16});
  const Expr v = variable("v");
  const Expr value = at(nest, x, {v}) * constant_float(DataType::f32, factor) +
                     call("sin_f32", DataType::f32, {at(nest, x, {Expr(0)})});
  nest.body = {vector("v", 16, {store(y, {v}, value)})};
  return cpu::compile(nest, host_target());
}

bool works(const LoadedKernel& kernel, int factor) {
  alignas(64) float x[16], y[16] = {};
  for (int i = 0; i < 16; ++i) x[i] = static_cast<float>(i);
  const void* buffers[] = {y, x};
  kernel.function()(buffers, nullptr, nullptr, 0, 1);
  for (int i = 0; i < 16; ++i) {
    if (y[i] != static_cast<float>(i * factor)) return false;
  }
  return true;
}

/// Runs f in a child process; true if it returned true.
bool in_child(const std::function<bool()>& f) {
  const pid_t child = fork();
  if (child == 0) {
    bool fine = false;
    try {
      fine = f();
    } catch (...) {
    }
    _exit(fine ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Objects made in a child, so that this process has not initialised code generation.
std::vector<KernelObject> objects_from_elsewhere(int count) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    FILE* out = fdopen(ends[1], "wb");
    for (int i = 0; i < count; ++i) {
      const KernelObject o = make_object(i + 2);
      const uint64_t size = o.bytes.size();
      std::fwrite(&size, sizeof size, 1, out);
      std::fwrite(o.bytes.data(), 1, size, out);
    }
    std::fclose(out);
    _exit(0);
  }
  close(ends[1]);
  FILE* in = fdopen(ends[0], "rb");
  std::vector<KernelObject> objects;
  uint64_t size = 0;
  while (std::fread(&size, sizeof size, 1, in) == 1) {
    KernelObject o;
    o.name = "times_" + std::to_string(objects.size() + 2);
    o.entry = "altrt_k_" + o.name;
    o.bytes.resize(size);
    if (std::fread(o.bytes.data(), 1, size, in) != size) break;
    objects.push_back(std::move(o));
  }
  std::fclose(in);
  waitpid(child, nullptr, 0);
  return objects;
}

const std::vector<KernelObject>& objects() {
  static const std::vector<KernelObject> made = objects_from_elsewhere(8);
  return made;
}

size_t maps(const char* permissions = "") {
  std::ifstream file("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(file, line);) count += line.find(permissions) != std::string::npos;
  return count;
}

TEST(Load, InitialisesNoCodeGenerator) {
  ASSERT_EQ(objects().size(), 8u);
  const auto kernels = cpu::load(objects());
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(works(*kernels[i], i + 2)) << i;
  auto targets = llvm::TargetRegistry::targets();
  EXPECT_TRUE(targets.begin() == targets.end());
}

TEST(Load, OneBatchIsOneMap) {
  const size_t before = maps();
  auto kernels = cpu::load(objects());
  EXPECT_LE(maps(), before + 2);
  EXPECT_EQ(maps("rwxp"), 0u);
  EXPECT_EQ(maps("rwxs"), 0u);
  std::shared_ptr<LoadedKernel> last = kernels.back();
  kernels.clear();
  EXPECT_TRUE(works(*last, 9));  // the batch's memory lives as long as one of its kernels
}

TEST(Load, AThousandTimesLeavesMapsFlat) {
  for (int i = 0; i < 20; ++i) cpu::load(objects());
  const size_t before = maps();
  for (int i = 0; i < 1000; ++i) {
    const auto kernels = cpu::load({objects()[i % 8]});
    ASSERT_TRUE(works(*kernels[0], i % 8 + 2));
  }
  EXPECT_LE(maps(), before + 1);
}

TEST(Load, FromSeveralThreads) {
  std::vector<std::thread> threads;
  std::vector<int> good(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) good[t] += works(*cpu::load({objects()[(t + i) % 8]})[0], (t + i) % 8 + 2);
    });
  }
  for (std::thread& t : threads) t.join();
  for (int g : good) EXPECT_EQ(g, 50);
}

TEST(Load, WhereWrittenMemoryMayNotBecomeExecutable) {
  objects();
  if (!in_child([] { return prctl(PR_SET_MDWE, kRefuseExecGain, 0, 0, 0) == 0; })) {
    GTEST_SKIP() << "this Linux has no PR_SET_MDWE";
  }
  EXPECT_TRUE(in_child([] {
    prctl(PR_SET_MDWE, kRefuseExecGain, 0, 0, 0);
    return works(*cpu::load(objects())[3], 5);
  }));
}

void allow_no_files() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_NOFILE, &none);
}

TEST(Load, WhereThereIsNoMemfd) {
  objects();
  EXPECT_TRUE(in_child([] {
    allow_no_files();
    return works(*cpu::load(objects())[3], 5);
  }));
}

TEST(Load, SaysSoWhereNothingMayRun) {
  objects();
  if (!in_child([] { return prctl(PR_SET_MDWE, kRefuseExecGain, 0, 0, 0) == 0; })) {
    GTEST_SKIP() << "this Linux has no PR_SET_MDWE";
  }
  EXPECT_TRUE(in_child([] {
    prctl(PR_SET_MDWE, kRefuseExecGain, 0, 0, 0);
    allow_no_files();
    try {
      cpu::load(objects());
    } catch (const Error& e) {
      return e.code() == ErrorCode::unavailable;
    }
    return false;
  }));
}

TEST(Load, RefusesWhatIsNoKernel) {
  KernelObject damaged = objects()[0];
  damaged.bytes.resize(damaged.bytes.size() / 3);
  EXPECT_THROW(cpu::load({damaged}), Error);
  KernelObject renamed = objects()[0];
  renamed.entry = "altrt_k_other";
  EXPECT_THROW(cpu::load({objects()[1], renamed}), Error);
  EXPECT_TRUE(cpu::load({}).empty());
}

}  // namespace
}  // namespace altrt::jit
