// A kernel in a device.
#pragma once

#include <memory>
#include <string>

#include "jit/gpu/context.h"
#include "jit/kernel/kernel.h"

namespace altrt::jit::gpu {

/// A module with one kernel.
class GpuKernel final : public LoadedKernel {
 public:
  /// Error(unavailable) where the code is for another device or needs more of it than a block can have. The context is
  /// current.
  GpuKernel(const std::shared_ptr<const Context>& context, const KernelObject& object);

  KernelFunction function() const override { return nullptr; }
  const Context* context() const { return context_; }
  const std::string& name() const { return name_; }
  int threads() const { return threads_; }
  CuFunction handle() const { return function_; }

 private:
  const Context* context_;
  std::string name_;
  int threads_;
  Owned<CuModule> module_;
  CuFunction function_ = nullptr;
};

}  // namespace altrt::jit::gpu
