// Schedules (ALT's second half): the loop primitives for each stage of a Computation, as a value that can be printed as
// a script and replayed. No locks. Checked when applied: Error(invalid_argument) names stage, primitive and reason.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <altrt/export.h>

namespace altrt {

/// What a split does with an extent N that the factor F does not divide.
enum class Tail : uint8_t {
  peel,     // N/F full blocks, then one smaller block with code of its own
  balance,  // ceil(N/F) blocks whose sizes differ by at most one (14 by 5 = 5+5+4), code for both sizes
  mask,     // all blocks full, a predicate on every store (and on loads that would leave their tensor)
  overlap,  // the last block starts at N - F and repeats work; only for stores that may be repeated; needs N >= F
  pad       // all blocks full, results past N are stored: the output's layout must have undefined padding there
};

enum class LoopStepKind : uint8_t {
  split,       // loop -> loop.0 (outer), loop.1 (inner, extent = factor)
  fuse,        // loops (adjacent, outermost first) -> one loop named "a*b"
  reorder,     // `loops` take the places that they occupy now, in the order given
  vectorize,   // the loop becomes one vector operation; its extent is a constant
  unroll,      // replicated at code generation; constant extent
  parallel,    // its iterations are tasks of the kernel (blocks, on a GPU); only on the outermost loops of a root stage
  bind,        // GPU: its iterations are the threads of a block
  compute_at,  // the stage is computed inside `at_stage`'s loop `loop`, for the region needed there
  hold_at,     // with compute_at: the region's storage lives at the outer loop `loop` of `at_stage` and rolls: only new
               // rows are computed
  skip,        // iterations of the reduction loop in which a factor of the sum lies outside its tensor, where it counts
               // as zero, are not computed
  prefetch,    // GPU, with compute_at: the region's values are fetched one iteration of that loop ahead
  inline_stage,    // a pure map: substituted into its readers, no storage
  cache_read,      // tensor `tensor` is copied at loop `loop` into a packed region in thread scope, in the order of use
  split_reduction  // reduction axis `loop` runs in `factor` chunks with a state each, combined in a fixed order
                   // afterwards
};

struct ALTRT_API LoopStep {
  LoopStepKind kind = LoopStepKind::split;
  std::string loop = {};
  std::vector<std::string> loops = {};  // fuse, reorder
  int64_t factor = 0;                   // split, split_reduction
  Tail tail = Tail::peel;               // split
  std::string at_stage = {};            // compute_at, hold_at
  std::string tensor = {};              // cache_read

  bool operator==(const LoopStep&) const = default;
};

/// A stage's loops start as one loop per physical dimension of its output (named by physical_names over its axes), then
/// one per reduction axis.
struct ALTRT_API StageSchedule {
  std::vector<LoopStep> steps;  // in the order in which they are applied; each function appends one

  StageSchedule& split(std::string loop, int64_t factor, Tail tail = Tail::peel);
  StageSchedule& fuse(std::vector<std::string> loops);
  StageSchedule& reorder(std::vector<std::string> loops);
  StageSchedule& vectorize(std::string loop);
  StageSchedule& unroll(std::string loop);
  StageSchedule& parallel(std::string loop);
  StageSchedule& bind(std::string loop);
  StageSchedule& compute_at(std::string stage, std::string loop);
  StageSchedule& hold_at(std::string stage, std::string loop);
  /// Source of the predicate: the stage's own select(inside, tensor[...], 0) as a factor or a term of its sum. What can
  /// be tested on entering the loop is tested there, once for everything inside. An infinite or NaN factor beside a
  /// skipped zero leaves no NaN.
  StageSchedule& skip(std::string loop);
  StageSchedule& prefetch();
  StageSchedule& inline_stage();
  StageSchedule& cache_read(std::string tensor, std::string loop);
  StageSchedule& split_reduction(std::string axis, int64_t chunks);

  bool operator==(const StageSchedule&) const = default;
};

/// By stage name; a stage without an entry runs its initial loops serially.
struct ALTRT_API Schedule {
  std::map<std::string, StageSchedule> stages;

  StageSchedule& operator[](const std::string& stage) { return stages[stage]; }
  bool operator==(const Schedule&) const = default;
};

/// A script, one primitive a line: "conv.split(w, 6, balance)". parse_schedule reads it back (Error(invalid_argument)
/// names the line).
ALTRT_API std::string to_string(const Schedule& schedule);
ALTRT_API Schedule parse_schedule(const std::string& text);
ALTRT_API uint64_t hash(const Schedule& schedule);
ALTRT_API const char* to_string(Tail tail);
/// One primitive without its stage: "split(w, 6, balance)".
ALTRT_API std::string to_string(const LoopStep& step);

}  // namespace altrt
