#pragma once

#include <string>
#include <string_view>

namespace altrt::base {

// Text from a file for a message: in single quotes, control characters escaped, cut after 100 bytes.
std::string quoted(std::string_view text);

}  // namespace altrt::base
