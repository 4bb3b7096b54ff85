// What a session's options mean on this machine and for this model.
#pragma once

#include <altrt/session.h>

#include <memory>

#include "jit/kernel/device.h"
#include "runtime/base/log.h"

namespace altrt::session {

/// Error(invalid_argument | unavailable) names the option, what was given and what there is: thread counts, providers,
/// device, names of inputs and dimensions, budgets.
void check_options(const SessionOptions& options, const Model& model);

/// The number of threads of the team.
int thread_count(const SessionOptions& options);

/// What a session runs on.
struct Machine {
  std::shared_ptr<jit::Device> device;  // null = the CPU
  jit::Target target;
};
/// Opens the device that the options ask for. Errors of jit::open_device, unless it is asked for automatically: then
/// the log says why it is the CPU. Error(invalid_argument) where they name an architecture.
Machine open_machine(const SessionOptions& options);
/// What code is shown for: the architecture that the options name, else the machine's. Error(invalid_argument) if it is
/// none of the options' device.
jit::Target shown_target(const SessionOptions& options);

/// The options' hook hears this thread while the result lives; without one it hears nothing.
base::LogScope log_to(const SessionOptions& options);

}  // namespace altrt::session
