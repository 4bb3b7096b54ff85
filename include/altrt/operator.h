// Operators of the user's own: an ONNX node's shapes and its Computation, defined by two functions.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <altrt/computation.h>
#include <altrt/error.h>
#include <altrt/export.h>
#include <altrt/model.h>
#include <altrt/tensor.h>

namespace altrt {

/// An input as an operator sees it: types and shapes are static (symbolic dimensions have been fixed). `data` is not
/// null if the value is known at load: then shape arithmetic can use it.
struct ALTRT_API Operand {
  DataType type = DataType::f32;
  Shape shape;
  const Tensor* data = nullptr;

  /// The value as integers. Requires data and an integer type.
  std::vector<int64_t> integers() const;
};

struct ALTRT_API ResultType {
  DataType type = DataType::f32;
  Shape shape;
};

/// Attribute values of one node beyond altrt::Attribute's kinds: tensors (Constant, ConstantOfShape).
struct ALTRT_API NodeAttributes {
  AttributeMap values;
  std::map<std::string, std::shared_ptr<const Tensor>> tensors;
};

/// One node with everything an operator may ask; what it points to lives until the call it was handed to returns.
/// Accessors throw Error(invalid_model) with `where` and the field when a required thing is missing or of the wrong
/// kind.
class ALTRT_API NodeInfo {
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

/// Adds an operator's stages to a Computation. Tensor numbers of inputs (-1 absent) and outputs (-1 not wanted) are
/// given; the declarations (type, shape, role) exist already. Names that are taken get a number: axes keep their
/// conventional names (n, o, h, ...) wherever they can, so that schedules read the same in every model; stages and
/// intermediates are named after `prefix`. The Computation must outlive the builder. Not thread-safe. Calls throw
/// Error(invalid_argument) on a tensor number that does not exist; whether the stages make sense is left to verify().
class ALTRT_API ComputationBuilder {
 public:
  ComputationBuilder(Computation& computation, std::vector<int> inputs, std::vector<int> outputs, std::string prefix);

  const Computation& computation() const { return computation_; }
  /// Tensor numbers; -1 where the input is absent or the output not wanted.
  int input(int i) const { return i < static_cast<int>(inputs_.size()) ? inputs_[i] : -1; }
  int output(int i = 0) const { return i < static_cast<int>(outputs_.size()) ? outputs_[i] : -1; }
  /// Shape of a tensor as plain extents.
  Shape shape(int tensor) const;
  DataType type(int tensor) const;
  /// Element of a tensor.
  Expr at(int tensor, Exprs indices) const;
  /// Element of tensor at the axes of a point of shape `point.size()`, by numpy broadcasting (size-1 dimensions read
  /// index 0).
  Expr broadcast_at(int tensor, const Exprs& point) const;
  /// Axes for a shape, with unique names made from `names` (or d0, d1, ...).
  std::vector<Axis> axes(const Shape& shape, const std::vector<std::string>& names = {});
  /// A new intermediate tensor.
  int intermediate(const std::string& name, DataType type, const Shape& shape);
  /// A stage without reduction: tensor[store] = value for every point of the axes; `store` may be absent: the axes
  /// themselves. Nothing is added where an extent is zero. Returns the stage number or -1.
  int map(int tensor, const std::vector<Axis>& axes, const Expr& value, Exprs store = {});
  /// A stage with one state value: tensor[axes] = finalise(reduce). `finalise` may be absent (the state itself).
  /// Reduction axes of extent 1 are dropped; without any left, or with an empty one, the stage is a map. Returns the
  /// stage number or -1.
  int reduce(int tensor, const std::vector<Axis>& axes, const std::vector<Axis>& reduce, const StateValue& state,
             const Expr& finalise = {});
  /// As reduce for several state values and outputs (of one shape); outputs that are -1 are left out.
  int reduce_many(const std::vector<int>& tensors, const std::vector<Axis>& axes, const std::vector<Axis>& reduce,
                  const std::vector<StateValue>& state, const Exprs& results);
  /// `name`, or with a number appended if that is taken; taken from then on.
  std::string unique(const std::string& name);

  /// For the library itself.
  /// Makes `anchor` the Computation's, unless its stage does not reduce or a heavier anchor is there. Of equal ones the
  /// last counts.
  void set_anchor(const Anchor& anchor);

 private:
  int add_stage(Stage stage);
  const TensorDecl& declaration(int tensor) const;

  Computation& computation_;
  std::vector<int> inputs_, outputs_;
  std::string prefix_;
  std::set<std::string> names_;
};

/// An operator that the library doesn't have. Given to a session (SessionOptions::operators) it takes part in
/// everything that the library's own do: fusion with its neighbours, the reference evaluator, code for CPUs and GPUs,
/// tuning, records.
///
/// Both functions must be pure (equal nodes give equal results): nodes may be merged, computed once at load, or found
/// in a cache by what they define. They are called in the thread that makes a session (or inspects, or evaluates), any
/// number of times a node, and not after that; sessions made in several threads call them at the same time. What they
/// throw reaches the caller as an Error that names the node: an Error keeps its code, anything else that is a
/// std::exception becomes Error(invalid_argument).
struct ALTRT_API CustomOperator {
  std::string domain;  ///< of the ONNX node: "example". "" = ai.onnx: an operator that the library lacks
  std::string type;    ///< "GatedSum"; the domain's opset does not matter
  /// Types and shapes of all outputs. Validates inputs and attributes: NodeInfo::fail(message) names the node. All
  /// shapes are known and fixed.
  std::function<std::vector<ResultType>(const NodeInfo&)> infer;
  /// Adds the stages that make every output from the inputs. What they are may depend on types, shapes and attributes;
  /// on data only where Operand::data is known for every use.
  std::function<void(const NodeInfo&, ComputationBuilder&)> define;
};

/// What the compiler sees of the operator alone, applied to these inputs: tensors x0, x1, ... (w0, ... where `data` is
/// given), y0, ..., stages s0, ... Errors of its functions; Error(invalid_argument) where the operator is incomplete or
/// the Computation does not verify.
ALTRT_API Computation instantiate(const CustomOperator& op, const std::vector<Operand>& inputs,
                                  const AttributeMap& attributes = {}, int outputs = 1);

}  // namespace altrt
