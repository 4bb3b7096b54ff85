// Internal to runtime/plan: what the runners share.
#pragma once

#include "runtime/plan/runner.h"

namespace altrt::plan {

/// Runs a host step on its arguments; `views` are a copy of the call's. Its exceptions become Errors that name the
/// node.
void run_host(const HostCall& call, std::span<const void* const> arguments, std::span<TensorView> views);

/// For plans that have a device.
std::unique_ptr<Runner> make_device_runner(std::shared_ptr<const Plan> plan);

}  // namespace altrt::plan
