// Layouts as text: "split(1, 0x16) reorder(0,1,3,4,2) pad(2, 1, 1, 0)".
#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>

#include <altrt/error.h>

#include "jit/layout/layout.h"
#include "jit/layout/steps.h"

namespace altrt {

namespace {

struct KindName {
  LayoutKind kind;
  const char* name;
};
constexpr KindName kKindNames[] = {
    {LayoutKind::split, "split"}, {LayoutKind::reorder, "reorder"},   {LayoutKind::fuse, "fuse"},
    {LayoutKind::pad, "pad"},     {LayoutKind::unfold, "unfold"},     {LayoutKind::fold, "fold"},
    {LayoutKind::unpad, "unpad"}, {LayoutKind::store_at, "store_at"}, {LayoutKind::decouple_at, "decouple_at"},
};

std::string join(const std::vector<int64_t>& values, const char* separator) {
  std::string text;
  for (size_t i = 0; i < values.size(); ++i) text += (i ? separator : "") + std::to_string(values[i]);
  return text;
}

std::string fill_text(double fill) {
  char buffer[32];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof(buffer), fill).ptr);
}

bool is_word(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }

bool ends_name(char c) { return c == ',' || c == ')' || c == '"' || std::isspace(static_cast<unsigned char>(c)); }

/// In quotes where it would not be read back without.
std::string name_text(const std::string& name) {
  if (!name.empty() && std::none_of(name.begin(), name.end(), ends_name)) return name;
  std::string text = "\"";
  for (char c : name) text += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return text + "\"";
}

bool names_host(LayoutKind kind) { return kind == LayoutKind::store_at || kind == LayoutKind::decouple_at; }

/// Reads tokens from the front of a text; white space between tokens means nothing.
class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  bool at_end() {
    skip_space();
    return position_ == text_.size();
  }
  bool accept(char c) {
    skip_space();
    if (position_ == text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("expected '") + c + "'");
  }
  LayoutKind kind() {
    skip_space();
    size_t begin = position_;
    while (position_ < text_.size() && is_word(text_[position_])) ++position_;
    std::string word = text_.substr(begin, position_ - begin);
    for (const KindName& entry : kKindNames) {
      if (word == entry.name) return entry.kind;
    }
    position_ = begin;
    fail("expected split, reorder, fuse, unfold, fold, pad, unpad, store_at or decouple_at");
  }
  /// A tensor's name: up to the next ',' or ')', or in quotes.
  std::string name() {
    std::string result;
    if (accept('"')) {
      while (position_ < text_.size() && text_[position_] != '"') {
        if (text_[position_] == '\\' && position_ + 1 < text_.size()) ++position_;
        result += text_[position_++];
      }
      expect('"');
      return result;
    }
    skip_space();
    while (position_ < text_.size() && !ends_name(text_[position_])) result += text_[position_++];
    if (result.empty()) fail("expected a tensor's name");
    return result;
  }
  template <typename T>
  T number() {
    skip_space();
    T value{};
    auto [end, error] = std::from_chars(text_.data() + position_, text_.data() + text_.size(), value);
    if (error != std::errc()) fail("expected a number in range");
    position_ = end - text_.data();
    return value;
  }
  std::vector<int64_t> numbers(char separator) {
    std::vector<int64_t> values{number<int64_t>()};
    while (accept(separator)) values.push_back(number<int64_t>());
    return values;
  }

 private:
  void skip_space() {
    while (position_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[position_]))) ++position_;
  }
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorCode::invalid_argument,
                "layout \"" + text_ + "\", character " + std::to_string(position_ + 1) + ": " + message);
  }

  const std::string& text_;
  size_t position_ = 0;
};

LayoutStep parse_step(Reader& reader) {
  LayoutStep step;
  step.kind = reader.kind();
  reader.expect('(');
  if (step.kind == LayoutKind::reorder) {
    step.factors = reader.numbers(',');
    reader.expect(')');
    return step;
  }
  if (names_host(step.kind)) {
    step.host = reader.name();
    reader.expect(',');
    step.dim = reader.number<int>();
    if (reader.accept(',')) step.factors = reader.numbers(',');
    reader.expect(')');
    return step;
  }
  step.dim = reader.number<int>();
  reader.expect(',');
  switch (step.kind) {
    case LayoutKind::split:
      step.factors = reader.numbers('x');
      break;
    case LayoutKind::pad:
    case LayoutKind::unpad:
      step.lo = reader.number<int64_t>();
      reader.expect(',');
      step.hi = reader.number<int64_t>();
      if (step.kind == LayoutKind::pad && reader.accept(',')) step.fill = reader.number<double>();
      break;
    default: {
      // fuse has one number after the dimension, unfold two, fold three
      int count = step.kind == LayoutKind::fuse ? 1 : step.kind == LayoutKind::unfold ? 2 : 3;
      step.factors.push_back(reader.number<int64_t>());
      while (static_cast<int>(step.factors.size()) < count) {
        reader.expect(',');
        step.factors.push_back(reader.number<int64_t>());
      }
    }
  }
  reader.expect(')');
  return step;
}

}  // namespace

std::string to_string(const LayoutStep& step) {
  std::string text;
  for (const KindName& entry : kKindNames) {
    if (entry.kind == step.kind) text = entry.name;
  }
  if (step.kind == LayoutKind::reorder) return text + "(" + join(step.factors, ",") + ")";
  if (names_host(step.kind)) {
    text += "(" + name_text(step.host) + ", " + std::to_string(step.dim);
    return text + (step.factors.empty() ? "" : ", " + join(step.factors, ", ")) + ")";
  }
  text += "(" + std::to_string(step.dim) + ", ";
  if (step.kind == LayoutKind::split) return text + join(step.factors, "x") + ")";
  if (step.kind != LayoutKind::pad && step.kind != LayoutKind::unpad) return text + join(step.factors, ", ") + ")";
  text += std::to_string(step.lo) + ", " + std::to_string(step.hi);
  if (step.fill) text += ", " + fill_text(*step.fill);
  return text + ")";
}

std::string to_string(const Layout& layout) {
  std::string text;
  for (const LayoutStep& step : layout.steps) text += (text.empty() ? "" : " ") + to_string(step);
  return text;
}

Layout parse_layout(const std::string& text) {
  Reader reader(text);
  Layout layout;
  while (!reader.at_end()) layout.steps.push_back(parse_step(reader));
  return layout;
}

}  // namespace altrt
