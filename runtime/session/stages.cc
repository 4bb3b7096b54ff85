#include "runtime/session/stages.h"

#include <altrt/error.h>

#include <exception>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "jit/compile/canonical.h"
#include "jit/compile/provide.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/base/trace.h"
#include "runtime/graph/channels_last.h"
#include "runtime/session/accuracy.h"
#include "runtime/session/hand_made.h"
#include "runtime/session/providers.h"

namespace altrt::session {
namespace {

// Compiles one group; its decision becomes what was compiled. `warning` is left for the caller: the log of a session
// hears its own thread only.
std::shared_ptr<const jit::CompiledGroup> compile_group(const graph::Group& group, jit::GroupDecision& decision,
                                                        bool hand_made, const jit::Target& target, size_t number,
                                                        std::string& warning) {
  const base::TraceScope trace("compile group");
  const std::string prefix = "altrt_g" + std::to_string(number);
  for (;;) {
    try {
      return std::make_shared<jit::CompiledGroup>(jit::compile(group.computation, decision, target, prefix));
    } catch (const Error& error) {
      const bool refused = error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::unsupported;
      if (hand_made) throw Error(error.code(), where_hand_made(group) + ": " + error.what());
      std::optional<jit::GroupDecision> simpler = jit::simpler_decision(decision, group.computation, target);
      if (!refused || !simpler) throw;
      warning = "group '" + group.name + "' (" + group.ops + ") runs " +
                (simpler->schedule.stages.empty() ? "in plain loops: " : "as the compiler's defaults say: ") +
                error.what();
      decision = std::move(*simpler);
    }
  }
}

void use_algorithm(const graph::Graph& graph, const std::vector<graph::Group>& groups, const jit::Target& target,
                   const SessionOptions& options, graph::Decisions& decisions) {
  if (options.numerics == Numerics::strict && !jit::is_direct(options.algorithm)) {
    throw Error(ErrorCode::invalid_argument,
                "option algorithm: '" + options.algorithm + "' is none of strict numerics");
  }
  std::set<std::string> known{"direct"};
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].host) continue;
    for (const std::string& algorithm : jit::algorithms(groups[g].computation)) {
      known.insert(algorithm);
      if (algorithm != options.algorithm || algorithm == decisions[g].algorithm) continue;
      if (jit::is_direct(algorithm) && jit::is_direct(decisions[g].algorithm)) continue;
      decisions[g] = jit::with_algorithm(decisions[g], groups[g].computation, algorithm, target);
    }
  }
  if (!known.contains(options.algorithm)) {
    std::string list;
    for (const std::string& name : known) list += (list.empty() ? "" : ", ") + ("'" + name + "'");
    throw Error(ErrorCode::invalid_argument, "option algorithm: no group of " + graph.name + " can use '" +
                                                 options.algorithm + "'; there are " + list);
  }
}

}  // namespace

std::string code_key(const jit::Computation& c, const jit::GroupDecision& decision) {
  return base::hex(jit::hash(c)) + "\n" + jit::to_string(jit::canonical(decision, c));
}

graph::Decisions choose_decisions(const graph::Graph& graph, const std::vector<graph::Group>& groups,
                                  const jit::Target& target, const SessionOptions& options) {
  graph::Decisions decisions = graph::default_decisions(graph, groups, target);
  const Search search = options.tuning.search;
  if (search == Search::loops_only || search == Search::loops_packed) {
    decisions = graph::channels_last(groups, std::move(decisions), target, search == Search::loops_packed);
  }
  if (!options.algorithm.empty()) {
    use_algorithm(graph, groups, target, options, decisions);
  } else if (options.numerics != Numerics::strict && options.memory != Memory::lean && search == Search::joint) {
    for (size_t g = 0; g < groups.size(); ++g) {
      if (groups[g].host) continue;
      const jit::Computation& c = groups[g].computation;
      const std::string algorithm = jit::predicted_algorithm(c, decisions[g], target);
      if (algorithm != decisions[g].algorithm) decisions[g] = jit::with_algorithm(decisions[g], c, algorithm, target);
    }
  }
  keep_accurate(graph, groups, target, {}, decisions);
  apply_hand_made(groups, options, decisions);
  return decisions;
}

