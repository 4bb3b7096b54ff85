// Emission of statements: walks a stage's loops and makes the nest's body.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "jit/loop/access.h"
#include "jit/loop/loops.h"
#include "jit/loop/nest.h"
#include "jit/loop/prepare.h"

namespace altrt::jit {

using Stmts = std::vector<Stmt>;

/// What all stages of one nest share.
struct NestContext {
  const Prepared& group;
  Nest nest;
  bool has_threads = false;  // some stage of the kernel has a bound loop

  /// A thread-, group- or register-scope buffer; one with the same name, type and shape is used again (their lives
  /// never overlap).
  int local_buffer(const std::string& name, DataType type, const std::vector<int64_t>& shape, Scope scope);
};

/// A point of the walk: loops entered, what is known, where tensors lie.
struct Place {
  LoopScope scope;
  Storages storages;
  Storages held;  // storage allocated at an outer loop for stages that are computed further in: nobody may read it yet
  std::string thread;   // variable of the thread loop around; empty if there is none
  int64_t threads = 1;  // its extent
};

/// Reduction state while it is being accumulated: one buffer per state value, indexed by loops (and a lane).
struct Cells {
  std::vector<int> buffers;
  std::vector<std::string> loops;
  std::string lane;  // vectorised reduction loop; empty if none
  int64_t lanes = 1;
  std::string vector;  // the vector loop, spatial or reduction; empty if none
  int64_t width = 1;   // its extent
  // One register temporary per state value that others read while all are replaced; -1 for the rest.
  std::vector<int> next_update, next_combine;
};

class StageEmitter {
 public:
  /// `targets`: one storage per output. `stored_region_differs`: the loops cover a part of the targets' storage.
  StageEmitter(NestContext& context, int stage, StageLoops loops, std::vector<Storage> targets, bool partial = false);

  /// The statements that compute all of the stage's points. Parallel loops are taken as entered by the caller's task.
  Stmts emit(const Place& place);

 private:
  using Leaf = std::function<Stmts(const Place&)>;
  enum class Phase {
    outer,   // outside any accumulator: everything happens
    update,  // reduction loops and tile loops, accumulators live
    cells,   // over the tile, touching accumulators only
    finish   // over the tile, results are stored
  };
  struct Walk {
    std::vector<size_t> loops;  // positions in loops_.order
    Phase phase;
    Leaf leaf;
    bool rolled = false;  // unrolled loops run as serial ones
  };

  // walk.cc
  Stmts walk(const Walk& walk, size_t i, Place place);
  Stmts enter(const Walk& walk, size_t i, Place place, const Loop& loop, int64_t first, const Extent& extent);
  Stmts entered(const Walk& walk, size_t i, const Place& place);
  bool guards(const Walk& walk, const Loop& loop, const SplitRecord& split, const LoopScope& scope) const;
  Expr contributes(const Loop& loop, const LoopScope& scope) const;
  bool is_deferred(const Loop& loop, const SplitRecord& split) const;

  // produce.cc
  Stmts with_producers(const Walk& walk, size_t i, const Place& place);
  void check_attached() const;
  std::vector<int> stages_inside(size_t position) const;
  std::map<int, Region> infer_regions(size_t position, const Place& place) const;
  Stmts produce(int producer, const Region& region, const Place& place, const std::vector<Storage>& targets,
                bool partial);
  bool is_shared(int producer, const Place& place) const;
  std::vector<Storage> allocate_region(int producer, const Region& region, Scope scope);
  StageSchedule copy_schedule(int producer, const Region& region, const Place& place) const;

  // reduce.cc
  Stmts open(const std::vector<size_t>& rest, const Place& place);
  bool is_long_finish(const std::vector<size_t>& tile, const Place& place) const;
  Stmts open_registers(const std::vector<size_t>& rest, const Cells& outer, const Place& place);
  Cells make_cells(const std::vector<size_t>& rest, Scope scope, const Place& place);
  Exprs index_of(const Cells& cells, const LoopScope& scope) const;
  std::vector<size_t> cell_walk(const Cells& cells, const std::vector<size_t>& rest) const;
  Stmts fill(const Cells& cells, const Place& place);
  Stmts copy(const Cells& to, const Cells& from, const Place& place);
  Stmts update(const Cells& cells, const Place& place);
  Stmts combine_lanes(const Cells& cells, const Place& place);
  Stmts combine_threads(const Cells& cells, const Place& place, int64_t threads);
  Stmts combine_warps(const Cells& cells, const Place& place, int64_t lanes);
  Stmts combine_with(const Cells& cells, const Exprs& index, const Exprs& others, const Place& place);
  std::vector<int> shuffle_buffers(const Cells& cells);
  Stmts assign(const std::vector<int>& buffers, const Exprs& index, const Exprs& values,
               const std::vector<int>& temporaries, const Exprs& temporary_index);
  Exprs read_cells(const Cells& cells, const Exprs& index) const;
  std::vector<int> temporaries(const Cells& cells, bool combining);
  static std::vector<int> all_buffers(const Cells& cells, bool updates, bool combines);

  // emit.cc
  Stmts store_results(const Place& place, const Exprs& states);
  Exprs store_index(size_t r, const BodyValues& values, const LoopScope& scope, const BodyRewriter& rewriter,
                    std::vector<Expr>& conditions) const;
  BodyValues body_values(const LoopScope& scope) const;
  Stmt store(int buffer, Exprs indices, Expr value) const;
  std::vector<Expr> open_masks(const LoopScope& scope) const;
  Stmts for_one_thread(Stmts body, int buffer) const;
  BodyRewriter rewriter(const Place& place) const;

  NestContext& context_;
  const Prepared& group_;
  int stage_number_;
  const Stage& stage_;
  StageLoops loops_;
  std::vector<Storage> targets_;
  bool partial_;
};

Stmts allocate(const std::vector<int>& buffers, Stmts body);
Stmt if_then(const Expr& condition, Stmts body, Stmts otherwise = {});
Stmt make_loop(const std::string& name, LoopKind kind, const Expr& extent, Stmts body);
Stmts concatenate(Stmts a, Stmts b);

/// One kernel: root stage `root` with everything computed at its loops.
LoweredKernel emit_kernel(const Prepared& group, int root);

}  // namespace altrt::jit
