// compile: Computation x decision -> kernel objects. Names every stage of the compiler in order.
#pragma once

#include <string>
#include <vector>

#include "jit/compile/decisions.h"
#include "jit/expr/computation.h"
#include "jit/kernel/kernel.h"
#include "jit/loop/reach.h"

namespace altrt::jit {

struct CompiledKernel {
  KernelObject object;
  std::vector<int> arguments;  // tensor numbers of CompiledGroup::computation, in the kernel's buffer order
  std::vector<bool> written;   // per argument: whether the kernel writes it
  int64_t tasks = 1;           // of the flattened parallel range (symbolic outer extents at their bound)
  int symbolic_size = -1;      // size index that multiplies the tasks; -1 = tasks is exact
  int64_t flops = 0;
  std::vector<LoopReach> loops;  // of the tasks, on a CPU; none where nothing is known, or constant
  /// All inputs are constants: run once at load, its outputs are constants of the plan (Winograd's transformed
  /// weights).
  bool constant = false;
};

/// A group ready to be loaded: a value, can be written to a file.
struct CompiledGroup {
  /// After the algorithm; tensor names of the group's inputs and outputs are unchanged. Behind its tensors follows what
  /// lowering added between kernels (chunk states of split_reduction), as intermediates of their physical shape.
  Computation computation;
  Layouts layouts;  // of every tensor that is not row-major
  std::vector<CompiledKernel> kernels;
};

/// algorithm -> lower -> code size check -> machine code. `symbol_prefix` makes the kernels' names unique within a
/// plan. Error(invalid_argument | unsupported) with group, stage and reason if the decision can't be applied.
/// MathMode::surrogate makes code for the tuner's gate only. `emitter`: see cpu::compile().
CompiledGroup compile(const Computation& c, const GroupDecision& decision, const Target& target,
                      const std::string& symbol_prefix, MathMode math = MathMode::expanded,
                      const Emitter& emitter = {});

/// CompiledGroup::computation of a decision of provider "own", without code. Errors as compile's.
Computation compiled_computation(const Computation& c, const GroupDecision& decision);

/// The same, stopping after a stage, as text: "nests", and "llvm" and "asm" for CPUs, "cuda" for GPUs.
std::string inspect(const Computation& c, const GroupDecision& decision, const Target& target,
                    const std::string& stage);

}  // namespace altrt::jit
