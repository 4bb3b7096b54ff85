// The other architecture: code is made, assembled and audited for it here, but not run.
#pragma once

#include <llvm-c/Target.h>

namespace altrt::jit {

inline void register_aarch64() {
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  LLVMInitializeAArch64AsmParser();
  LLVMInitializeAArch64Disassembler();
}

}  // namespace altrt::jit
