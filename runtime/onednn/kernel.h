// Primitives behind the kernel ABI.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "jit/kernel/provider.h"

namespace altrt::onednn {

/// Lets oneDNN use one OpenMP thread on this thread, as long as it lives.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// The buffers of a task, each relative to the start of its tensor.
enum Operand { kSource, kWeights, kDestination, kBias, kResidual, kOperands };

/// A primitive with its descriptors. The scratchpad is the caller's.
struct Primitive {
  dnnl::primitive primitive;
  dnnl::memory::desc descs[kOperands];  // bias and residual: zero where there is none
  dnnl::memory::desc scratchpad;
  int residual_argument = 0;       // DNNL_ARG_ATTR_...; 0 = none, or copied
  bool residual_is_added = false;  // to what is in the destination: the residual is copied there first
};

/// One task of a kernel.
struct Task {
  int primitive = 0;
  int64_t offsets[kOperands] = {};  // in elements
};

class Kernel : public jit::ProviderKernel {
 public:
  /// `operands`: which operand each buffer is.
  Kernel(dnnl::engine engine, std::vector<Primitive> primitives, std::vector<Task> tasks, std::vector<int> arguments,
         std::vector<Operand> operands);
  ~Kernel() override;

  jit::KernelFunction function() const override;
  const void* state() const override { return this; }
  int64_t tasks() const override { return static_cast<int64_t>(tasks_.size()); }
  int64_t workspace_bytes() const override { return workspace_bytes_; }
  const std::vector<int>& arguments() const override { return arguments_; }

  void run(const void* const* buffers, void* workspace, int64_t first, int64_t last) const;

 private:
  struct Bound;
  // Memory objects of a task between runs: as many callers at once find one made.
  using Idle = std::array<std::atomic<Bound*>, 8>;
  std::unique_ptr<Bound> take(size_t task) const;
  void give_back(size_t task, std::unique_ptr<Bound> bound) const;
  void run_task(size_t task, const void* const* buffers, void* workspace) const;

  dnnl::engine engine_;
  std::vector<Primitive> primitives_;
  std::vector<Task> tasks_;
  std::vector<int> arguments_;
  std::vector<Operand> operands_;
  int64_t workspace_bytes_ = 0;
  mutable std::vector<Idle> idle_;  // by task
};

}  // namespace altrt::onednn
