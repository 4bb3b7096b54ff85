// altrt_lint ROOT: checks the tree at ROOT against the rules, prints one line a finding, exits 1 if there is any.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tests/lint/rules.h"

namespace altrt::lint {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool is_cpp(const fs::path& path) { return path.extension() == ".h" || path.extension() == ".cc"; }

bool is_code(const fs::path& path) {
  static const char* const kExtensions[] = {".h", ".cc", ".c", ".def", ".cmake", ".sh", ".fbs"};
  return path.filename() == "CMakeLists.txt" ||
         std::find(std::begin(kExtensions), std::end(kExtensions), path.extension()) != std::end(kExtensions);
}

bool is_text(const fs::path& path) {
  return is_code(path) || path.extension() == ".md" || path.extension() == ".txt" || path.extension() == ".in" ||
         path.extension() == ".map";
}

// What git ignores at the root: build folders and a mounted shared folder.
bool ignored(const std::string& entry) {
  return entry == ".git" || entry == "shared" || entry.starts_with("build") || entry == "compile_commands.json";
}

void append(Findings& all, Findings some) { all.insert(all.end(), some.begin(), some.end()); }

Findings check_file(const fs::path& file, const std::string& path, const Dependencies& dependencies,
                    const std::vector<std::string>& words) {
  Findings findings;
  if (!is_text(file)) return findings;
  const std::string text = read(file);
  if (path != "tests/lint/words.txt") append(findings, check_words(path, text, words));
  if (is_code(file)) append(findings, check_file_length(path, text));
  if (is_cpp(file)) {
    append(findings, check_includes(path, text, dependencies));
    append(findings, check_function_lengths(path, text));
  }
  return findings;
}

// One finding for each file that clang-format would change. Other versions format differently, so it must be 14.
Findings check_format(const fs::path& root, const std::vector<std::string>& files) {
  if (std::system("clang-format-14 --version > /dev/null 2>&1") != 0) {
    return {{"clang-format-14", 0, "not found; run: sh third_party/install.sh"}};
  }
  std::string command = "cd '" + root.string() + "' && clang-format-14 --dry-run";
  for (const std::string& file : files) command += " '" + file + "'";
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) throw std::runtime_error("cannot run clang-format-14");
  Findings findings;
  char buffer[4096];
  while (std::fgets(buffer, sizeof buffer, pipe)) {
    const std::string line = buffer;  // file:line:column: warning: ...
    const size_t colon = line.find(':');
    if (line.find("-Wclang-format-violations") == std::string::npos || colon == std::string::npos) continue;
    const std::string file = line.substr(0, colon);
    if (findings.empty() || findings.back().file != file) {
      findings.push_back({file, std::atoi(line.c_str() + colon + 1), "not formatted; run: clang-format-14 -i " + file});
    }
  }
  if (pclose(pipe) != 0) findings.push_back({"clang-format-14", 0, "failed"});
  return findings;
}

bool check_tree(const fs::path& root) {
  const fs::path lists = root / "tests/lint";
  const Dependencies dependencies = Dependencies::parse(read(lists / "dependencies.txt"));
  const std::vector<std::string> words = list_lines(read(lists / "words.txt"));
  std::vector<std::string> entries, cpp_files;
  Findings findings;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    if (ignored(name)) continue;
    entries.push_back(name);
    if (!entry.is_directory()) {
      append(findings, check_file(entry.path(), name, dependencies, words));
      continue;
    }
    for (const fs::directory_entry& file : fs::recursive_directory_iterator(entry.path())) {
      if (!file.is_regular_file()) continue;
      const std::string path = fs::relative(file.path(), root).string();
      if (is_cpp(file.path())) cpp_files.push_back(path);
      append(findings, check_file(file.path(), path, dependencies, words));
    }
  }
  std::sort(cpp_files.begin(), cpp_files.end());
  append(findings, check_top_level(entries, list_lines(read(lists / "top_level.txt"))));
  append(findings, check_format(root, cpp_files));
  for (const Finding& finding : findings) {
    std::cout << finding.file << ":" << finding.line << ": " << finding.message << "\n";
  }
  std::cout << cpp_files.size() << " C++ files, " << findings.size() << " findings\n";
  return findings.empty() && !cpp_files.empty();
}

}  // namespace
}  // namespace altrt::lint

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: altrt_lint ROOT\n";
    return 2;
  }
  try {
    return altrt::lint::check_tree(argv[1]) ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 3;
  }
}
