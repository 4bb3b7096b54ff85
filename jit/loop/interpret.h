// Nest interpreter: runs a nest on memory, slowly, with every index checked. Tells a fault of lowering from one of code
// generation.
#pragma once

#include <cstdint>
#include <vector>

#include "jit/loop/nest.h"

namespace altrt::jit {

/// Runs tasks [first, last) of the nest on `arguments` (one pointer per argument buffer, physical row-major).
/// Error(unsupported) for nests with thread loops. Error(internal) names the statement that left its buffer or read a
/// thread- or register-scope element never written.
void interpret(const Nest& nest, const std::vector<void*>& arguments, const std::vector<int64_t>& sizes, int64_t first,
               int64_t last);

}  // namespace altrt::jit
