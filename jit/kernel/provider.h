// Providers: kernels for a group from somewhere else than the compiler. One more candidate with its own layouts, run
// inside our team, timed like any other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "jit/kernel/kernel.h"

namespace altrt {
struct Computation;
}

namespace altrt::jit {

using altrt::Computation;

/// Code of a library behind the kernel ABI: one kernel for a whole group. Runs may allocate inside the library.
class ProviderKernel : public LoadedKernel {
 public:
  virtual int64_t tasks() const = 0;            // independent parts; each may run on any thread
  virtual int64_t workspace_bytes() const = 0;  // per thread
  /// Tensor numbers of the Computation, in buffer order, without the state. The last one is the only one written.
  virtual const std::vector<int>& arguments() const = 0;
};

/// A library that computes whole groups. Opened from a plug-in; every call is thread-safe.
class Provider {
 public:
  virtual ~Provider() = default;
  virtual std::string name() const = 0;     // "onednn"
  virtual std::string version() const = 0;  // "2.6.3"
  /// The layouts in which it computes the group best, as text: one "name = layout" a line for every tensor; empty: it
  /// can't compute this group. Constants are packed by the plan like any other provider's.
  virtual std::string layouts(const Computation& c, int parts) const = 0;
  /// A kernel for the group in exactly those layouts, cut into `parts` tasks or a few more. Error(unsupported) where it
  /// can't.
  virtual std::shared_ptr<ProviderKernel> make(const Computation& c, int parts) const = 0;
};

/// What a plug-in exports: creates its provider. Kernels and provider must go before the plug-in is closed (it never
/// is).
using CreateProvider = Provider*();
inline constexpr const char* kCreateProvider = "altrt_create_provider";

}  // namespace altrt::jit
