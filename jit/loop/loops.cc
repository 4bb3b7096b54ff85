#include "jit/loop/loops.h"

#include <algorithm>

#include <altrt/error.h>

#include "jit/loop/prepare.h"

namespace altrt::jit {

void refuse(const std::string& stage, const std::string& step, const std::string& reason) {
  throw Error(ErrorCode::invalid_argument, "stage " + stage + (step.empty() ? "" : ", " + step) + ": " + reason);
}

namespace {

/// Applies schedule steps to the ordered loops of one stage.
class Builder {
 public:
  explicit Builder(StageLoops& loops) : loops_(loops) {}

  void apply(const LoopStep& step) {
    step_ = to_string(step);
    switch (step.kind) {
      case LoopStepKind::split:
        return split(step);
      case LoopStepKind::fuse:
        return fuse(step);
      case LoopStepKind::reorder:
        return reorder(step);
      case LoopStepKind::vectorize:
      case LoopStepKind::unroll:
      case LoopStepKind::bind:
        return expand(step);
      case LoopStepKind::parallel:
        find(step.loop).parallel = true;
        return;
      case LoopStepKind::skip:
        find(step.loop).skips = true;
        return;
      default:
        return;  // where a stage is computed is not about its own loops
    }
  }

  /// Conditions on the final order.
  void finish(bool is_root) {
    move_unit_loops_out_of_vector();
    for (size_t i = 0; i < loops_.order.size(); ++i) {
      const Loop& loop = loops_.order[i];
      step_ = "vectorize(" + loop.name + ")";
      if (loop.kind == LoopKind::vector && i + 1 != loops_.order.size())
        fail("vector loop " + loop.name + " is not the innermost loop");
      if (loop.parallel) check_parallel(i, is_root);
      step_ = "skip(" + loop.name + ")";
      if (loop.skips && !loop.reduction) fail("loop " + loop.name + " is no reduction");
      if (loop.skips && (loop.kind == LoopKind::vector || loop.kind == LoopKind::thread))
        fail("iterations of loop " + loop.name + " run at once");
    }
    check_bound();
    for (const auto& [source, split] : loops_.splits) {
      if (variants(split.inner).size() < 2) continue;
      step_ = to_string(
          LoopStep{.kind = LoopStepKind::split, .loop = split.source, .factor = split.factor, .tail = split.tail});
      for (size_t i = first_of(split.inner); i < loops_.order.size(); ++i)
        if (loops_.depends(split.outer, loops_.order[i].name))
          fail("loop " + split.inner + " has a tail and must stay inside " + loops_.order[i].name);
      if (loops_.order[last_of(split.outer)].kind == LoopKind::vector)
        fail("vector loop " + split.outer + " can't hold blocks of different sizes");
    }
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const { refuse(loops_.stage, step_, reason); }

  Loop& find(const std::string& name) {
    const size_t i = loops_.position(name);
    if (i == loops_.order.size()) fail("no loop " + name + " (loops: " + names() + ")");
    return loops_.order[i];
  }

  void check_parallel(size_t position, bool is_root) {
    const Loop& loop = loops_.order[position];
    step_ = "parallel(" + loop.name + ")";
    if (variants(loop.name).size() > 1) fail("parallel loop " + loop.name + " has blocks of different sizes");
    if (!is_root) fail("parallel loop " + loop.name + " of a stage that is computed at another's loop");
    if (loop.reduction) fail("parallel loop " + loop.name + " is a reduction");
    if (position > 0 && !loops_.order[position - 1].parallel) fail("parallel loop " + loop.name + " is not outermost");
    if (loop.kind != LoopKind::serial) fail("parallel loop " + loop.name + " is unrolled, vectorised or bound too");
  }

  /// A block has as many threads from beginning to end.
  void check_bound() {
    const Loop* bound = loops_.bound();
    if (!bound) return;
    step_ = "bind(" + bound->name + ")";
    if (variants(bound->name).size() > 1) fail("bound loop " + bound->name + " has blocks of different sizes");
    bool in_reduction = false;
    for (const Loop& loop : loops_.order) {
      in_reduction = in_reduction || loop.reduction;
      if (loop.reduction || loop.is_expanded() || !in_reduction) continue;
      if (&loop == bound || bound->reduction) fail("loop " + loop.name + " runs inside a reduction");
    }
  }

  std::string names() const {
    std::string text;
    for (const Loop& loop : loops_.order) text += (text.empty() ? "" : " ") + loop.name;
    return text;
  }

  void require_plain(const Loop& loop) const {
    if (loop.kind != LoopKind::serial || loop.parallel || loop.skips)
      fail("loop " + loop.name + " is parallel, unrolled, vectorised, bound or skipped in already");
    if (loop.extent.is_symbolic()) fail("loop " + loop.name + " has a run-time extent");
  }

  /// The extents that a loop takes, in the blocks of the splits it comes from.
  std::set<int64_t> variants(const std::string& loop) const {
    const auto found = variants_.find(loop);
    return found == variants_.end() ? std::set<int64_t>{loops_.extents.at(loop)} : found->second;
  }

  void add(const std::string& name, const std::set<int64_t>& extents) {
    if (loops_.extents.count(name)) fail("loop name " + name + " is taken");
    loops_.extents[name] = *extents.rbegin();
    variants_[name] = extents;
  }

  void split(const LoopStep& step) {
    const Loop loop = find(step.loop);
    require_plain(loop);
    const int64_t extent = loop.extent.bound;
    if (step.factor < 1) fail("the factor must be positive");
    SplitRecord record{.source = loop.name, .outer = loop.name + ".0", .inner = loop.name + ".1"};
    record.extent = extent;
    record.factor = step.factor;
    record.tail = step.tail;
    record.reduction = loop.reduction;
    std::set<int64_t> blocks, sizes;
    for (const int64_t variant : variants(loop.name)) {
      record.has_tail = record.has_tail || variant != extent;
      check_tail(record, variant);
      const std::vector<TailSegment> segments = tail_segments(variant, step.factor, step.tail);
      record.has_tail = record.has_tail || segments.size() > 1;
      int64_t count = 0;
      for (const TailSegment& s : segments) {
        count += s.count;
        sizes.insert(s.inner);
      }
      blocks.insert(count);
    }
    add(record.outer, blocks);
    add(record.inner, sizes);
    loops_.outer_of[record.outer] = loop.name;
    loops_.inner_of[record.inner] = loop.name;
    const auto at = loops_.order.begin() + static_cast<std::ptrdiff_t>(loops_.position(loop.name));
    *at = Loop{.name = record.outer, .extent = *blocks.rbegin(), .reduction = loop.reduction};
    loops_.order.insert(at + 1, Loop{.name = record.inner, .extent = *sizes.rbegin(), .reduction = loop.reduction});
    loops_.splits[loop.name] = record;
  }

  void check_tail(const SplitRecord& split, int64_t extent) const {
    if (extent % split.factor == 0) return;
    if (split.tail == Tail::overlap || split.tail == Tail::pad)
      if (variants(split.source).size() > 1) fail("extent of loop " + split.source + " varies with its tail");
    if (split.tail == Tail::overlap) {
      if (split.reduction) fail("a reduction can't repeat work");
      if (split.extent < split.factor) fail("extent " + std::to_string(split.extent) + " is below the factor");
    }
    if (split.tail != Tail::pad) return;
    if (split.reduction) fail("a reduction has no padding to run into");
    const int64_t past = (split.extent + split.factor - 1) / split.factor * split.factor - split.extent;
    const auto writable = loops_.writable_past.find(split.source);
    if (writable == loops_.writable_past.end() || writable->second < past)
      fail("the output's layout has no undefined padding of " + std::to_string(past) + " behind loop " + split.source);
  }

  void fuse(const LoopStep& step) {
    if (step.loops.size() < 2) fail("needs two loops or more");
    std::string fused = step.loops[0];
    for (size_t i = 1; i < step.loops.size(); ++i) fused = fuse_two(fused, step.loops[i]);
  }

  std::string fuse_two(const std::string& first_name, const std::string& second_name) {
    const Loop first = find(first_name), second = find(second_name);
    require_plain(first);
    require_plain(second);
    for (const Loop& loop : {first, second})
      if (variants(loop.name).size() > 1) fail("extent of loop " + loop.name + " varies with its tail");
    if (first.reduction != second.reduction) fail("a spatial loop and a reduction");
    const size_t at = loops_.position(first_name);
    if (loops_.position(second_name) != at + 1)
      fail("loops " + first_name + " and " + second_name + " are not adjacent");
    FuseRecord record{first_name + "*" + second_name, first_name, second_name, second.extent.bound};
    const int64_t extent = first.extent.bound * second.extent.bound;
    add(record.name, {extent});
    loops_.order[at] = Loop{.name = record.name, .extent = extent, .reduction = first.reduction};
    loops_.order.erase(loops_.order.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    loops_.fuses[first_name] = record;
    loops_.fuses[second_name] = record;
    return record.name;
  }

  void reorder(const LoopStep& step) {
    std::vector<size_t> places;
    std::vector<Loop> loops;
    for (const std::string& name : step.loops) {
      loops.push_back(find(name));
      places.push_back(loops_.position(name));
    }
    std::sort(places.begin(), places.end());
    if (std::adjacent_find(places.begin(), places.end()) != places.end()) fail("a loop is named twice");
    for (size_t i = 0; i < places.size(); ++i) loops_.order[places[i]] = loops[i];
  }

  void expand(const LoopStep& step) {
    Loop& loop = find(step.loop);
    if (loop.extent.is_symbolic()) fail("loop " + loop.name + " has a run-time extent");
    if (loop.kind != LoopKind::serial) fail("loop " + loop.name + " is unrolled, vectorised or bound already");
    if (step.kind == LoopStepKind::bind && loops_.bound()) fail("loop " + loops_.bound()->name + " is bound already");
    loop.kind = step.kind == LoopStepKind::unroll ? LoopKind::unrolled
                : step.kind == LoopStepKind::bind ? LoopKind::thread
                                                  : LoopKind::vector;
  }

  /// Loops of one iteration inside a vector loop are no loops: they go just outside it.
  void move_unit_loops_out_of_vector() {
    auto& order = loops_.order;
    const auto vector =
        std::find_if(order.begin(), order.end(), [](const Loop& l) { return l.kind == LoopKind::vector; });
    if (vector == order.end()) return;
    std::stable_partition(vector, order.end(),
                          [](const Loop& l) { return !l.extent.is_symbolic() && l.extent.bound == 1; });
  }

  size_t first_of(const std::string& loop) const {
    size_t first = 0;
    while (!loops_.depends(loop, loops_.order[first].name)) ++first;
    return first;
  }

  size_t last_of(const std::string& loop) const {
    size_t last = 0;
    for (size_t i = 0; i < loops_.order.size(); ++i)
      if (loops_.depends(loop, loops_.order[i].name)) last = i;
    return last;
  }

  StageLoops& loops_;
  std::map<std::string, std::set<int64_t>> variants_;
  std::string step_;
};

std::vector<std::string> names_of(const std::vector<Axis>& axes) {
  std::vector<std::string> names;
  for (const Axis& axis : axes) names.push_back(axis.name);
  return names;
}

void add_initial(StageLoops& loops, const std::string& name, const Extent& extent, bool reduction) {
  loops.order.push_back(Loop{.name = name, .extent = extent, .reduction = reduction});
  loops.extents[name] = extent.bound;
}

/// One loop per physical dimension of the output; the digits give the axes.
void physical_loops(const Stage& stage, const Layout& layout, const Region& region, bool own_storage,
                    StageLoops& loops) {
  const std::vector<Extent> physical = physical_shape(layout, region.extent);
  const std::vector<std::string> names = physical_names(layout, names_of(stage.axes));
  const LayoutPadding padding = analyze_padding(layout, stage.axes.size());
  Ranges ranges;
  for (size_t i = 0; i < physical.size(); ++i) {
    const PhysicalPadding& pad = padding.outer[i];
    Extent extent = physical[i];
    extent.bound -= pad.lo + pad.hi;
    add_initial(loops, names[i], extent, false);
    loops.store.push_back(variable(names[i]) + pad.lo);
    if (pad.hi > 0 && (own_storage || !pad.hi_filled)) loops.writable_past[names[i]] = pad.hi;
    ranges[names[i]] = {0, extent.bound - 1};
  }
  const LogicalIndex logical = to_logical(layout, region.extent, loops.store, ranges);
  loops.axes = logical.index;
  if (padding.inner_filled && !own_storage) {
    loops.guard = simplify(logical.valid, ranges);
    if (loops.guard.is_int(1)) loops.guard = Expr();
  }
}

bool stores_more_than_once(const Layout& layout) {
  return std::any_of(layout.steps.begin(), layout.steps.end(),
                     [](const LayoutStep& s) { return s.kind == LayoutKind::unfold; });
}

/// Whether `moved` is where the part's own index `own` belongs: so much further, and `step` times as far along the
/// loops of a dimension that is stepped through.
bool only_moves(const Expr& own, const Expr& moved, const Exprs& axes, const std::vector<int64_t>& steps,
                const Ranges& ranges) {
  const LinearForm difference = linear_form(simplify(moved - own, ranges));
  return std::all_of(difference.terms.begin(), difference.terms.end(), [&](const LinearForm::Term& term) {
    if (!term.atom.is(ExprKind::variable)) return false;
    for (size_t d = 0; d < axes.size(); ++d) {
      if (steps[d] == term.coefficient + 1 && uses_variable(axes[d], term.atom->name)) return true;
    }
    return false;
  });
}

/// A slice of a tensor (concat) or a sub-lattice of one (a phase of a transposed convolution): one loop per physical
/// dimension of the part taken for itself, if it consists of whole physical blocks.
bool slice_loops(const Computation& c, const Stage& stage, const Layout& layout, StageLoops& loops) {
  const std::vector<Extent>& whole = c.tensors[static_cast<size_t>(stage.outputs[0])].shape;
  std::vector<Extent> slice;
  std::vector<int64_t> offsets, steps;
  for (size_t d = 0; d < stage.axes.size() && stage.store.size() == stage.axes.size(); ++d) {
    const LinearForm form = linear_form(stage.store[d]);
    const bool single = form.terms.empty() && stage.axes[d].extent == Extent(1);
    const int64_t step = single ? 1 : form.coefficient(stage.axes[d].name);
    if ((!single && form.terms.size() != 1) || step < 1) return false;
    slice.push_back(stage.axes[d].extent);
    offsets.push_back(form.constant);
    steps.push_back(step);
  }
  if (slice.size() != whole.size()) return false;
  StageLoops candidate = loops;
  try {
    verify(layout, slice);
    physical_loops(stage, layout, Region{{}, slice}, false, candidate);
  } catch (const Error&) {
    return false;  // the layout's blocks don't divide the slice
  }
  Ranges ranges;
  for (const Loop& loop : candidate.order) ranges[loop.name] = {0, loop.extent.bound - 1};
  // Where the part is all of a dimension, undefined padding may be written as a whole tensor's would be.
  if (candidate.guard) return false;
  for (size_t d = 0; d < slice.size(); ++d) {
    const bool all = steps[d] == 1 && offsets[d] == 0 && slice[d] == whole[d];
    if (!all && !simplify(in_range(candidate.axes[d], 0, slice[d].bound), ranges).is_int(1)) return false;
  }
  Exprs moved = candidate.axes;
  for (size_t d = 0; d < moved.size(); ++d) moved[d] = simplify(moved[d] * steps[d] + offsets[d], ranges);
  const Exprs store = to_physical(layout, whole, moved, ranges);
  for (size_t i = 0; i < store.size(); ++i)
    if (!only_moves(candidate.store[i], store[i], candidate.axes, steps, ranges)) return false;
  candidate.store = store;
  candidate.writable_past.clear();
  loops = candidate;
  return true;
}

}  // namespace

StageLoops build_loops(const Computation& c, const Stage& stage, const Layout& layout, const Region& region,
                       bool own_storage, const StageSchedule& schedule) {
  StageLoops loops;
  loops.stage = stage.name;
  if (stores_identity(c, stage)) {
    if (!stage.reduce.empty() && stores_more_than_once(layout))
      refuse(stage.name, "", "a reduction's output can't be unfolded (it would be computed more than once)");
    physical_loops(stage, layout, region, own_storage, loops);
    for (size_t i = 0; i < loops.axes.size() && !region.is_whole(); ++i) loops.axes[i] = region.base[i] + loops.axes[i];
  } else {
    if (!region.is_whole())
      refuse(stage.name, "compute_at", "the stage writes a part of a tensor that others write too");
    if (stores_more_than_once(layout)) refuse(stage.name, "", "a part of a tensor can't be stored unfolded");
    if (!slice_loops(c, stage, layout, loops)) {
      for (const Axis& axis : stage.axes) {
        add_initial(loops, axis.name, axis.extent, false);
        loops.axes.push_back(variable(axis.name));
      }
    }
  }
  for (const Axis& axis : stage.reduce) add_initial(loops, axis.name, axis.extent, true);
  Builder builder(loops);
  for (const LoopStep& step : schedule.steps) builder.apply(step);
  builder.finish(region.is_whole());
  return loops;
}

}  // namespace altrt::jit
