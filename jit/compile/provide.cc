#include "jit/compile/provide.h"

#include <map>
#include <mutex>
#include <sstream>
#include <utility>

#include <altrt/error.h>

#include "jit/cpu/cpu.h"

namespace altrt::jit {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const Provider>> providers;
};

Registry& registry() {
  static Registry* const registry = new Registry;  // kernels may outlive static destructors
  return *registry;
}

// By tensor name; plain ones too.
Layouts parse_layouts(const std::string& text) {
  Layouts layouts;
  std::istringstream in(text);
  std::string line;
  while (std::getline(in, line)) {
    const size_t assign = line.find(" = ");
    if (assign == std::string::npos) throw Error(ErrorCode::internal, "provider: cannot read layout '" + line + "'");
    layouts[line.substr(0, assign)] = parse_layout(line.substr(assign + 3));
  }
  return layouts;
}

bool same_layouts(const Computation& c, const Layouts& a, const Layouts& b) {
  const auto get = [](const Layouts& layouts, const std::string& name) {
    const auto found = layouts.find(name);
    return found == layouts.end() ? Layout{} : found->second;
  };
  for (const TensorDecl& tensor : c.tensors) {
    if (!(get(a, tensor.name) == get(b, tensor.name))) return false;
  }
  return true;
}

// The provider of a decision, which still computes the group in the decision's layouts.
std::shared_ptr<const Provider> provider_of(const Computation& c, const GroupDecision& decision) {
  const auto refuse = [&](const std::string& reason) {
    throw Error(ErrorCode::unsupported, "group '" + c.name + "': provider '" + decision.provider + "' " + reason);
  };
  std::shared_ptr<const Provider> provider = find_provider(decision.provider);
  if (!provider) refuse("is not here");
  if (decision.algorithm != "direct" || decision.parts < 1) refuse("has no such algorithm");
  const std::string layouts = provider->layouts(c, decision.parts);
  if (layouts.empty()) refuse("does not compute it");
  if (!same_layouts(c, parse_layouts(layouts), decision.layouts)) refuse("wants other layouts");
  return provider;
}

int64_t flops_of(const Stage& stage) {
  int64_t flops = 2;
  for (const Axis& axis : stage.axes) flops *= axis.extent.bound;
  for (const Axis& axis : stage.reduce) flops *= axis.extent.bound;
  return flops;
}

}  // namespace

void add_provider(std::shared_ptr<const Provider> provider) {
  const std::string name = provider->name();
  const std::lock_guard lock(registry().mutex);
  registry().providers.emplace(name, std::move(provider));
}

std::shared_ptr<const Provider> find_provider(const std::string& name) {
  const std::lock_guard lock(registry().mutex);
  const auto found = registry().providers.find(name);
  return found == registry().providers.end() ? nullptr : found->second;
}

std::vector<GroupDecision> provider_candidates(const std::string& provider, const Computation& c, int parts) {
  const std::shared_ptr<const Provider> found = find_provider(provider);
  const std::string layouts = found ? found->layouts(c, parts) : "";
  if (layouts.empty()) return {};
  GroupDecision decision;
  decision.provider = provider;
  decision.parts = parts;
  for (const auto& [tensor, layout] : parse_layouts(layouts)) {
    if (!layout.is_plain()) decision.layouts[tensor] = layout;
  }
  return {decision};
}

CompiledGroup provide(const Computation& c, const GroupDecision& decision, const std::string& symbol_prefix) {
  const std::shared_ptr<ProviderKernel> kernel = provider_of(c, decision)->make(c, decision.parts);
  CompiledKernel compiled;
  compiled.object.name = symbol_prefix + "_0";
  compiled.object.workspace_bytes = kernel->workspace_bytes();
  compiled.arguments = kernel->arguments();
  compiled.written.assign(compiled.arguments.size(), false);
  compiled.written.back() = true;
  compiled.tasks = kernel->tasks();
  for (const Stage& stage : c.stages) compiled.flops += flops_of(stage);
  return {c, decision.layouts, {std::move(compiled)}};
}

std::vector<std::shared_ptr<LoadedKernel>> load(const std::vector<KernelObject>& objects, Device* device) {
  return device ? device->load(objects) : cpu::load(objects);
}

std::vector<std::shared_ptr<LoadedKernel>> load(const CompiledGroup& group, const GroupDecision& decision,
                                                Device* device) {
  if (decision.provider != "own") {
    const Computation& c = group.computation;
    if (device) {
      throw Error(ErrorCode::unsupported,
                  "group '" + c.name + "': provider '" + decision.provider + "' computes nothing on a device");
    }
    const std::shared_ptr<ProviderKernel> kernel = provider_of(c, decision)->make(c, decision.parts);
    // Code that was kept may come from another version of the library.
    const bool fits = group.kernels.size() == 1 && group.kernels[0].arguments == kernel->arguments() &&
                      group.kernels[0].tasks == kernel->tasks() &&
                      group.kernels[0].object.workspace_bytes >= kernel->workspace_bytes();
    if (!fits) throw Error(ErrorCode::unsupported, "group '" + c.name + "': the provider's kernel has changed");
    return {kernel};
  }
  std::vector<KernelObject> objects;
  for (const CompiledKernel& kernel : group.kernels) objects.push_back(kernel.object);
  return load(objects, device);
}

}  // namespace altrt::jit
