#include "tuner/search/choice.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include <altrt/error.h>

namespace altrt::tuner {
namespace {

std::pair<std::string, int64_t> parse_value(const std::string& text) {
  const size_t equals = text.find('=');
  int64_t value = 0;
  if (equals != std::string::npos && equals > 0) {
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + equals + 1, end, value);
    if (error == std::errc() && rest == end) return {text.substr(0, equals), value};
  }
  throw Error(ErrorCode::invalid_argument, "choice: cannot read '" + text + "'");
}

}  // namespace

std::string to_string(const Choice& choice) {
  std::string text = choice.algorithm + " flops=" + std::to_string(std::llround(choice.flops)) + " layout";
  for (const auto& [name, value] : choice.layout) text += " " + name + "=" + std::to_string(value);
  text += " loops";
  for (const auto& [name, value] : choice.loops) text += " " + name + "=" + std::to_string(value);
  return text;
}

Choice parse_choice(const std::string& text) {
  std::istringstream in(text);
  Choice choice;
  std::string word;
  in >> choice.algorithm;
  Values* values = nullptr;
  while (in >> word) {
    if (word == "layout") {
      values = &choice.layout;
    } else if (word == "loops") {
      values = &choice.loops;
    } else if (values) {
      values->push_back(parse_value(word));
    } else {
      const auto [name, value] = parse_value(word);
      if (name != "flops") throw Error(ErrorCode::invalid_argument, "choice: unknown field '" + name + "'");
      choice.flops = static_cast<double>(value);
    }
  }
  if (choice.algorithm.empty() || !values) throw Error(ErrorCode::invalid_argument, "choice: '" + text + "'");
  return choice;
}

std::vector<Choice> most_similar(std::vector<Choice> choices, double flops, size_t count) {
  const auto distance = [&](const Choice& choice) { return std::abs(std::log2((1 + choice.flops) / (1 + flops))); };
  std::stable_sort(choices.begin(), choices.end(),
                   [&](const Choice& a, const Choice& b) { return distance(a) < distance(b); });
  std::vector<Choice> best;
  for (const Choice& choice : choices) {
    const bool known = std::any_of(best.begin(), best.end(), [&](const Choice& other) {
      return other.algorithm == choice.algorithm && other.layout == choice.layout && other.loops == choice.loops;
    });
    if (!known && best.size() < count) best.push_back(choice);
  }
  return best;
}

}  // namespace altrt::tuner
