#include "jit/compile/compile.h"

#include <algorithm>
#include <set>

#include <altrt/error.h>

#include "jit/compile/provide.h"
#include "jit/compile/stage_loops.h"
#include "jit/cpu/cpu.h"
#include "jit/gpu/gpu.h"
#include "jit/loop/lower.h"

namespace altrt::jit {

namespace {

struct Lowered {
  Computation computation;
  std::vector<LoweredKernel> kernels;
};

Lowered lower_group(const Computation& c, const GroupDecision& decision, MathMode math = MathMode::expanded) {
  Lowered lowered{apply_algorithm(c, decision.algorithm), {}};
  lowered.kernels = lower(lowered.computation, decision.layouts, decision.schedule, math);
  return lowered;
}

// Tensors between kernels that lowering added.
void declare_scratch(Computation& c, const std::vector<LoweredKernel>& kernels) {
  for (const LoweredKernel& kernel : kernels) {
    for (size_t a = 0; a < kernel.arguments.size(); ++a) {
      const auto number = static_cast<size_t>(kernel.arguments[a]);
      while (c.tensors.size() <= number) {
        c.add_tensor({"scratch" + std::to_string(c.tensors.size()), DataType::f32, {1}, Role::intermediate});
      }
      TensorDecl& tensor = c.tensors[number];
      if (tensor.name != "scratch" + std::to_string(number)) continue;
      const Buffer& buffer = kernel.nest.buffers[a];
      tensor.type = buffer.type;
      tensor.shape.assign(buffer.shape.begin(), buffer.shape.end());
    }
  }
}

int64_t kernel_flops(const Computation& c, const std::vector<int>& arguments) {
  int64_t flops = 0;
  for (const Stage& stage : c.stages) {
    for (const int argument : arguments) {
      if (!stage.outputs.empty() && stage.outputs[0] == argument) flops += stage_flops(stage);
    }
  }
  return flops;
}

}  // namespace

CompiledGroup compile(const Computation& c, const GroupDecision& decision, const Target& target,
                      const std::string& symbol_prefix, MathMode math, const Emitter& emitter) {
  if (decision.provider != "own") return provide(c, decision, symbol_prefix);
  Lowered lowered = lower_group(c, decision, math);
  CompiledGroup group;
  std::set<int> constants;
  for (size_t t = 0; t < lowered.computation.tensors.size(); ++t) {
    if (lowered.computation.tensors[t].role == Role::constant) constants.insert(static_cast<int>(t));
  }
  for (size_t i = 0; i < lowered.kernels.size(); ++i) {
    LoweredKernel& kernel = lowered.kernels[i];
    kernel.nest.name = symbol_prefix + "_" + std::to_string(i);
    CompiledKernel compiled;
    compiled.object = target.is_gpu() ? gpu::compile(kernel.nest, target) : cpu::compile(kernel.nest, target, emitter);
    compiled.arguments = kernel.arguments;
    compiled.tasks = kernel.nest.tasks();
    for (const ParallelLoop& loop : kernel.nest.parallel) {
      if (loop.extent.is_symbolic()) {
        compiled.symbolic_size = loop.extent.size_index;
        compiled.tasks /= loop.extent.bound;
      }
    }
    compiled.constant = true;
    std::vector<int> written;
    for (size_t a = 0; a < kernel.arguments.size(); ++a) {
      compiled.written.push_back(kernel.nest.buffers[a].written);
      if (compiled.written.back()) {
        written.push_back(kernel.arguments[a]);
        if (lowered.computation.tensors[kernel.arguments[a]].role != Role::intermediate) compiled.constant = false;
      } else if (!constants.count(kernel.arguments[a])) {
        compiled.constant = false;
      }
    }
    if (compiled.constant) constants.insert(written.begin(), written.end());
    if (!compiled.constant && !target.is_gpu()) compiled.loops = reach(kernel.nest);
    compiled.flops = kernel_flops(lowered.computation, written);
    group.kernels.push_back(std::move(compiled));
  }
  group.computation = std::move(lowered.computation);
  declare_scratch(group.computation, lowered.kernels);
  group.layouts = decision.layouts;
  return group;
}

Computation compiled_computation(const Computation& c, const GroupDecision& decision) {
  const auto splits = [](const auto& entry) { return has_step(entry.second, LoopStepKind::split_reduction); };
  const std::map<std::string, StageSchedule>& stages = decision.schedule.stages;
  if (std::none_of(stages.begin(), stages.end(), splits)) return apply_algorithm(c, decision.algorithm);
  Lowered lowered = lower_group(c, decision);
  declare_scratch(lowered.computation, lowered.kernels);
  return lowered.computation;
}

std::string inspect(const Computation& c, const GroupDecision& decision, const Target& target,
                    const std::string& stage) {
  if (decision.provider != "own") {
    return "// " + decision.provider + ", " + std::to_string(decision.parts) + " parts\n";
  }
  const Lowered lowered = lower_group(c, decision);
  std::string text;
  for (const LoweredKernel& kernel : lowered.kernels) {
    if (stage == "nests") {
      text += to_string(kernel.nest);
    } else if (stage == "cuda" && target.is_gpu()) {
      text += gpu::cuda_source(kernel.nest, target);
    } else if (stage == "llvm" && !target.is_gpu()) {
      text += cpu::llvm_ir(kernel.nest, target);
    } else if (stage == "asm" && !target.is_gpu()) {
      text += cpu::assembly(kernel.nest, target);
    } else {
      throw Error(ErrorCode::invalid_argument,
                  "inspect: no stage '" + stage + "' (nests, " + (target.is_gpu() ? "cuda)" : "llvm, asm)"));
    }
    text += "\n";
  }
  return text;
}

}  // namespace altrt::jit
