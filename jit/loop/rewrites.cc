// Steps that rewrite the Computation before there are loops: inline_stage, split_reduction, cache_read.
#include <algorithm>
#include <set>

#include <altrt/error.h>

#include "jit/loop/loops.h"
#include "jit/loop/prepare.h"

namespace altrt::jit {

namespace {

Expr rename_variables(const Expr& e, const Substitution& names) { return e ? substitute(e, names) : e; }

const LoopStep* find_step(const StageSchedule& schedule, LoopStepKind kind) {
  for (const LoopStep& step : schedule.steps)
    if (step.kind == kind) return &step;
  return nullptr;
}

void erase_steps(StageSchedule& schedule, LoopStepKind kind) {
  std::erase_if(schedule.steps, [&](const LoopStep& step) { return step.kind == kind; });
}

void insert_stage(Computation& c, size_t at, Stage stage) {
  c.stages.insert(c.stages.begin() + static_cast<std::ptrdiff_t>(at), std::move(stage));
  if (c.anchor.stage >= static_cast<int>(at)) ++c.anchor.stage;
}

/// The stage that computes chunk states: outer axis `chunk`, the split axis runs over one chunk.
Stage partial_stage(Computation& c, const Stage& stage, size_t axis, int64_t chunks) {
  const std::string suffix = ".p";
  const int64_t extent = stage.reduce[axis].extent.bound;
  const int64_t length = (extent + chunks - 1) / chunks;
  Stage partial;
  partial.name = stage.name + suffix;
  const std::string chunk = stage.reduce[axis].name + ".chunk";
  partial.axes.push_back({chunk, chunks});
  Substitution names;
  for (const Axis& a : stage.axes) {
    partial.axes.push_back({a.name + suffix, a.extent});
    names[a.name] = variable(a.name + suffix);
  }
  for (const Axis& a : stage.reduce) {
    partial.reduce.push_back({a.name + suffix, a.extent});
    names[a.name] = variable(a.name + suffix);
  }
  partial.reduce[axis].extent = length;
  const Expr position = variable(chunk) * length + variable(partial.reduce[axis].name);
  names[stage.reduce[axis].name] = position;
  std::vector<Extent> shape;
  for (const Axis& a : partial.axes) shape.push_back(a.extent);
  for (size_t k = 0; k < stage.state.size(); ++k) {
    const StateValue& value = stage.state[k];
    StateValue copy = value;
    copy.update = rename_variables(value.update, names);
    copy.init = rename_variables(value.init, names);
    const Expr self = state(static_cast<int>(k), value.type);
    if (extent % chunks != 0) copy.update = select(lt(position, Expr(extent)), copy.update, self);
    partial.state.push_back(copy);
    partial.outputs.push_back(
        c.add_tensor({stage.name + suffix + std::to_string(k), value.type, shape, Role::intermediate}));
    partial.results.push_back(self);
  }
  partial.store = variables(partial.axes);
  return partial;
}

/// What is left of the stage: combines the chunk states in order.
void combine_chunks(Stage& stage, const Stage& partial, const std::string& axis, int64_t chunks) {
  const std::string name = axis + ".c";
  Exprs index{variable(name)}, chunk_states;
  for (const Axis& a : stage.axes) index.push_back(variable(a.name));
  for (size_t k = 0; k < stage.state.size(); ++k)
    chunk_states.push_back(access(partial.outputs[k], stage.state[k].type, index));
  for (StateValue& value : stage.state) {
    value.update = rewrite(value.combine, [&](const Expr& e) {
      return e.is(ExprKind::other) ? chunk_states[static_cast<size_t>(e->id)] : e;
    });
  }
  stage.reduce = {{name, chunks}};
}

void split_reduction(Computation& c, size_t number, const LoopStep& step) {
  Stage stage = c.stages[number];
  const auto axis =
      std::find_if(stage.reduce.begin(), stage.reduce.end(), [&](const Axis& a) { return a.name == step.loop; });
  if (axis == stage.reduce.end()) refuse(stage.name, to_string(step), "no reduction axis " + step.loop);
  if (axis->extent.is_symbolic()) refuse(stage.name, to_string(step), "the axis has a run-time extent");
  if (step.factor < 2 || step.factor > axis->extent.bound)
    refuse(stage.name, to_string(step), "needs 2 to " + std::to_string(axis->extent.bound) + " chunks");
  for (const Axis& a : stage.axes)
    if (a.extent.is_symbolic()) refuse(stage.name, to_string(step), "axis " + a.name + " has a run-time extent");
  for (const StateValue& value : stage.state)
    if (!value.combine) refuse(stage.name, to_string(step), "the state has no combine");
  const Stage partial = partial_stage(c, stage, static_cast<size_t>(axis - stage.reduce.begin()), step.factor);
  combine_chunks(stage, partial, step.loop, step.factor);
  c.stages[number] = stage;
  insert_stage(c, number, partial);
}

/// Dimensions of the tensor in the order in which the stage's loops run over them, the fastest last.
std::vector<int64_t> order_of_use(const Computation& c, const Stage& stage, const StageLoops& loops, int tensor) {
  const size_t rank = c.tensors[static_cast<size_t>(tensor)].shape.size();
  std::vector<size_t> innermost(rank, 0);
  LoopScope nothing;
  Substitution values;
  for (size_t i = 0; i < stage.axes.size(); ++i) values[stage.axes[i].name] = loops.resolve(loops.axes[i], nothing);
  for (const Axis& axis : stage.reduce) values[axis.name] = loops.value(axis.name, nothing);
  const auto look = [&](const Expr& e) {
    if (!e.is(ExprKind::access) || e->id != tensor) return;
    for (size_t d = 0; d < rank; ++d) {
      visit(substitute(e->args[d], values), [&](const Expr& node) {
        if (!node.is(ExprKind::variable)) return;
        for (size_t i = 0; i < loops.order.size(); ++i)
          if (loops.depends(node->name, loops.order[i].name)) innermost[d] = std::max(innermost[d], i + 1);
      });
    }
  };
  for (const StateValue& state : stage.state) visit(state.update, look);
  for (const Expr& result : stage.results) visit(result, look);
  std::vector<int64_t> order(rank);
  for (size_t d = 0; d < rank; ++d) order[d] = static_cast<int64_t>(d);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return innermost[static_cast<size_t>(a)] < innermost[static_cast<size_t>(b)];
  });
  return order;
}

