#include <algorithm>
#include <array>
#include <cstdio>

#include "tests/property/harness.h"

namespace altrt::property {

using namespace jit;  // NOLINT

namespace {

const std::vector<std::string>& features() {
  static const std::vector<std::string> all{
      "layout.split",         "layout.reorder", "layout.fuse",       "layout.unfold",
      "layout.pad",           "layout.fill",    "loop.split",        "loop.fuse",
      "loop.reorder",         "loop.vectorize", "loop.unroll",       "loop.parallel",
      "loop.compute_at",      "loop.hold_at",   "loop.inline_stage", "loop.cache_read",
      "loop.split_reduction", "tail.peel",      "tail.balance",      "tail.mask",
      "tail.overlap",         "tail.pad"};
  return all;
}

std::string feature_of(const LayoutStep& step) {
  static constexpr std::array<const char*, 7> kNames{"split", "reorder", "fuse", "unfold", "pad", "fold", "unpad"};
  return std::string("layout.") + kNames[static_cast<size_t>(step.kind)];
}

std::string feature_of(const LoopStep& step) {
  const std::string text = to_string(step);
  return "loop." + text.substr(0, text.find('('));
}

bool can_occur(const std::string& kind, const std::string& feature) {
  static const std::vector<std::string> maps{"elementwise", "transpose", "slice", "pad",
                                             "concat",      "upsample",  "gather"};
  const bool is_map = std::find(maps.begin(), maps.end(), kind) != maps.end();
  if (feature == "loop.split_reduction") return !is_map;
  if (feature == "loop.compute_at" || feature == "loop.hold_at") return kind != "concat" && kind != "arg_max";
  if (feature == "loop.inline_stage")
    return kind != "concat" && kind != "arg_max" && kind != "layer_norm" && kind != "softmax" && kind != "winograd";
  return true;
}

}  // namespace

void Coverage::add(const Case& c) {
  ++cases_;
  refused_ += c.refused;
  std::set<std::string> seen;
  for (const auto& [name, layout] : c.layouts) {
    for (const LayoutStep& step : layout.steps) {
      seen.insert(feature_of(step));
      if (step.kind == LayoutKind::pad && step.fill) seen.insert("layout.fill");
    }
  }
  bool indivisible = false;
  for (const auto& [stage, schedule] : c.schedule.stages) {
    for (const LoopStep& step : schedule.steps) {
      seen.insert(feature_of(step));
      if (step.kind == LoopStepKind::split) seen.insert(std::string("tail.") + to_string(step.tail));
    }
  }
  for (const TensorDecl& tensor : c.computation.tensors)
    for (const Extent& extent : tensor.shape)
      for (const auto& [stage, schedule] : c.schedule.stages)
        for (const LoopStep& step : schedule.steps)
          if (step.kind == LoopStepKind::split && extent.bound > 1 && extent.bound % step.factor != 0)
            indivisible = true;
  for (const std::string& feature : seen) ++cells_[c.kind][feature];
  for (const std::string& a : seen)
    for (const std::string& b : seen)
      for (const std::string& t : seen)
        if (a.starts_with("layout.") && b.starts_with("loop.") && t.starts_with("tail."))
          combinations_.insert(c.kind + a + b + t);
  indivisible_ += indivisible;
  several_stages_ += c.computation.stages.size() > 1;
}

std::string Coverage::combinations() const {
  size_t possible = 0;
  for (const std::string& kind : kinds())
    for (const std::string& a : features())
      for (const std::string& b : features())
        for (const std::string& t : features())
          possible +=
              a.starts_with("layout.") && b.starts_with("loop.") && t.starts_with("tail.") && can_occur(kind, b);
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
  }
  return empty;
}

}  // namespace altrt::property
