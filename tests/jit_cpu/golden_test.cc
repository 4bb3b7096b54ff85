// Every golden nest as code for every named target: accepted by LLVM's verifier before and after the passes, assembled,
// and free of instructions that the target lacks. Not run: this machine need not be the target.
#include <altrt/error.h>

#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>

#include <regex>

#include "jit/cpu/pipeline.h"
#include "jit/loop/lower.h"
#include "tests/jit_cpu/aarch64.h"
#include "tests/jit_cpu/fixture.h"
#include "tests/jit_loop/golden_cases.h"

namespace altrt::jit {
namespace {

using Param = std::tuple<GoldenCase, const char*>;

class GoldenCode : public testing::TestWithParam<Param> {
 protected:
  static void SetUpTestSuite() { register_aarch64(); }
};

/// Registers of extensions beyond the target, as assembly writes them: the audit's view by other means.
const std::regex& foreign_registers(const std::string& target) {
  static const std::map<std::string, std::regex> all{
      {"avx2", std::regex("%zmm|%k[0-7]|%[xy]mm(1[6-9]|2[0-9]|3[01])|%tmm")},
      {"avx512", std::regex("%tmm")},
      {"neon", std::regex("\\b[zp][0-9]+(\\.[bhsd]|/[mz])")}};
  return all.at(target);
}

std::string refusal(const llvm::Module& module) {
  std::string message;
  llvm::raw_string_ostream stream(message);
  return llvm::verifyModule(module, &stream) ? stream.str() : "";
}

void check(const Nest& nest, const std::string& name) {
  SCOPED_TRACE(nest.name + " for " + name);
  const Target target = named_target(name);
  llvm::LLVMContext context;
  const auto machine = cpu::make_target_machine(target);
  const auto module = cpu::generate(nest, target, *machine, context);
  EXPECT_EQ(refusal(*module), "");
  cpu::optimize(*module, *machine);
  EXPECT_EQ(refusal(*module), "");
  const KernelObject object = cpu::compile(nest, target);
  EXPECT_GT(object.code_bytes, 16);
  EXPECT_EQ(cpu::audit(object, target), std::vector<std::string>{});
  const std::string text = cpu::assembly(nest, target);
  std::smatch found;
  EXPECT_FALSE(std::regex_search(text, found, foreign_registers(name))) << found.str();
}

TEST_P(GoldenCode, IsVerifiedAssembledAndWithinItsTarget) {
  const property::Case& c = std::get<0>(GetParam()).c;
  for (const MathMode math : {MathMode::expanded, MathMode::surrogate}) {
    for (LoweredKernel& kernel : lower(c.computation, c.layouts, c.schedule, math)) {
      check(kernel.nest, std::get<1>(GetParam()));
    }
    if (!property::needs_surrogates(c.computation)) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Nests, GoldenCode,
                         testing::Combine(testing::ValuesIn(golden_cases()), testing::Values("avx2", "avx512", "neon")),
                         [](const auto& info) { return std::get<0>(info.param).name + "_" + std::get<1>(info.param); });

}  // namespace
}  // namespace altrt::jit
