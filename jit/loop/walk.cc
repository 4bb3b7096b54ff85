// The walk over a stage's loops: one statement a loop, segments of tails, predicates.
#include <algorithm>

#include "jit/loop/emit.h"

namespace altrt::jit {

namespace {

Expr extent_expr(const Extent& extent) {
  return extent.is_symbolic() ? variable("size" + std::to_string(extent.size_index)) : Expr(extent.bound);
}

}  // namespace

Stmts StageEmitter::walk(const Walk& w, size_t i, Place place) {
  if (i == w.loops.size()) return w.leaf(place);
  const Loop& loop = loops_.order[w.loops[i]];
  const SplitRecord* split = loops_.segmented_by(loop.name, place.scope);
  const bool is_open = split && !place.scope.segments.count(split->source);
  if (!is_open || loop.parallel) {
    const Extent extent = loops_.extent_of(loop, place.scope);
    return enter(w, i, std::move(place), loop, 0, extent);
  }
  // Blocks of two sizes: the loop runs once over the blocks of each.
  Stmts stmts;
  const std::vector<TailSegment> segments = loops_.segments_at(*split, place.scope);
  for (size_t k = 0; k < segments.size(); ++k) {
    Place part = place;
    part.scope.segments[split->source] = static_cast<int>(k);
    stmts = concatenate(std::move(stmts), enter(w, i, std::move(part), loop, segments[k].first, segments[k].count));
  }
  return stmts;
}

Stmts StageEmitter::enter(const Walk& w, size_t i, Place place, const Loop& loop, int64_t first, const Extent& extent) {
  const bool single = !extent.is_symbolic() && extent.bound == 1 && !loop.parallel && loop.kind != LoopKind::thread;
  if (single) {
    place.scope.values[loop.name] = Expr(first);
    return entered(w, i, place);
  }
  place.scope.add_variable(loop.name, {0, extent.bound - 1});
  place.scope.values[loop.name] = variable(loop.name) + first;
  if (loop.kind == LoopKind::thread) {
    place.thread = loop.name;
    place.threads = extent.bound;
  }
  Stmts body = entered(w, i, place);
  if (loop.parallel || body.empty()) return body;
  const LoopKind kind = w.rolled && loop.kind == LoopKind::unrolled ? LoopKind::serial : loop.kind;
  return {make_loop(loop.name, kind, extent_expr(extent), std::move(body))};
}

/// Barriers further inside must be reached by all threads: a predicate that tells them apart is left to the stores.
bool StageEmitter::is_deferred(const Loop& loop, const SplitRecord& split) const {
  const Loop* bound = loops_.bound();
  return bound && loops_.depends(split.source, bound->name) && !stages_inside(loops_.position(loop.name)).empty();
}

/// Whether the predicate of a masked split is tested on entering `loop`.
bool StageEmitter::guards(const Walk& w, const Loop& loop, const SplitRecord& split, const LoopScope& scope) const {
  if (split.tail != Tail::mask || scope.guarded.count(split.source)) return false;
  if (!loops_.is_settled(split.source, scope) || loops_.extent_at(split.source, scope) % split.factor == 0)
    return false;
  if (!loops_.depends(split.source, loop.name) || !loops_.is_entered(split.source, scope)) return false;
  if (w.phase == Phase::cells || is_deferred(loop, split)) return false;
  // Lanes and threads are selected in the update.
  if (split.reduction) return loop.kind != LoopKind::vector && loop.kind != LoopKind::thread;
  return w.phase != Phase::update || !loop.is_expanded();  // a tile is computed whole and stored in part
}

Stmts StageEmitter::entered(const Walk& w, size_t i, const Place& place) {
  const Loop& loop = loops_.order[w.loops[i]];
  for (const auto& [source, split] : loops_.splits) {
    if (!split.has_tail || place.scope.segments.count(source) || !loops_.is_settled(source, place.scope)) continue;
    const std::vector<TailSegment> segments = loops_.segments_at(split, place.scope);
    if (segments.size() < 2 || !loops_.is_entered(split.outer, place.scope)) continue;
    const Expr condition = place.scope.simplify(lt(loops_.value(split.outer, place.scope), Expr(segments[0].count)));
    Place first = place, second = place;
    first.scope.segments[source] = 0;
    second.scope.segments[source] = 1;
    if (condition.is_int()) return entered(w, i, condition->int_value ? first : second);
    first.scope.assume(condition);
    second.scope.assume(logical_not(condition));
    return {if_then(condition, entered(w, i, first), entered(w, i, second))};
  }
  for (const auto& [source, split] : loops_.splits) {
    if (!guards(w, loop, split, place.scope)) continue;
    const Expr condition =
        place.scope.simplify(lt(loops_.value(source, place.scope), Expr(loops_.extent_at(source, place.scope))));
    Place inside = place;
    inside.scope.guarded.insert(source);
    if (condition.is_int(1)) return entered(w, i, inside);
    inside.scope.assume(condition);
    Stmts body = entered(w, i, inside);
    if (body.empty()) return body;
    return {if_then(condition, std::move(body))};
  }
  if (loop.skips && w.phase == Phase::update) {
    const Expr condition = contributes(loop, place.scope);
    if (condition.is_int(0)) return {};
    if (!condition.is_int(1)) {
      Place inside = place;
      inside.scope.assume(condition);
      Stmts body = with_producers(w, i, inside);
      if (body.empty()) return body;
      return {if_then(condition, std::move(body))};
    }
  }
  if (w.phase == Phase::outer || w.phase == Phase::update) return with_producers(w, i, place);
  return walk(w, i + 1, place);
}

/// What can be said on entering `loop` of where its iteration adds something.
Expr StageEmitter::contributes(const Loop& loop, const LoopScope& scope) const {
  const Substitution axes = body_values(scope).axes;
  const Loop* bound = loops_.bound();
  const bool barriers = bound && !stages_inside(loops_.position(loop.name)).empty();
  std::vector<Expr> conditions;
  for (const Expr& condition : group_.contributing[static_cast<size_t>(stage_number_)]) {
    const Expr here = scope.simplify(substitute(condition, axes));
    bool known = true;
    visit(here, [&](const Expr& e) {
      if (!e.is(ExprKind::variable)) return;
      known = known && scope.ranges().count(e->name) && !(barriers && e->name == bound->name);
    });
    if (known) conditions.push_back(here);
  }
  return conjunction(conditions);
}

}  // namespace altrt::jit
