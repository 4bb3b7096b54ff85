// Operators: what the graph knows of each, from one row in ops.def and one short file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <altrt/error.h>
#include <altrt/model.h>
#include <altrt/tensor.h>

#include "jit/expr/computation.h"

namespace altrt::ops {

/// An input as an operator sees it: types and shapes are static (symbolic dimensions have been fixed). `data` is not null if the value is
/// known at load: then shape arithmetic can use it.
struct Operand {
  DataType type = DataType::f32;
  Shape shape;
  const Tensor* data = nullptr;

  /// The value as integers. Requires data and an integer type.
  std::vector<int64_t> integers() const;
};

struct ResultType {
  DataType type = DataType::f32;
  Shape shape;
};

/// Attribute values of one node beyond altrt::Attribute's kinds: tensors (Constant, ConstantOfShape).
struct NodeAttributes {
  AttributeMap values;
  std::map<std::string, std::shared_ptr<const Tensor>> tensors;
};

/// One node with everything an operator may ask. Accessors throw Error(invalid_model) with `where` and the field when a required thing is missing or
/// of the wrong kind.
class NodeInfo {
 public:
  std::string where;  // "resnet18.onnx: node 'conv1' (Conv)"
  std::string type;
  std::string domain;
  int opset = 17;
  const NodeAttributes* attributes = nullptr;
  std::vector<std::optional<Operand>> inputs;  // absent optional inputs are nullopt
  int outputs = 1;

  bool has_input(int i) const { return i < static_cast<int>(inputs.size()) && inputs[i].has_value(); }
  const Operand& input(int i) const;
  /// Input i as integers; Error(unsupported) if it is not known at load.
  std::vector<int64_t> constant_input(int i) const;
  bool has_attribute(const std::string& name) const;
  int64_t integer(const std::string& name) const;
  int64_t integer(const std::string& name, int64_t otherwise) const;
  float real(const std::string& name, float otherwise) const;
  std::string text(const std::string& name, const std::string& otherwise) const;
  std::vector<int64_t> integers(const std::string& name) const;
  std::vector<int64_t> integers(const std::string& name, std::vector<int64_t> otherwise) const;
  std::vector<float> reals(const std::string& name, std::vector<float> otherwise) const;
  const Tensor* tensor(const std::string& name) const;
  /// An axis in [-rank, rank) made non-negative.
  int64_t axis(int64_t value, size_t rank) const;

  [[noreturn]] void fail(const std::string& message, ErrorCode code = ErrorCode::invalid_model) const;
};

/// Adds a node's stages to a Computation. Tensor numbers of inputs (-1 absent) and outputs are given; the outputs' declarations (type, shape, role
/// output) exist already.
class Builder {
 public:
  Builder(jit::Computation& computation, std::vector<int> inputs, std::vector<int> outputs, std::string prefix)
      : computation_(computation), inputs_(std::move(inputs)), outputs_(std::move(outputs)), prefix_(std::move(prefix)) {}

  jit::Computation& computation() { return computation_; }
  int input(int i) const { return inputs_.at(i); }
  int output(int i = 0) const { return outputs_.at(i); }
  /// Shape of a tensor as plain extents.
  Shape shape(int tensor) const;
  DataType type(int tensor) const { return computation_.tensors[tensor].type; }
  /// Element of a tensor.
  jit::Expr at(int tensor, jit::Exprs indices) const;
  /// Element of tensor at the axes of a point of shape `point.size()`, by numpy broadcasting (size-1 dimensions read index 0).
  jit::Expr broadcast_at(int tensor, const jit::Exprs& point) const;
  /// Axes for a shape, with unique names made from the prefix and `names` (or d0, d1, ...).
  std::vector<jit::Axis> axes(const Shape& shape, const std::vector<std::string>& names = {}) const;
  /// A new intermediate tensor.
  int intermediate(const std::string& name, DataType type, const Shape& shape);
  /// A stage without reduction: tensor[axes] = value.
  void map(int tensor, const std::vector<jit::Axis>& axes, const jit::Expr& value);
  /// A stage with one state value: tensor[axes] = finalise(reduce). `finalise` may be absent (the state itself). Returns the stage number.
  int reduce(int tensor, const std::vector<jit::Axis>& axes, const std::vector<jit::Axis>& reduce,
             const jit::StateValue& state, const jit::Expr& finalise = {});
  std::string unique(const std::string& name) const;

 private:
  jit::Computation& computation_;
  std::vector<int> inputs_, outputs_;
  std::string prefix_;
};

/// How the grouping pass may treat an operator.
enum class Pattern : uint8_t {
  elementwise,  // one output element from the same element (broadcast) of each input
  move,         // a pure index map (transpose, reshape, slice, concat, expand, gather, pad)
  reduction,    // contains a reduction; may take elementwise producers and consumers
  anchor,       // conv, matmul, pool: heads a group with its epilogue
  normalize,    // several stages over a row: softmax, layer norm
  host          // runs as a host function
};

struct OpDef {
  const char* domain;
  const char* type;
  int min_opset, max_opset;  // inclusive
  Pattern pattern;
  /// Types and shapes of the outputs; validates every attribute and input.
  std::vector<ResultType> (*infer)(const NodeInfo&);
  /// Stages; null for host operators.
  void (*build)(const NodeInfo&, Builder&);
  /// Host function; null otherwise. Outputs are allocated by the caller with infer's shapes.
  void (*host)(const NodeInfo&, std::span<const TensorView> inputs, std::span<TensorView> outputs);
};

/// nullptr if no row fits; then why_unsupported says whether the name or the opset is at fault.
const OpDef* find_op(std::string_view domain, std::string_view type, int opset);
std::string why_unsupported(std::string_view domain, std::string_view type, int opset);
std::span<const OpDef> all_ops();

}  // namespace altrt::ops
