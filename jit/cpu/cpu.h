// The CPU back end: LLVM lives behind this header and nowhere else.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "jit/kernel/kernel.h"
#include "jit/loop/nest.h"

namespace altrt::jit::cpu {

/// Makes machine code for a verified nest. Thread-safe: one LLVMContext and TargetMachine per call or per thread.
/// Error(unsupported) if the nest is beyond the size caps (code_size: 600 instructions a block, 2,000 in all, after
/// unrolling), Error(internal) if LLVM's verifier refuses the module or, with ALTRT_VERIFY=1, the audit finds something
/// in the object (at log level debug each audit leaves a line).
/// An argument that the kernel writes must overlap no other argument.
/// `emitter` does LLVM's passes and code generation in place of emit(); the object is looked at here all the same.
KernelObject compile(const Nest& nest, const Target& target, const Emitter& emitter = {});
/// An Emitter for this process, which gives the bytes that compile() alone would. Error(invalid_argument) for what is
/// no bitcode.
std::vector<uint8_t> emit(std::span<const uint8_t> bitcode, const Target& target);
/// For a process whose only purpose is emit(): `handler` hears of errors after which LLVM can't go on, and must not
/// return.
void on_fatal_error(void (*handler)(const char* reason, bool out_of_memory));

/// Textual IR before and after the pass pipeline, and assembly, for `altrt inspect`.
std::string llvm_ir(const Nest& nest, const Target& target);
std::string assembly(const Nest& nest, const Target& target);
/// Disassembles an object's code and names every instruction that the target's features do not allow (empty = all
/// fine).
std::vector<std::string> audit(const KernelObject& object, const Target& target);

/// Links objects into executable memory (JITLink; W^X by dual mapping). Initialises no code generation.
/// Error(unavailable) if the host forbids executable memory. Thread-safe.
std::vector<std::shared_ptr<LoadedKernel>> load(const std::vector<KernelObject>& objects);

/// LLVM's version, "19.1.7".
std::string llvm_version();

}  // namespace altrt::jit::cpu
