// Plug-ins that bring providers.
#pragma once

#include <string>
#include <vector>

#include "runtime/graph/layouts.h"

namespace altrt::session {

/// Every provider there is: "own" and those of plug-ins.
const std::vector<std::string>& known_providers();

/// Opens the provider's plug-in, once a process: libaltrt_<name>.so beside libaltrt. False, and one line in the log
/// (info), if it can't be opened. True for "own".
bool open_provider(const std::string& name);
/// The same from a given file; throws Error(unavailable).
void open_provider_file(const std::string& file);

/// Opens what the decisions name.
void open_providers(const graph::Decisions& decisions);

/// The version of a provider's library, opening it; "none" without it.
std::string provider_version(const std::string& name);

}  // namespace altrt::session
