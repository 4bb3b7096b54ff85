// Objects: what is made for targets that need not be this machine, what is refused, what the audit sees.
#include <altrt/error.h>

#include <thread>

#include "tests/jit_cpu/aarch64.h"
#include "tests/jit_cpu/fixture.h"

namespace altrt::jit {
namespace {

using namespace build;

const Expr i = variable("i"), v = variable("v");

/// y[i][v] = a * x[i][v] + y0, with a masked tail: most kinds of instructions that kernels use.
Nest sample(int64_t width = 16) {
  Nest nest;
  nest.name = "sample kernel/1";
  const int y = add_buffer(&nest, "y", DataType::f32, {7, width}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {7, width + 3});
  const Expr load = at(nest, x, {i, v});
  const Expr value = fma(load, at(nest, x, {i, Expr(0)}), max(load, constant_float(DataType::f32, 0)));
  nest.body = {serial("i", 7, {vector("v", width, {if_then(lt(v + i, width), {store(y, {i, v}, value)})})})};
  return nest;
}

TEST(Object, ForEveryNamedTarget) {
  register_aarch64();
  const std::pair<const char*, const char*> instruction[] = {{"avx2", "vfmadd"}, {"avx512", "%zmm"}, {"neon", "fmla"}};
  for (const auto& [name, expected] : instruction) {
    const Target target = named_target(name);
    const KernelObject object = cpu::compile(sample(), target);
    ASSERT_GT(object.bytes.size(), 64u);
    EXPECT_EQ(std::string(object.bytes.begin(), object.bytes.begin() + 4),
              "\x7f"
              "ELF");
    EXPECT_EQ(object.entry, "altrt_k_sample_kernel_1");
    EXPECT_GT(object.code_bytes, 32);
    EXPECT_NE(cpu::assembly(sample(), target).find(expected), std::string::npos) << name;
  }
  EXPECT_THROW(named_target("pdp11"), Error);
}

TEST(Object, TextOfBothStages) {
  const std::string text = cpu::llvm_ir(sample(), host_target());
  EXPECT_NE(text.find("--- generated ---"), std::string::npos);
  EXPECT_NE(text.find("--- after the passes ---"), std::string::npos);
  EXPECT_NE(text.find("@llvm.fma"), std::string::npos);
  EXPECT_EQ(cpu::llvm_version().find("."), 2u);
}

TEST(Object, SameBytesEveryTime) {
  const KernelObject first = cpu::compile(sample(), host_target());
  std::vector<std::thread> threads;
  std::vector<KernelObject> objects(4);
  for (KernelObject& o : objects) threads.emplace_back([&o] { o = cpu::compile(sample(), host_target()); });
  for (std::thread& t : threads) t.join();
  for (const KernelObject& o : objects) EXPECT_EQ(o.bytes, first.bytes);
}

TEST(Object, AuditFindsForeignInstructions) {
  for (const Target& target : runnable_targets()) {
    EXPECT_EQ(cpu::audit(cpu::compile(sample(), target), target), std::vector<std::string>{}) << to_string(target);
  }
  const Target narrow = named_target("avx2"), wide = named_target("avx512");
  const KernelObject foreign = cpu::compile(sample(), wide);
  EXPECT_TRUE(cpu::audit(foreign, wide).empty());
  const std::vector<std::string> findings = cpu::audit(foreign, narrow);
  ASSERT_FALSE(findings.empty());
  EXPECT_NE(findings[0].find("zmm"), std::string::npos) << findings[0];
  // 256-bit code on 16 registers that still uses the newer encoding looks like AVX2 in text.
  Target half = wide;
  half.lanes = 8;
  EXPECT_FALSE(cpu::audit(cpu::compile(sample(), half), narrow).empty());
}

TEST(Object, RefusesTooMuchCode) {
  Nest nest;
  nest.name = "too_long";
  const int y = add_buffer(&nest, "y", DataType::f32, {2000}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {2000});
  nest.body = {unrolled("i", 2000, {store(y, {i}, at(nest, x, {i}))})};
  try {
    cpu::compile(nest, host_target());
    FAIL() << "compiled";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(e.what()).find("too_long"), std::string::npos);
  }
}

TEST(Object, RefusesProcessorsWithoutFma) {
  Target target = named_target("avx2");
  target.features = "+avx";
  target.lanes = 4;
  EXPECT_THROW(cpu::compile(sample(), target), Error);
}

TEST(Object, NamesWhatItCannotGenerate) {
  Nest nest = sample();
  nest.body[0].body[0].body[0].body[0].value = unary(ExprKind::exp, at(nest, 1, {i, v}));
  try {
    cpu::compile(nest, host_target());
    FAIL() << "compiled";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::internal);
    EXPECT_NE(std::string(e.what()).find("store to y"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace altrt::jit
