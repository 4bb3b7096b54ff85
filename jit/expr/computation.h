// Computation: what the compiler sees of a fusion group. Tensors and stages in topological order; no loops, no layouts,
// no storage.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "jit/expr/expr.h"
#include "jit/expr/simplify.h"

namespace altrt::jit {

/// An extent that is constant, or known only at run time with an upper bound. Only the outermost axis of a tensor or
/// stage may be symbolic; its value arrives in the kernel's `sizes[size_index]`.
struct Extent {
  int64_t bound = 0;
  int size_index = -1;  // -1: the extent is `bound`

  Extent() = default;
  Extent(int64_t value) : bound(value) {}  // NOLINT
  static Extent symbolic(int64_t bound, int size_index) {
    Extent e(bound);
    e.size_index = size_index;
    return e;
  }
  bool is_symbolic() const { return size_index >= 0; }
  bool operator==(const Extent&) const = default;
};

enum class Role : uint8_t {
  input,        // given by the caller
  constant,     // an input whose contents never change: may be packed once
  output,       // written by exactly one stage per element
  intermediate  // lives inside the group
};

struct TensorDecl {
  std::string name;  // unique within the Computation
  DataType type = DataType::f32;
  std::vector<Extent> shape;
  Role role = Role::input;
};

struct Axis {
  std::string
      name;  // unique within the Computation; conventional names: n c h w d (spatial), o i (channels), kd kh kw, m k b
  Extent extent;
};

/// One value of a reduction's state. All state values update together from the previous ones.
struct StateValue {
  DataType type = DataType::f32;
  Expr init;     // no accesses; the neutral element, so that chunks may each start from it
  Expr update;   // new value from state(0..), accesses, spatial and reduction axes
  Expr combine;  // new value from state(0..) and other(0..); may be absent: then the reduction can't be split
};

/// One stage computes, for every point of its spatial axes, the state over all points of the reduction axes and from it
/// one result per output tensor. Reduction axes run in order, the first outermost; implementations may run them in
/// another order.
struct Stage {
  std::string name;  // unique within the Computation
  std::vector<Axis> axes;
  std::vector<Axis> reduce;
  std::vector<StateValue> state;  // empty exactly when `reduce` is empty
  std::vector<int> outputs;       // tensor numbers; all outputs share shape and store index
  /// Where the point is written: one index per output dimension, affine in `axes`. Usually the axes themselves; a slice
  /// of a shared output (concat) adds an offset, a sub-lattice (transposed convolution by phases) multiplies.
  Exprs store;
  Exprs results;  // one per output: from state(k), accesses and axes
};

/// What a group is built round; templates and heuristics dispatch on it.
enum class AnchorKind : uint8_t { none, conv, conv_transpose, matmul, pool, reduce, normalize };

struct Anchor {
  AnchorKind kind = AnchorKind::none;
  int stage = -1;  // the stage that does the work
  // Convolutions and pools: one entry per spatial dimension. pads: all begins, then all ends.
  std::vector<int64_t> kernel, strides, dilations, pads;
  int64_t groups = 1;
  // Tensor numbers of the anchor's operands; -1 where there is none.
  int data = -1;     // activations (A of a matrix product)
  int weights = -1;  // weights (B of a matrix product)
};

/// A named constant of the result of an algorithm: which function Computation -> Computation made it.
struct Computation {
  std::string name;
  std::vector<TensorDecl> tensors;
  std::vector<Stage> stages;  // topological order
  Anchor anchor;
  std::string algorithm = "direct";

  int add_tensor(TensorDecl decl);                 // returns its number
  int find_tensor(const std::string& name) const;  // -1 if absent
  int find_stage(const std::string& name) const;   // -1 if absent
  /// The stages that write tensor t (several for slices of a concat); empty for inputs and constants.
  std::vector<int> writers(int tensor) const;
  /// The stages that read tensor t.
  std::vector<int> readers(int tensor) const;
  /// Tensor numbers with the role, in order.
  std::vector<int> with_role(Role role) const;
};

/// Throws Error(internal) naming stage and field unless: names are unique, stages topological, every access has the
/// tensor's rank and type and provably stays inside (under enclosing select conditions), stores cover every element of
/// each output exactly once (boxes and sub-lattices), types agree, state/reduce are consistent, symbolic extents are
/// outermost only.
void verify(const Computation& c);
/// Readable text, golden-tested: tensors, then stages as "out[n, o, h, w] = relu(sum(...))".
std::string to_string(const Computation& c);
/// Structural hash: equal for Computations that differ only in names of tensors, stages and axes.
uint64_t hash(const Computation& c);

// --- functions Computation -> Computation used when groups are formed ---

/// Inlines pure-map stage `producer` into every reader and removes it and its tensor. Error(internal) if it has
/// reduction axes or writes an output.
Computation inline_stage(const Computation& c, int producer);
/// Merges pure-map stage `consumer`, whose reads of `producer`'s output are all at its own point (identity or a
/// permutation/reshape-free map), into the producer's results: the epilogue. Returns false and leaves `c` alone if the
/// shapes of the iteration differ.
bool merge_epilogue(Computation& c, int producer, int consumer);
/// Drops stages and tensors that no output needs; renumbers.
Computation prune(const Computation& c);

// --- builder helpers ---
/// Axis variables as expressions.
Exprs variables(const std::vector<Axis>& axes);
/// True where `lo <= e < hi`.
Expr in_range(const Expr& e, int64_t lo, int64_t hi);
/// Ranges of all axes of the stage, spatial and reduction, symbolic ones up to their bound.
Ranges axis_ranges(const Stage& s);

}  // namespace altrt::jit
