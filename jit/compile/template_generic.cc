// Pure maps, reductions without a template, and groups whose stages share a row.
#include <algorithm>
#include <set>

#include "jit/compile/templates.h"

namespace altrt::jit {

namespace {

constexpr int64_t kEnoughTasks = 16;
constexpr int64_t kWideVectors = 4;

// Splits `loop` for the vector unit if it is long; returns {outer or "", vector loop}.
std::pair<std::string, std::string> split_vector(StageSchedule& s, const LoopInfo& loop, int64_t lanes, Tail tail) {
  if (loop.extent <= lanes) return {"", loop.name};
  s.split(loop.name, lanes, loop.extent % lanes ? tail : Tail::peel);
  return {loop.name + ".0", loop.name + ".1"};
}

// Lanes for the widest element type among the stage's tensors.
int64_t stage_lanes(const Computation& c, const Stage& stage, const Target& target) {
  size_t widest = 4;
  for (const int output : stage.outputs) widest = std::max(widest, size_of(c.tensors[output].type));
  for (const Expr& e : stage_accesses(stage)) widest = std::max(widest, size_of(e->type));
  return std::max<int64_t>(1, int64_t{target.lanes} * 4 / static_cast<int64_t>(widest));
}

int64_t contiguous_accesses(const Computation& c, const Stage& stage, const std::string& axis, const Layouts& layouts) {
  int64_t score = 0;
  for (const Expr& e : stage_accesses(stage)) {
    const AxisStride stride = axis_stride(c, e, axis, layouts);
    if (!stride.known || (stride.elements != 0 && stride.elements != 1)) return -1;
    if (stride.elements == 1) ++score;
  }
  return score;
}

// The loop along which something is read contiguously that the last loop strides over: the map transposes. -1 if none.
int transposed_loop(const Computation& c, const Stage& stage, const std::vector<LoopInfo>& loops,
                    const Layouts& layouts) {
  if (loops.size() != stage.axes.size()) return -1;
  for (const Expr& e : stage_accesses(stage)) {
    const AxisStride last = axis_stride(c, e, stage.axes.back().name, layouts);
    if (!last.known || std::abs(last.elements) <= 1) continue;
    for (size_t i = 0; i + 1 < loops.size(); ++i) {
      const AxisStride other = axis_stride(c, e, stage.axes[i].name, layouts);
      if (other.known && other.elements == 1 && !loops[i].symbolic) return static_cast<int>(i);
    }
  }
  return -1;
}

}  // namespace

StageSchedule schedule_map(const Computation& c, const Stage& stage, const Layouts& layouts, const Target& target) {
  StageSchedule s;
  std::vector<LoopInfo> loops = stage_loops(c, stage, layouts);
  if (loops.empty()) return s;
  // Square blocks of a transposition: lines are used up while they are in the cache.
  const int transposed = loops.back().symbolic ? -1 : transposed_loop(c, stage, loops, layouts);
  std::string within;
  if (transposed >= 0 && loops[static_cast<size_t>(transposed)].extent > target.lanes) {
    LoopInfo& loop = loops[static_cast<size_t>(transposed)];
    s.split(loop.name, target.lanes, Tail::peel);
    within = loop.name + ".1";
    loop.name += ".0";
    loop.extent = ceil_div(loop.extent, target.lanes);
  }
  int64_t outer_tasks = 1;
  std::vector<std::string> order;
  for (size_t i = 0; i + 1 < loops.size(); ++i) {
    order.push_back(loops[i].name);
    outer_tasks *= loops[i].extent;
  }
  if (loops.back().symbolic) {
    s.parallel(loops.back().name);
    return s;
  }
  const auto [outer, vector] = split_vector(s, loops.back(), stage_lanes(c, stage, target), Tail::peel);
  std::vector<std::string> parallel = order;
  if (!outer.empty()) {
    order.push_back(outer);
    if (outer_tasks < kEnoughTasks) parallel.push_back(outer);
  }
  if (!within.empty()) {
    order.insert(order.end(), {within, vector});
    s.reorder(order);
  }
  s.vectorize(vector);
  for (const std::string& loop : parallel) s.parallel(loop);
  return s;
}

StageSchedule schedule_reduction(const Computation& c, const Stage& stage, const Layouts& layouts,
                                 const Target& target) {
  StageSchedule s;
  std::vector<LoopInfo> spatial, reduce;
  for (const LoopInfo& loop : stage_loops(c, stage, layouts)) (loop.reduce ? reduce : spatial).push_back(loop);
  const int64_t lanes = stage_lanes(c, stage, target);
  std::vector<std::string> order, parallel;
  const bool last_is_axis = !stage.axes.empty() && !spatial.empty() && !spatial.back().symbolic;
  const std::string last_axis = last_is_axis ? stage.axes.back().name : "";
  const bool blocked = last_is_axis && channel_block(layout_of(c, stage.outputs[0], layouts)) > 1;
  const bool along_output =
      last_is_axis && spatial.back().extent > 1 && (blocked || contiguous_accesses(c, stage, last_axis, layouts) > 0);
  const bool combinable = std::all_of(stage.state.begin(), stage.state.end(),
                                      [](const StateValue& v) { return static_cast<bool>(v.combine); });
  const bool along_reduction = !along_output && combinable && reduce.back().extent >= lanes &&
                               contiguous_accesses(c, stage, reduce.back().name, layouts) > 0;
  for (size_t i = 0; i + (along_output ? 1 : 0) < spatial.size(); ++i) {
    order.push_back(spatial[i].name);
    parallel.push_back(spatial[i].name);
  }
  if (along_output) {
    // Several vectors side by side, where there are enough: whole stretches of memory at a time.
    const bool wide = !blocked && spatial.back().extent >= kWideVectors * kEnoughTasks * lanes;
    const auto [outer, vector] = split_vector(s, spatial.back(), wide ? kWideVectors * lanes : lanes, Tail::peel);
    if (!outer.empty()) {
      order.push_back(outer);
      parallel.push_back(outer);
    }
    for (const LoopInfo& axis : reduce) order.push_back(axis.name);
    order.push_back(vector);
    s.reorder(order);
    s.vectorize(vector);
  } else if (along_reduction) {
    const auto [outer, vector] = split_vector(s, reduce.back(), lanes, Tail::mask);
    s.vectorize(vector);
  }
  for (const std::string& loop : parallel) s.parallel(loop);
  return s;
}

namespace {

// Vectors of a row at a time: chains of operations that don't wait for each other. No more than whole ones fill.
int64_t side_by_side(int64_t extent, int64_t lanes) {
  const int64_t vectors = ceil_div(extent, lanes);
  int64_t count = kWideVectors;
  while (count > 1 && vectors % count != 0) count /= 2;
  return count;
}

}  // namespace

StageSchedule schedule_row(const Computation& c, const Stage& stage, const Layouts& layouts, const Target& target) {
  StageSchedule s;
  const int64_t lanes = stage_lanes(c, stage, target);
  const std::vector<LoopInfo> loops = stage_loops(c, stage, layouts);
  const LoopInfo& last = loops.back();
  const std::string axis = last.reduce ? stage.reduce.back().name : stage.axes.back().name;
  if (last.extent < 2 || contiguous_accesses(c, stage, axis, layouts) <= 0) return s;
  if (last.reduce) {
    for (const StateValue& value : stage.state) {
      if (!value.combine) return s;
    }
    if (last.extent < lanes) return s;
  }
  s.vectorize(
      split_vector(s, last, lanes * side_by_side(last.extent, lanes), last.reduce ? Tail::mask : Tail::peel).second);
  return s;
}

size_t row_axes(const Computation& c, const Layouts& layouts) {
  if (c.stages.size() < 2) return 0;
  const Stage& root = c.stages.back();
  if (!root.reduce.empty() || !layout_of(c, root.outputs[0], layouts).is_plain()) return 0;
  std::set<int> intermediates;
  for (size_t i = 0; i + 1 < c.stages.size(); ++i) {
    for (const int output : c.stages[i].outputs) {
      if (c.tensors[output].role != Role::intermediate) return 0;
      if (!layout_of(c, output, layouts).is_plain()) return 0;
      intermediates.insert(output);
    }
    if (c.stages[i].reduce.size() > 1) return 0;
  }
  // Root axes that every intermediate is indexed with directly; an axis of one point is as good as indexed with.
  std::set<std::string> shared;
  for (const Axis& axis : root.axes) shared.insert(axis.name);
  for (const Expr& e : stage_accesses(root)) {
    if (!intermediates.count(e->id)) continue;
    std::set<std::string> here;
    for (const Expr& index : e->args) {
      if (index.is(ExprKind::variable)) here.insert(index->name);
    }
    for (const Axis& axis : root.axes) {
      if (axis.extent != Extent(1) && !here.count(axis.name)) shared.erase(axis.name);
    }
  }
  size_t prefix = 0;
  while (prefix < root.axes.size() && shared.count(root.axes[prefix].name)) ++prefix;
  return prefix < root.axes.size() ? prefix : 0;
}

bool schedule_rows(const Computation& c, const Layouts& layouts, const Target& target, Schedule& schedule) {
  const size_t prefix = row_axes(c, layouts);
  if (prefix == 0) return false;
  const Stage& root = c.stages.back();
  const std::string row = root.axes[prefix - 1].name;
  for (size_t i = 0; i + 1 < c.stages.size(); ++i) {
    StageSchedule& s = schedule[c.stages[i].name];
    s = schedule_row(c, c.stages[i], layouts, target);
    s.compute_at(root.name, row);
  }
  StageSchedule& s = schedule[root.name];
  s = schedule_row(c, root, layouts, target);
  for (size_t i = 0; i < prefix; ++i) s.parallel(root.axes[i].name);
  return true;
}

}  // namespace altrt::jit
