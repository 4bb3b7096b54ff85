// Producers computed at a loop of their consumer: regions, their storage, their nests.
#include <algorithm>

#include "jit/loop/emit.h"
#include "jit/loop/regions.h"

namespace altrt::jit {

/// Loops that others name exist.
void StageEmitter::check_attached() const {
  std::string loops;
  for (const Loop& loop : loops_.order) loops += (loops.empty() ? "" : " ") + loop.name;
  for (size_t i = 0; i < group_.placements.size(); ++i) {
    const Placement& placement = group_.placements[i];
    if (placement.at != stage_number_) continue;
    const Stage& stage = group_.stage(static_cast<int>(i));
    for (const std::string* name : {&placement.loop, &placement.hold}) {
      const std::string& loop = *name;
      if (loop.empty() || loops_.position(loop) < loops_.order.size()) continue;
      const std::string reason = "stage " + stage_.name + " has no loop " + loop + " (loops: " + loops + ")";
      if (group_.copies[i])
        refuse(stage_.name, "cache_read(" + group_.tensor(stage.results[0]->id).name + ", " + loop + ")", reason);
      refuse(stage.name, name == &placement.loop ? "compute_at" : "hold_at", reason);
    }
  }
}

/// Stages computed inside this stage's loop at `position`, directly or through others, in topological order.
std::vector<int> StageEmitter::stages_inside(size_t position) const {
  std::vector<int> stages;
  for (size_t i = 0; i < group_.placements.size(); ++i) {
    int stage = static_cast<int>(i);
    while (stage >= 0 && group_.placement(stage).at != stage_number_) stage = group_.placement(stage).at;
    if (stage < 0) continue;
    const size_t at = loops_.position(group_.placement(stage).loop);
    if (at >= position) stages.push_back(static_cast<int>(i));
  }
  return stages;
}

/// Whether the stage's region is computed by all threads of the block together, in group scope; each thread has one of
/// its own otherwise.
bool StageEmitter::is_shared(int producer, const Place& place) const {
  if (!context_.has_threads) return false;
  const auto number = static_cast<size_t>(producer);
  return place.thread.empty() || group_.copies[number] || has_step(group_.schedules[number], LoopStepKind::bind);
}

/// Regions of all stages inside, as seen from the loop at `position` that has just been entered.
std::map<int, Region> StageEmitter::infer_regions(size_t position, const Place& place) const {
  const std::vector<int> inside = stages_inside(position);
  std::vector<std::pair<int, AxisView>> readers{{stage_number_, view_of_loops(loops_, stage_, place.scope)}};
  std::map<int, Region> regions;
  for (size_t i = inside.size(); i-- > 0;) {
    const int producer = inside[i];
    std::vector<std::pair<int, AxisView>> seen = readers;
    const bool shared = !place.thread.empty() && is_shared(producer, place);
    if (shared)
      for (auto& reader : seen) reader.second.inner[place.thread] = {0, place.threads - 1};
    regions[producer] =
        infer_region(group_.computation, producer, seen, group_.has_border(producer), shared, place.scope.analyzer());
    readers.emplace_back(producer, view_of_region(group_.stage(producer), regions[producer]));
  }
  return regions;
}

std::vector<Storage> StageEmitter::allocate_region(int producer, const Region& region, Scope scope) {
  std::vector<Storage> storages;
  const Stage& stage = group_.stage(producer);
  for (int output : stage.outputs) {
    const Layout layout = region_layout(group_.layouts[static_cast<size_t>(output)], region.extent);
    check_layout(group_.tensor(output), layout, region.extent);
    const LayoutPadding padding = analyze_padding(layout, region.extent.size());
    std::vector<int64_t> shape;
    std::vector<Interval> written;
    for (const Extent& extent : physical_shape(layout, region.extent)) {
      const PhysicalPadding& pad = padding.outer[shape.size()];
      written.push_back({pad.lo, extent.bound - pad.hi - 1});
      shape.push_back(extent.bound);
    }
    const TensorDecl& tensor = group_.tensor(output);
    const int buffer = context_.local_buffer(tensor.name, tensor.type, shape, scope);
    storages.push_back(Storage{buffer, layout, region.extent, region.base, written, storages.size() > 0});
  }
  return storages;
}

/// Copies for cache_read: on GPUs all threads take turns; else lanes along the region's fastest dimension where the
/// source is contiguous there.
StageSchedule StageEmitter::copy_schedule(int producer, const Region& region, const Place& place) const {
  constexpr int64_t kLanes = 16;
  const Stage& copy = group_.stage(producer);
  const Layout& layout = group_.layouts[static_cast<size_t>(copy.outputs[0])];
  StageSchedule schedule;
  if (context_.has_threads) {
    std::vector<std::string> axes;
    for (const Axis& axis : copy.axes) axes.push_back(axis.name);
    const std::vector<std::string> loops = physical_names(layout, axes);
    std::string all = loops[0];
    for (size_t i = 1; i < loops.size(); ++i) all += "*" + loops[i];
    if (loops.size() > 1) schedule.fuse(loops);
    return schedule.split(all, loops_.bound() ? loops_.extents.at(loops_.bound()->name) : 1, Tail::mask)
        .bind(all + ".1");
  }
  size_t last = copy.axes.size() - 1;
  for (const LayoutStep& step : layout.steps) last = static_cast<size_t>(step.factors.back());  // a single reorder
  const std::string name = copy.axes[last].name;
  const int64_t extent = region.extent[last].bound;
  if (extent == 1 || !copy.results[0].is(ExprKind::access)) return schedule;
  LoopScope scope = place.scope;
  Exprs logical;
  for (size_t d = 0; d < copy.axes.size(); ++d) {
    scope.add_variable(copy.axes[d].name, {0, region.extent[d].bound - 1});
    logical.push_back(region.base[d] + variable(copy.axes[d].name));
  }
  const Storage& source = place.storages.at(copy.results[0]->id);
  Expr inside;
  const Exprs index = BodyRewriter(copy.name, place.storages, context_.nest, scope)
                          .physical(source, logical, {}, scope.analyzer(), inside);
  for (size_t d = 0; d < index.size(); ++d) {
    const bool is_last = d + 1 == index.size();
    if (!is_last && uses_variable(index[d], name)) return schedule;
    if (is_last && linear_form(index[d]).coefficient(name) != 1) return schedule;
  }
  if (extent <= 2 * kLanes) return schedule.vectorize(name);
  return schedule.split(name, kLanes, Tail::peel).vectorize(name + ".1");
}

Stmts StageEmitter::produce(int producer, const Region& region, const Place& place, const std::vector<Storage>& targets,
                            bool partial) {
  const Stage& stage = group_.stage(producer);
  const auto number = static_cast<size_t>(producer);
  const Layout layout =
      partial ? Layout() : region_layout(group_.layouts[static_cast<size_t>(stage.outputs[0])], region.extent);
  const StageSchedule schedule =
      group_.copies[number] ? copy_schedule(producer, region, place) : group_.schedules[number];
  StageLoops loops = build_loops(group_.computation, stage, layout, region, true, schedule);
  return StageEmitter(context_, producer, std::move(loops), targets, partial).emit(place);
}

namespace {

/// `part` moved so that it begins where the storage does not hold valid rows yet: everything in the first iteration of
/// `loop`, later only what is new. Absent if the region doesn't roll forwards along exactly one dimension.
std::optional<Region> new_part(const Region& part, const std::string& loop) {
  Region result = part;
  bool rolls = false;
  for (size_t d = 0; d < part.base.size(); ++d) {
    const LinearForm form = linear_form(part.base[d]);
    for (const LinearForm::Term& term : form.terms)
      if (!term.atom.is(ExprKind::variable) && uses_variable(term.atom, loop)) return std::nullopt;
    const int64_t step = form.coefficient(loop);
    if (step == 0) continue;
    if (rolls || step < 0) return std::nullopt;
    rolls = true;
    const int64_t height = part.extent[d].bound;
    if (step >= height) continue;
    result.base[d] = part.base[d] + (height - step);
    result.extent[d] = Extent(step);
  }
  if (!rolls) return std::nullopt;
  return result;
}

}  // namespace

Stmts StageEmitter::with_producers(const Walk& w, size_t i, const Place& outside) {
  const size_t position = w.loops[i];
  const std::string& loop = loops_.order[position].name;
  const std::vector<int> here = group_.attached(stage_number_, loop);
  std::vector<int> held;
  for (size_t s = 0; s < group_.placements.size(); ++s)
    if (group_.placements[s].at == stage_number_ && group_.placements[s].hold == loop)
      held.push_back(static_cast<int>(s));
  if (here.empty() && held.empty()) return walk(w, i + 1, outside);

  if (loops_.order[position].kind == LoopKind::vector)
    refuse(group_.stage(here.empty() ? held[0] : here[0]).name, "compute_at",
           "loop " + loop + " of stage " + stage_.name + " is a vector loop");

  Place place = outside;
  const std::map<int, Region> regions = infer_regions(position, place);
  std::vector<int> buffers;
  std::map<int, std::vector<Storage>> targets;
  const auto bind = [&](int producer, Storages& storages) {
    const Scope scope = is_shared(producer, place) ? Scope::group : Scope::thread;
    targets[producer] = allocate_region(producer, regions.at(producer), scope);
    // Rows that roll in are stored element by element, without their layout's padding.
    for (Storage& target : targets[producer]) target.elements_only |= &storages == &place.held;
    for (size_t r = 0; r < targets[producer].size(); ++r) {
      storages[group_.stage(producer).outputs[r]] = targets[producer][r];
      buffers.push_back(targets[producer][r].buffer);
    }
  };
  for (int producer : held) {
    if (regions.count(producer) == 0 || loops_.position(group_.placement(producer).loop) < position)
      refuse(group_.stage(producer).name, "hold_at",
             "loop " + loop + " is not outside loop " + group_.placement(producer).loop);
    const Loop* bound = loops_.bound();
    const size_t threads = bound ? loops_.position(bound->name) : position;
    if (threads > position && threads <= loops_.position(group_.placement(producer).loop))
      refuse(group_.stage(producer).name, "hold_at",
             "the threads of loop " + bound->name + " would share the rows of each");
    bind(producer, group_.placement(producer).loop == loop ? place.storages : place.held);
  }
  Stmts body;
  for (int producer : here) {
    const Placement& placement = group_.placement(producer);
    const Region& region = regions.at(producer);
    if (placement.hold.empty() || placement.hold == loop) {
      if (placement.hold.empty()) bind(producer, place.storages);
      body = concatenate(std::move(body), produce(producer, region, place, targets.at(producer), false));
      continue;
    }
    std::vector<Storage> storage;
    for (int output : group_.stage(producer).outputs) {
      if (!place.held.count(output))
        refuse(group_.stage(producer).name, "hold_at", "loop " + placement.hold + " is not outside loop " + loop);
      storage.push_back(place.held.at(output));
      place.storages[output] = storage.back();
    }
    const Loop& rolling = loops_.order[position];
    const bool can_roll =
        !rolling.parallel && rolling.kind == LoopKind::serial && !loops_.segmented_by(loop, place.scope);
    const auto later = can_roll ? new_part(region, loop) : std::nullopt;
    if (!later) refuse(group_.stage(producer).name, "hold_at", "the region does not roll along loop " + loop);
    const Expr at_start = place.scope.simplify(eq(loops_.value(loop, place.scope), Expr(0)));
    Place first = place, next = place;
    first.scope.assume(at_start);
    next.scope.assume(logical_not(at_start));
    Stmts all = produce(producer, region, first, storage, true);
    if (at_start.is_int(1)) {
      body = concatenate(std::move(body), std::move(all));
      continue;
    }
    body.push_back(if_then(at_start, std::move(all), produce(producer, *later, next, storage, true)));
  }
  return allocate(buffers, concatenate(std::move(body), walk(w, i + 1, place)));
}

}  // namespace altrt::jit
