#include "tests/jit_gpu/gpu_case.h"

#include <altrt/error.h>

#include <algorithm>
#include <optional>

#include "jit/compile/gpu_templates.h"
#include "jit/expr/algorithms.h"
#include "jit/loop/loops.h"

namespace altrt::property {

using namespace jit;  // NOLINT

namespace {

constexpr int64_t kMostThreads = 1024;

std::optional<StageLoops> loops_of(const Case& c, const Stage& stage, const StageSchedule& steps) {
  try {
    const Region whole{{}, c.computation.tensors[static_cast<size_t>(stage.outputs[0])].shape};
    return build_loops(c.computation, stage, layout_of(c.computation, stage.outputs[0], c.layouts), whole, false,
                       steps);
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// Takes the schedule if it can be lowered to blocks of a size that there is.
bool accept(Case& c, const Schedule& schedule) {
  try {
    std::vector<LoweredKernel> kernels = lower(c.computation, c.layouts, schedule, c.math);
    for (const LoweredKernel& kernel : kernels) {
      if (kernel.nest.threads() > kMostThreads) return false;
    }
    c.kernels = std::move(kernels);
    c.schedule = schedule;
    return true;
  } catch (const Error& e) {
    if (e.code() != ErrorCode::invalid_argument) throw;
    ++c.refused;
    c.refusals.push_back(e.what());
    return false;
  }
}

std::string fuse_all(StageSchedule& s, const std::vector<std::string>& loops) {
  std::string name = loops[0];
  for (size_t i = 1; i < loops.size(); ++i) name += "*" + loops[i];
  if (loops.size() > 1) s.fuse(loops);
  return name;
}

/// New loops: some of one kind as one, a part of it over threads; where the stage is computed stays.
StageSchedule around_threads(const Stage& stage, const StageLoops& loops, const StageSchedule& before, Random& random) {
  static const std::vector<int64_t> kSizes{2, 3, 7, 16, 32, 33, 64, 100, 128, 256};
  StageSchedule s;
  std::vector<std::string> spatial, reduce;
  for (const Loop& loop : loops.order) (loop.reduction ? reduce : spatial).push_back(loop.name);
  const bool across = !stage.reduce.empty() && (spatial.empty() || random.chance(50));
  std::vector<std::string>& names = across ? reduce : spatial;
  if (names.empty()) return before;
  if (!across && random.chance(40)) names.erase(names.begin(), names.begin() + random.in(0, names.size() - 1));
  std::string all = fuse_all(s, names);
  if (random.chance(40)) {
    s.split(all, random.in(2, 4), random.chance(50) ? Tail::mask : Tail::peel);
    if (random.chance(50)) s.vectorize(all + ".1");
    all += ".0";
  }
  s.split(all, across ? int64_t{32} << random.in(0, 3) : random.pick(kSizes), Tail::mask).bind(all + ".1");
  if (random.chance(60) && !across && names.size() == spatial.size()) s.parallel(all + ".0");
  if (across && random.chance(60)) {
    for (const std::string& name : spatial) s.parallel(name);
  }
  for (const LoopStep& step : before.steps) {
    const bool placed = step.kind == LoopStepKind::compute_at || step.kind == LoopStepKind::inline_stage;
    if (placed) s.steps.push_back(step);
  }
  return s;
}

void rebuild_loops(Case& c, Random& random) {
  // Readers first: what is computed at one of their loops has to find it.
  for (size_t i = c.computation.stages.size(); i-- > 0;) {
    const Stage& stage = c.computation.stages[i];
    const auto loops = loops_of(c, stage, {});
    if (!loops || loops->order.empty()) continue;
    for (int tries = 0; tries < 6; ++tries) {
      Schedule next = c.schedule;
      next[stage.name] = around_threads(stage, *loops, c.schedule.stages[stage.name], random);
      if (i > 0 && tries < 3 && random.chance(50)) {
        // Producers that were placed at a loop which is gone are placed at the one over blocks.
        for (auto& [name, steps] : next.stages) {
          for (LoopStep& step : steps.steps) {
            if (step.kind != LoopStepKind::compute_at || step.at_stage != stage.name) continue;
            const auto order = loops_of(c, stage, next[stage.name]);
            if (order && !order->order.empty()) step.loop = random.pick(order->order).name;
          }
          std::erase_if(steps.steps, [&](const LoopStep& step) {
            return step.kind == LoopStepKind::hold_at && step.at_stage == stage.name;
          });
        }
      }
      if (accept(c, next)) break;
    }
  }
}

/// Constants that are stored at others fit those as they lie now: the algorithm may have no use for a host, and the
/// defaults, which lay out what has no layout yet, must leave the other hosts alone.
void keep_hosts(const Computation& c, Layouts& layouts) {
  std::vector<std::string> hosts;
  std::erase_if(layouts, [&](const auto& entry) {
    const std::vector<LayoutStep>& steps = entry.second.steps;
    if (steps.empty() || steps.back().kind != LayoutKind::store_at) return false;
    if (c.find_tensor(steps.back().host) < 0) return true;
    hosts.push_back(steps.back().host);
    return false;
  });
  for (const std::string& host : hosts) layouts.emplace(host, Layout());
}

/// What the defaults make of it, with tiles of random sizes where it is a product.
bool use_defaults(Case& c, Random& random) {
  const std::vector<std::string> all = algorithms(c.computation);
  Case changed = c;
  changed.computation = apply_algorithm(c.computation, random.pick(all));
  std::erase_if(changed.layouts, [&](const auto& entry) { return changed.computation.find_tensor(entry.first) < 0; });
  if (random.chance(50)) changed.layouts.clear();
  keep_hosts(changed.computation, changed.layouts);
  changed.layouts = gpu_layouts(changed.computation, changed.layouts);
  Schedule schedule = gpu_schedule(changed.computation, changed.layouts, gpu_for_cases());
  if (gpu_products_fit(changed.computation, changed.layouts) && random.chance(75)) {
    GpuTile tile;
    tile.prefetch = random.chance(60);
    tile.thread_rows = int64_t{1} << random.in(0, 2);
    tile.thread_columns = int64_t{1} << random.in(0, 3);
    tile.rows = tile.thread_rows << random.in(1, 4);
    tile.columns = tile.thread_columns << random.in(1, 4);
    tile.depth = int64_t{2} << random.in(0, 3);
    Schedule tiled;
    schedule_gpu_products(changed.computation, changed.layouts, tile, tiled);
    for (const auto& [stage, steps] : tiled.stages) schedule[stage] = steps;
  }
  if (!accept(changed, schedule)) return false;
  c = changed;
  return true;
}

}  // namespace

Target gpu_for_cases() {
  Target target = named_target("sm_90");
  target.multiprocessors = 4;
  return target;
}

Case make_threaded_case(uint64_t seed) {
  const uint64_t kind = seed / kinds().size() % 3;
  if (kind == 0) return make_gpu_case(seed);
  Random random(seed + 0x67707500);
  Case c = make_case(seed);
  if (kind == 1 || !use_defaults(c, random)) rebuild_loops(c, random);
  return c;
}

namespace {

void look(const std::vector<Stmt>& body, int64_t times, ThreadFeatures* features) {
  for (const Stmt& stmt : body) {
    const bool shuffles = stmt.kind == StmtKind::store && stmt.value.is(ExprKind::shuffle);
    features->barriers |= stmt.kind == StmtKind::barrier;
    features->shuffles |= shuffles;
    if (stmt.kind == StmtKind::store || stmt.kind == StmtKind::barrier) features->work += times;
    const bool repeats = stmt.kind == StmtKind::loop && stmt.loop != LoopKind::thread;
    look(stmt.body, repeats ? times * stmt.extent->int_value : times, features);
    look(stmt.otherwise, times, features);
  }
}

}  // namespace

ThreadFeatures thread_features(const Case& c) {
  ThreadFeatures features;
  for (const LoweredKernel& kernel : c.kernels) {
    features.threads = std::max(features.threads, kernel.nest.threads());
    features.shared |= kernel.nest.group_bytes() > 0;
    look(kernel.nest.body, kernel.nest.tasks() * kernel.nest.threads(), &features);
  }
  return features;
}

}  // namespace altrt::property
