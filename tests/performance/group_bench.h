// A compiled group with memory of its own, filled with random data, for benchmarks.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
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
#include "runtime/base/team.h"
#include "runtime/graph/compose.h"
#include "runtime/graph/graph.h"

namespace altrt::performance {

/// All nodes of a small model as one Computation.
inline jit::Computation one_group(const Model& model) {
  const graph::Graph g = graph::simplify(model.graph(), {}, {});
  std::vector<int> nodes;
  for (size_t n = 0; n < g.nodes.size(); ++n) nodes.push_back(static_cast<int>(n));
  return graph::compose(g, nodes).computation;
}

inline Tensor random_tensor(const Shape& shape, uint64_t seed, float scale) {
  Tensor t(DataType::f32, shape);
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal(0, scale);
  for (int64_t i = 0; i < element_count(shape); ++i) t.as<float>()[i] = normal(generator);
  return t;
}

class GroupBench {
 public:
  GroupBench(const jit::Computation& c, const jit::GroupDecision& decision, const jit::Target& target)
      : computation_(c), group_(jit::compile(c, decision, target, "bench")) {
    std::vector<jit::KernelObject> objects;
    for (const jit::CompiledKernel& kernel : group_.kernels) {
      objects.push_back(kernel.object);
      workspace_bytes_ = std::max(workspace_bytes_, kernel.object.workspace_bytes + 64);
    }
    loaded_ = jit::cpu::load(objects);
    make_buffers();
    run(nullptr, true);
  }

  /// Every kernel once: on the team, or on this thread alone.
  void run(base::Team* team = nullptr, bool constants = false) {
    for (size_t k = 0; k < group_.kernels.size(); ++k) {
      const jit::CompiledKernel& kernel = group_.kernels[k];
      if (kernel.constant != constants) continue;
      std::vector<const void*> arguments;
      for (const int tensor : kernel.arguments) arguments.push_back(physical_[static_cast<size_t>(tensor)].data());
      const int threads = team ? team->threads() : 1;
      while (workspaces_.size() < static_cast<size_t>(threads)) workspaces_.emplace_back(workspace_bytes_ + 64);
      const auto body = [&](int64_t first, int64_t last, int worker) {
        loaded_[k]->function()(arguments.data(), nullptr, workspaces_[static_cast<size_t>(worker)].data(), first, last);
      };
      constexpr int64_t kChunks = 8;
      if (threads == 1) {
        body(0, kernel.tasks, 0);
      } else {
        team->run(kernel.tasks, std::max<int64_t>(1, kernel.tasks / kChunks), body);
      }
    }
  }

  /// Relative L2 distance of the outputs from the reference evaluator's, after a run.
  double error() const {
    const jit::Computation& c = computation_;
    std::vector<Tensor> memory(c.tensors.size());
    std::vector<void*> buffers(c.tensors.size(), nullptr);
    for (size_t t = 0; t < c.tensors.size(); ++t) {
      if (c.tensors[t].role == jit::Role::intermediate) continue;
      const auto own = static_cast<size_t>(group_.computation.find_tensor(c.tensors[t].name));
      memory[t] =
          c.tensors[t].role == jit::Role::output ? Tensor(DataType::f32, shape_of(c.tensors[t])) : logical_[own];
      buffers[t] = memory[t].data();
    }
    jit::evaluate(c, buffers);
    std::vector<Tensor> expected;
    for (const int t : c.with_role(jit::Role::output)) expected.push_back(memory[static_cast<size_t>(t)]);
    return distance(expected);
  }

  /// The outputs of the last run, in logical order.
  std::vector<Tensor> outputs() const {
    std::vector<Tensor> results;
    for (const int t : computation_.with_role(jit::Role::output)) {
      const int own = group_.computation.find_tensor(computation_.tensors[static_cast<size_t>(t)].name);
      const Shape shape = shape_of(computation_.tensors[static_cast<size_t>(t)]);
      Tensor result(DataType::f32, shape);
      const jit::Permute unpack(DataType::f32, shape, jit::layout_of(group_.computation, own, group_.layouts), {});
      unpack.run(physical_[static_cast<size_t>(own)].data(), result.data(), 0, unpack.tasks());
      results.push_back(result);
    }
    return results;
  }

  /// Relative L2 distance of the outputs from others.
  double distance(const std::vector<Tensor>& expected) const {
    double difference = 0, norm = 0;
    const std::vector<Tensor> results = outputs();
    for (size_t r = 0; r < results.size(); ++r) {
      for (int64_t i = 0; i < element_count(results[r].shape()); ++i) {
        const double want = expected[r].as<float>()[i], got = results[r].as<float>()[i];
        difference += (got - want) * (got - want);
        norm += want * want;
      }
    }
    return std::sqrt(difference / norm);
  }

  const jit::CompiledGroup& group() const { return group_; }

 private:
  static Shape shape_of(const jit::TensorDecl& tensor) {
    Shape shape;
    for (const jit::Extent& e : tensor.shape) shape.push_back(e.bound);
    return shape;
  }

  void make_buffers() {
    const jit::Computation& c = group_.computation;
    for (size_t t = 0; t < c.tensors.size(); ++t) {
      const jit::TensorDecl& tensor = c.tensors[t];
      const jit::Layout& layout = jit::layout_of(c, static_cast<int>(t), group_.layouts);
      physical_.emplace_back(jit::physical_elements(layout, tensor.shape) * 4 + 64);
      physical_.back().zero();
      logical_.emplace_back();
      if (tensor.role != jit::Role::input && tensor.role != jit::Role::constant) continue;
      const Shape shape = shape_of(tensor);
      logical_.back() = random_tensor(shape, t + 1, tensor.role == jit::Role::constant ? 0.05f : 1.0f);
      const jit::Permute pack(DataType::f32, shape, {}, layout);
      pack.run(logical_.back().data(), physical_.back().data(), 0, pack.tasks());
    }
  }

  const jit::Computation computation_;
  jit::CompiledGroup group_;
  std::vector<std::shared_ptr<jit::LoadedKernel>> loaded_;
  std::vector<Tensor> logical_;
  std::vector<base::AlignedBuffer> physical_, workspaces_;
  int64_t workspace_bytes_ = 0;
};

}  // namespace altrt::performance
