// One node on its own: its Computation, and its results by the reference evaluator.
#pragma once

#include <span>
#include <vector>

#include "jit/expr/computation.h"
#include "runtime/ops/op.h"

namespace altrt::graph {

/// The Computation of one node, not a host operator: tensors are the present inputs in order (role constant where the
/// data is known), then one output per result.
jit::Computation node_computation(const ops::NodeInfo& info, const ops::OpDef& op,
                                  const std::vector<ops::ResultType>& results);

/// How many points of iteration the reference evaluator would visit.
double evaluation_work(const jit::Computation& computation);

/// Runs one node with the reference evaluator or its host function. One view per input of the node; absent inputs have
/// no data. One tensor per result.
std::vector<Tensor> run_node(const ops::NodeInfo& info, const ops::OpDef& op,
                             const std::vector<ops::ResultType>& results, std::span<const TensorView> inputs);

/// The same where the node only moves whole tensors: without the evaluator. False if it is not such a node.
bool run_move(const ops::NodeInfo& info, const std::vector<ops::ResultType>& results,
              std::span<const TensorView> inputs, std::vector<Tensor>& out);

}  // namespace altrt::graph
