// The rules of this tree, as functions from texts to findings, so that each can be tested on a bad text.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace altrt::lint {

struct Finding {
  std::string file;
  int line = 0;
  std::string message;
};
using Findings = std::vector<Finding>;

inline constexpr int kFileLines = 500;
inline constexpr int kFunctionLines = 80;

// tests/lint/dependencies.txt
struct Dependencies {
  struct Folder {
    std::vector<std::string> folders;      // may be included; "*" is everything
    std::vector<std::string> third_party;  // prefixes of headers; "*" is everything
  };
  std::map<std::string, Folder> folders;

  // Throws std::runtime_error with the line at fault.
  static Dependencies parse(std::string_view text);
  // The longest folder of the table that holds `path`, or nullptr.
  const std::pair<const std::string, Folder>* folder_of(std::string_view path) const;
};

// Lines of a list file without comments and empty lines.
std::vector<std::string> list_lines(std::string_view text);

// The text with comments, strings, characters and preprocessor lines blanked; lines keep their numbers.
std::string code_only(std::string_view text);

// `path` is relative to the repository's root everywhere.
Findings check_includes(const std::string& path, std::string_view text, const Dependencies& dependencies);
Findings check_file_length(const std::string& path, std::string_view text);
Findings check_function_lengths(const std::string& path, std::string_view text);
Findings check_words(const std::string& path, std::string_view text, const std::vector<std::string>& words);
Findings check_top_level(const std::vector<std::string>& entries, const std::vector<std::string>& allowed);

}  // namespace altrt::lint
