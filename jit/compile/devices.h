// Devices by kind, code for them and what makes it: all that sessions know of GPUs.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "jit/kernel/device.h"

namespace altrt::jit {

/// The device of that kind ("cuda") and number; -1 takes the number from the environment (ALTRT_CUDA_DEVICE), else 0.
/// Equal calls give the same device while somebody holds it. Error(unavailable) says what is missing: library, driver,
/// device; Error(invalid_argument) lists the kinds. Thread-safe, as is everything here.
std::shared_ptr<Device> open_device(const std::string& kind, int number = -1);

/// Adds a kind of device to this process, or replaces one: `open` makes the device of a number.
using OpenDevice = std::function<std::shared_ptr<Device>(int number)>;
void add_device(const std::string& kind, OpenDevice open);

/// What makes code for the target, and its version: {"llvm", "19.1.7"}, {"nvrtc", "13.0"}; "" where it is not on this
/// machine. Asks a library for its version, but initialises no code generation.
std::pair<std::string, std::string> code_generator(const Target& target);

}  // namespace altrt::jit
