#include "jit/gpu/cuda_text.h"

#include <altrt/error.h>

#include <cctype>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>

namespace altrt::jit::gpu {
namespace {

const std::set<std::string>& reserved_words() {
  static const std::set<std::string> words{
      "asm",    "auto",   "bool",   "break",    "case",   "char", "class",  "const",    "continue", "default",
      "delete", "do",     "double", "else",     "enum",   "exp",  "extern", "false",    "float",    "floor",
      "for",    "fma",    "goto",   "if",       "inline", "int",  "log",    "long",     "max",      "min",
      "new",    "or",     "and",    "not",      "xor",    "pow",  "return", "register", "short",    "signed",
      "sizeof", "static", "struct", "switch",   "tanh",   "this", "true",   "typedef",  "union",    "unsigned",
      "void",   "while",  "erf",    "sqrt",     "abs",    "y0",   "y1",     "yn",       "j0",       "j1",
      "jn",     "thread", "task",   "template", "sin",    "cos",  "tan",    "round",    "ceil"};
  return words;
}

std::string bits_text(double value, bool single) {
  char text[48];
  if (single) {
    const auto f = static_cast<float>(value);
    int32_t bits = 0;
    std::memcpy(&bits, &f, sizeof bits);
    std::snprintf(text, sizeof text, "__int_as_float(0x%08" PRIx32 ")", static_cast<uint32_t>(bits));
  } else {
    int64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    std::snprintf(text, sizeof text, "__longlong_as_double(0x%016" PRIx64 "LL)", static_cast<uint64_t>(bits));
  }
  return text;
}

std::string float_text(double value, bool single) {
  if (!std::isfinite(value)) return bits_text(value, single);
  char text[48];
  std::snprintf(text, sizeof text, single ? "%.9g" : "%.17g", value);
  std::string result = text;
  if (result.find_first_of(".e") == std::string::npos) result += ".0";
  if (single) result += "f";
  return value < 0 || std::signbit(value) ? "(" + result + ")" : result;
}

// T: the type's name; a helper's name ends in the name of its type.
const std::map<std::string, std::string>& templates() {
  static const std::map<std::string, std::string> map{
      {"nan_min", "T NAME(T a, T b) { return b != b ? b : (b < a ? b : a); }"},
      {"nan_max", "T NAME(T a, T b) { return b != b ? b : (a < b ? b : a); }"},
      {"plain_min", "T NAME(T a, T b) { return b < a ? b : a; }"},
      {"plain_max", "T NAME(T a, T b) { return a < b ? b : a; }"},
      {"int_div",
       "T NAME(T a, T b) {\n  if (b == 0) return 0;\n  return b == (T)-1 && (T)-1 < (T)0 ? (T)(0 - (U)a) : (T)(a / "
       "b);\n}"},
      {"floor_div",
       "T NAME(T a, T b) {\n  if (b == 0) return 0;\n  if (b == (T)-1 && (T)-1 < (T)0) return (T)(0 - (U)a);\n"
       "  const T q = a / b;\n  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;\n}"},
      {"floor_mod",
       "T NAME(T a, T b) {\n  if (b == 0 || (b == (T)-1 && (T)-1 < (T)0)) return 0;\n  const T r = a % b;\n"
       "  return r != 0 && (r < 0) != (b < 0) ? r + b : r;\n}"},
      {"int_abs", "T NAME(T a) { return a < 0 ? (T)(0 - (U)a) : a; }"},
      {"to_i64",
       "long long NAME(T a) {\n  if (a != a) return 0;\n  if (a < (T)-9223372036854775808.0) return "
       "(-0x7fffffffffffffffLL - "
       "1);\n  if (a >= (T)9223372036854775808.0) return 0x7fffffffffffffffLL;\n  return (long long)a;\n}"},
      {"to_i32",
       "int NAME(T a) {\n  const double t = a;\n  if (t != t) return 0;\n  if (t <= -2147483648.0) return (-0x7fffffff "
       "- "
       "1);\n  if (t >= 2147483647.0) return 0x7fffffff;\n  return (int)t;\n}"},
      {"to_i8",
       "signed char NAME(T a) {\n  if (a != a) return 0;\n  return a <= (T)-128 ? (signed char)-128 : a >= (T)127 ? "
       "(signed "
       "char)127 : (signed char)(int)a;\n}"},
      {"to_u8",
       "unsigned char NAME(T a) {\n  if (a != a) return 0;\n  return a <= (T)0 ? (unsigned char)0 : a >= (T)255 ? "
       "(unsigned "
       "char)255 : (unsigned char)(int)a;\n}"},
      {"power",
       "T NAME(T base, T exponent) {\n  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : "
       "-1) : "
       "0;\n  U result = 1, b = (U)base;\n  for (; exponent > 0; exponent >>= 1, b *= b)\n    if (exponent & 1) result "
       "*= b;\n"
       "  return (T)result;\n}"},
      {"sigmoid", "T NAME(T x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }"},
  };
  return map;
}

const std::map<std::string, std::pair<const char*, const char*>>& types() {
  static const std::map<std::string, std::pair<const char*, const char*>> map{
      {"f32", {"float", "float"}},
      {"f64", {"double", "double"}},
      {"i64", {"long long", "unsigned long long"}},
      {"i32", {"int", "unsigned"}},
      {"i8", {"signed char", "unsigned char"}},
      {"u8", {"unsigned char", "unsigned char"}}};
  return map;
}

// `text` with the single letters T and U and the word NAME replaced.
std::string instantiate(const std::string& text, const std::string& name, const char* type, const char* wide) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '_')) ++end;
    if (end == i) {
      result += text[i++];
      continue;
    }
    const std::string word = text.substr(i, end - i);
    result += word == "T" ? type : word == "U" ? wide : word == "NAME" ? name : word;
    i = end;
  }
  return result;
}

}  // namespace

