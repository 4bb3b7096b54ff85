#include "jit/loop/prepare.h"

#include <algorithm>
#include <set>

#include <altrt/error.h>

#include "jit/layout/kept.h"
#include "jit/layout/stored.h"
#include "jit/loop/loops.h"

namespace altrt::jit {

std::vector<int> Prepared::attached(int stage, const std::string& loop) const {
  std::vector<int> stages;
  for (size_t i = 0; i < placements.size(); ++i)
    if (placements[i].at == stage && placements[i].loop == loop) stages.push_back(static_cast<int>(i));
  return stages;
}

std::vector<bool> Prepared::has_border(int stage_number) const {
  const Stage& s = stage(stage_number);
  std::vector<bool> flags(tensor(s.outputs[0]).shape.size(), false);
  for (int output : s.outputs) {
    const auto& values = outside.border[static_cast<size_t>(output)].value;
    for (size_t d = 0; d < values.size(); ++d) flags[d] = flags[d] || values[d].has_value();
  }
  return flags;
}

namespace {

int find_consumer(const Computation& c, const Stage& stage, const LoopStep& step) {
  const int at = c.find_stage(step.at_stage);
  if (at < 0) refuse(stage.name, to_string(step), "no stage " + step.at_stage);
  return at;
}

template <typename T>
std::string names(const std::vector<T>& list) {
  std::string text;
  for (const T& entry : list) text += (text.empty() ? "" : ", ") + entry.name;
  return text;
}

/// Layouts of tensors that were inlined away are of no effect.
void check_names(const Computation& given, const Computation& c, const Layouts& layouts, const Schedule& schedule) {
  for (const auto& [name, steps] : schedule.stages)
    if (c.find_stage(name) < 0)
      throw Error(ErrorCode::invalid_argument,
                  "schedule: no stage " + name + " in " + c.name + "; there are " + names(c.stages));
  for (const auto& [name, layout] : layouts)
    if (c.find_tensor(name) < 0 && given.find_tensor(name) < 0)
      throw Error(ErrorCode::invalid_argument,
                  "layouts: no tensor " + name + " in " + c.name + "; there are " + names(c.tensors));
  std::set<std::string> axes;
  for (const Stage& stage : c.stages) {
    for (const auto* list : {&stage.axes, &stage.reduce})
      for (const Axis& axis : *list)
        if (!axes.insert(axis.name).second)
          throw Error(ErrorCode::internal,
                      "axis " + axis.name + " of stage " + stage.name + " is not unique in " + c.name);
  }
}

Placement placement_of(const Computation& c, size_t number, const StageSchedule& schedule) {
  const Stage& stage = c.stages[number];
  Placement placement;
  for (const LoopStep& step : schedule.steps) {
    if (step.kind != LoopStepKind::compute_at && step.kind != LoopStepKind::hold_at) continue;
    const int at = find_consumer(c, stage, step);
    if (at <= static_cast<int>(number))
      refuse(stage.name, to_string(step), "stage " + step.at_stage + " does not come after it");
    if (step.kind == LoopStepKind::compute_at) {
      placement.at = at;
      placement.loop = step.loop;
      placement.hold.clear();
    } else {
      if (placement.at != at) refuse(stage.name, to_string(step), "needs compute_at of the same stage before it");
      placement.hold = step.loop;
    }
  }
  if (placement.at < 0 && has_step(schedule, LoopStepKind::prefetch))
    refuse(stage.name, "prefetch()", "needs compute_at");
  return placement;
}

/// Stage `reader` is computed, directly or not, inside stage `at`.
bool is_inside(const Prepared& p, int reader, int at) {
  for (int stage = reader; stage >= 0; stage = p.placement(stage).at)
    if (stage == at) return true;
  return false;
}

void check_placements(const Prepared& p) {
  for (size_t i = 0; i < p.placements.size(); ++i) {
    const Placement& placement = p.placements[i];
    if (placement.at < 0) continue;
    const Stage& stage = p.stage(static_cast<int>(i));
    for (int output : stage.outputs) {
      if (p.tensor(output).role != Role::intermediate)
        refuse(stage.name, "compute_at", "it writes " + p.tensor(output).name + ", which is an output");
      for (int reader : p.computation.readers(output))
        if (!is_inside(p, reader, placement.at))
          refuse(stage.name, "compute_at",
                 "stage " + p.stage(reader).name + " reads it from outside stage " + p.stage(placement.at).name);
    }
    if (!stores_identity(p.computation, stage)) refuse(stage.name, "compute_at", "it writes a part of a tensor");
  }
}

/// The schedule asks for the condition on entering a loop.
bool is_tested(const Prepared& p, const Stage& stage, const Expr& condition) {
  const auto number = static_cast<size_t>(p.computation.find_stage(stage.name));
  const Exprs& known = p.contributing[number];
  const bool contributes = std::any_of(known.begin(), known.end(), [&](const Expr& e) { return equal(e, condition); });
  return contributes &&
         std::any_of(p.schedules[number].steps.begin(), p.schedules[number].steps.end(), [&](const LoopStep& step) {
           return step.kind == LoopStepKind::skip && uses_variable(condition, step.loop);
         });
}

void find_outside_values(Prepared& p) {
  const size_t count = p.computation.tensors.size();
  p.outside.reach.resize(count);
  p.outside.border.resize(count);
  for (size_t t = 0; t < count; ++t)
    if (p.layouts[t].has_filled_padding())
      p.outside.reach[t] = fill_reach(p.layouts[t], p.tensor(static_cast<int>(t)).shape.size());
  for (size_t i = 0; i < p.placements.size(); ++i) {
    if (p.placements[i].at < 0) continue;
    for (int output : p.stage(static_cast<int>(i)).outputs) {
      const auto t = static_cast<size_t>(output);
      p.outside.border[t] = common_border(p.computation, output, [&p](const Stage& stage, const Expr& condition) {
        return is_tested(p, stage, condition);
      });
      p.outside.reach[t].clear();  // a region has no padding of its own
    }
  }
}

/// Where a region may leave the tensor along a dimension with a border, its elements there hold the border's value.
void select_borders(Prepared& p) {
  for (Stage& stage : p.computation.stages) {
    for (size_t r = 0; r < stage.outputs.size(); ++r) {
      const auto& border = p.outside.border[static_cast<size_t>(stage.outputs[r])].value;
      for (size_t d = border.size(); d-- > 0;) {
        if (!border[d]) continue;
        const Expr outside = constant(stage.results[r]->type, *border[d]);
        stage.results[r] =
            select(in_range(variable(stage.axes[d].name), 0, stage.axes[d].extent.bound), stage.results[r], outside);
      }
    }
  }
}

/// By tensor of `p`, whose numbers are others than those of the Computation that was given.
void set_memory(const Computation& given, const StoredLayouts& stored, Prepared& p) {
  for (size_t t = 0; t < p.computation.tensors.size(); ++t) {
    const int number = given.find_tensor(p.computation.tensors[t].name);
    const int host = number < 0 ? -1 : stored.memory[static_cast<size_t>(number)];
    p.memory.push_back(host == number ? static_cast<int>(t)
                                      : p.computation.find_tensor(given.tensors[static_cast<size_t>(host)].name));
  }
}

}  // namespace

bool stores_identity(const Computation& c, const Stage& stage) {
  const TensorDecl& output = c.tensors[static_cast<size_t>(stage.outputs[0])];
  if (stage.store.size() != stage.axes.size() || output.shape.size() != stage.axes.size()) return false;
  for (size_t i = 0; i < stage.axes.size(); ++i) {
    if (!stage.store[i].is(ExprKind::variable) || stage.store[i]->name != stage.axes[i].name) return false;
    if (!(stage.axes[i].extent == output.shape[i])) return false;
  }
  return true;
}

void check_layout(const TensorDecl& tensor, const Layout& layout, const std::vector<Extent>& shape) {
  try {
    verify(layout, shape);
    verify_kept(layout, shape);
  } catch (const Error& error) {
    throw Error(error.code(), "tensor " + tensor.name + ", " + error.what());
  }
}

Prepared prepare(const Computation& c, const Layouts& given, const Schedule& given_schedule) {
  Prepared p;
  p.computation = c;
  Schedule schedule = given_schedule;
  const StoredLayouts stored = resolve_store_at(c, given);
  Layouts layouts = stored.layouts;
  inline_stages(p.computation, schedule);
  split_reductions(p.computation, schedule);
  const std::vector<std::string> copies = cache_reads(p.computation, layouts, schedule);
  check_names(c, p.computation, layouts, schedule);

  for (const TensorDecl& tensor : p.computation.tensors) {
    const auto found = layouts.find(tensor.name);
    p.layouts.push_back(found == layouts.end() ? Layout() : found->second);
  }
  set_memory(c, stored, p);
  for (size_t i = 0; i < p.computation.stages.size(); ++i) {
    const std::string& name = p.computation.stages[i].name;
    p.schedules.push_back(schedule[name]);
    p.placements.push_back(placement_of(p.computation, i, p.schedules.back()));
    p.copies.push_back(std::find(copies.begin(), copies.end(), name) != copies.end());
  }
  check_placements(p);
  for (size_t t = 0; t < p.layouts.size(); ++t) {
    const auto writers = p.computation.writers(static_cast<int>(t));
    const TensorDecl& tensor = p.tensor(static_cast<int>(t));
    if (writers.empty() || p.placement(writers[0]).at < 0) check_layout(tensor, p.layouts[t], tensor.shape);
  }
  for (const Stage& stage : p.computation.stages) p.contributing.push_back(contributing_conditions(stage));
  find_outside_values(p);
  drop_covered_guards(p.computation, p.outside);
  select_borders(p);
  return p;
}

}  // namespace altrt::jit
