// Seeded faults of the code generator: the IR of a right nest is made wrong in one place before the passes run, so that
// the machine code holds what a fault of jit/cpu would leave there. Whoever checks kernels must find them.
#pragma once

#include <string>
#include <vector>

#include "jit/kernel/kernel.h"
#include "jit/loop/nest.h"

namespace altrt::jit {

/// "off-by-one tile", "wrong stride", "dropped tail", "swapped layout", "missing guard", "lost NaN", "wrong broadcast",
/// "missing initialisation", "write outside", "wrong operand", "shuffled lanes", "false alignment".
const std::vector<std::string>& ir_faults();

/// How many places the code has for a fault.
size_t fault_places(const std::string& fault, const Nest& nest, const Target& target);

/// A kernel that is wrong in one place.
struct FaultyKernel {
  KernelObject object;
  /// The right kernel, but that it traps where the fault makes a difference: an address is another, a condition does
  /// not hold, or, where that depends on data, the place is reached at all. Which tasks do what depends on no data: if
  /// a run of all tasks ends, the fault is none.
  KernelObject witness;
  std::string place;  // the instruction, for messages
};

/// cpu::compile with one fault. LLVM's verifier accepts the faulty module. `place` < fault_places().
FaultyKernel compile_with_fault(const std::string& fault, const Nest& nest, const Target& target, size_t place);

/// An Emitter that puts the fault into kernel number `kernel` of those that it is given, if that one has as many places
/// for it as the kernel that `place` is a place of: into other code for the same nest, but where it differs.
Emitter faulty_emitter(const std::string& fault, size_t kernel, size_t place, size_t places);

}  // namespace altrt::jit
