// The loops of one stage: initial loops from its output's layout, then the schedule's steps in order. Pure bookkeeping,
// no statements.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "jit/expr/computation.h"
#include "jit/layout/layout.h"
#include "jit/loop/nest.h"
#include "jit/loop/schedule.h"
#include "jit/loop/scope.h"

namespace altrt::jit {

/// The part of a stage's output that is computed: per logical dimension [base, base + extent). A root stage's region is
/// its whole output.
struct Region {
  Exprs base;  // over nest variables in scope; empty = all 0
  std::vector<Extent> extent;

  bool is_whole() const { return base.empty(); }
};

struct Loop {
  std::string name;
  Extent extent;  // of the inner loop of a split: the largest of its blocks
  LoopKind kind = LoopKind::serial;
  bool parallel = false;
  bool reduction = false;
  bool skips = false;  // iterations that add zero

  /// Replaced by copies or lanes when code is made, so that an index over it can be constant.
  bool is_expanded() const {
    if (kind == LoopKind::thread) return false;
    return kind != LoopKind::serial || (!extent.is_symbolic() && extent.bound == 1);
  }
};

/// A run of blocks of a split that have the same size: the source is stride * outer + base + inner.
struct TailSegment {
  int64_t first = 0, count = 0;  // outer values [first, first + count)
  int64_t inner = 0;             // extent of the inner loop
  int64_t stride = 0, base = 0;
};

/// The blocks that a split makes: one run of them, or two where a peeled or balanced tail differs.
std::vector<TailSegment> tail_segments(int64_t extent, int64_t factor, Tail tail);

struct SplitRecord {
  std::string source, outer, inner;
  int64_t extent = 0, factor = 0;
  Tail tail = Tail::peel;
  bool reduction = false;
  bool has_tail = false;  // its blocks may differ in size
};

struct FuseRecord {
  std::string name, first, second;
  int64_t second_extent = 0;
};

struct StageLoops {
  std::string stage;
  std::vector<Loop> order;                                // outermost first
  std::map<std::string, SplitRecord> splits;              // by source
  std::map<std::string, FuseRecord> fuses;                // by each of the two sources
  std::map<std::string, int64_t> extents;                 // of every loop that ever was: the largest
  std::map<std::string, std::string> outer_of, inner_of;  // loop made by a split -> the split's source
  Exprs axes;   // value of each stage axis over initial loops (and the region's base)
  Exprs store;  // physical indices of the first output over initial loops; empty where the store is not the identity
  Expr guard;   // over initial loops: where the store may happen (filled padding inside a split is not written); absent
                // = everywhere
  std::map<std::string, int64_t>
      writable_past;  // initial loop -> how far past its extent results may be stored (undefined padding)

  /// The value of a loop (initial, intermediate or final) in nest variables. Loops not entered yet stay as variables;
  /// so does the source of a split with two segments where the segment isn't known.
  Expr value(const std::string& loop, const LoopScope& scope) const;
  /// Every variable of `e` that is a loop of this stage replaced by its value.
  Expr resolve(const Expr& e, const LoopScope& scope) const;
  /// The loop's extent here: inner loops of a split with a tail, and what is made of them, depend on the segment. The
  /// largest where that isn't known.
  Extent extent_of(const Loop& loop, const LoopScope& scope) const;
  int64_t extent_at(const std::string& loop, const LoopScope& scope) const;
  /// One segment, or two where a peeled or balanced tail differs.
  std::vector<TailSegment> segments_at(const SplitRecord& split, const LoopScope& scope) const;
  /// The extent of `loop` is known in this scope.
  bool is_settled(const std::string& loop, const LoopScope& scope) const;
  /// All loops on which `loop` depends have been entered.
  bool is_entered(const std::string& loop, const LoopScope& scope) const;
  /// The split whose outer loop this is, with two segments here; nullptr if none.
  const SplitRecord* segmented_by(const std::string& outer, const LoopScope& scope) const;
  /// The value of `loop` depends on that of the final loop `name`.
  bool depends(const std::string& loop, const std::string& name) const;
  size_t position(const std::string& loop) const;    // order.size() if absent
  const Loop* bound() const;                         // the loop over threads; null if there is none
  std::vector<std::string> reduction_loops() const;  // names of all reduction loops
};

/// The initial loops of `stage` for `region` of its output stored with `layout`, with the steps applied. `own_storage`:
/// the region's buffer is private to the kernel, so that its padding may be overwritten. Error(invalid_argument) names
/// stage, step and reason.
StageLoops build_loops(const Computation& c, const Stage& stage, const Layout& layout, const Region& region,
                       bool own_storage, const StageSchedule& schedule);

/// Error(invalid_argument) "stage conv, step: reason".
[[noreturn]] void refuse(const std::string& stage, const std::string& step, const std::string& reason);

}  // namespace altrt::jit
