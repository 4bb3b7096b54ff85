// Finds functions with a brace matcher: it knows no C++ grammar, only which braces open a scope that may hold
// functions (namespace, class), which open a function, and that everything inside a function belongs to it.
#include <cctype>

#include "tests/lint/rules.h"

namespace altrt::lint {
namespace {

// Blanks text[from, to) except its line ends.
void blank(std::string& text, size_t from, size_t to) {
  for (size_t i = from; i < to && i < text.size(); ++i) {
    if (text[i] != '\n') text[i] = ' ';
  }
}

size_t end_of_literal(const std::string& text, size_t open) {
  const char quote = text[open];
  size_t i = open + 1;
  while (i < text.size() && text[i] != quote && text[i] != '\n') i += text[i] == '\\' ? 2 : 1;
  return i + 1;
}

// R"delimiter( ... )delimiter"; `open` is the quote's position.
size_t end_of_raw_string(const std::string& text, size_t open) {
  const size_t parenthesis = text.find('(', open);
  if (parenthesis == std::string::npos) return text.size();
  const std::string close = ")" + text.substr(open + 1, parenthesis - open - 1) + "\"";
  const size_t end = text.find(close, parenthesis);
  return end == std::string::npos ? text.size() : end + close.size();
}

// The end of a preprocessor directive with its continuation lines.
size_t end_of_directive(const std::string& text, size_t start) {
  size_t i = start;
  while (i < text.size() && (text[i] != '\n' || text[i - 1] == '\\')) ++i;
  return i;
}

bool only_blanks_before(const std::string& text, size_t at) {
  while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '\t')) --at;
  return at == 0 || text[at - 1] == '\n';
}

// Words and brackets of a declaration's head, with `template <...>` left out.
struct Head {
  bool scope_keyword = false;
  bool parenthesis = false;
  bool assignment = false;
  bool lambda = false;
};

Head read_head(std::string_view head) {
  Head result;
  int parentheses = 0, angles = 0;
  bool after_template = false;
  for (size_t i = 0; i < head.size(); ++i) {
    const char c = head[i];
    if (std::isalpha(static_cast<unsigned char>(c)) || c == '_') {
      const size_t start = i;
      while (i + 1 < head.size() && (std::isalnum(static_cast<unsigned char>(head[i + 1])) || head[i + 1] == '_')) ++i;
      const std::string_view word = head.substr(start, i - start + 1);
      if (parentheses || angles) continue;
      if (word == "template") after_template = true;
      if (word == "operator") {  // its symbol is no assignment
        while (i + 1 < head.size() && head[i + 1] != '(') ++i;
      }
      for (std::string_view keyword : {"namespace", "class", "struct", "union", "enum", "extern"}) {
        if (word == keyword && !result.parenthesis) result.scope_keyword = true;
      }
    } else if (c == '<' && (after_template || angles)) {
      ++angles;
    } else if (c == '>' && angles) {
      if (--angles == 0) after_template = false;
    } else if (c == '(' && !angles) {
      ++parentheses;
      result.parenthesis = true;
    } else if (c == ')' && !angles) {
      --parentheses;
    } else if (c == '=' && !parentheses && !angles) {
      result.assignment = true;
    } else if (c == '[' && result.assignment) {
      result.lambda = true;
    }
  }
  return result;
}

enum class Kind { scope, function, data };

Kind kind_of(std::string_view text) {
  const Head head = read_head(text);
  if (head.scope_keyword && !head.assignment) return Kind::scope;
  if (head.assignment) return head.lambda && head.parenthesis ? Kind::function : Kind::data;
  return head.parenthesis ? Kind::function : Kind::data;
}

}  // namespace

std::string code_only(std::string_view source) {
  std::string text(source);
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    if (text.compare(i, 2, "//") == 0) {
      end = std::min(text.find('\n', i), text.size());
      blank(text, i, end);
    } else if (text.compare(i, 2, "/*") == 0) {
      const size_t close = text.find("*/", i + 2);
      end = close == std::string::npos ? text.size() : close + 2;
      blank(text, i, end);
    } else if (text[i] == '#' && only_blanks_before(text, i)) {
      end = end_of_directive(text, i);
      blank(text, i, end);
    } else if (text[i] == '"') {
      end = i > 0 && text[i - 1] == 'R' ? end_of_raw_string(text, i) : end_of_literal(text, i);
      blank(text, i, end);
    } else if (text[i] == '\'' && !(i > 0 && std::isalnum(static_cast<unsigned char>(text[i - 1])))) {
      end = end_of_literal(text, i);  // not the separator in 1'000
      blank(text, i, end);
    }
    i = end;
  }
  return text;
}

Findings check_function_lengths(const std::string& path, std::string_view text) {
  struct Brace {
    Kind kind;
    int first_line;
  };
  Findings findings;
  const std::string code = code_only(text);
  std::vector<Brace> open;
  std::string head;
  int line = 1, head_line = 1, inside_functions = 0, parentheses = 0;
  for (const char c : code) {
    if (c == '\n') ++line;
    if (!inside_functions) parentheses += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (parentheses > 0) {
      head += c;  // braces in parentheses belong to the head: void f(A a = {}) {
    } else if (c == '{') {
      const Kind kind = inside_functions ? Kind::data : kind_of(head);
      inside_functions += kind == Kind::function;
      open.push_back({kind, head_line});
      head.clear();
    } else if (c == '}') {
      if (open.empty()) return {{path, line, "a closing brace too many for the function check"}};
      const Brace brace = open.back();
      open.pop_back();
      const int length = line - brace.first_line + 1;
      if (brace.kind == Kind::function) {
        --inside_functions;
        if (length > kFunctionLines) {
          findings.push_back(
              {path, brace.first_line,
               "function of " + std::to_string(length) + " lines; at most " + std::to_string(kFunctionLines)});
        }
      }
      head.clear();
    } else if (c == ';') {
      head.clear();
    } else if (!head.empty() || !std::isspace(static_cast<unsigned char>(c))) {
      if (head.empty()) head_line = line;
      head += c;
    }
  }
  return findings;
}

}  // namespace altrt::lint
