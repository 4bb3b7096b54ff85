// CUDA text compiled by the host's compiler and run on the CPU: proof of kernels on machines without a GPU.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/jit_gpu/host_machine.h"

namespace altrt::cuda_host {

/// One kernel: its text and the name of its __global__ function.
struct Text {
  std::string text;
  std::string entry;
};

enum class Checks {
  order,    // what random orders and poisoned memory bring to light
  accesses  // every access too: data races, alignment, bounds of arrays and of Run::memory; slower
};

class HostKernel {
 public:
  HostKernel(std::shared_ptr<const void> library, const Program* program)
      : library_(std::move(library)), program_(program) {}
  int parameters() const { return program_->parameters; }
  /// Of a block.
  size_t shared_bytes() const { return static_cast<size_t>(program_->shared_end - program_->shared); }
  /// arguments: one value per parameter; all parameters are pointers. See run_program().
  RunCounts run(std::span<void* const> arguments, const Run& run) const;
  /// As cuLaunchKernel() takes them: addresses of the values.
  RunCounts launch(void* const* parameters, const Run& run) const { return run_program(*program_, parameters, run); }

 private:
  std::shared_ptr<const void> library_;
  const Program* program_;
};

/// "" where kernels can be compiled here; otherwise why not.
const std::string& compiler_trouble();

/// In one call of the compiler. The latest results are kept, by text. Error(unsupported) with the
/// compiler's message where it refuses a text, Error(unavailable) where there is no compiler. Thread-safe.
std::vector<HostKernel> compile_on_host(const std::vector<Text>& texts, Checks checks = Checks::accesses);
HostKernel compile_on_host(const std::string& text, const std::string& entry, Checks checks = Checks::accesses);

}  // namespace altrt::cuda_host
