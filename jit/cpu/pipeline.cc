#include "jit/cpu/pipeline.h"

#include <altrt/error.h>

#include <llvm/Analysis/AliasAnalysis.h>
#include <llvm/Analysis/AssumptionCache.h>
#include <llvm/Analysis/BasicAliasAnalysis.h>
#include <llvm/Analysis/BlockFrequencyInfo.h>
#include <llvm/Analysis/BranchProbabilityInfo.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/MemorySSA.h>
#include <llvm/Analysis/OptimizationRemarkEmitter.h>
#include <llvm/Analysis/PostDominators.h>
#include <llvm/Analysis/ScalarEvolution.h>
#include <llvm/Analysis/ScopedNoAliasAA.h>
#include <llvm/Analysis/TargetLibraryInfo.h>
#include <llvm/Analysis/TargetTransformInfo.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/Scalar/ADCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include <mutex>

#include "jit/cpu/codegen.h"
#include "jit/cpu/cpu.h"

namespace altrt::jit::cpu {
namespace {

// What code generation takes without growing superlinearly (1,000 strided copies in one block: 0.8 s).
constexpr int64_t kLargestBlock = 600;
constexpr int64_t kLargestTotal = 2000;

/// Without them llvm.fma would become a library call.
void check_features(const Nest& nest, const Target& target) {
  if (target.triple.rfind("x86_64", 0) != 0) return;
  for (const char* needed : {"+avx2", "+fma"}) {
    if (target.features.find(needed) != std::string::npos) continue;
    throw Error(ErrorCode::unsupported, nest.name + ": code generation needs a processor with AVX2 and FMA");
  }
}

void check_size(const Nest& nest, const Target& target) {
  const CodeSize size = code_size(nest, target.lanes);
  if (size.largest_block <= kLargestBlock && size.total <= kLargestTotal) return;
  throw Error(ErrorCode::unsupported, nest.name +
                                          ": too much code when unrolled: " + std::to_string(size.largest_block) +
                                          " instructions in a block, " + std::to_string(size.total) + " in all");
}

void register_analyses(llvm::FunctionAnalysisManager& functions, llvm::LoopAnalysisManager& loops,
                       llvm::TargetMachine& machine) {
  functions.registerPass([] { return llvm::PassInstrumentationAnalysis(); });
  functions.registerPass([&] { return machine.getTargetIRAnalysis(); });
  functions.registerPass([] { return llvm::TargetLibraryAnalysis(); });
  functions.registerPass([] { return llvm::AssumptionAnalysis(); });
  functions.registerPass([] { return llvm::DominatorTreeAnalysis(); });
  functions.registerPass([] { return llvm::PostDominatorTreeAnalysis(); });
  functions.registerPass([] { return llvm::LoopAnalysis(); });
  functions.registerPass([] { return llvm::ScalarEvolutionAnalysis(); });
  functions.registerPass([] { return llvm::MemorySSAAnalysis(); });
  functions.registerPass([] { return llvm::BasicAA(); });
  functions.registerPass([] { return llvm::ScopedNoAliasAA(); });
  functions.registerPass([] { return llvm::OptimizationRemarkEmitterAnalysis(); });
  functions.registerPass([] { return llvm::BranchProbabilityAnalysis(); });
  functions.registerPass([] { return llvm::BlockFrequencyAnalysis(); });
  functions.registerPass([] {
    llvm::AAManager aliases;
    aliases.registerFunctionAnalysis<llvm::BasicAA>();
    aliases.registerFunctionAnalysis<llvm::ScopedNoAliasAA>();
    return aliases;
  });
  functions.registerPass([&] { return llvm::LoopAnalysisManagerFunctionProxy(loops); });
  loops.registerPass([] { return llvm::PassInstrumentationAnalysis(); });
  loops.registerPass([&] { return llvm::FunctionAnalysisManagerLoopProxy(functions); });
}

// Addresses are made as one base a loop and constant offsets, which is what the instructions take. Loop strength
// reduction would give each row of a register tile a pointer of its own and spill them.
void disable_strength_reduction() {
  auto& options = llvm::cl::getRegisteredOptions();
  const auto found = options.find("disable-lsr");
  if (found != options.end()) static_cast<llvm::cl::opt<bool>*>(found->second)->setValue(true);
}

}  // namespace

void initialize_code_generation() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    disable_strength_reduction();
#if defined(__aarch64__)
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
#endif
  });
}

std::unique_ptr<llvm::TargetMachine> make_target_machine(const Target& target) {
  initialize_code_generation();
  std::string message;
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(target.triple, message);
  if (!found) throw Error(ErrorCode::unsupported, "no code generator for " + target.triple + ": " + message);
  llvm::TargetOptions options;
  options.EmitStackSizeSection = true;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  std::unique_ptr<llvm::TargetMachine> machine(
      found->createTargetMachine(target.triple, "generic", target.features, options, llvm::Reloc::PIC_,
                                 llvm::CodeModel::Small, llvm::CodeGenOptLevel::Aggressive, /*JIT=*/false));
  if (!machine) throw Error(ErrorCode::unsupported, "no target machine for " + target.triple);
  return machine;
}

std::string entry_name(const Nest& nest) {
  std::string name = "altrt_k_";
  for (char c : nest.name) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

std::unique_ptr<llvm::Module> generate(const Nest& nest, const Target& target, llvm::TargetMachine& machine,
                                       llvm::LLVMContext& context) {
  check_features(nest, target);
  check_size(nest, target);
  auto module = std::make_unique<llvm::Module>(nest.name, context);
  module->setSourceFileName("");
  module->setTargetTriple(target.triple);
  module->setDataLayout(machine.createDataLayout());
  module->setPICLevel(llvm::PICLevel::SmallPIC);
  Codegen(*module, nest, target).run(entry_name(nest));
  std::string message;
  llvm::raw_string_ostream stream(message);
  if (llvm::verifyModule(*module, &stream)) {
    throw Error(ErrorCode::internal, nest.name + ": LLVM refuses the module: " + stream.str());
  }
  return module;
}

// No vectoriser and no unroller: the nest says what is a vector and what is unrolled.
void optimize(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  register_analyses(functions, loops, machine);
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/true));
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), /*UseMemorySSA=*/true));
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::ADCEPass());
  for (llvm::Function& f : module) {
    if (!f.isDeclaration()) passes.run(f, functions);
  }
}

llvm::SmallVector<char, 0> emit(llvm::Module& module, llvm::TargetMachine& machine, bool object) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  const auto type = object ? llvm::CodeGenFileType::ObjectFile : llvm::CodeGenFileType::AssemblyFile;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, type)) {
    throw Error(ErrorCode::unsupported, "the target machine emits no files of this type");
  }
  passes.run(module);
  return bytes;
}

}  // namespace altrt::jit::cpu
