// Operators: what the graph knows of each, from one row in ops.def and one short file.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <altrt/error.h>
#include <altrt/operator.h>
#include <altrt/tensor.h>

#include "jit/expr/computation.h"

namespace altrt::ops {

using altrt::NodeAttributes;
using altrt::NodeInfo;
using altrt::Operand;
using altrt::ResultType;
using Builder = altrt::ComputationBuilder;

/// How the grouping pass may treat an operator.
enum class Pattern : uint8_t {
  elementwise,  // one output element from the same element (broadcast) of each input
  move,         // a pure index map (transpose, reshape, slice, concat, expand, gather, pad)
  reduction,    // contains a reduction; may take elementwise producers and consumers
  anchor,       // conv, matmul, pool: heads a group with its epilogue
  normalize,    // several stages over a row: softmax, layer norm
  host,         // runs as a host function
  derived       // what the operator's Computation looks like: operators of the user's own
};

struct OpDef {
  const char* domain = "";
  const char* type = "";
  int min_opset = 0, max_opset = 0;  // inclusive
  Pattern pattern = Pattern::host;
  /// Types and shapes of the outputs; validates every attribute and input.
  std::function<std::vector<ResultType>(const NodeInfo&)> infer;
  /// Stages; empty for host operators.
  std::function<void(const NodeInfo&, Builder&)> build;
  /// Host function; null otherwise. Outputs are allocated by the caller with infer's shapes (an output that nobody
  /// wants has no data). Shape and Size never look at the data of their input: they can run as soon as its shape is
  /// known.
  void (*host)(const NodeInfo&, std::span<const TensorView> inputs, std::span<TensorView> outputs) = nullptr;
};

/// The operator's infer, and Error(invalid_model) if the node has more outputs than the operator makes.
std::vector<ResultType> infer(const OpDef& op, const NodeInfo& node);

/// nullptr if no row fits; then why_unsupported says whether the name or the opset is at fault.
const OpDef* find_op(std::string_view domain, std::string_view type, int opset);
std::string why_unsupported(std::string_view domain, std::string_view type, int opset);
std::span<const OpDef> all_ops();

}  // namespace altrt::ops
