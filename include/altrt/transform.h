// Layouts and loops by hand: what the tuner does to a group of operators, as a library of its own.
//
// A Computation says what is computed (computation.h, made by a ComputationBuilder or taken from a model by
// inspect_groups). A GroupDecision says how: an algorithm, a Layout for each tensor (layout.h) and a StageSchedule for
// each stage (schedule.h). All are plain values: copy them, change the copy, compare. nests() shows the loops that they
// make and run() runs them; SessionOptions::decisions takes a decision into a session, SessionOptions::operators a
// Computation of the user's own.
//
//     altrt::Computation c = altrt::inspect_groups(model)[0].computation;
//     altrt::GroupDecision d;
//     d.layouts["x0"].split(1, {0, 8}).reorder({0, 1, 3, 4, 2});
//     d.schedule["s0"].split("w", 6, altrt::Tail::balance).vectorize("o.1").parallel("n");
//     std::puts(altrt::nests(c, d).c_str());
//
// split, vectorize and the like only append a step to a value. Whether it fits is found where the value is put to use,
// before any code is made: Error(invalid_argument) names the tensor or stage, the step and the reason. Tensors that are
// passed in are read during the call only; what is returned belongs to the caller. Shapes and layouts count elements.
// Every function here is pure and may be called from any thread. Source: "ALT: Breaking the Wall between Data Layout
// and Loop Optimizations for Deep Learning Compilation" (EuroSys'23, arXiv 2210.12415), sections 4 and 5.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <altrt/computation.h>
#include <altrt/decision.h>
#include <altrt/export.h>
#include <altrt/expr.h>
#include <altrt/layout.h>
#include <altrt/model.h>
#include <altrt/operator.h>
#include <altrt/schedule.h>
#include <altrt/session.h>
#include <altrt/tensor.h>

namespace altrt {

/// The loops of every kernel that the decision makes of the Computation, C-like, one line a statement. With an empty
/// decision: one serial loop an axis, row-major tensors. Error(invalid_argument) names the stage (or tensor), the
/// primitive and the reason where one can't be applied.
ALTRT_API std::string nests(const Computation& c, const GroupDecision& decision = {});

/// The Computation's outputs straight from its definition: slow, without code. `inputs`: the tensors of roles input and
/// constant by name, row-major. Error(invalid_argument) where one is missing, or its type or shape differs, or an
/// extent is symbolic.
ALTRT_API std::map<std::string, Tensor> evaluate(const Computation& c, const std::map<std::string, TensorView>& inputs);

/// The same by code for this CPU, made as the decision says (of provider "own"), on the calling thread. Inputs and
/// outputs are row-major: they are brought into the decision's layouts and back. Errors of nests() and evaluate(), and
/// Error(unsupported) for decisions that make too much code, or code for GPUs only.
ALTRT_API std::map<std::string, Tensor> run(const Computation& c, const GroupDecision& decision,
                                            const std::map<std::string, TensorView>& inputs);

/// Operators of a model that are compiled together.
struct ALTRT_API GroupInfo {
  std::string name;         ///< unique in the model; what SessionOptions::decisions wants
  std::string op;           ///< operators it covers, "Conv+Add+Relu"
  bool host = false;        ///< runs as a host function: there is no Computation
  Computation computation;  ///< tensors x0, x1, ... (inputs), w0, ... (constants), y0, ... (outputs)
  GroupDecision decision;   ///< what a session without a cache starts from
};

/// The groups of a model, in the order in which they run, as a session with these options would form them. Errors as
/// Session's.
ALTRT_API std::vector<GroupInfo> inspect_groups(const Model& model, const SessionOptions& options = {});

}  // namespace altrt
