// Seeded faults of code generation: each takes a right nest and makes it wrong in one place. The suite must find them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jit/loop/nest.h"
#include "tests/property/random.h"

namespace altrt::property {

/// "off-by-one tile", "wrong stride", "dropped tail", "swapped layout", "missing guard", "lost NaN", "wrong broadcast",
/// "missing initialisation", "write outside", "wrong operand".
const std::vector<std::string>& faults();
/// The nest with one fault; absent if there is no place for it.
std::optional<jit::Nest> inject(const std::string& fault, const jit::Nest& nest, Random& random);

}  // namespace altrt::property
