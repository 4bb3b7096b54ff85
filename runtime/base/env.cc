#include "runtime/base/env.h"

#include <charconv>
#include <cstdlib>

#include "runtime/base/log.h"

namespace altrt::base {

std::optional<std::string> env(const char* name) {
  const char* value = std::getenv(name);
  if (!value || !*value) return std::nullopt;
  return value;
}

int64_t env_int(const char* name, int64_t fallback, int64_t low, int64_t high) {
  std::optional<std::string> text = env(name);
  if (!text) return fallback;
  int64_t value = 0;
  const char* end = text->data() + text->size();
  auto [stop, code] = std::from_chars(text->data(), end, value);
  if (code == std::errc() && stop == end && value >= low && value <= high) return value;
  log(LogLevel::warning, std::string(name) + "=" + *text + " is not an integer from " + std::to_string(low) + " to " +
                             std::to_string(high) + "; using " + std::to_string(fallback));
  return fallback;
}

bool verify_stages() {
  static const bool wanted = env_int("ALTRT_VERIFY", 0, 0, 1) == 1;
  return wanted;
}

}  // namespace altrt::base
