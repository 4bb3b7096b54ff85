#include "runtime/session/hand_made.h"

#include <altrt/error.h>

#include <algorithm>

#include "jit/compile/provide.h"
#include "jit/loop/lower.h"
#include "runtime/base/hash.h"
#include "runtime/base/text.h"
#include "runtime/session/providers.h"

namespace altrt::session {
namespace {

void check_allowed(const jit::GroupDecision& decision, const SessionOptions& options) {
  const auto fail = [](const std::string& what) { throw Error(ErrorCode::invalid_argument, what); };
  const std::vector<std::string>& providers = options.providers;
  if (decision.provider != "own" &&
      std::find(providers.begin(), providers.end(), decision.provider) == providers.end()) {
    fail("provider " + base::quoted(decision.provider) + " is not among option providers");
  }
  if (options.numerics == Numerics::strict && !jit::is_direct(decision.algorithm)) {
    fail("algorithm " + base::quoted(decision.algorithm) + " is none of strict numerics");
  }
}

}  // namespace

std::vector<bool> hand_made(const std::vector<graph::Group>& groups, const SessionOptions& options) {
  std::vector<bool> result;
  for (const graph::Group& group : groups) result.push_back(!group.host && options.decisions.contains(group.name));
  return result;
}

std::string where_hand_made(const graph::Group& group) {
  return "option decisions: group " + base::quoted(group.name) + " (" + group.ops + ")";
}

void check_decision(const jit::GroupDecision& decision, const graph::Group& group) {
  const jit::Computation c = jit::apply_algorithm(group.computation, decision.algorithm);
  for (const auto& [tensor, layout] : decision.layouts) {
    if (c.find_tensor(tensor) < 0) throw Error(ErrorCode::invalid_argument, "there is no tensor '" + tensor + "'");
  }
  if (decision.provider == "own") {
    jit::lower(c, decision.layouts, decision.schedule);
  } else {
    open_provider(decision.provider);
    jit::provide(c, decision, "check");
  }
}

void apply_hand_made(const std::vector<graph::Group>& groups, const SessionOptions& options,
                     graph::Decisions& decisions) {
  for (const auto& [name, decision] : options.decisions) {
    const auto group =
        std::find_if(groups.begin(), groups.end(), [&](const graph::Group& g) { return !g.host && g.name == name; });
    if (group == groups.end()) {
      std::string known;
      for (const graph::Group& g : groups) {
        if (!g.host) known += (known.empty() ? "" : ", ") + base::quoted(g.name);
      }
      throw Error(ErrorCode::invalid_argument, "option decisions: there is no group " + base::quoted(name) +
                                                   "; there are " + (known.empty() ? "none" : known));
    }
    try {
      check_allowed(decision, options);
      check_decision(decision, *group);
    } catch (const Error& error) {
      throw Error(error.code(), where_hand_made(*group) + ": " + error.what());
    }
    decisions[static_cast<size_t>(group - groups.begin())] = decision;
  }
}

std::string mode_of_hand_made(const SessionOptions& options) {
  if (options.decisions.empty()) return "";
  base::Hasher hasher;
  for (const auto& [group, decision] : options.decisions) hasher.add(group).add(jit::to_string(decision));
  return " decisions=" + base::hex(hasher.value());
}

}  // namespace altrt::session
