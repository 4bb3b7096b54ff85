#include "tests/jit_gpu/text_faults.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

namespace altrt::property {
namespace {

/// A part of the text, and what stands there instead.
struct Change {
  size_t at, size;
  std::string by;
};
using Changes = std::vector<Change>;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

/// Where `word` stands, from the kernel's own body on.
std::vector<size_t> places_of(const std::string& text, const std::string& word) {
  std::vector<size_t> places;
  for (size_t at = text.find("__global__"); at != std::string::npos;) {
    at = text.find(word, at + 1);
    if (at != std::string::npos) places.push_back(at);
  }
  return places;
}

/// Behind the bracket that closes what opens at `open`.
size_t end_of(const std::string& text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '[' || text[i] == '(') ++depth;
    if ((text[i] == ']' || text[i] == ')') && --depth == 0) return i + 1;
  }
  return text.size();
}

struct Word {
  size_t at;
  std::string text;
};

/// Variables in the span: no functions, arrays, types or members.
std::vector<Word> variables_in(const std::string& text, size_t begin, size_t end) {
  static const std::set<std::string> others{"threadIdx", "blockIdx", "x", "int", "long", "const", "float"};
  std::vector<Word> words;
  for (size_t i = begin; i < end;) {
    size_t next = i;
    while (next < end && is_word(text[next])) ++next;
    if (next == i) {
      ++i;
      continue;
    }
    const std::string word = text.substr(i, next - i);
    const bool is_variable = !std::isdigit(static_cast<unsigned char>(word[0])) && !others.contains(word) &&
                             text[next] != '(' && text[next] != '[' && text[next] != '.';
    if (is_variable) words.push_back({i, word});
    i = next;
  }
  return words;
}

/// Every pair of variables of every index, exchanged.
std::vector<Changes> swapped_indices(const std::string& text) {
  std::vector<Changes> all;
  for (const size_t open : places_of(text, "[")) {
    const std::vector<Word> words = variables_in(text, open + 1, end_of(text, open) - 1);
    std::set<std::string> names;
    for (const Word& w : words) names.insert(w.text);
    for (auto a = names.begin(); a != names.end(); ++a) {
      for (auto b = std::next(a); b != names.end(); ++b) {
        Changes changes;
        for (const Word& w : words) {
          if (w.text == *a || w.text == *b) changes.push_back({w.at, w.text.size(), w.text == *a ? *b : *a});
        }
        all.push_back(std::move(changes));
      }
    }
  }
  return all;
}

const std::string kBarrier = "__syncthreads();";

/// Whether nothing but heads of loops follows, and then a barrier: the one before does nothing.
bool is_repeated(const std::string& text, size_t behind) {
  std::istringstream lines(text.substr(behind));
  std::string line;
  while (std::getline(lines, line)) {
    const size_t first = line.find_first_not_of(' ');
    if (first == std::string::npos) continue;
    line = line.substr(first);
    if (line == kBarrier) return true;
    if (line != "{" && line[0] != '#' && line.rfind("for (", 0) != 0) return false;
  }
  return false;
}

std::vector<Changes> dropped_barriers(const std::string& text) {
  std::vector<Changes> all;
  for (const size_t at : places_of(text, kBarrier)) {
    if (!is_repeated(text, at + kBarrier.size())) all.push_back({{at, kBarrier.size(), ";"}});
  }
  return all;
}

std::vector<Changes> wrong_shuffles(const std::string& text) {
  std::vector<Changes> all;
  for (const size_t at : places_of(text, "__shfl_down_sync(")) {
    const size_t end = end_of(text, text.find('(', at)) - 1;
    size_t begin = end;
    while (std::isdigit(static_cast<unsigned char>(text[begin - 1]))) --begin;
    const int distance = std::atoi(text.c_str() + begin);
    all.push_back({{begin, end - begin, std::to_string(distance > 1 ? distance / 2 : 2)}});
  }
  return all;
}

std::vector<Changes> threads_too_many(const std::string& text) {
  std::vector<Changes> all;
  for (const std::string test : {"if ((int)threadIdx.x <", "if (threadIdx.x =="}) {
    for (const size_t at : places_of(text, test)) {
      const size_t open = text.find('(', at);
      all.push_back({{open, end_of(text, open) - open, "(true)"}});
    }
  }
  return all;
}

using Places = std::vector<Changes> (*)(const std::string&);
const std::map<std::string, Places>& injections() {
  static const std::map<std::string, Places> all{{"dropped barrier", dropped_barriers},
                                                 {"swapped index", swapped_indices},
                                                 {"wrong shuffle", wrong_shuffles},
                                                 {"threads too many", threads_too_many}};
  return all;
}

}  // namespace

const std::vector<std::string>& text_faults() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const auto& [name, places] : injections()) result.push_back(name);
    return result;
  }();
  return names;
}

std::optional<std::string> inject_into_text(const std::string& fault, const std::string& text, Random& random) {
  const std::vector<Changes> places = injections().at(fault)(text);
  if (places.empty()) return std::nullopt;
  Changes changes = random.pick(places);
  std::sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) { return a.at > b.at; });
  std::string faulty = text;
  for (const Change& c : changes) faulty.replace(c.at, c.size, c.by);
  return faulty;
}

}  // namespace altrt::property
