// Maps, reductions and rows on GPUs.
#include <algorithm>

#include "jit/compile/gpu_templates.h"
#include "jit/compile/templates.h"

namespace altrt::jit {

namespace {

constexpr int64_t kWarp = 32;
constexpr int64_t kMostUnrolled = 32;

std::string fuse_all(StageSchedule& s, const std::vector<std::string>& loops) {
  std::string name = loops[0];
  for (size_t i = 1; i < loops.size(); ++i) name += "*" + loops[i];
  if (loops.size() > 1) s.fuse(loops);
  return name;
}

/// Whether the stage reads, along its last axis, nothing that is not contiguous or the same.
bool is_contiguous(const Computation& c, const Stage& stage, const Layouts& layouts) {
  for (const Expr& e : stage_accesses(stage)) {
    const AxisStride stride = axis_stride(c, e, stage.axes.back().name, layouts);
    if (!stride.known || (stride.elements != 0 && stride.elements != 1)) return false;
  }
  return !stage.axes.empty();
}

/// Threads of a block for so many iterations: a power of two, so that reductions can halve them.
int64_t threads_for(int64_t iterations, int64_t each, int64_t most) {
  int64_t threads = kWarp;
  while (threads < most && threads * each < iterations) threads *= 2;
  return threads;
}

}  // namespace

bool can_cross_threads(const Stage& stage) {
  return std::all_of(stage.state.begin(), stage.state.end(),
                     [](const StateValue& v) { return v.combine && size_of(v.type) >= 4; });
}

GpuMap default_gpu_map(const Computation& c, const Stage& stage, const Layouts& layouts) {
  constexpr int64_t kThreads = 256, kLanes = 4, kEnough = 1 << 18;
  GpuMap map;
  int64_t points = 1, last = 1;
  for (const LoopInfo& loop : stage_loops(c, stage, layouts)) {
    points *= loop.extent;
    last = loop.extent;
  }
  if (last % kLanes == 0 && points >= kEnough && is_contiguous(c, stage, layouts)) map.lanes = kLanes;
  map.threads = threads_for(points / map.lanes, 1, kThreads);
  return map;
}

StageSchedule schedule_gpu_map(const Computation& c, const Stage& stage, const Layouts& layouts, const GpuMap& map) {
  StageSchedule s;
  std::vector<std::string> names;
  for (const LoopInfo& loop : stage_loops(c, stage, layouts)) names.push_back(loop.name);
  if (names.empty()) return s;
  std::string all = fuse_all(s, names);
  if (map.lanes > 1) {
    s.split(all, map.lanes, Tail::mask).vectorize(all + ".1");
    all += ".0";
  }
  s.split(all, map.threads, Tail::mask);
  return s.parallel(all + ".0").bind(all + ".1");
}

GpuReduction default_gpu_reduction(const Computation& c, const Stage& stage, const Layouts& layouts,
                                   const Target& target) {
  constexpr int64_t kThreads = 128, kMostThreads = 256, kLongReduction = 64;
  int64_t points = 1, terms = 1;
  for (const LoopInfo& loop : stage_loops(c, stage, layouts)) (loop.reduce ? terms : points) *= loop.extent;
  const int64_t enough = int64_t{target.multiprocessors} * kThreads;
  if (points < enough && terms >= kLongReduction && can_cross_threads(stage)) {
    return {threads_for(terms, 4, kMostThreads), true};
  }
  return {threads_for(points, target.multiprocessors, kThreads), false};
}

StageSchedule schedule_gpu_reduction(const Computation& c, const Stage& stage, const Layouts& layouts,
                                     const GpuReduction& reduction) {
  StageSchedule s;
  std::vector<std::string> spatial, reduce;
  const std::vector<LoopInfo> loops = stage_loops(c, stage, layouts);
  for (const LoopInfo& loop : loops) (loop.reduce ? reduce : spatial).push_back(loop.name);
  if (reduction.across) {
    const std::string all = fuse_all(s, reduce);
    s.split(all, reduction.threads, Tail::mask).bind(all + ".1");
    for (const std::string& loop : spatial) s.parallel(loop);
    return s;
  }
  // The last reductions without a loop.
  int64_t unrolled = 1;
  for (size_t i = loops.size(); i-- > 0 && loops[i].reduce && unrolled * loops[i].extent <= kMostUnrolled;) {
    unrolled *= loops[i].extent;
    s.unroll(loops[i].name);
  }
  if (spatial.empty()) return s;
  const std::string all = fuse_all(s, spatial);
  s.split(all, reduction.threads, Tail::mask);
  return s.parallel(all + ".0").bind(all + ".1");
}

GpuRows default_gpu_rows(const Computation& c, const Layouts& layouts, const Target& target) {
  constexpr int64_t kEach = 4, kMostThreads = 256;
  const size_t axes = row_axes(c, layouts);
  if (axes == 0) return {};
  const Stage& root = c.stages.back();
  int64_t length = 1, bytes = 0;
  for (size_t i = axes; i < root.axes.size(); ++i) length *= root.axes[i].extent.bound;
  for (const Stage& stage : c.stages) {
    if (!stage.reduce.empty() && !can_cross_threads(stage)) return {};
    for (const int output : stage.outputs) {
      const TensorDecl& tensor = c.tensors[static_cast<size_t>(output)];
      int64_t elements = 1;
      for (size_t d = axes; d < tensor.shape.size(); ++d) elements *= tensor.shape[d].bound;
      if (&stage != &root) bytes += elements * static_cast<int64_t>(size_of(tensor.type));
    }
  }
  if (bytes > target.group_bytes / 2) return {};
  return {axes, threads_for(length, kEach, kMostThreads)};
}

void schedule_gpu_rows(const Computation& c, const Layouts& layouts, const GpuRows& rows, Schedule& schedule) {
  const Stage& root = c.stages.back();
  for (const Stage& stage : c.stages) {
    StageSchedule& s = schedule[stage.name];
    std::vector<std::string> reduce, own;
    for (const LoopInfo& loop : stage_loops(c, stage, layouts)) {
      if (loop.reduce) reduce.push_back(loop.name);
    }
    for (size_t a = rows.axes; a < stage.axes.size(); ++a) own.push_back(stage.axes[a].name);
    const std::vector<std::string>& bound = reduce.empty() ? own : reduce;
    if (!bound.empty()) {
      const std::string all = fuse_all(s, bound);
      s.split(all, rows.threads, Tail::mask).bind(all + ".1");
    }
    if (&stage != &root) s.compute_at(root.name, root.axes[rows.axes - 1].name);
  }
  for (size_t i = 0; i < rows.axes; ++i) schedule[root.name].parallel(root.axes[i].name);
}

}  // namespace altrt::jit