std::string cache_read(Computation& c, Layouts& layouts, Schedule& schedule, size_t number, const LoopStep& step) {
  const Stage& stage = c.stages[number];
  const int tensor = c.find_tensor(step.tensor);
  if (tensor < 0) refuse(stage.name, to_string(step), "no tensor " + step.tensor);
  const TensorDecl decl = c.tensors[static_cast<size_t>(tensor)];
  std::string name = stage.name + "." + decl.name + ".cache";
  if (c.find_tensor(name) >= 0) refuse(stage.name, to_string(step), "it is cached already");
  const auto readers = c.readers(tensor);
  if (std::find(readers.begin(), readers.end(), static_cast<int>(number)) == readers.end())
    refuse(stage.name, to_string(step), "the stage does not read it");

  const Layout output_layout = layouts.count(c.tensors[static_cast<size_t>(stage.outputs[0])].name)
                                   ? layouts.at(c.tensors[static_cast<size_t>(stage.outputs[0])].name)
                                   : Layout();
  const Region whole{{}, c.tensors[static_cast<size_t>(stage.outputs[0])].shape};
  const StageLoops loops = build_loops(c, stage, output_layout, whole, true, schedule[stage.name]);
  const std::vector<int64_t> order = order_of_use(c, stage, loops, tensor);
  if (!std::is_sorted(order.begin(), order.end())) layouts[name].reorder(order);

  Stage copy;
  copy.name = name;
  const int cached = c.add_tensor({name, decl.type, decl.shape, Role::intermediate});
  copy.outputs = {cached};
  for (size_t d = 0; d < decl.shape.size(); ++d) copy.axes.push_back({name + std::to_string(d), decl.shape[d]});
  copy.store = variables(copy.axes);
  copy.results = {access(tensor, decl.type, copy.store)};
  schedule[name].compute_at(stage.name, step.loop);
  const auto redirect = [&](const Expr& e) {
    return e.is(ExprKind::access) && e->id == tensor ? access(cached, e->type, e->args) : e;
  };
  Stage& reader = c.stages[number];
  for (StateValue& state : reader.state) state.update = rewrite(state.update, redirect);
  for (Expr& result : reader.results) result = rewrite(result, redirect);
  insert_stage(c, number, copy);
  return name;
}

}  // namespace

void inline_stages(Computation& c, Schedule& schedule) {
  for (size_t i = 0; i < c.stages.size();) {
    const std::string name = c.stages[i].name;
    if (!schedule.stages.count(name) || !find_step(schedule[name], LoopStepKind::inline_stage)) {
      ++i;
      continue;
    }
    if (!c.stages[i].reduce.empty()) refuse(name, "inline_stage()", "the stage is a reduction");
    for (int output : c.stages[i].outputs) {
      if (c.tensors[static_cast<size_t>(output)].role != Role::intermediate)
        refuse(name, "inline_stage()", "the stage writes an output");
      if (c.writers(output).size() > 1) refuse(name, "inline_stage()", "other stages write its tensor, too");
    }
    c = inline_stage(c, static_cast<int>(i));
    schedule.stages.erase(name);
  }
}

void split_reductions(Computation& c, Schedule& schedule) {
  for (size_t i = 0; i < c.stages.size(); ++i) {
    const std::string name = c.stages[i].name;
    if (!schedule.stages.count(name)) continue;
    const LoopStep* step = find_step(schedule[name], LoopStepKind::split_reduction);
    if (!step) continue;
    const LoopStep copy = *step;
    erase_steps(schedule[name], LoopStepKind::split_reduction);
    split_reduction(c, i, copy);
    ++i;
  }
}

std::vector<std::string> cache_reads(Computation& c, Layouts& layouts, Schedule& schedule) {
  std::vector<std::string> names;
  for (size_t i = 0; i < c.stages.size(); ++i) {
    const std::string name = c.stages[i].name;
    if (!schedule.stages.count(name)) continue;
    while (const LoopStep* step = find_step(schedule[name], LoopStepKind::cache_read)) {
      const LoopStep copy = *step;
      auto& steps = schedule[name].steps;
      steps.erase(std::find(steps.begin(), steps.end(), copy));
      names.push_back(cache_read(c, layouts, schedule, i, copy));
      ++i;  // the copy stands before the stage
    }
  }
  return names;
}

}  // namespace altrt::jit