const char* type_name(DataType type) {
  switch (type) {
    case DataType::f32:
      return "float";
    case DataType::f64:
      return "double";
    case DataType::i64:
      return "long long";
    case DataType::i32:
      return "int";
    case DataType::i8:
      return "signed char";
    case DataType::u8:
      return "unsigned char";
    case DataType::boolean:
      return "bool";
  }
  return "?";
}

std::string constant_text(DataType type, int64_t int_value, double float_value) {
  if (type == DataType::f32 || type == DataType::f64) return float_text(float_value, type == DataType::f32);
  if (type == DataType::boolean) return int_value ? "true" : "false";
  if (int_value == std::numeric_limits<int64_t>::min()) return "(-0x7fffffffffffffffLL - 1)";
  if (int_value == std::numeric_limits<int32_t>::min()) return "(-0x7fffffff - 1)";
  std::string text = std::to_string(int_value);
  if (int_value > std::numeric_limits<int32_t>::max() || int_value < std::numeric_limits<int32_t>::min()) text += "LL";
  return int_value < 0 ? "(" + text + ")" : text;
}

std::string identifier(const std::string& name) {
  std::string text = name;
  for (char& c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0]))) text = "v" + text;
  return reserved_words().count(text) ? text + "_" : text;
}

std::string Helpers::request(const std::string& name) {
  used_.insert(name);
  return name;
}

std::string Helpers::text() const {
  std::string text;
  for (const std::string& name : used_) {
    const size_t end = name.rfind('_');
    const auto pattern = templates().find(name.substr(0, end));
    const auto type = types().find(name.substr(end + 1));
    if (pattern == templates().end() || type == types().end()) {
      throw Error(ErrorCode::internal, "CUDA: no helper function " + name);
    }
    text += "static __device__ __forceinline__ " +
            instantiate(pattern->second, name, type->second.first, type->second.second) + "\n";
  }
  return text;
}

std::string math_function(const std::string& helper) {
  static const std::set<std::string> known{"pow",  "fmod",  "sin",   "cos",   "tan", "asin", "acos", "atan", "sinh",
                                           "cosh", "asinh", "acosh", "atanh", "exp", "log",  "tanh", "erf"};
  const size_t end = helper.rfind('_');
  if (end == std::string::npos) return "";
  const std::string name = helper.substr(0, end), type = helper.substr(end + 1);
  if (!known.count(name)) return "";
  return type == "f32" ? name + "f" : type == "f64" ? name : "";
}

}  // namespace altrt::jit::gpu
