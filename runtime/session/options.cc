#include "runtime/session/options.h"

#include <altrt/error.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "jit/compile/devices.h"
#include "runtime/base/cpu_info.h"
#include "runtime/graph/graph.h"
#include "runtime/session/providers.h"

namespace altrt::session {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kMaxSpinUs = 1'000'000;
constexpr int kMaxDeviceNumber = 1023;

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

std::string list(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + ("'" + name + "'");
  return text.empty() ? "none" : text;
}

void check_range(const std::string& option, int64_t value, int64_t high, int64_t low = 0) {
  if (value < low || value > high) {
    fail("option " + option + " is " + std::to_string(value) + "; it must be " + std::to_string(low) + " to " +
         std::to_string(high));
  }
}

void check_providers(const std::vector<std::string>& providers) {
  const std::set<std::string> known(known_providers().begin(), known_providers().end());
  for (const std::string& provider : providers) {
    if (!known.contains(provider)) {
      fail("option providers: there is no provider '" + provider + "'; there are " + list(known));
    }
  }
}

void check_tuning(const TuningOptions& tuning) {
  check_range("tuning.budget", tuning.budget.count(), INT64_MAX);
  check_range("tuning.max_trials", tuning.max_trials, INT64_MAX);
  const std::set<std::string> known{"ppo", "evolutionary", "random"};
  if (!tuning.proposer.empty() && !known.contains(tuning.proposer)) {
    fail("option tuning.proposer: there is no '" + tuning.proposer + "'; there are " + list(known));
  }
}

void check_shapes(const SessionOptions& options, const graph::Graph& graph) {
  std::set<std::string> inputs, symbols;
  for (const int number : graph.inputs) {
    const graph::Value& value = graph.values[static_cast<size_t>(number)];
    inputs.insert(value.name);
    for (const std::string& symbol : value.symbols) {
      if (!symbol.empty()) symbols.insert(symbol);
    }
    const auto shape = options.input_shapes.find(value.name);
    if (shape == options.input_shapes.end()) continue;
    if (shape->second.size() != value.shape.size()) {
      fail("option input_shapes: input '" + value.name + "' of " + graph.name + " has " +
           std::to_string(value.shape.size()) + " dimensions, but " + to_string(shape->second) + " was given");
    }
    element_count(shape->second);
  }
  for (const auto& [name, shape] : options.input_shapes) {
    if (!inputs.contains(name)) {
      fail("option input_shapes: " + graph.name + " has no input '" + name + "'; it has " + list(inputs));
    }
  }
  for (const auto& [name, extent] : options.dimensions) {
    if (!symbols.contains(name)) {
      fail("option dimensions: " + graph.name + " has no symbolic dimension '" + name + "'; it has " + list(symbols));
    }
    if (extent < 0) fail("option dimensions: '" + name + "' is " + std::to_string(extent));
  }
}

}  // namespace

void check_options(const SessionOptions& options, const Model& model) {
  check_range("threads", options.threads, kMaxThreads);
  check_range("spin_microseconds", options.spin_microseconds, kMaxSpinUs);
  check_tuning(options.tuning);
  check_range("device_number", options.device_number, kMaxDeviceNumber, -1);
  check_providers(options.providers);
  check_shapes(options, model.graph());
}

int thread_count(const SessionOptions& options) {
  return options.threads > 0 ? options.threads : std::min(base::available_threads(), kMaxThreads);
}

Machine open_machine(const SessionOptions& options) {
  if (!options.arch.empty()) {
    fail("option arch is '" + options.arch + "', but a session runs on this machine: it is for inspect() only");
  }
  if (options.device == Device::cpu) return {nullptr, jit::host_target()};
  try {
    std::shared_ptr<jit::Device> device = jit::open_device(to_string(Device::cuda), options.device_number);
    const jit::Target target = device->target();
    return {std::move(device), target};
  } catch (const Error& error) {
    if (options.device != Device::automatic || error.code() != ErrorCode::unavailable) throw;
    base::log(base::LogLevel::info, std::string("device: the CPU, as cuda is not available: ") + error.what());
  }
  return {nullptr, jit::host_target()};
}

jit::Target shown_target(const SessionOptions& options) {
  if (options.arch.empty()) return open_machine(options).target;
  jit::Target target = jit::named_target(options.arch);
  if (options.device != Device::automatic && target.is_gpu() != (options.device == Device::cuda)) {
    fail("option arch: '" + options.arch + "' is no architecture of device " + to_string(options.device));
  }
  return target;
}

base::LogScope log_to(const SessionOptions& options) {
  if (!options.log) return {nullptr, base::LogLevel::off};
  const auto sink = [hook = options.log](base::LogLevel level, std::string_view message) {
    const LogLevel levels[] = {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error, LogLevel::error};
    hook(levels[static_cast<size_t>(level)], std::string(message));
  };
  return {sink, base::LogLevel::debug};
}

}  // namespace altrt::session
