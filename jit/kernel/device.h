// Devices with memory of their own: GPUs. What plans, sessions and the tuner see of one; jit/gpu implements it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "jit/kernel/kernel.h"

namespace altrt::jit {

/// All blocks of one kernel.
struct Launch {
  std::shared_ptr<const LoadedKernel> kernel;  // loaded by the same device
  std::vector<void*> arguments;                // addresses in the device's memory, one per argument of the kernel
  int64_t blocks = 1;                          // the kernel's tasks
};

/// A point in a stream's work.
class DeviceEvent {
 public:
  virtual ~DeviceEvent() = default;
};

/// Launches that are handed to the device as one.
class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  /// Other addresses for one launch, from the next run on.
  virtual void set_arguments(size_t launch, std::span<void* const> arguments) = 0;
};

/// Work in order. Calls return when it is enqueued, unless said otherwise. One thread at a time. Every call reports
/// what went wrong with earlier work as well.
class DeviceStream {
 public:
  virtual ~DeviceStream() = default;  // waits for its work
  /// `from` is host memory that may be changed once the call returns.
  virtual void upload(void* to, const void* from, size_t bytes) = 0;
  /// `to` is host memory that holds the bytes after wait().
  virtual void download(void* to, const void* from, size_t bytes) = 0;
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  virtual void fill(void* to, uint8_t byte, size_t bytes) = 0;
  virtual void launch(const Launch& launch) = 0;
  /// The launches one after the other. The graph keeps their kernels loaded; it may run in any stream of the device,
  /// one run at a time.
  virtual std::unique_ptr<DeviceGraph> make_graph(const std::vector<Launch>& launches) = 0;
  virtual void launch(DeviceGraph& graph) = 0;
  virtual std::unique_ptr<DeviceEvent> record() = 0;
  /// Until all work is done. Error(internal) names the kernel where a launch failed.
  virtual void wait() = 0;
  /// Between two events that have passed (after wait()).
  virtual double milliseconds(const DeviceEvent& from, const DeviceEvent& to) = 0;
};

/// A device in use by this process. Thread-safe. Errors: out_of_memory; unavailable where the device is lost (after a
/// fault of a kernel, for the rest of the process) or code does not fit it; internal.
class Device {
 public:
  virtual ~Device() = default;
  virtual const Target& target() const = 0;
  virtual std::string description() const = 0;  // "NVIDIA H100 80GB HBM3 (sm_90), driver 13.0"
  /// Memory with contents left to chance, aligned to 256 bytes; freed with the last reference. get() is its address on
  /// the device.
  virtual std::shared_ptr<void> allocate(size_t bytes) = 0;
  /// Puts code into the device; one kernel per object, in order.
  virtual std::vector<std::shared_ptr<LoadedKernel>> load(const std::vector<KernelObject>& objects) = 0;
  virtual std::unique_ptr<DeviceStream> make_stream() = 0;
  /// The caller's own stream (a CUstream), which must outlive the result.
  virtual std::unique_ptr<DeviceStream> wrap_stream(void* stream) = 0;
};

}  // namespace altrt::jit
