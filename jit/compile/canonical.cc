#include "jit/compile/canonical.h"

#include <map>
#include <string>
#include <utility>

namespace altrt::jit {
namespace {

using Dictionary = std::map<std::string, std::string>;

struct Renaming {
  Dictionary tensors, stages, axes;

  static const std::string& look_up(const Dictionary& names, const std::string& name) {
    const auto found = names.find(name);
    return found == names.end() ? name : found->second;
  }

  // A loop is named after axes: "h.0", "h.t", "h*w.1". The longest axis name counts, as names may hold dots themselves.
  std::string loop(const std::string& name) const {
    std::string result;
    size_t at = 0;
    while (at < name.size()) {
      const std::pair<const std::string, std::string>* best = nullptr;
      for (const auto& axis : axes) {
        if (name.compare(at, axis.first.size(), axis.first) != 0) continue;
        const size_t end = at + axis.first.size();
        const bool whole = end == name.size() || name[end] == '.' || name[end] == '*';
        if (whole && (!best || axis.first.size() > best->first.size())) best = &axis;
      }
      if (best) {
        result += best->second;
        at += best->first.size();
      }
      const size_t star = name.find('*', at);
      const size_t end = star == std::string::npos ? name.size() : star + 1;
      result += name.substr(at, end - at);
      at = end;
    }
    return result;
  }

  GroupDecision operator()(const GroupDecision& decision) const {
    GroupDecision renamed{decision.provider, decision.algorithm, {}, {}, decision.parts};
    for (const auto& [tensor, layout] : decision.layouts) {
      if (layout.is_plain()) continue;
      Layout& copy = renamed.layouts[look_up(tensors, tensor)];
      copy = layout;
      for (LayoutStep& step : copy.steps) step.host = look_up(tensors, step.host);
    }
    for (const auto& [stage, schedule] : decision.schedule.stages) {
      StageSchedule& steps = renamed.schedule[look_up(stages, stage)];
      for (LoopStep step : schedule.steps) {
        step.loop = loop(step.loop);
        for (std::string& name : step.loops) name = loop(name);
        step.at_stage = look_up(stages, step.at_stage);
        step.tensor = look_up(tensors, step.tensor);
        steps.steps.push_back(std::move(step));
      }
    }
    return renamed;
  }
};

// Calls add(dictionary, name, canonical name) for every name of `c`.
template <typename Add>
Renaming collect(const Computation& c, Add add) {
  Renaming renaming;
  for (size_t t = 0; t < c.tensors.size(); ++t) add(renaming.tensors, c.tensors[t].name, "t" + std::to_string(t));
  int axes = 0;
  for (size_t s = 0; s < c.stages.size(); ++s) {
    const Stage& stage = c.stages[s];
    add(renaming.stages, stage.name, "s" + std::to_string(s));
    for (const Axis& axis : stage.axes) add(renaming.axes, axis.name, "a" + std::to_string(axes++));
    for (const Axis& axis : stage.reduce) add(renaming.axes, axis.name, "a" + std::to_string(axes++));
  }
  return renaming;
}

}  // namespace

GroupDecision canonical(const GroupDecision& decision, const Computation& c) {
  const auto add = [](Dictionary& names, const std::string& name, const std::string& number) {
    names.emplace(name, number);
  };
  return collect(apply_algorithm(c, decision.algorithm), add)(decision);
}

GroupDecision with_names(const GroupDecision& canonical, const Computation& c) {
  const auto add = [](Dictionary& names, const std::string& name, const std::string& number) {
    names.emplace(number, name);
  };
  return collect(apply_algorithm(c, canonical.algorithm), add)(canonical);
}

}  // namespace altrt::jit
