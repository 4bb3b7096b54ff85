// The CPU back end: LLVM lives behind this header and nowhere else.
#pragma once

#include <memory>
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
KernelObject compile(const Nest& nest, const Target& target);
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
