#include "jit/loop/emit.h"

#include <algorithm>

#include <altrt/error.h>

#include "jit/expr/bound_shape.h"
#include "jit/loop/barriers.h"
#include "jit/loop/prefetch.h"

namespace altrt::jit {

Stmts concatenate(Stmts a, Stmts b) {
  for (Stmt& stmt : b) a.push_back(std::move(stmt));
  return a;
}

Stmts allocate(const std::vector<int>& buffers, Stmts body) {
  for (size_t i = buffers.size(); i-- > 0;) {
    Stmt stmt;
    stmt.kind = StmtKind::allocate;
    stmt.buffer = buffers[i];
    stmt.body = std::move(body);
    body.clear();
    body.push_back(std::move(stmt));
  }
  return body;
}

Stmt if_then(const Expr& condition, Stmts body, Stmts otherwise) {
  Stmt stmt;
  stmt.kind = StmtKind::if_then;
  stmt.value = condition;
  stmt.body = std::move(body);
  stmt.otherwise = std::move(otherwise);
  return stmt;
}

Stmt make_loop(const std::string& name, LoopKind kind, const Expr& extent, Stmts body) {
  Stmt stmt;
  stmt.kind = StmtKind::loop;
  stmt.name = name;
  stmt.loop = kind;
  stmt.extent = extent;
  stmt.body = std::move(body);
  return stmt;
}

int NestContext::local_buffer(const std::string& name, DataType type, const std::vector<int64_t>& shape, Scope scope) {
  std::string unique = name;
  int copies = 0;
  for (size_t i = 0; i < nest.buffers.size(); ++i) {
    const Buffer& b = nest.buffers[i];
    if (b.name != unique) continue;
    if (b.type == type && b.shape == shape && b.scope == scope) return static_cast<int>(i);
    unique = name + "." + std::to_string(++copies);
    i = static_cast<size_t>(-1);
  }
  Buffer buffer;
  buffer.name = unique;
  buffer.type = type;
  buffer.shape = shape;
  buffer.scope = scope;
  buffer.written = true;
  nest.buffers.push_back(buffer);
  return static_cast<int>(nest.buffers.size()) - 1;
}

StageEmitter::StageEmitter(NestContext& context, int stage, StageLoops loops, std::vector<Storage> targets,
                           bool partial)
    : context_(context),
      group_(context.group),
      stage_number_(stage),
      stage_(context.group.stage(stage)),
      loops_(std::move(loops)),
      targets_(std::move(targets)),
      partial_(partial) {}

BodyRewriter StageEmitter::rewriter(const Place& place) const {
  return BodyRewriter(stage_.name, place.storages, context_.nest, place.scope);
}

BodyValues StageEmitter::body_values(const LoopScope& scope) const {
  BodyValues values;
  for (size_t i = 0; i < stage_.axes.size(); ++i)
    values.axes[stage_.axes[i].name] = scope.simplify(loops_.resolve(loops_.axes[i], scope));
  for (const Axis& axis : stage_.reduce) values.axes[axis.name] = scope.simplify(loops_.value(axis.name, scope));
  values.window = loops_.reduction_loops();
  return values;
}

Stmt StageEmitter::store(int buffer, Exprs indices, Expr value) const {
  Stmt stmt;
  stmt.kind = StmtKind::store;
  stmt.buffer = buffer;
  stmt.indices = std::move(indices);
  stmt.value = std::move(value);
  return stmt;
}

/// Physical index of the point in output `r`, and what must hold for it to be stored.
Exprs StageEmitter::store_index(size_t r, const BodyValues& values, const LoopScope& scope,
                                const BodyRewriter& rewriter, std::vector<Expr>& conditions) const {
  Exprs index;
  if (r == 0 && !loops_.store.empty() && !partial_) {
    if (loops_.guard) conditions.push_back(scope.simplify(loops_.resolve(loops_.guard, scope)));
    for (const Expr& e : loops_.store) index.push_back(scope.simplify(loops_.resolve(e, scope)));
    return index;
  }
  const Storage& target = targets_[r];
  for (const LayoutStep& step : target.layout.steps)
    if (step.kind == LayoutKind::unfold)
      refuse(stage_.name, "", "only the first output of a stage that is computed as a whole can be unfolded");
  Exprs logical;
  for (const Expr& e : stage_.store) logical.push_back(scope.simplify(substitute(e, values.axes)));
  for (size_t d = 0; d < logical.size() && !loops_.store.empty(); ++d) {
    const Expr relative = target.base.empty() ? logical[d] : logical[d] - target.base[d];
    conditions.push_back(scope.simplify(in_range(relative, 0, target.shape[d].bound)));
  }
  Analyzer known = scope.analyzer().assume(conjunction(conditions));
  Expr inside;
  index = rewriter.physical(target, logical, values.window, known, inside);
  conditions.push_back(inside);
  return index;
}

/// What masked splits ask for that no loop has tested.
std::vector<Expr> StageEmitter::open_masks(const LoopScope& scope) const {
  std::vector<Expr> conditions;
  for (const auto& [source, split] : loops_.splits) {
    if (split.tail != Tail::mask || split.reduction || scope.guarded.count(source)) continue;
    if (!loops_.is_settled(source, scope) || loops_.extent_at(source, scope) % split.factor == 0) continue;
    conditions.push_back(scope.simplify(lt(loops_.value(source, scope), Expr(loops_.extent_at(source, scope)))));
  }
  return conditions;
}

/// What all threads can see is stored by one where no loop of the stage runs over them.
Stmts StageEmitter::for_one_thread(Stmts body, int buffer) const {
  const Scope scope = context_.nest.buffers[static_cast<size_t>(buffer)].scope;
  const Loop* bound = loops_.bound();
  if (!context_.has_threads || (scope != Scope::argument && scope != Scope::group) || (bound && !bound->reduction))
    return body;
  return {make_loop(stage_.name + ".one", LoopKind::thread, Expr(1), std::move(body))};
}

/// Results of one point into every output. A point past the end of a tensor is stored only where its layout has room
/// for it.
Stmts StageEmitter::store_results(const Place& place, const Exprs& states) {
  BodyValues values = body_values(place.scope);
  values.state = states;
  Stmts stmts;
  for (size_t r = 0; r < targets_.size(); ++r) {
    Place here = place;
    std::vector<Expr> conditions = open_masks(here.scope);
    if (!conditions.empty()) here.scope.assume(conjunction(conditions));
    Exprs index = store_index(r, values, here.scope, rewriter(here), conditions);
    std::erase_if(conditions, [](const Expr& e) { return e.is_int(1); });
    if (!conditions.empty()) here.scope.assume(conjunction(conditions));
    // Simplified under the condition, an index may take a form whose bounds have to be stated again.
    for (Expr& e : index) e = in_loop_order(here.scope.simplify(e), here.scope.variables);
    const std::vector<int64_t>& shape = context_.nest.buffers[static_cast<size_t>(targets_[r].buffer)].shape;
    const Expr restated = inside_condition(index, shape, here.scope.analyzer());
    if (!restated.is_int(1)) here.scope.assume(restated);
    Stmts stores{store(targets_[r].buffer, index, rewriter(here).rewrite(stage_.results[r], values))};
    if (!restated.is_int(1)) stores = {if_then(restated, std::move(stores))};
    if (!conditions.empty()) stores = {if_then(conjunction(conditions), std::move(stores))};
    stmts = concatenate(std::move(stmts), for_one_thread(std::move(stores), targets_[r].buffer));
  }
  return stmts;
}

Stmts StageEmitter::emit(const Place& place) {
  check_attached();
  std::vector<size_t> all;
  for (size_t i = 0; i < loops_.order.size(); ++i) all.push_back(i);
  if (stage_.state.empty())
    return walk({all, Phase::outer, [this](const Place& p) { return store_results(p, {}); }}, 0, place);
  // Accumulators are opened at the outermost reduction loop; without one, round the unrolled and vector loops at the
  // end.
  size_t at = 0;
  while (at < all.size() && !loops_.order[at].reduction) ++at;
  if (at == all.size())
    while (at > 0 && loops_.order[at - 1].is_expanded() && !loops_.order[at - 1].parallel) --at;
  const std::vector<size_t> rest(all.begin() + static_cast<std::ptrdiff_t>(at), all.end());
  all.resize(at);
  return walk({all, Phase::outer, [this, rest](const Place& p) { return open(rest, p); }}, 0, place);
}

namespace {

/// Tensors of the Computation that the kernel of `root` touches in memory, in order.
std::vector<int> kernel_arguments(const Prepared& group, int root) {
  std::vector<bool> used(group.computation.tensors.size(), false);
  for (size_t i = 0; i < group.placements.size(); ++i) {
    int stage = static_cast<int>(i);
    while (group.placement(stage).at >= 0) stage = group.placement(stage).at;
    if (stage != root) continue;
    const Stage& s = group.stage(static_cast<int>(i));
    const auto look = [&](const Expr& e) {
      if (e.is(ExprKind::access)) used[static_cast<size_t>(group.memory[static_cast<size_t>(e->id)])] = true;
    };
    for (const StateValue& state : s.state) visit(state.update, look);
    for (const Expr& result : s.results) visit(result, look);
    for (int output : s.outputs) used[static_cast<size_t>(output)] = true;
  }
  std::vector<int> arguments;
  for (size_t t = 0; t < used.size(); ++t) {
    const auto writers = group.computation.writers(static_cast<int>(t));
    const bool is_region = !writers.empty() && group.placement(writers[0]).at >= 0;
    if (used[t] && !is_region) arguments.push_back(static_cast<int>(t));
  }
  return arguments;
}

void bind_arguments(const Prepared& group, int root, const std::vector<int>& arguments, Nest& nest, Place& place) {
  const Stage& stage = group.stage(root);
  for (int tensor : arguments) {
    const TensorDecl& decl = group.tensor(tensor);
    const Layout& layout = group.layouts[static_cast<size_t>(tensor)];
    Buffer buffer;
    buffer.name = decl.name;
    buffer.type = decl.type;
    buffer.shape = bound_shape(physical_shape(layout, decl.shape));
    buffer.argument = static_cast<int>(nest.buffers.size());
    buffer.written = std::find(stage.outputs.begin(), stage.outputs.end(), tensor) != stage.outputs.end();
    place.storages[tensor] = Storage{buffer.argument, layout, decl.shape, {}};
    nest.buffers.push_back(buffer);
  }
  for (size_t t = 0; t < group.memory.size(); ++t) {
    const auto host = place.storages.find(group.memory[t]);
    const int source = static_cast<int>(t);
    if (group.memory[t] == source || host == place.storages.end()) continue;
    place.storages[source] = Storage{host->second.buffer, group.layouts[t], group.tensor(source).shape, {}};
  }
}

/// Some stage that is computed in the kernel of `root` has a bound loop.
bool binds_threads(const Prepared& group, int root) {
  for (size_t i = 0; i < group.placements.size(); ++i) {
    int stage = static_cast<int>(i);
    while (group.placement(stage).at >= 0) stage = group.placement(stage).at;
    if (stage == root && has_step(group.schedules[i], LoopStepKind::bind)) return true;
  }
  return false;
}

/// Stages with prefetch(), by the loop of the consumer at which they are computed.
void prefetch_stages(const Prepared& group, int root, Nest& nest) {
  std::map<std::string, std::vector<std::string>> buffers;
  for (size_t i = 0; i < group.placements.size(); ++i) {
    const Placement& placement = group.placements[i];
    if (placement.at != root || !has_step(group.schedules[i], LoopStepKind::prefetch)) continue;
    for (int output : group.stage(static_cast<int>(i)).outputs)
      buffers[placement.loop].push_back(group.tensor(output).name);
  }
  for (const auto& [loop, names] : buffers) prefetch(nest, loop, names);
}

/// Run-time sizes that the group's tensors name.
void add_sizes(const Prepared& group, Nest& nest) {
  const auto look = [&](const Extent& extent) {
    if (!extent.is_symbolic()) return;
    nest.sizes = std::max(nest.sizes, extent.size_index + 1);
    nest.size_bounds.resize(static_cast<size_t>(nest.sizes), 0);
    int64_t& bound = nest.size_bounds[static_cast<size_t>(extent.size_index)];
    bound = std::max(bound, extent.bound);
  };
  for (const TensorDecl& tensor : group.computation.tensors)
    for (const Extent& extent : tensor.shape) look(extent);
}

}  // namespace

LoweredKernel emit_kernel(const Prepared& group, int root) {
  const Stage& stage = group.stage(root);
  LoweredKernel kernel;
  kernel.arguments = kernel_arguments(group, root);
  NestContext context{group, {}, binds_threads(group, root)};
  context.nest.name = group.computation.name + "." + stage.name;
  Place place;
  bind_arguments(group, root, kernel.arguments, context.nest, place);
  add_sizes(group, context.nest);

  const int output = stage.outputs[0];
  const Region whole{{}, group.tensor(output).shape};
  StageLoops loops = build_loops(group.computation, stage, group.layouts[static_cast<size_t>(output)], whole, false,
                                 group.schedules[static_cast<size_t>(root)]);
  for (const Loop& loop : loops.order)
    if (loop.parallel) context.nest.parallel.push_back({loop.name, loop.extent});
  std::vector<Storage> targets;
  for (int tensor : stage.outputs) targets.push_back(place.storages.at(tensor));
  StageEmitter emitter(context, root, std::move(loops), std::move(targets));
  context.nest.body = emitter.emit(place);
  prefetch_stages(group, root, context.nest);
  if (context.has_threads) insert_barriers(context.nest);
  kernel.nest = std::move(context.nest);
  return kernel;
}

}  // namespace altrt::jit
