// Nest: the lowered loops of one kernel. The last form before machine code; the same for every device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jit/expr/computation.h"
#include "jit/expr/simplify.h"

namespace altrt::jit {

enum class Scope : uint8_t {
  argument,      // memory handed in: buffers[argument]
  thread,        // a slice of the workspace handed in, one per calling thread
  group,         // GPU: shared memory of a block
  register_tile  // SSA values: every index is a constant once unrolled and vector loops are replaced
};

struct Buffer {
  std::string name;
  DataType type = DataType::f32;
  std::vector<int64_t> shape;  // physical, row-major; dimension 0 at its bound if symbolic
  Scope scope = Scope::argument;
  int argument = -1;  // scope argument: index into the kernel's buffer table
  bool written = false;
  int64_t elements() const;
};

enum class LoopKind : uint8_t {
  serial,
  vector,
  unrolled,
  thread  // GPU: its iterations are the threads of a block, all at once; those past its extent skip it
};

enum class StmtKind : uint8_t {
  loop,   // for name in [0, extent): body. extent is a constant, or a variable naming a run-time size ("size0") in the
          // outermost loop
  let,    // name = value (i64, loop-invariant inside), then body
  store,  // buffer[indices] = value
  if_then,   // if (value) body else otherwise; value is affine in loop variables and lets
  allocate,  // buffer lives (uninitialised) inside body; scope thread or register_tile
  barrier    // all threads of a block (GPU)
};

struct Stmt {
  StmtKind kind = StmtKind::store;
  std::string name;
  LoopKind loop = LoopKind::serial;
  Expr extent;
  int buffer = -1;
  Exprs indices;  // one per physical dimension
  Expr value;
  std::vector<Stmt> body;
  std::vector<Stmt> otherwise;
};

/// One loop of the flattened parallel range, outermost first.
struct ParallelLoop {
  std::string name;
  Extent extent;
};

/// Where a nest has thread loops, all threads of a block walk the whole body; thread loops tell them apart. Buffers in
/// register and thread scope are each thread's own, wherever they are allocated; those in group scope are the block's.
///
/// In value expressions, access(b, ...) reads buffer number b of the nest. Inside a vector loop everything is evaluated
/// for all its iterations at once, in lane order for stores; a vector loop's body holds no loop.
struct Nest {
  std::string name;
  std::vector<Buffer> buffers;  // arguments first, in argument order
  std::vector<ParallelLoop>
      parallel;  // tasks = product of the extents; task number = mixed-radix number of the loop variables
  std::vector<Stmt> body;
  int sizes = 0;                     // how many run-time sizes the kernel reads (variables "size0", ...)
  std::vector<int64_t> size_bounds;  // their largest values; loops over them run at least once

  int64_t tasks(const std::vector<int64_t>& run_time_sizes = {}) const;
  /// Of a block: the largest extent of a thread loop; 1 where there is none.
  int64_t threads() const;
  int64_t group_bytes() const;      // of all group-scope buffers
  int64_t workspace_bytes() const;  // per thread: thread-scope buffers at 64-byte aligned offsets in declaration order
  int64_t workspace_offset(int buffer) const;
};

/// Golden-tested text, C-like with one line per statement.
std::string to_string(const Nest& nest);
/// One statement's own line, without its body: for messages.
std::string to_string(const Nest& nest, const Stmt& stmt);
/// Proves, with interval analysis under the enclosing loops, lets and conditions: every index within its buffer's
/// extent (accesses in a select only under its condition), register indices constant after unrolling, no nested loop in
/// a vector loop, arguments that are not `written` are never stored to. Where there are threads: what all of them can
/// see is stored in thread loops only, a thread loop inside another does not look at that one's thread, and barriers
/// and shuffles are reached by all threads. Error(internal) names the statement.
void verify(const Nest& nest);
/// Number of vector (or scalar) instructions when unrolled: largest straight-line block and total. For refusing code
/// before LLVM sees it.
struct CodeSize {
  int64_t largest_block = 0;
  int64_t total = 0;
};
CodeSize code_size(const Nest& nest, int lanes);

}  // namespace altrt::jit
