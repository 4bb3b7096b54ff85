#include "runtime/session/inspect.h"

#include <altrt/error.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "runtime/base/env.h"
#include "runtime/base/log.h"

namespace altrt::session {
namespace {

// In the order of compilation: a stage's level of ALTRT_DEBUG is its place, counted from 1.
constexpr const char* kStages[] = {"graph", "groups", "layouts", "nests", "llvm", "asm", "plan"};

int level_of(const std::string& stage) {
  const auto found = std::find(std::begin(kStages), std::end(kStages), stage);
  return static_cast<int>(found - std::begin(kStages)) + 1;
}

std::string code_text(const std::string& stage, const std::vector<graph::Group>& groups,
                      const graph::Decisions& decisions, const jit::Target& target) {
  std::string text;
  for (size_t g = 0; g < groups.size(); ++g) {
    text += "// group " + groups[g].name + " (" + groups[g].ops + ")\n";
    text += groups[g].host ? "// host function\n" : jit::inspect(groups[g].computation, decisions[g], target, stage);
  }
  return text;
}

}  // namespace

std::string inspect(const std::string& stage, const plan::Plan& plan, const std::string& graph_text,
                    const jit::Target& target) {
  if (stage == "graph") return graph_text;
  if (stage == "groups") return graph::to_string(plan.groups, *plan.graph);
  if (stage == "layouts") return graph::layouts_to_string(*plan.graph, plan.groups, plan.decisions);
  if (stage == "plan") return plan::to_string(plan);
  if (stage == "nests" || stage == "llvm" || stage == "asm") {
    return code_text(stage, plan.groups, plan.decisions, target);
  }
  std::string list;
  for (const char* name : kStages) list += (list.empty() ? "" : ", ") + std::string(name);
  throw Error(ErrorCode::invalid_argument, "there is no stage '" + stage + "'; there are " + list);
}

void check_stage(const char* name, base::FunctionRef<void()> verify, base::FunctionRef<std::string()> print) {
  if (base::debug_level() >= level_of(name)) base::debug_print(name, print());
  if (base::verify_stages()) verify();
}

void print_code(const std::vector<graph::Group>& groups, const graph::Decisions& decisions, const jit::Target& target) {
  for (const char* stage : {"nests", "llvm", "asm"}) {
    if (base::debug_level() >= level_of(stage)) base::debug_print(stage, code_text(stage, groups, decisions, target));
  }
}

}  // namespace altrt::session
