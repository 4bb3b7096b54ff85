// What each operator's file defines: one Implementation constant for every type in ops.def.
#pragma once

#include "runtime/ops/op.h"

namespace altrt::ops {

/// The functions behind one row of ops.def, with OpDef's contracts.
struct Implementation {
  std::vector<ResultType> (*infer)(const NodeInfo&);
  void (*build)(const NodeInfo&, Builder&) = nullptr;
  void (*host)(const NodeInfo&, std::span<const TensorView> inputs, std::span<TensorView> outputs) = nullptr;
};

// kRelu, kConv, ...
#define ALTRT_OP(domain, type, min_opset, max_opset, pattern) extern const Implementation k##type;
#include "runtime/ops/ops.def"
#undef ALTRT_OP

}  // namespace altrt::ops
