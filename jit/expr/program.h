// Programs: expressions compiled to a small register code, for the evaluator of Computations and the interpreter of
// nests. Some hundred times faster than walking the tree, with the same meaning to the last bit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jit/expr/expr.h"

namespace altrt::jit {

/// One register. Booleans and integers of every width live in `i` (sign- or zero-extended), f32 in `f`, f64 in `d`.
union Value {
  int64_t i;
  double d;
  float f;
};

/// A tensor or buffer that a program reads or a caller writes: dense, row-major.
struct Binding {
  void* data = nullptr;
  DataType type = DataType::f32;
  std::vector<int64_t> shape;
  std::string name;                  // for messages
  const uint8_t* written = nullptr;  // if given, one byte an element: 0 = never written, reading it is an error

  /// Row-major element number; Error(internal) names the tensor and the index outside its shape. `indices`: one per
  /// dimension.
  int64_t element(const int64_t* indices) const;
  Value load(int64_t element) const;
  void store(int64_t element, Value value) const;
};

/// A few expressions compiled together; shared parts are computed once. Immutable: many threads may run it, each with
/// its own registers.
class Program {
 public:
  struct Options {
    /// Accesses may be done as soon as their indices are known, and once for all values of inner variables. Only where
    /// nothing writes the tensors while the loops run.
    bool hoist = false;
    /// Types of the enclosing stage's state values, read by `state` and `other`.
    std::vector<DataType> states;
  };

  /// `variables`: names of the loop variables, outermost first; any other variable is refused. Elementary functions
  /// must have been expanded (math.h). Error(internal) on anything that can't be compiled.
  Program(const Exprs& roots, const std::vector<std::string>& variables, const Options& options);
  Program(const Exprs& roots, const std::vector<std::string>& variables) : Program(roots, variables, Options()) {}

  /// Fresh registers, constants filled in. Register k is variable k.
  std::vector<Value> registers() const { return initial_; }
  int state_register(int k) const { return state_base_ + k; }
  int other_register(int k) const { return state_base_ + states_ + k; }
  int result_register(int root) const { return results_[root]; }

  /// Computes the results from the variables and states in `registers`. `bindings[id]` is what access number `id`
  /// reads. After a full run (first_changed = -1) it is enough to name the outermost variable that changed since (the
  /// number of variables: only states did). Error(internal) if an access or a table look-up that is performed lies
  /// outside.
  void run(Value* registers, const std::vector<Binding>& bindings, int first_changed = -1) const;

  enum class Op : uint8_t;
  struct Instruction {
    Op op;
    DataType type = DataType::i64;
    int32_t to = 0, a = 0, b = 0,
            c = 0;  // registers; `b` also a jump's target, the first of an access's index registers in index_registers_
    int32_t id = 0;  // access: binding; table: table number; call: helper number
  };

 private:
  friend class ProgramBuilder;

  std::vector<Instruction> code_;
  std::vector<int32_t>
      sections_;  // start of the code to run when variable k - 1 (and inner ones) changed; section 0 depends on none
  std::vector<int32_t> index_registers_;
  std::vector<std::shared_ptr<const std::vector<double>>> tables_;
  std::vector<const void*> functions_;
  std::vector<Value> initial_;
  std::vector<int32_t> results_;
  int state_base_ = 0;
  int states_ = 0;
};

}  // namespace altrt::jit
