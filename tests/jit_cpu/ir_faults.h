// Seeded faults of the code generator: the IR of a right nest is made wrong in one place before the passes run, so that
// the machine code holds what a fault of jit/cpu would leave there. Whoever checks kernels must find them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jit/kernel/kernel.h"
#include "jit/loop/nest.h"
#include "tests/property/random.h"

namespace altrt::jit {

/// "off-by-one tile", "wrong stride", "dropped tail", "swapped layout", "missing guard", "lost NaN", "wrong broadcast",
/// "missing initialisation", "write outside", "wrong operand", "shuffled lanes", "false alignment".
const std::vector<std::string>& ir_faults();

/// cpu::compile with one fault at a random place; absent if the code has no place for it. LLVM's verifier accepts the
/// faulty module.
std::optional<KernelObject> compile_with_fault(const std::string& fault, const Nest& nest, const Target& target,
                                               property::Random& random);

}  // namespace altrt::jit
