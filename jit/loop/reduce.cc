// Accumulators, derived from the loop order: a register tile round the reduction loops; where serial spatial loops run
// inside an outer reduction loop, the tile they span lives in thread scope and its innermost part in registers.
#include <algorithm>
#include <set>

#include "jit/expr/math.h"
#include "jit/loop/emit.h"

namespace altrt::jit {

Cells StageEmitter::make_cells(const std::vector<size_t>& rest, Scope scope, const Place& place) {
  Cells cells;
  std::vector<int64_t> shape;
  for (size_t at : rest) {
    const Loop& loop = loops_.order[at];
    if (loop.reduction) continue;
    cells.loops.push_back(loop.name);
    shape.push_back(loops_.extent_of(loop, place.scope).bound);
  }
  for (size_t at : rest) {
    const Loop& loop = loops_.order[at];
    if (loop.kind != LoopKind::vector) continue;
    cells.vector = loop.name;
    cells.width = loops_.extent_of(loop, place.scope).bound;
    if (!loop.reduction) continue;
    cells.lane = loop.name;
    cells.lanes = cells.width;
    shape.push_back(cells.lanes);
  }
  if (shape.empty()) shape.push_back(1);
  const std::string name = stage_.name + (scope == Scope::thread ? ".sum" : ".acc");
  for (size_t k = 0; k < stage_.state.size(); ++k) {
    const std::string suffix = stage_.state.size() > 1 ? std::to_string(k) : "";
    cells.buffers.push_back(context_.local_buffer(name + suffix, stage_.state[k].type, shape, scope));
  }
  cells.next_update = temporaries(cells, false);
  const Loop* bound = loops_.bound();
  const bool combines = !cells.lane.empty() || (bound && bound->reduction);
  if (combines && stage_.state[0].combine) cells.next_combine = temporaries(cells, true);
  return cells;
}

Exprs StageEmitter::index_of(const Cells& cells, const LoopScope& scope) const {
  Exprs index;
  for (const std::string& loop : cells.loops) index.push_back(scope.values.at(loop));
  if (!cells.lane.empty()) index.push_back(scope.values.at(cells.lane));
  if (index.empty()) index.push_back(Expr(0));
  return index;
}

/// The loops over all cells.
std::vector<size_t> StageEmitter::cell_walk(const Cells& cells, const std::vector<size_t>& rest) const {
  std::vector<size_t> loops;
  for (size_t at : rest)
    if (!loops_.order[at].reduction || loops_.order[at].name == cells.lane) loops.push_back(at);
  return loops;
}

Exprs StageEmitter::read_cells(const Cells& cells, const Exprs& index) const {
  Exprs values;
  for (size_t k = 0; k < cells.buffers.size(); ++k)
    values.push_back(access(cells.buffers[k], stage_.state[k].type, index));
  return values;
}

Stmts StageEmitter::fill(const Cells& cells, const Place& place) {
  Stmts stmts;
  for (size_t k = 0; k < cells.buffers.size(); ++k) {
    const Expr value = rewriter(place).rewrite(stage_.state[k].init, body_values(place.scope));
    stmts.push_back(store(cells.buffers[k], index_of(cells, place.scope), value));
  }
  return stmts;
}

Stmts StageEmitter::copy(const Cells& to, const Cells& from, const Place& place) {
  Stmts stmts;
  const Exprs values = read_cells(from, index_of(from, place.scope));
  for (size_t k = 0; k < to.buffers.size(); ++k)
    stmts.push_back(store(to.buffers[k], index_of(to, place.scope), values[k]));
  return stmts;
}

/// One buffer per state value that a later one reads before all are replaced; -1 for the others.
std::vector<int> StageEmitter::temporaries(const Cells& cells, bool combining) {
  std::vector<int> buffers;
  for (size_t k = 0; k < stage_.state.size(); ++k) {
    bool is_read_later = false;
    for (size_t later = k + 1; later < stage_.state.size(); ++later) {
      visit(combining ? stage_.state[later].combine : stage_.state[later].update, [&](const Expr& e) {
        if ((e.is(ExprKind::state) || e.is(ExprKind::other)) && e->id == static_cast<int>(k)) is_read_later = true;
      });
    }
    const std::string name = stage_.name + (combining ? ".pair" : ".next") + std::to_string(k);
    buffers.push_back(
        is_read_later ? context_.local_buffer(name, stage_.state[k].type, {cells.width}, Scope::register_tile) : -1);
  }
  return buffers;
}

/// All values are computed from the previous ones before any that a later one reads is replaced.
Stmts StageEmitter::assign(const std::vector<int>& buffers, const Exprs& index, const Exprs& values,
                           const std::vector<int>& temporaries, const Exprs& temporary_index) {
  Stmts stmts, copies;
  for (size_t k = 0; k < buffers.size(); ++k) {
    if (temporaries[k] < 0) {
      stmts.push_back(store(buffers[k], index, values[k]));
      continue;
    }
    stmts.push_back(store(temporaries[k], temporary_index, values[k]));
    copies.push_back(store(buffers[k], index, access(temporaries[k], stage_.state[k].type, temporary_index)));
  }
  return concatenate(std::move(stmts), std::move(copies));
}

Stmts StageEmitter::update(const Cells& cells, const Place& place) {
  const Exprs index = index_of(cells, place.scope);
  BodyValues values = body_values(place.scope);
  values.state = read_cells(cells, index);
  // Masked lanes keep their state.
  std::vector<Expr> conditions;
  for (const auto& [source, split] : loops_.splits)
    if (split.reduction && split.tail == Tail::mask && !place.scope.guarded.count(source))
      conditions.push_back(lt(loops_.value(source, place.scope), Expr(loops_.extent_at(source, place.scope))));
  const Expr condition = place.scope.simplify(conjunction(conditions));
  Exprs updated;
  for (size_t k = 0; k < stage_.state.size(); ++k) {
    Expr body = stage_.state[k].update;
    if (condition.is_int(1)) {
      updated.push_back(rewriter(place).rewrite(body, values));
      continue;
    }
    Place inside = place;
    inside.scope.assume(condition);
    updated.push_back(select(condition, rewriter(inside).rewrite(body, values), values.state[k]));
  }
  const Expr lane = cells.vector.empty() ? Expr(0) : place.scope.values.at(cells.vector);
  return assign(cells.buffers, index, updated, cells.next_update, {lane});
}

/// Halves the lanes until one is left.
Stmts StageEmitter::combine_lanes(const Cells& cells, const Place& place) {
  Stmts stmts;
  for (int64_t count = cells.lanes; count > 1;) {
    const int64_t half = (count + 1) / 2, pairs = count - half;
    Place here = place;
    here.scope.values[cells.lane] = Expr(0);
    if (pairs > 1) {
      here.scope.add_variable(cells.lane, {0, pairs - 1});
      here.scope.values[cells.lane] = variable(cells.lane);
    }
    const Exprs index = index_of(cells, here.scope);
    Exprs other_index = index;
    other_index.back() = other_index.back() + half;
    BodyValues values;
    values.state = read_cells(cells, index);
    values.other = read_cells(cells, other_index);
    Exprs combined;
    for (const StateValue& value : stage_.state) combined.push_back(rewriter(here).rewrite(value.combine, values));
    Stmts body = assign(cells.buffers, index, combined, cells.next_combine, {index.back()});
    if (pairs > 1) body = {make_loop(cells.lane, LoopKind::vector, Expr(pairs), std::move(body))};
    stmts = concatenate(std::move(stmts), std::move(body));
    count = half;
  }
  return stmts;
}

/// One register per state value for what comes from another thread.
std::vector<int> StageEmitter::shuffle_buffers(const Cells& cells) {
  std::vector<int> buffers;
  for (size_t k = 0; k < cells.buffers.size(); ++k)
    buffers.push_back(context_.local_buffer(stage_.name + ".from" + std::to_string(k), stage_.state[k].type, {1},
                                            Scope::register_tile));
  return buffers;
}

/// The states become their combination with `others`.
Stmts StageEmitter::combine_with(const Cells& cells, const Exprs& index, const Exprs& others, const Place& place) {
  BodyValues values;
  values.state = read_cells(cells, index);
  values.other = others;
  Exprs combined;
  for (const StateValue& value : stage_.state) combined.push_back(rewriter(place).rewrite(value.combine, values));
  return assign(cells.buffers, index, combined, cells.next_combine, {Expr(0)});
}

/// Thread 0 of each `lanes` threads gets the combination of their states, in a fixed order.
Stmts StageEmitter::combine_warps(const Cells& cells, const Place& place, int64_t lanes) {
  const Exprs index = index_of(cells, place.scope);
  const std::vector<int> from = shuffle_buffers(cells);
  Stmts stmts;
  for (int64_t distance = lanes / 2; distance > 0; distance /= 2) {
    Exprs others;
    for (size_t k = 0; k < from.size(); ++k) {
      const Expr own = access(cells.buffers[k], stage_.state[k].type, index);
      stmts.push_back(store(from[k], {Expr(0)}, shuffle_down(own, static_cast<int>(distance))));
      others.push_back(access(from[k], own->type, {Expr(0)}));
    }
    stmts = concatenate(std::move(stmts), combine_with(cells, index, others, place));
  }
  return allocate(from, std::move(stmts));
}

/// Thread 0 of the block gets the combination of all threads' states: within warps, then of the warps' in group scope.
Stmts StageEmitter::combine_threads(const Cells& cells, const Place& place, int64_t threads) {
  constexpr int64_t kWarp = 32;
  const int64_t warps = threads / kWarp;
  if (threads % kWarp != 0 || (warps & (warps - 1)) != 0 || warps > kWarp)
    refuse(stage_.name, "bind", "a reduction over " + std::to_string(threads) + " threads, which are no power of two");
  for (const StateValue& value : stage_.state)
    if (size_of(value.type) < 4)
      refuse(stage_.name, "bind", "threads can't exchange states of type " + std::string(to_string(value.type)));
  Stmts stmts = combine_warps(cells, place, kWarp);
  if (warps == 1) return stmts;
  const Exprs index = index_of(cells, place.scope);
  const std::string name = stage_.name + ".thread";
  const Expr thread = variable(name);
  std::vector<int> shared;
  Stmts share, take;
  for (size_t k = 0; k < cells.buffers.size(); ++k) {
    const StateValue& value = stage_.state[k];
    shared.push_back(
        context_.local_buffer(stage_.name + ".warps" + std::to_string(k), value.type, {warps}, Scope::group));
    share.push_back(store(shared[k], {floor_div(thread, kWarp)}, access(cells.buffers[k], value.type, index)));
    const Expr init = rewriter(place).rewrite(value.init, body_values(place.scope));
    take.push_back(
        store(cells.buffers[k], index, select(lt(thread, Expr(warps)), access(shared[k], value.type, {thread}), init)));
  }
  share = {if_then(eq(floor_mod(thread, kWarp), Expr(0)), std::move(share))};
  stmts.push_back(make_loop(name, LoopKind::thread, Expr(threads), std::move(share)));
  stmts.push_back(make_loop(name, LoopKind::thread, Expr(threads), std::move(take)));
  return allocate(shared, concatenate(std::move(stmts), combine_warps(cells, place, warps)));
}

/// The buffers to allocate: cells, and the temporaries that are used.
std::vector<int> StageEmitter::all_buffers(const Cells& cells, bool updates, bool combines) {
  std::vector<int> buffers = cells.buffers;
  const auto add = [&](const std::vector<int>& more) {
    for (int buffer : more)
      if (buffer >= 0 && std::find(buffers.begin(), buffers.end(), buffer) == buffers.end()) buffers.push_back(buffer);
  };
  if (updates) add(cells.next_update);
  if (combines) add(cells.next_combine);
  return buffers;
}

Stmts StageEmitter::open(const std::vector<size_t>& rest, const Place& place) {
  // Registers take the part of the tile that no serial loop runs over: from the first reduction loop behind the last
  // serial spatial loop.
  size_t last_serial = 0, lane = rest.size();
  bool has_serial = false;
  for (size_t i = 0; i < rest.size(); ++i) {
    const Loop& loop = loops_.order[rest[i]];
    if (!loop.reduction && !loop.is_expanded()) {
      has_serial = true;
      last_serial = i;
    }
    if (loop.reduction && loop.kind == LoopKind::vector) lane = i;
  }
  const Loop* bound = loops_.bound();
  const int64_t threads = bound && bound->reduction ? loops_.extents.at(bound->name) : 1;
  if (threads > 1 && !stage_.state[0].combine)
    refuse(stage_.name, "bind(" + bound->name + ")", "the reduction's state has no combine");
  if (lane < rest.size() && !stage_.state[0].combine)
    refuse(stage_.name, "vectorize(" + loops_.order[rest[lane]].name + ")", "the reduction's state has no combine");

  const Cells cells = make_cells(rest, has_serial ? Scope::thread : Scope::register_tile, place);
  const std::vector<size_t> over_cells = cell_walk(cells, rest);
  Stmts body = walk({over_cells, Phase::cells, [&](const Place& p) { return fill(cells, p); }}, 0, place);
  bool updates_here = !has_serial;
  if (!has_serial) {
    body = concatenate(std::move(body),
                       walk({rest, Phase::update, [&](const Place& p) { return update(cells, p); }}, 0, place));
  } else {
    size_t inner = last_serial + 1;
    while (inner < rest.size() && !loops_.order[rest[inner]].reduction) ++inner;
    const std::vector<size_t> behind(rest.begin() + static_cast<std::ptrdiff_t>(inner), rest.end());
    std::vector<size_t> before(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(inner));
    Leaf leaf = [&](const Place& p) { return open_registers(behind, cells, p); };
    updates_here = behind.empty();
    if (updates_here) leaf = [&](const Place& p) { return update(cells, p); };
    body = concatenate(std::move(body), walk({before, Phase::update, leaf}, 0, place));
  }
  std::vector<size_t> tile;
  for (size_t at : rest)
    if (!loops_.order[at].reduction) tile.push_back(at);
  // Long results for a whole tile would be too much straight-line code: the states go to memory first.
  const bool flush = !has_serial && cells.lane.empty() && threads == 1 && is_long_finish(tile, place);
  Cells flushed;
  if (flush) {
    flushed = make_cells(rest, Scope::thread, place);
    body = concatenate(
        std::move(body),
        walk({over_cells, Phase::cells, [&](const Place& p) { return copy(flushed, cells, p); }}, 0, place));
  }
  const Cells& states = flush ? flushed : cells;
  const Leaf finish = [&](const Place& p) {
    Place here = p;
    Stmts stmts = cells.lane.empty() ? Stmts() : combine_lanes(cells, p);
    if (!cells.lane.empty()) here.scope.values[cells.lane] = Expr(0);
    if (threads > 1) stmts = concatenate(std::move(stmts), combine_threads(cells, here, threads));
    return concatenate(std::move(stmts), store_results(here, read_cells(states, index_of(states, here.scope))));
  };
  body = concatenate(std::move(body), walk({tile, Phase::finish, finish, flush}, 0, place));
  std::vector<int> buffers = all_buffers(cells, updates_here, !cells.lane.empty() || threads > 1);
  buffers.insert(buffers.end(), flushed.buffers.begin(), flushed.buffers.end());
  return allocate(buffers, std::move(body));
}

/// Whether computing the results of all points of a tile side by side takes more than a few hundred operations.
bool StageEmitter::is_long_finish(const std::vector<size_t>& tile, const Place& place) const {
  constexpr int64_t kLimit = 320, kLanes = 16;
  int64_t points = 1, operations = 0;
  for (size_t at : tile) {
    const Loop& loop = loops_.order[at];
    const int64_t extent = loops_.extent_of(loop, place.scope).bound;
    points *= loop.kind == LoopKind::vector ? (extent + kLanes - 1) / kLanes : extent;
  }
  if (points == 1) return false;
  for (const Expr& result : stage_.results) {
    std::set<const ExprNode*> counted;
    visit(expand_math(result), [&](const Expr& e) {
      if (!e->args.empty() && e->type != DataType::i64) counted.insert(e.get());
    });
    operations += static_cast<int64_t>(counted.size());
  }
  return points * operations > kLimit;
}

/// The innermost part of a tile in thread scope is loaded into registers, accumulated there and stored back.
Stmts StageEmitter::open_registers(const std::vector<size_t>& rest, const Cells& outer, const Place& place) {
  const Cells cells = make_cells(rest, Scope::register_tile, place);
  const std::vector<size_t> over_cells = cell_walk(cells, rest);
  Stmts body = walk({over_cells, Phase::cells, [&](const Place& p) { return copy(cells, outer, p); }}, 0, place);
  body = concatenate(std::move(body),
                     walk({rest, Phase::update, [&](const Place& p) { return update(cells, p); }}, 0, place));
  body = concatenate(std::move(body),
                     walk({over_cells, Phase::cells, [&](const Place& p) { return copy(outer, cells, p); }}, 0, place));
  return allocate(all_buffers(cells, true, false), std::move(body));
}

}  // namespace altrt::jit
