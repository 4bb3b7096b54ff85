#include "tuner/space/space.h"

#include <algorithm>

#include <altrt/error.h>

#include "tuner/space/kinds.h"

namespace altrt::tuner {

int Knob::index_of(int64_t value) const {
  const auto closer = [&](int64_t a, int64_t b) { return std::abs(a - value) < std::abs(b - value); };
  return static_cast<int>(std::min_element(values.begin(), values.end(), closer) - values.begin());
}

double Space::size() const {
  double size = 1;
  for (const Knob& knob : knobs_) size *= static_cast<double>(knob.values.size());
  return size;
}

jit::GroupDecision Space::decide(const Point& point) const { return point == start_ ? initial_ : make(point); }

void Space::add_knob(const std::string& name, std::vector<int64_t> values, int64_t value) {
  values.push_back(value);
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  Knob knob{name, std::move(values)};
  start_.push_back(knob.index_of(value));
  knobs_.push_back(std::move(knob));
}

int64_t Space::value(const Point& point, const std::string& name) const {
  for (size_t k = 0; k < knobs_.size(); ++k) {
    if (knobs_[k].name == name) return knobs_[k].values.at(static_cast<size_t>(point.at(k)));
  }
  throw Error(ErrorCode::internal, "space: no knob '" + name + "'");
}

bool Space::has(const std::string& name) const {
  return std::any_of(knobs_.begin(), knobs_.end(), [&](const Knob& knob) { return knob.name == name; });
}

Point Space::point_with(const std::vector<std::pair<std::string, int64_t>>& values) const {
  Point point = start_;
  for (const auto& [name, value] : values) {
    for (size_t k = 0; k < knobs_.size(); ++k) {
      if (knobs_[k].name == name) point[k] = knobs_[k].index_of(value);
    }
  }
  return point;
}

std::vector<int64_t> counts_up_to(int64_t limit) {
  std::vector<int64_t> values;
  for (int64_t v = 1; v <= limit; v += v < 16 ? 1 : v < 32 ? 4 : 16) values.push_back(v);
  return values;
}

namespace {

// Whether a space of its own is worth a search: without a schedule template an algorithm of several stages is no match
// for direct loops, nor is a direct transposed convolution for its phases.
bool has_template(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target,
                  const std::string& algorithm) {
  if (target.is_gpu()) return jit::is_direct(algorithm);
  if (jit::gemm_parts(algorithm) > 0) return false;
  if (algorithm == "direct") return !jit::phases_fit(c);
  if (algorithm == "phases") return true;
  const bool blocked =
      c.anchor.stage >= 0 && jit::channel_block(jit::layout_of(
                                 c, c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0], initial.layouts)) > 1;
  return blocked && jit::is_winograd(jit::apply_algorithm(c, algorithm));
}

}  // namespace

std::unique_ptr<Space> make_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                  const jit::Target& target, const SpaceOptions& options) {
  if (target.is_gpu()) return gpu_space(c, initial, target);
  if (c.anchor.stage < 0 || initial.provider != "own") return generic_space(c, initial, target);
  const jit::Computation changed = jit::apply_algorithm(c, initial.algorithm);
  const jit::Anchor& anchor = changed.anchor;
  const jit::Stage& stage = changed.stages[static_cast<size_t>(anchor.stage)];
  if (!jit::is_direct(initial.algorithm)) {
    return has_template(c, initial, target, initial.algorithm) ? winograd_space(c, initial, target)
                                                               : generic_space(c, initial, target);
  }
  const bool image =
      stage.axes.size() >= 3 && jit::channel_block(jit::layout_of(changed, stage.outputs[0], initial.layouts)) > 1;
  if (jit::is_row_major_matmul(changed, initial.layouts)) return matmul_space(c, initial, target);
  if (image && jit::is_dense_conv(changed)) return conv_space(c, initial, target, options);
  if (image && (anchor.kind == jit::AnchorKind::conv || anchor.kind == jit::AnchorKind::pool)) {
    return window_space(c, initial, target);
  }
  return generic_space(c, initial, target);
}

std::vector<std::unique_ptr<Space>> make_spaces(const jit::Computation& c, const jit::GroupDecision& initial,
                                                const jit::Target& target, const std::vector<std::string>& algorithms,
                                                const SpaceOptions& options) {
  std::vector<std::unique_ptr<Space>> spaces;
  spaces.push_back(make_space(c, initial, target, options));
  for (const std::string& algorithm : jit::algorithms(c)) {
    if (algorithm == initial.algorithm) continue;
    if (std::find(algorithms.begin(), algorithms.end(), algorithm) == algorithms.end()) continue;
    if (!has_template(c, initial, target, algorithm)) continue;
    spaces.push_back(make_space(c, jit::with_algorithm(initial, c, algorithm, target), target, options));
  }
  return spaces;
}

std::string to_string(const Space& space) {
  std::string text;
  for (const Knob& knob : space.knobs()) {
    text += knob.name + " ";
    for (size_t i = 0; i < knob.values.size(); ++i) text += (i ? "," : "") + std::to_string(knob.values[i]);
    text += "; ";
  }
  return text + std::to_string(static_cast<int64_t>(space.size())) + " points";
}

std::string to_string(const Space& space, const Point& point) {
  std::string text;
  for (size_t k = 0; k < space.knobs().size(); ++k) {
    const Knob& knob = space.knobs()[k];
    text += (k ? " " : "") + knob.name + "=" + std::to_string(knob.values.at(static_cast<size_t>(point.at(k))));
  }
  return text;
}

}  // namespace altrt::tuner
