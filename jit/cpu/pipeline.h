// From a Nest to an LLVM module and on to bytes. Internal to jit/cpu.
#pragma once

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include <memory>
#include <string>
#include <vector>

#include "jit/kernel/kernel.h"
#include "jit/loop/nest.h"

namespace altrt::jit::cpu {

/// Registers the x86-64 code generator (once); other architectures are known only where the program registered them.
void initialize_code_generation();

/// Error(unsupported) where LLVM has no code generator for the target.
std::unique_ptr<llvm::TargetMachine> make_target_machine(const Target& target);

/// The kernel's symbol.
std::string entry_name(const Nest& nest);

/// The module as generated, accepted by LLVM's verifier. Error(unsupported) beyond the size caps and for
/// processors without fused multiply-add.
std::unique_ptr<llvm::Module> generate(const Nest& nest, const Target& target, llvm::TargetMachine& machine,
                                       llvm::LLVMContext& context);
/// Runs the passes on the module's function.
void optimize(llvm::Module& module, llvm::TargetMachine& machine);
/// Object code, or assembly text.
llvm::SmallVector<char, 0> emit(llvm::Module& module, llvm::TargetMachine& machine, bool object);
/// Passes and emission of a generated module, and what is read back from the object.
KernelObject make_object(llvm::Module& module, llvm::TargetMachine& machine, const Nest& nest);
/// The module as bytes, order of uses included: code made of them is the code made of the module.
std::vector<uint8_t> to_bitcode(const llvm::Module& module);

}  // namespace altrt::jit::cpu
