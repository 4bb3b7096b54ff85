// A device's primary context, and what everything that lives in it has in common.
#pragma once

#include <memory>
#include <mutex>
#include <new>
#include <string>

#include "jit/gpu/driver.h"
#include "jit/kernel/kernel.h"

namespace altrt::jit::gpu {

/// Keeps the primary context of a device retained. What lives in it holds a reference.
class Context {
 public:
  Context(const Driver& driver, int number);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const Driver& driver() const { return driver_; }
  CuContext handle() const { return handle_; }
  const Target& target() const { return target_; }
  /// "NVIDIA H100 80GB HBM3 (sm_90), driver 13.0"
  const std::string& description() const { return description_; }

  /// Throws for everything but success. `subject` says what the call was for: "kernel conv1".
  void check(CuResult result, const char* call, const std::string& subject = {}) const {
    if (result != kCuSuccess) fail(result, call, subject);
  }
  /// A fault of a kernel is Error(internal) where it is first seen; whoever meets it later gets Error(unavailable).
  [[noreturn]] void fail(CuResult result, const char* call, const std::string& subject) const;

 private:
  const Driver& driver_;
  CuDevice device_ = 0;
  CuContext handle_ = nullptr;
  Target target_;
  std::string description_;
  mutable std::mutex lock_;
  mutable std::string cause_;  // of the context's end; under lock_
};

/// Whether a result tells of a kernel that broke off, which also ends the context.
bool is_kernel_fault(CuResult result);

/// Makes a context the calling thread's as long as it lives; the one before comes back after it.
class Current {
 public:
  explicit Current(const Context& context);
  /// For destructors: is_set() is false where that failed, as it does once the driver has shut down.
  Current(const Context& context, std::nothrow_t) noexcept;
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
  bool is_set() const { return set_; }

 private:
  const Driver& driver_;
  bool set_;
};

/// A handle that is destroyed in its context, without complaint: the driver may be gone before us.
template <typename Handle>
class Owned {
 public:
  using Destroy = CuResult (*)(Handle);
  Owned(std::shared_ptr<const Context> context, Handle handle, Destroy destroy)
      : context_(std::move(context)), handle_(handle), destroy_(destroy) {}
  ~Owned() {
    const Current current(*context_, std::nothrow);
    if (current.is_set()) destroy_(handle_);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Handle get() const { return handle_; }

 private:
  std::shared_ptr<const Context> context_;
  Handle handle_;
  Destroy destroy_;
};

}  // namespace altrt::jit::gpu
