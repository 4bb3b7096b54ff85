// Runs a plan for one caller, on the CPU or on the plan's device.
#pragma once

#include <memory>
#include <span>

#include "runtime/base/team.h"
#include "runtime/plan/plan.h"

namespace altrt::plan {

/// The caller's memory for one model input or output, row-major.
struct Address {
  void* data = nullptr;    // null only for empty tensors
  bool on_device = false;  // of the plan; else the host's
};

/// What one caller needs to run a plan: its memory, and every argument of every step as a pointer. Keeps the plan
/// alive. One thread at a time. An Error of a host operator or of the device passes through and
/// leaves the runner fit for further runs, unless it says that the device is lost.
class Runner {
 public:
  virtual ~Runner() = default;

  const Plan& plan() const { return *plan_; }

  /// For the next runs: one address per model input and output. After an Error (out_of_memory; what a device says) it
  /// must be bound again.
  virtual void bind(std::span<const Address> inputs, std::span<const Address> outputs) = 0;
  /// All steps in order. Allocates nothing and takes no lock of its own; host operators and a device's driver may.
  /// Returns when all is done, unless set_stream() says otherwise. The lease is for plans without a device.
  virtual void run(base::Team::Lease& lease) = 0;
  /// The same, adding the milliseconds of each step to its report: one entry per Plan::kernels. Copies between host and
  /// device belong to no step.
  virtual void profile(base::Team::Lease& lease, std::span<double> milliseconds) = 0;
  /// The next runs are enqueued in this stream of the device, which must outlive the runner or its next stream; run()
  /// does not wait for its end where every bound address is on the device. Waits for what the previous stream has to
  /// do. Error(invalid_argument) where the plan has no device.
  virtual void set_stream(void* stream) = 0;

 protected:
  explicit Runner(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)) {}

  std::shared_ptr<const Plan> plan_;
};

/// Allocates and fills the paddings. `threads`: of the team that will run it. Error(out_of_memory).
std::unique_ptr<Runner> make_runner(std::shared_ptr<const Plan> plan, int threads);

}  // namespace altrt::plan
