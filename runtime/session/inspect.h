// Stages as text: for Session::inspect, for ALTRT_DEBUG, and verified on request.
#pragma once

#include <string>

#include "runtime/base/function_ref.h"
#include "runtime/plan/plan.h"

namespace altrt::session {

/// What the stages are printed from.
struct Compilation {
  const std::string& graph_text;
  const graph::Graph& graph;  // its weights may be gone
  const std::vector<graph::Group>& groups;
  const graph::Decisions& decisions;
  const jit::Target& target;
  const plan::Plan* plan = nullptr;  // null: there is no such stage
};

/// Error(invalid_argument) lists the stages that the target has.
std::string inspect(const std::string& stage, const Compilation& compilation);

/// Runs the verifier if ALTRT_VERIFY=1 is in the environment, and prints the stage to stderr at its level of
/// ALTRT_DEBUG.
void check_stage(const char* name, base::FunctionRef<void()> verify, base::FunctionRef<std::string()> print);

/// Nests, LLVM IR or CUDA, and machine code of every group to stderr, at ALTRT_DEBUG levels 4 to 6.
void print_code(const std::vector<graph::Group>& groups, const graph::Decisions& decisions, const jit::Target& target);

}  // namespace altrt::session