graph::Graph graph_of(const Model& model, const std::vector<CustomOperator>& operators) {
  graph::Graph graph = model.graph();
  if (!operators.empty()) graph.operators = ops::custom_operators(operators);
  return graph;
}

int CompiledGroups::kernels() const {
  size_t count = 0;
  for (const auto& group : compiled) count += group->kernels.size();
  return static_cast<int>(count);
}

CompiledGroups compile_groups(const std::vector<graph::Group>& groups, const graph::Decisions& decisions,
                              const jit::Target& target, base::Team& team, const std::vector<plan::GroupCode>& ready,
                              const std::vector<bool>& hand_made) {
  open_providers(decisions);
  CompiledGroups result;
  std::map<std::string, int> known;
  std::vector<char> pinned;  // per distinct one
  for (size_t g = 0; g < groups.size(); ++g) {
    int number = -1;
    if (!groups[g].host) {
      const int next = static_cast<int>(result.sources.size());
      number = known.emplace(code_key(groups[g].computation, decisions[g]), next).first->second;
      if (number == next) {
        result.sources.push_back(static_cast<int>(g));
        pinned.push_back(false);
      }
      if (g < hand_made.size() && hand_made[g]) pinned[static_cast<size_t>(number)] = true;
    }
    result.of_group.push_back(number);
  }
  result.decisions = decisions;
  result.compiled.resize(result.sources.size());
  std::vector<std::exception_ptr> errors(result.sources.size());
  std::vector<std::string> warnings(result.sources.size());
  team.run(static_cast<int64_t>(result.sources.size()), 1, [&](int64_t first, int64_t last, int) {
    for (int64_t i = first; i < last; ++i) {
      const auto number = static_cast<size_t>(i);
      const auto source = static_cast<size_t>(result.sources[number]);
      if (source < ready.size() && ready[source].compiled) {
        result.compiled[number] = ready[source].compiled;
        continue;
      }
      try {
        result.compiled[number] = compile_group(groups[source], result.decisions[source], pinned[number] != 0, target,
                                                source, warnings[number]);
      } catch (...) {
        errors[number] = std::current_exception();
      }
    }
  });
  for (const std::string& warning : warnings) {
    if (!warning.empty()) base::log(base::LogLevel::warning, warning);
  }
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    if (result.of_group[g] < 0) continue;
    const auto source = static_cast<size_t>(result.sources[static_cast<size_t>(result.of_group[g])]);
    if (source == g || result.decisions[source] == decisions[source]) continue;
    result.decisions[g] =
        jit::with_names(jit::canonical(result.decisions[source], groups[source].computation), groups[g].computation);
  }
  return result;
}

std::vector<plan::GroupCode> load_groups(const CompiledGroups& compiled, const std::vector<graph::Group>& groups,
                                         jit::Device* device) {
  open_providers(compiled.decisions);
  const auto decision_of = [&](size_t number) -> const jit::GroupDecision& {
    return compiled.decisions[static_cast<size_t>(compiled.sources[number])];
  };
  std::vector<jit::KernelObject> objects;
  std::vector<size_t> first_kernel;
  std::vector<std::shared_ptr<jit::LoadedKernel>> provided(compiled.compiled.size());
  for (size_t number = 0; number < compiled.compiled.size(); ++number) {
    const jit::CompiledGroup& group = *compiled.compiled[number];
    first_kernel.push_back(objects.size());
    if (decision_of(number).provider != "own") {
      provided[number] = jit::load(group, decision_of(number), device).front();
      continue;
    }
    for (const jit::CompiledKernel& kernel : group.kernels) objects.push_back(kernel.object);
  }
  const std::vector<std::shared_ptr<jit::LoadedKernel>> loaded = jit::load(objects, device);
  std::vector<plan::GroupCode> code(groups.size());
  for (size_t g = 0; g < groups.size(); ++g) {
    if (compiled.of_group[g] < 0) continue;
    const auto number = static_cast<size_t>(compiled.of_group[g]);
    code[g].source = &groups[static_cast<size_t>(compiled.sources[number])].computation;
    code[g].compiled = compiled.compiled[number];
    if (provided[number]) {
      code[g].loaded.push_back(provided[number]);
      continue;
    }
    for (size_t k = 0; k < code[g].compiled->kernels.size(); ++k) {
      code[g].loaded.push_back(loaded[first_kernel[number] + k]);
    }
  }
  return code;
}

}  // namespace altrt::session
