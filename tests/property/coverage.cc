#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>

#include "jit/loop/loops.h"
#include "tests/property/harness.h"

namespace altrt::property {

using namespace jit;  // NOLINT

const std::vector<std::string>& features() {
  static const std::vector<std::string> all{
      "layout.split",         "layout.reorder", "layout.fuse",       "layout.unfold",
      "layout.pad",           "layout.fill",    "loop.split",        "loop.fuse",
      "loop.reorder",         "loop.vectorize", "loop.unroll",       "loop.parallel",
      "loop.compute_at",      "loop.hold_at",   "loop.inline_stage", "loop.cache_read",
      "loop.split_reduction", "tail.peel",      "tail.balance",      "tail.mask",
      "tail.overlap",         "tail.pad",       "layout.store_at",   "layout.decouple_at"};
  return all;
}

namespace {

std::string feature_of(const LayoutStep& step) {
  static constexpr std::array<const char*, 9> kNames{"split", "reorder", "fuse",     "unfold",     "pad",
                                                     "fold",  "unpad",   "store_at", "decouple_at"};
  return std::string("layout.") + kNames[static_cast<size_t>(step.kind)];
}

std::string feature_of(const LoopStep& step) {
  const std::string text = to_string(step);
  return "loop." + text.substr(0, text.find('('));
}

/// Kinds of Computations with several constants often enough.
bool has_constants(const std::string& kind) {
  static const std::vector<std::string> kinds{"separable", "matmul", "conv_transpose"};
  return (kind.starts_with("conv") && kind != "conv_transpose") ||
         std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

}  // namespace

bool can_occur(const std::string& kind, const std::string& feature) {
  static const std::vector<std::string> maps{"elementwise", "transpose", "slice", "pad",
                                             "concat",      "upsample",  "gather"};
  const bool is_map = std::find(maps.begin(), maps.end(), kind) != maps.end();
  if (feature == "loop.split_reduction") return !is_map;
  if (feature == "loop.compute_at" || feature == "loop.hold_at") return kind != "concat" && kind != "arg_max";
  static const std::vector<std::string> never_inlined{"concat", "arg_max", "layer_norm", "softmax", "transformed"};
  if (feature == "loop.inline_stage")
    return std::find(never_inlined.begin(), never_inlined.end(), kind) == never_inlined.end();
  if (feature == "layout.store_at") return has_constants(kind);
  return true;
}

std::set<std::string> features_of(const Layouts& layouts, const Schedule& schedule) {
  std::set<std::string> seen;
  for (const auto& [name, layout] : layouts) {
    for (const LayoutStep& step : layout.steps) {
      const bool comes_back = step.kind == LayoutKind::store_at && !(step == layout.steps.back());
      if (!comes_back) seen.insert(feature_of(step));
      if (step.kind == LayoutKind::pad && step.fill) seen.insert("layout.fill");
    }
  }
  for (const auto& [stage, steps] : schedule.stages) {
    for (const LoopStep& step : steps.steps) {
      seen.insert(feature_of(step));
      if (step.kind == LoopStepKind::split) seen.insert(std::string("tail.") + to_string(step.tail));
    }
  }
  return seen;
}

namespace {

void for_each_cell(const std::function<void(const std::string&, const std::string&, const std::string&)>& f) {
  for (const std::string& layout : features())
    for (const std::string& loop : features())
      for (const std::string& tail : features())
        if (layout.starts_with("layout.") && !layout.ends_with("_at") && loop.starts_with("loop.") &&
            tail.starts_with("tail."))
          f(layout, loop, tail);
}

/// A loop was split by a factor that does not divide the loop's own extent. Stages computed inside another one are left
/// out: their extents are those of a region.
bool has_indivisible_split(const Case& c) {
  for (const Stage& stage : c.computation.stages) {
    const auto found = c.schedule.stages.find(stage.name);
    if (found == c.schedule.stages.end()) continue;
    const std::vector<LoopStep>& steps = found->second.steps;
    const bool is_inside = std::any_of(steps.begin(), steps.end(), [](const LoopStep& step) {
      return step.kind == LoopStepKind::compute_at || step.kind == LoopStepKind::inline_stage;
    });
    if (is_inside) continue;
    const TensorDecl& output = c.computation.tensors[static_cast<size_t>(stage.outputs[0])];
    const auto layout = c.layouts.find(output.name);
    for (size_t i = 0; i < steps.size(); ++i) {
      if (steps[i].kind != LoopStepKind::split) continue;
      StageSchedule before;
      before.steps.assign(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(i));
      const StageLoops loops = build_loops(c.computation, stage, layout == c.layouts.end() ? Layout() : layout->second,
                                           {{}, output.shape}, false, before);
      for (const Loop& loop : loops.order) {
        if (loop.name == steps[i].loop && loop.extent.bound > 1 && loop.extent.bound % steps[i].factor != 0)
          return true;
      }
    }
  }
  return false;
}

}  // namespace

void Coverage::add(const Case& c) {
  ++cases_;
  refused_ += c.refused;
  const std::set<std::string> seen = features_of(c.layouts, c.schedule);
  for (const std::string& feature : seen) ++cells_[c.kind][feature];
  for_each_cell([&](const std::string& layout, const std::string& loop, const std::string& tail) {
    if (seen.count(layout) && seen.count(loop) && seen.count(tail)) combinations_.insert({c.kind, layout, loop, tail});
  });
  indivisible_ += has_indivisible_split(c);
  several_stages_ += c.computation.stages.size() > 1;
}

std::string Coverage::combinations() const {
  size_t possible = 0;
  for (const std::string& kind : kinds())
    for_each_cell(
        [&](const std::string&, const std::string& loop, const std::string&) { possible += can_occur(kind, loop); });
  return std::to_string(combinations_.size()) + " of " + std::to_string(possible) +
         " combinations kind x layout x loop x tail";
}

std::string Coverage::table() const {
  std::string text;
  char field[64];
  for (const std::string& feature : features()) {
    std::snprintf(field, sizeof field, "%-22s", feature.c_str());
    text += field;
    for (const std::string& kind : kinds()) {
      const auto row = cells_.find(kind);
      const auto cell = row == cells_.end() ? std::map<std::string, int>::const_iterator() : row->second.find(feature);
      const int count = row != cells_.end() && cell != row->second.end() ? cell->second : 0;
      std::snprintf(field, sizeof field, can_occur(kind, feature) ? "%5d" : "    -", count);
      text += field;
    }
    text += "\n";
  }
  text += "columns:";
  for (const std::string& kind : kinds()) text += " " + kind;
  return text + "\n";
}

std::vector<std::string> Coverage::empty_cells() const {
  std::vector<std::string> empty;
  for (const std::string& kind : kinds()) {
    const auto row = cells_.find(kind);
    for (const std::string& feature : features())
      if (can_occur(kind, feature) && (row == cells_.end() || !row->second.count(feature)))
        empty.push_back(kind + " x " + feature);
    for_each_cell([&](const std::string& layout, const std::string& loop, const std::string& tail) {
      if (can_occur(kind, loop) && !combinations_.count({kind, layout, loop, tail}))
        empty.push_back(kind + " x " + layout + " x " + loop + " x " + tail);
    });
  }
  return empty;
}

}  // namespace altrt::property
