// Groups computed by another provider than the compiler.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "jit/compile/compile.h"
#include "jit/kernel/device.h"
#include "jit/kernel/provider.h"

namespace altrt::jit {

/// Makes a provider known to this process; a second one of the same name is dropped. Thread-safe, as is everything
/// here.
void add_provider(std::shared_ptr<const Provider> provider);
/// Null if there is none of this name.
std::shared_ptr<const Provider> find_provider(const std::string& name);

/// The provider's ways to compute the group in about `parts` tasks: none or one. It chooses the layouts of inputs and
/// outputs; where neighbours have others the plan converts, which counts as its time.
std::vector<GroupDecision> provider_candidates(const std::string& provider, const Computation& c, int parts);

/// What compile() does for a decision whose provider isn't "own": one kernel, without bytes. Error(unsupported) if the
/// provider is absent, can't compute the group, or wants other layouts than the decision has.
CompiledGroup provide(const Computation& c, const GroupDecision& decision, const std::string& symbol_prefix);

/// Puts the compiler's own code where it runs: into the device, or into executable memory where there is none.
std::vector<std::shared_ptr<LoadedKernel>> load(const std::vector<KernelObject>& objects, Device* device);
/// Makes a compiled group's kernels ready to run, whoever provides them. Other providers' have no device:
/// Error(unsupported).
std::vector<std::shared_ptr<LoadedKernel>> load(const CompiledGroup& group, const GroupDecision& decision,
                                                Device* device = nullptr);

}  // namespace altrt::jit
