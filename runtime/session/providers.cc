#include "runtime/session/providers.h"

#include <altrt/error.h>

#include <set>

#include "jit/compile/provide.h"
#include "runtime/base/dynlib.h"
#include "runtime/base/log.h"

namespace altrt::session {

const std::vector<std::string>& known_providers() {
  static const std::vector<std::string> names{"onednn", "own"};
  return names;
}

void open_provider_file(const std::string& file) {
  const base::DynLib library = base::DynLib::open(file);
  const auto create = library.function<jit::CreateProvider>(jit::kCreateProvider);
  jit::add_provider(std::shared_ptr<const jit::Provider>(create()));
}

bool open_provider(const std::string& name) {
  if (name == "own" || jit::find_provider(name)) return true;
  try {
    open_provider_file(base::library_folder() + "/libaltrt_" + name + ".so");
    return true;
  } catch (const Error& error) {
    base::log(base::LogLevel::info, "provider '" + name + "' is left out: " + error.what());
    return false;
  }
}

void open_providers(const graph::Decisions& decisions) {
  std::set<std::string> names;
  for (const jit::GroupDecision& decision : decisions) names.insert(decision.provider);
  for (const std::string& name : names) {
    if (name != "host") open_provider(name);
  }
}

std::string provider_version(const std::string& name) {
  if (!open_provider(name)) return "none";
  const std::shared_ptr<const jit::Provider> provider = jit::find_provider(name);
  return provider ? provider->version() : "none";
}

}  // namespace altrt::session
