// Conversions between layouts as kernels: for plans on a device, where no native copy reaches.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "jit/compile/compile.h"
#include "jit/kernel/device.h"
#include "jit/layout/layout.h"

namespace altrt::plan {

/// A kernel of two arguments, tensor 0 and tensor 1: from and to. It leaves filled padding alone.
struct Conversion {
  jit::CompiledKernel kernel;
  std::shared_ptr<jit::LoadedKernel> loaded;  // null until it is asked for
};

/// The conversions of one device's plans, by what they convert; equal ones share a kernel. One thread at a time.
class Conversions {
 public:
  explicit Conversions(std::shared_ptr<jit::Device> device) : device_(std::move(device)) {}

  /// A kernel that an earlier process made, under its key. False, and nothing is kept, if it is no conversion.
  bool keep(const std::string& key, jit::CompiledKernel kernel);
  /// Compiles and loads what is not there yet. Errors of jit::compile and Device::load.
  const Conversion& get(DataType type, const std::vector<int64_t>& shape, const jit::Layout& from,
                        const jit::Layout& to);

  const std::map<std::string, Conversion>& all() const { return all_; }
  int compiled() const { return compiled_; }  // not counting those that were kept

 private:
  std::shared_ptr<jit::Device> device_;
  std::map<std::string, Conversion> all_;
  int compiled_ = 0;
};

}  // namespace altrt::plan
