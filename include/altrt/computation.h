// Computation: an operator or a fusion group as the compiler sees it. Tensors and stages in topological order; no
// loops, no layouts, no storage. Plain values without locks: copies are independent; distinct ones may be used in
// several threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <altrt/error.h>
#include <altrt/export.h>
#include <altrt/expr.h>
#include <altrt/tensor.h>

namespace altrt {

/// An extent that is constant, or known only at run time with an upper bound. Only the outermost axis of a tensor or
/// stage may be symbolic; its value arrives in the kernel's `sizes[size_index]`.
struct ALTRT_API Extent {
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

struct ALTRT_API TensorDecl {
  std::string name;  // unique within the Computation
  DataType type = DataType::f32;
  std::vector<Extent> shape;
  Role role = Role::input;
};

struct ALTRT_API Axis {
  std::string
      name;  // unique within the Computation; conventional names: n c h w d (spatial), o i (channels), kd kh kw, m k b
  Extent extent;
};

/// One value of a reduction's state. All state values update together from the previous ones.
struct ALTRT_API StateValue {
  DataType type = DataType::f32;
  Expr init;     // no accesses; the neutral element, so that chunks may each start from it
  Expr update;   // new value from state(0..), accesses, spatial and reduction axes
  Expr combine;  // new value from state(0..) and other(0..); may be absent: then the reduction can't be split
};

/// One stage computes, for every point of its spatial axes, the state over all points of the reduction axes and from it
/// one result per output tensor. Reduction axes run in order, the first outermost; implementations may run them in
/// another order.
struct ALTRT_API Stage {
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

struct ALTRT_API Anchor {
  AnchorKind kind = AnchorKind::none;
  int stage = -1;  // the stage that does the work
  // Convolutions and pools: one entry per spatial dimension. pads: all begins, then all ends.
  std::vector<int64_t> kernel, strides, dilations, pads;
  int64_t groups = 1;
  // Tensor numbers of the anchor's operands; -1 where there is none.
  int data = -1;     // activations (A of a matrix product)
  int weights = -1;  // weights (B of a matrix product)
};

/// Tensors and what makes them. `algorithm`: which function Computation -> Computation made it.
struct ALTRT_API Computation {
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

/// Error(code) that names stage and field unless: names are unique, stages topological, every access has the tensor's
/// rank and type and provably stays inside (under enclosing select conditions), stores cover every element of each
/// output exactly once (boxes and sub-lattices), types agree, state/reduce are consistent, symbolic extents are
/// outermost only. `code`: internal where the library made it.
ALTRT_API void verify(const Computation& c, ErrorCode code = ErrorCode::invalid_argument);
/// Readable text: tensors, then stages as "out[n, o, h, w] = relu(sum(...))".
ALTRT_API std::string to_string(const Computation& c);
/// Structural hash: equal for Computations that differ only in names of tensors, stages and axes.
ALTRT_API uint64_t hash(const Computation& c);

/// Axis variables as expressions.
ALTRT_API Exprs variables(const std::vector<Axis>& axes);
/// True where `lo <= e < hi`.
ALTRT_API Expr in_range(const Expr& e, int64_t lo, int64_t hi);

/// The algorithms that fit a Computation: "direct" first. "winograd2", "winograd4": convolutions with 3-wide kernels
/// and stride 1 in the last two spatial dimensions. "strassen": matrix products whose second factor is constant, seven
/// products of half the size in place of eight; NaN and infinities of a row reach the row half the rows away.
/// "phases": transposed convolutions, one stage for each residue of the output coordinates. "gemm", "gemm2", "gemm4",
/// ... "gemm32": convolutions (transposed ones by their phases) and matrix products as products of two matrices that
/// are stages of their own, sums made in so many parts.
ALTRT_API std::vector<std::string> algorithms(const Computation& c);
/// The Computation by that algorithm; tensor names of inputs, constants and outputs stay. Stages that depend on
/// constants only (transformed weights) keep being stages: the plan runs them once. Error(invalid_argument) if the
/// algorithm doesn't fit.
ALTRT_API Computation apply_algorithm(const Computation& c, const std::string& algorithm);

}  // namespace altrt
