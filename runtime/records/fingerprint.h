// What a file was made by and for: everything that must be equal for it to be used again, by name.
#pragma once

#include <map>
#include <string>

namespace altrt::records {

using Fingerprint = std::map<std::string, std::string>;

/// "" if equal, else the first field that differs: "llvm differs: 19.1.6 -> 19.1.7".
std::string difference(const Fingerprint& file, const Fingerprint& wanted);

/// The build of the library that this code is part of, as hexadecimal digits; equal for equal binaries. Empty where the
/// linker wrote none.
std::string build_id();

}  // namespace altrt::records
