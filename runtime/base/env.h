#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace altrt::base {

// Environment variable, or nothing when it is unset or empty.
std::optional<std::string> env(const char* name);

// The same as a decimal integer within [low, high]; anything else is `fallback`, with one warning in the log.
int64_t env_int(const char* name, int64_t fallback, int64_t low, int64_t high);

// ALTRT_VERIFY=1, read once: every stage of compilation has its product verified, machine code included.
bool verify_stages();

}  // namespace altrt::base
