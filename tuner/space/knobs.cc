#include "tuner/space/knobs.h"

#include <algorithm>

#include <altrt/error.h>

namespace altrt::tuner {

int Knob::index_of(int64_t value) const {
  const auto closer = [&](int64_t a, int64_t b) { return std::abs(a - value) < std::abs(b - value); };
  return static_cast<int>(std::min_element(values.begin(), values.end(), closer) - values.begin());
}

double Knobs::size() const {
  double size = 1;
  for (const Knob& knob : knobs_) size *= static_cast<double>(knob.values.size());
  return size;
}

double Knobs::size_of_divisors() const {
  double size = 1;
  for (const Knob& knob : knobs_) {
    const auto divides = [&](int64_t value) { return knob.extent == 0 || value == 0 || knob.extent % value == 0; };
    size *= static_cast<double>(std::count_if(knob.values.begin(), knob.values.end(), divides));
  }
  return size;
}

Values Knobs::values(const Point& point) const {
  Values values;
  for (size_t k = 0; k < knobs_.size(); ++k) {
    values.emplace_back(knobs_[k].name, knobs_[k].values.at(static_cast<size_t>(point.at(k))));
  }
  return values;
}

Point Knobs::nearest(const Values& values) const {
  Point point = start_;
  for (const auto& [name, value] : values) {
    for (size_t k = 0; k < knobs_.size(); ++k) {
      if (knobs_[k].name == name) point[k] = knobs_[k].index_of(value);
    }
  }
  return point;
}

void Knobs::add_knob(const std::string& name, std::vector<int64_t> values, int64_t value) {
  values.push_back(value);
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  Knob knob{name, std::move(values), 0};
  start_.push_back(knob.index_of(value));
  knobs_.push_back(std::move(knob));
}

void Knobs::add_tile(const std::string& name, std::vector<int64_t> values, int64_t value, int64_t extent) {
  add_knob(name, std::move(values), value);
  knobs_.back().extent = extent;
}

int64_t Knobs::value(const Point& point, const std::string& name) const {
  for (size_t k = 0; k < knobs_.size(); ++k) {
    if (knobs_[k].name == name) return knobs_[k].values.at(static_cast<size_t>(point.at(k)));
  }
  throw Error(ErrorCode::internal, "space: no knob '" + name + "'");
}

int64_t Knobs::value(const Point& point, const std::string& name, int64_t otherwise) const {
  return has(name) ? value(point, name) : otherwise;
}

bool Knobs::has(const std::string& name) const {
  return std::any_of(knobs_.begin(), knobs_.end(), [&](const Knob& knob) { return knob.name == name; });
}

std::string to_string(const Knobs& knobs) {
  std::string text;
  for (const Knob& knob : knobs.knobs()) {
    text += knob.name + " ";
    for (size_t i = 0; i < knob.values.size(); ++i) text += (i ? "," : "") + std::to_string(knob.values[i]);
    text += "; ";
  }
  return text + std::to_string(static_cast<int64_t>(knobs.size())) + " points";
}

std::string to_string(const Knobs& knobs, const Point& point) {
  std::string text;
  for (const auto& [name, value] : knobs.values(point)) {
    text += (text.empty() ? "" : " ") + name + "=" + std::to_string(value);
  }
  return text;
}

}  // namespace altrt::tuner
