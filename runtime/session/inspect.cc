#include "runtime/session/inspect.h"

#include <altrt/error.h>

#include <algorithm>
#include <vector>

#include "runtime/base/env.h"
#include "runtime/base/float_environment.h"
#include "runtime/base/log.h"
#include "runtime/session/options.h"
#include "runtime/session/stages.h"

namespace altrt::session {
namespace {

// In the order of compilation: a stage's level of ALTRT_DEBUG is its place, counted from 1.
std::vector<std::string> stages_of(const jit::Target& target) {
  if (target.is_gpu()) return {"graph", "groups", "layouts", "nests", "cuda"};
  return {"graph", "groups", "layouts", "nests", "llvm", "asm"};
}

constexpr size_t kFirstOfCode = 3;

int level_of(const std::string& stage, const std::vector<std::string>& stages) {
  return static_cast<int>(std::find(stages.begin(), stages.end(), stage) - stages.begin()) + 1;
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

std::string inspect(const std::string& stage, const Compilation& c) {
  if (stage == "graph") return c.graph_text;
  if (stage == "groups") return graph::to_string(c.groups, c.graph);
  if (stage == "layouts") return graph::layouts_to_string(c.graph, c.groups, c.decisions);
  if (stage == "plan" && c.plan) return plan::to_string(*c.plan);
  std::vector<std::string> stages = stages_of(c.target);
  if (std::find(stages.begin() + kFirstOfCode, stages.end(), stage) != stages.end()) {
    return code_text(stage, c.groups, c.decisions, c.target);
  }
  if (c.plan) stages.emplace_back("plan");
  std::string list;
  for (const std::string& name : stages) list += (list.empty() ? "" : ", ") + name;
  throw Error(ErrorCode::invalid_argument, "there is no stage '" + stage + "'; there are " + list);
}

void check_stage(const char* name, base::FunctionRef<void()> verify, base::FunctionRef<std::string()> print) {
  if (base::debug_level() >= level_of(name, stages_of({}))) base::debug_print(name, print());
  if (base::verify_stages()) verify();
}

void print_code(const std::vector<graph::Group>& groups, const graph::Decisions& decisions, const jit::Target& target) {
  const std::vector<std::string> stages = stages_of(target);
  for (size_t i = kFirstOfCode; i < stages.size(); ++i) {
    if (base::debug_level() < level_of(stages[i], stages)) return;
    base::debug_print(stages[i], code_text(stages[i], groups, decisions, target));
  }
}

}  // namespace altrt::session

namespace altrt {

std::string inspect(const Model& model, const SessionOptions& options, const std::string& stage) {
  const base::LogScope log_scope = session::log_to(options);
  const base::FloatEnvironment float_environment;
  session::check_options(options, model);
  const jit::Target target = session::shown_target(options);
  const graph::Graph graph =
      graph::simplify(session::graph_of(model, options.operators), options.input_shapes, options.dimensions);
  const std::vector<graph::Group> groups = graph::form_groups(graph, graph::grouping_for(target));
  const graph::Decisions decisions = session::choose_decisions(graph, groups, target, options);
  return session::inspect(stage, {graph::to_string(graph), graph, groups, decisions, target});
}

}  // namespace altrt
