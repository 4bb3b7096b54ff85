// Proof of the compiler's middle: five Computations scheduled by hand through the general path (layouts, loop
// primitives, lowering, LLVM), timed on one thread against the fused-multiply-add peak measured in the same run. Writes
// the table of PROOF.md to standard output.
//
//   proof [--seconds S] [--nests]
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <altrt/altrt.h>

#include "jit/compile/compile.h"
#include "jit/compile/stage_loops.h"
#include "jit/cpu/cpu.h"
#include "jit/expr/evaluate.h"
#include "jit/layout/permute.h"
#include "runtime/base/buffer.h"
#include "tests/performance/peak.h"
#include "tests/performance/proof_cases.h"

namespace {

using namespace altrt;
using jit::Computation;
using jit::Layout;
using performance::Case;
using performance::random_tensor;

double g_seconds = 1.0;
bool g_nests = false;

struct Outcome {
  double median_ms = 0, min_ms = 0, error = 0;
};

/// A compiled group with memory of its own, filled with random data; run() executes every kernel on one thread.
class Bench {
 public:
  explicit Bench(const Case& c, const jit::Target& target) : case_(c) {
    jit::GroupDecision decision;
    decision.algorithm = c.algorithm;
    decision.layouts = c.layouts;
    decision.schedule = c.schedule;
    if (g_nests) std::fputs(jit::inspect(c.computation, decision, target, "nests").c_str(), stderr);
    group_ = jit::compile(c.computation, decision, target, "proof");
    std::vector<jit::KernelObject> objects;
    for (const jit::CompiledKernel& kernel : group_.kernels) {
      objects.push_back(kernel.object);
      workspace_bytes_ = std::max(workspace_bytes_, kernel.object.workspace_bytes);
    }
    loaded_ = jit::cpu::load(objects);
    workspace_ = base::AlignedBuffer(workspace_bytes_ + 64);
    make_buffers();
    run(true);
  }

  void run(bool constants) {
    for (size_t k = 0; k < group_.kernels.size(); ++k) {
      if (group_.kernels[k].constant != constants) continue;
      std::vector<const void*> arguments;
      for (const int tensor : group_.kernels[k].arguments) arguments.push_back(physical_[tensor].data());
      loaded_[k]->function()(arguments.data(), nullptr, workspace_.data(), 0, group_.kernels[k].tasks);
    }
  }

  Outcome measure() {
    Outcome outcome;
    run(false);
    outcome.error = error();
    std::vector<double> times;
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(g_seconds);
    while (times.size() < 10 || std::chrono::steady_clock::now() < end) {
      const auto start = std::chrono::steady_clock::now();
      run(false);
      times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(times.begin(), times.end());
    outcome.min_ms = times.front();
    outcome.median_ms = times[times.size() / 2];
    return outcome;
  }

 private:
  static Shape shape_of(const jit::TensorDecl& tensor) {
    Shape shape;
    for (const jit::Extent& e : tensor.shape) shape.push_back(e.bound);
    return shape;
  }

  void make_buffers() {
    const Computation& c = group_.computation;
    for (size_t t = 0; t < c.tensors.size(); ++t) {
      const Layout& layout = jit::layout_of(c, static_cast<int>(t), group_.layouts);
      physical_.emplace_back(jit::physical_elements(layout, c.tensors[t].shape) * 4 + 64);
      physical_.back().zero();
      logical_.emplace_back();
      if (c.tensors[t].role != jit::Role::input && c.tensors[t].role != jit::Role::constant) continue;
      const Shape shape = shape_of(c.tensors[t]);
      logical_.back() = random_tensor(shape, t + 1, c.tensors[t].role == jit::Role::constant ? 0.05f : 1.0f);
      const jit::Permute pack(DataType::f32, shape, {}, layout);
      pack.run(logical_.back().data(), physical_.back().data(), 0, pack.tasks());
    }
  }

  double error() {
    const Computation& c = case_.computation;
    std::vector<Tensor> memory(c.tensors.size());
    std::vector<void*> buffers(c.tensors.size(), nullptr);
    for (size_t t = 0; t < c.tensors.size(); ++t) {
      if (c.tensors[t].role == jit::Role::intermediate) continue;
      const int own = group_.computation.find_tensor(c.tensors[t].name);
      memory[t] =
          c.tensors[t].role == jit::Role::output ? Tensor(DataType::f32, shape_of(c.tensors[t])) : logical_[own];
      buffers[t] = memory[t].data();
    }
    jit::evaluate(c, buffers);
    double difference = 0, norm = 0;
    for (const int t : c.with_role(jit::Role::output)) {
      const int own = group_.computation.find_tensor(c.tensors[t].name);
      const Shape shape = shape_of(c.tensors[t]);
      Tensor result(DataType::f32, shape);
      const jit::Permute unpack(DataType::f32, shape, jit::layout_of(group_.computation, own, group_.layouts), {});
      unpack.run(physical_[own].data(), result.data(), 0, unpack.tasks());
      for (int64_t i = 0; i < element_count(shape); ++i) {
        const double expected = memory[t].as<float>()[i], got = result.as<float>()[i];
        difference += (got - expected) * (got - expected);
        norm += expected * expected;
      }
    }
    return std::sqrt(difference / norm);
  }

  const Case& case_;
  jit::CompiledGroup group_;
  std::vector<std::shared_ptr<jit::LoadedKernel>> loaded_;
  std::vector<Tensor> logical_;
  std::vector<base::AlignedBuffer> physical_;
  int64_t workspace_bytes_ = 0;
  base::AlignedBuffer workspace_;
};

void print_row(const Case& c, const Outcome& o, double peak) {
  const double gflops = c.flops / (o.min_ms * 1e6), median = c.flops / (o.median_ms * 1e6);
  std::printf("| %s | %.3f | %.3f | %.1f | %.1f %% | %.1f %% | %.1e |\n", c.name.c_str(), o.median_ms, o.min_ms, gflops,
              100 * median / peak, 100 * gflops / peak, o.error);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--nests")) g_nests = true;
    if (!std::strcmp(argv[i], "--seconds") && i + 1 < argc) g_seconds = std::atof(argv[++i]);
  }
  const jit::Target target = jit::host_target();
  std::printf("Target: %s\n\n", jit::to_string(target).c_str());
  double peak = performance::fma_peak_gflops(target.lanes);
  std::printf("Peak of fused multiply-adds, one thread: %.1f GFLOP/s\n\n", peak);
  std::puts("| Computation | median ms | best ms | best GFLOP/s | of peak, median | of peak, best | relative L2 |");
  std::puts("| --- | --- | --- | --- | --- | --- | --- |");
  const std::vector<Case> cases = performance::proof_cases(target);
  for (const Case& c : cases) {
    Bench bench(c, target);
    peak = std::max(peak, performance::fma_peak_gflops(target.lanes));
    print_row(c, bench.measure(), peak);
  }
  return 0;
}
