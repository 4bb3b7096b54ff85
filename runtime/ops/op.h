// Operators: what the graph knows of each, from one row in ops.def and one short file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <altrt/error.h>
#include <altrt/model.h>
#include <altrt/tensor.h>

#include "jit/expr/computation.h"

namespace altrt::ops {

/// An input as an operator sees it: types and shapes are static (symbolic dimensions have been fixed). `data` is not
/// null if the value is known at load: then shape arithmetic can use it.
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

/// One node with everything an operator may ask. Accessors throw Error(invalid_model) with `where` and the field when a
/// required thing is missing or of the wrong kind.
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
  /// Input i as integers; Error(unsupported) "input 'name' is not known at load" if it is not.
  std::vector<int64_t> constant_input(int i, const char* name) const;
  bool has_attribute(const std::string& name) const;
  int64_t integer(const std::string& name) const;
  int64_t integer(const std::string& name, int64_t otherwise) const;
  float real(const std::string& name, float otherwise) const;
  std::string text(const std::string& name, const std::string& otherwise) const;
  std::vector<int64_t> integers(const std::string& name) const;
  std::vector<int64_t> integers(const std::string& name, const std::vector<int64_t>& otherwise) const;
  std::vector<float> reals(const std::string& name, const std::vector<float>& otherwise) const;
  const Tensor* tensor(const std::string& name) const;
  /// An axis in [-rank, rank) made non-negative.
  int64_t axis(int64_t value, size_t rank) const;

  [[noreturn]] void fail(const std::string& message, ErrorCode code = ErrorCode::invalid_model) const;
};

/// Adds a node's stages to a Computation. Tensor numbers of inputs (-1 absent) and outputs (-1 not wanted) are given;
/// the outputs' declarations (type, shape, role output) exist already. Names that are taken get a number: axes keep
/// their conventional names (n, o, h, ...) wherever they can, so that schedules read the same in every model; stages
/// and intermediates are named after `prefix`.
class Builder {
 public:
  Builder(jit::Computation& computation, std::vector<int> inputs, std::vector<int> outputs, std::string prefix);

  jit::Computation& computation() { return computation_; }
  /// Tensor numbers; -1 where the input is absent or the output not wanted.
  int input(int i) const { return i < static_cast<int>(inputs_.size()) ? inputs_[i] : -1; }
  int output(int i = 0) const { return i < static_cast<int>(outputs_.size()) ? outputs_[i] : -1; }
  /// Shape of a tensor as plain extents.
  Shape shape(int tensor) const;
  DataType type(int tensor) const { return computation_.tensors[tensor].type; }
  /// Element of a tensor.
  jit::Expr at(int tensor, jit::Exprs indices) const;
  /// Element of tensor at the axes of a point of shape `point.size()`, by numpy broadcasting (size-1 dimensions read
  /// index 0).
  jit::Expr broadcast_at(int tensor, const jit::Exprs& point) const;
  /// Axes for a shape, with unique names made from `names` (or d0, d1, ...).
  std::vector<jit::Axis> axes(const Shape& shape, const std::vector<std::string>& names = {});
  /// A new intermediate tensor.
  int intermediate(const std::string& name, DataType type, const Shape& shape);
  /// A stage without reduction: tensor[store] = value for every point of the axes; `store` may be absent: the axes
  /// themselves. Nothing is added where an extent is zero. Returns the stage number or -1.
  int map(int tensor, const std::vector<jit::Axis>& axes, const jit::Expr& value, jit::Exprs store = {});
  /// A stage with one state value: tensor[axes] = finalise(reduce). `finalise` may be absent (the state itself).
  /// Reduction axes of extent 1 are dropped; without any left, or with an empty one, the stage is a map. Returns the
  /// stage number or -1.
  int reduce(int tensor, const std::vector<jit::Axis>& axes, const std::vector<jit::Axis>& reduce,
             const jit::StateValue& state, const jit::Expr& finalise = {});
  /// As reduce for several state values and outputs (of one shape); outputs that are -1 are left out.
  int reduce_many(const std::vector<int>& tensors, const std::vector<jit::Axis>& axes,
                  const std::vector<jit::Axis>& reduce, const std::vector<jit::StateValue>& state,
                  const jit::Exprs& results);
  /// Makes `anchor` the Computation's, unless its stage does not reduce or a heavier (or equal, earlier) anchor is
  /// there.
  void set_anchor(const jit::Anchor& anchor);
  /// `name`, or with a number appended if that is taken; taken from then on.
  std::string unique(const std::string& name);

 private:
  int add_stage(jit::Stage stage);

  jit::Computation& computation_;
  std::vector<int> inputs_, outputs_;
  std::string prefix_;
  std::set<std::string> names_;
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
  /// Host function; null otherwise. Outputs are allocated by the caller with infer's shapes (an output that nobody
  /// wants has no data). Shape and Size never look at the data of their input: they can run as soon as its shape is
  /// known.
  void (*host)(const NodeInfo&, std::span<const TensorView> inputs, std::span<TensorView> outputs);
};

/// nullptr if no row fits; then why_unsupported says whether the name or the opset is at fault.
const OpDef* find_op(std::string_view domain, std::string_view type, int opset);
std::string why_unsupported(std::string_view domain, std::string_view type, int opset);
std::span<const OpDef> all_ops();

}  // namespace altrt::ops
