// Seeded faults of CUDA text: each takes a right kernel and makes it wrong in one place. Running it must find them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/property/random.h"

namespace altrt::property {

/// "dropped barrier", "swapped index" (two variables of one index exchanged), "wrong shuffle" (another distance),
/// "threads too many" (a test of the thread's number that always holds).
const std::vector<std::string>& text_faults();
/// The text with one fault; absent if there is no place for it.
std::optional<std::string> inject_into_text(const std::string& fault, const std::string& text, Random& random);

}  // namespace altrt::property
