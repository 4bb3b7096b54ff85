#include "tests/lint/rules.h"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <stdexcept>

namespace altrt::lint {
namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool is_inside(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/');
}

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool word_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

struct Include {
  std::string header;
  bool angled;
};

// `#include "a/b.h"` or `#include <a/b.h>`; an empty header where the line is something else.
Include include_of(const std::string& line) {
  size_t at = line.find_first_not_of(" \t");
  if (at == std::string::npos || line[at] != '#') return {};
  at = line.find_first_not_of(" \t", at + 1);
  if (at == std::string::npos || line.compare(at, 7, "include") != 0) return {};
  const size_t open = line.find_first_of("\"<", at + 7);
  if (open == std::string::npos) return {};
  const size_t close = line.find(line[open] == '<' ? '>' : '"', open + 1);
  if (close == std::string::npos) return {};
  return {line.substr(open + 1, close - open - 1), line[open] == '<'};
}

bool allowed_in_tree(const std::string& header, const std::string& folder, const Dependencies::Folder& rule) {
  if (is_inside(header, folder) || is_inside(header, "include/altrt") || contains(rule.folders, "*")) return true;
  if (is_inside(header, "runtime/base")) return folder != "include/altrt" && folder != "examples";
  return std::any_of(rule.folders.begin(), rule.folders.end(),
                     [&](const std::string& allowed) { return is_inside(header, allowed); });
}

}  // namespace

Dependencies Dependencies::parse(std::string_view text) {
  Dependencies table;
  for (const std::string& line : list_lines(text)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) throw std::runtime_error("no colon in the dependency line: " + line);
    const size_t bar = std::min(line.find('|', colon), line.size());
    const std::vector<std::string> name = words_of(line.substr(0, colon));
    if (name.size() != 1) throw std::runtime_error("expected one folder before the colon: " + line);
    Folder folder;
    folder.folders = words_of(line.substr(colon + 1, bar - colon - 1));
    if (bar < line.size()) folder.third_party = words_of(line.substr(bar + 1));
    if (!table.folders.emplace(name[0], folder).second) throw std::runtime_error("folder named twice: " + line);
  }
  return table;
}

const std::pair<const std::string, Dependencies::Folder>* Dependencies::folder_of(std::string_view path) const {
  const std::pair<const std::string, Folder>* best = nullptr;
  for (const auto& entry : folders) {
    if (is_inside(path, entry.first) && (!best || entry.first.size() > best->first.size())) best = &entry;
  }
  return best;
}

std::vector<std::string> list_lines(std::string_view text) {
  std::vector<std::string> kept;
  for (std::string line : lines_of(text)) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (!line.empty() && line[0] != '#') kept.push_back(line);
  }
  return kept;
}

Findings check_includes(const std::string& path, std::string_view text, const Dependencies& dependencies) {
  Findings findings;
  const auto* entry = dependencies.folder_of(path);
  if (!entry) return {{path, 1, "its folder is not in tests/lint/dependencies.txt"}};
  const auto& [folder, rule] = *entry;
  int number = 0;
  for (const std::string& line : lines_of(text)) {
    ++number;
    auto [header, angled] = include_of(line);
    if (header.empty()) continue;
    if (header.starts_with("altrt/")) {
      if (!angled) findings.push_back({path, number, "public headers are included as <" + header + ">"});
      continue;
    }
    if (dependencies.folder_of(header)) {
      if (!allowed_in_tree(header, folder, rule)) {
        findings.push_back({path, number, folder + " may not include " + header});
      }
      continue;
    }
    if (!angled && folder != "examples" && folder != "tests") {
      findings.push_back({path, number, "\"" + header + "\" is not a path from the repository's root"});
    }
    if (contains(rule.third_party, "*")) continue;
    for (const auto& [owner, other] : dependencies.folders) {
      for (const std::string& prefix : other.third_party) {
        if (prefix != "*" && header.starts_with(prefix) && !contains(rule.third_party, prefix)) {
          findings.push_back({path, number, "only " + owner + " may include " + header});
        }
      }
    }
  }
  return findings;
}

Findings check_file_length(const std::string& path, std::string_view text) {
  const int lines = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  if (lines <= kFileLines) return {};
  return {{path, lines, std::to_string(lines) + " lines; at most " + std::to_string(kFileLines)}};
}

Findings check_words(const std::string& path, std::string_view text, const std::vector<std::string>& words) {
  Findings findings;
  int number = 0;
  for (std::string line : lines_of(text)) {
    ++number;
    std::transform(line.begin(), line.end(), line.begin(), [](unsigned char c) { return std::tolower(c); });
    for (const std::string& word : words) {
      for (size_t at = line.find(word); at != std::string::npos; at = line.find(word, at + 1)) {
        const bool starts = at == 0 || !word_character(line[at - 1]);
        const size_t end = at + word.size();
        const bool ends = end == line.size() || !word_character(line[end]);
        if (starts && ends) findings.push_back({path, number, "the word \"" + word + "\" marks unfinished work"});
      }
    }
  }
  return findings;
}

Findings check_top_level(const std::vector<std::string>& entries, const std::vector<std::string>& allowed) {
  Findings findings;
  for (const std::string& entry : entries) {
    if (!contains(allowed, entry)) findings.push_back({entry, 0, "is not in tests/lint/top_level.txt"});
  }
  return findings;
}

}  // namespace altrt::lint
