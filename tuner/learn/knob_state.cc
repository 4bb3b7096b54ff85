#include "tuner/learn/knob_state.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace altrt::tuner::learn {
namespace {

struct Word {
  std::string_view part;
  KnobKind kind;
};

// The first that occurs decides; the most specific come first.
constexpr Word kWords[] = {
    {"unfold", KnobKind::unfold},    {"pad", KnobKind::pad},       {"order", KnobKind::order},
    {"first", KnobKind::order},      {"unroll", KnobKind::unroll}, {"thread", KnobKind::threads},
    {"parallel", KnobKind::threads}, {"input", KnobKind::input},   {"reduc", KnobKind::input},
    {"inner", KnobKind::input},      {"output", KnobKind::output}, {"column", KnobKind::output},
    {"block", KnobKind::output},     {"lane", KnobKind::output},   {"depth", KnobKind::depth},
    {"height", KnobKind::height},    {"row", KnobKind::height},    {"width", KnobKind::width},
    {"vector", KnobKind::width},
};
// Single letters count where they stand alone: "h", "h_t", "tile_h".
constexpr Word kLetters[] = {
    {"h", KnobKind::height}, {"m", KnobKind::height}, {"w", KnobKind::width}, {"d", KnobKind::depth},
    {"o", KnobKind::output}, {"n", KnobKind::output}, {"i", KnobKind::input}, {"k", KnobKind::input},
};

bool has_letter(std::string_view name, char letter) {
  for (size_t at = name.find(letter); at != std::string_view::npos; at = name.find(letter, at + 1)) {
    const bool starts = at == 0 || name[at - 1] == '_';
    const bool ends = at + 1 == name.size() || name[at + 1] == '_';
    if (starts && ends) return true;
  }
  return false;
}

float log_scale(int64_t value) {
  return static_cast<float>(std::log2(1.0 + static_cast<double>(std::max<int64_t>(value, 0))) / 8);
}

// Tells knobs of one kind apart; the same in every process.
uint32_t name_hash(const std::string& name) {
  uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash ^ (hash >> 15);
}

}  // namespace

KnobKind kind_of(const Knob& knob) {
  for (const Word& word : kWords) {
    if (knob.name.find(word.part) == std::string::npos) continue;
    const bool advanced = word.kind == KnobKind::unfold || word.kind == KnobKind::pad;
    if (advanced) return word.kind;
  }
  if (knob.values == std::vector<int64_t>{0, 1}) return KnobKind::order;
  for (const Word& word : kWords) {
    if (knob.name.find(word.part) != std::string::npos) return word.kind;
  }
  for (const Word& word : kLetters) {
    if (has_letter(knob.name, word.part[0])) return word.kind;
  }
  return KnobKind::other;
}

KnobStates::KnobStates(const std::vector<Knob>& knobs) : knobs_(knobs) {
  for (const Knob& knob : knobs) kinds_.push_back(kind_of(knob));
}

void KnobStates::write(const Point& point, size_t next, float* state) const {
  std::fill(state, state + kWidth, 0.0f);
  const Knob& knob = knobs_[next];
  float* const own = state + kKnobKinds * 5;
  state[static_cast<int>(kinds_[next])] = 1;
  own[0] = log_scale(knob.values.back());
  own[1] = log_scale(static_cast<int64_t>(knob.values.size()));
  own[2] = static_cast<float>(next) / static_cast<float>(knobs_.size());
  own[3] =
      next == 0
          ? 0
          : 2 * static_cast<float>(point[next - 1] + 0.5f) / static_cast<float>(knobs_[next - 1].values.size()) - 1;
  const uint32_t hash = name_hash(knob.name);
  for (int bit = 0; bit < 6; ++bit) own[4 + bit] = (hash >> bit) & 1 ? 0.5f : -0.5f;
  for (size_t k = 0; k < knobs_.size(); ++k) {
    float* const of_kind = state + kKnobKinds + static_cast<int>(kinds_[k]) * 4;
    const std::vector<int64_t>& values = knobs_[k].values;
    of_kind[0] += log_scale(values.back()) / 2;
    if (k >= next) continue;
    of_kind[1] += log_scale(values[static_cast<size_t>(point[k])]);
    of_kind[2] += 2 * static_cast<float>(point[k] + 0.5f) / static_cast<float>(values.size()) - 1;
    of_kind[3] += 0.5f;
  }
}

}  // namespace altrt::tuner::learn
