#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/lint/rules.h"

namespace altrt::lint {
namespace {

const char kTable[] =
    "# comment\n"
    "include/altrt :\n"
    "runtime/base  : | xxhash.h\n"
    "jit/expr      :\n"
    "jit/cpu       : jit/expr | llvm/\n"
    "runtime/session : jit/expr tuner/search/tune.h\n"
    "tuner         : jit/expr\n"
    "tests         : * | *\n"
    "examples      :\n";

size_t findings(const std::string& path, const std::string& text) {
  return check_includes(path, text, Dependencies::parse(kTable)).size();
}

TEST(Lint, AllowsTheTablesIncludes) {
  EXPECT_EQ(findings("jit/cpu/a.cc", "#include \"jit/cpu/b.h\"\n#include \"jit/expr/e.h\"\n#include <llvm/IR/A.h>\n"),
            0u);
  EXPECT_EQ(findings("jit/expr/a.cc", "#include <vector>\n#include <altrt/error.h>\n#include \"runtime/base/log.h\"\n"),
            0u);
  EXPECT_EQ(findings("runtime/session/a.cc", "#include \"tuner/search/tune.h\"\n"), 0u);
  EXPECT_EQ(findings("tests/x/a.cc", "#include \"jit/cpu/b.h\"\n#include <llvm/IR/A.h>\n"), 0u);
  EXPECT_EQ(findings("jit/expr/a.cc", "// #include \"jit/cpu/b.h\"\n"), 0u);
}

TEST(Lint, RefusesAllOthers) {
  EXPECT_EQ(findings("jit/expr/a.cc", "#include \"jit/cpu/b.h\"\n"), 1u);
  EXPECT_EQ(findings("jit/expr/a.cc", "  #  include <llvm/IR/A.h>\n"), 1u);
  EXPECT_EQ(findings("jit/cpu/a.cc", "#include <xxhash.h>\n"), 1u);
  EXPECT_EQ(findings("runtime/session/a.cc", "#include \"tuner/search/other.h\"\n"), 1u);
  EXPECT_EQ(findings("jit/expr/a.cc", "#include \"e.h\"\n"), 1u);
  EXPECT_EQ(findings("jit/expr/a.cc", "#include \"altrt/error.h\"\n"), 1u);
  EXPECT_EQ(findings("include/altrt/a.h", "#include \"runtime/base/log.h\"\n"), 1u);
  EXPECT_EQ(findings("examples/hello/a.cc", "#include \"runtime/base/log.h\"\n"), 1u);
  EXPECT_EQ(findings("elsewhere/a.cc", ""), 1u);
}

TEST(Lint, TableErrorsAreNamed) {
  EXPECT_THROW(Dependencies::parse("jit/expr jit/cpu\n"), std::runtime_error);
  EXPECT_THROW(Dependencies::parse("jit/expr:\njit/expr:\n"), std::runtime_error);
}

TEST(Lint, FileLength) {
  EXPECT_TRUE(check_file_length("a.cc", std::string(kFileLines, '\n')).empty());
  EXPECT_EQ(check_file_length("a.cc", std::string(kFileLines + 1, '\n')).size(), 1u);
}

std::string function_of(const std::string& head, int lines) {
  return head + " {\n" + std::string(lines - 2, '\n') + "}\n";
}

TEST(Lint, FunctionLength) {
  for (const char* head : {"void f()", "int A::g(int x) const", "template <class T> T f(T x)", "A::A() : b_{1}, c_(2)",
                           "TEST(Suite, Name)", "auto f = [](int x)", "bool operator==(const A& b)",
                           "static std::vector<int> f(std::map<int, int> x = {})"}) {
    const std::string inside = "namespace a {\nclass B final : C<int> {\n";
    EXPECT_TRUE(check_function_lengths("a.cc", inside + function_of(head, kFunctionLines) + "};\n}\n").empty()) << head;
    const Findings found = check_function_lengths("a.cc", inside + function_of(head, kFunctionLines + 1) + "};\n}\n");
    ASSERT_EQ(found.size(), 1u) << head;
    EXPECT_EQ(found[0].line, 3) << head;
  }
}

TEST(Lint, ScopesAndTablesAreNotFunctions) {
  for (const char* head : {"namespace a", "class alignas(64) A", "struct A : B<int>", "enum class E : int",
                           "extern \"C\"", "constexpr int kTable[] =", "const std::map<int, int> kMap ="}) {
    EXPECT_TRUE(check_function_lengths("a.cc", function_of(head, 200)).empty()) << head;
  }
}

TEST(Lint, BracesInTextDoNotCount) {
  const std::string text = "void f() {\n  g(\"}{\", '{', R\"(}})\");  // }\n  /* } */\n#define X {\n  int x = 1'000;\n";
  EXPECT_TRUE(check_function_lengths("a.cc", text + "}\n").empty());
  EXPECT_EQ(check_function_lengths("a.cc", text + std::string(80, '\n') + "}\n").size(), 1u);
}

TEST(Lint, UnfinishedWords) {
  const std::vector<std::string> words = {"later", "in a while"};
  EXPECT_EQ(check_words("a.cc", "// Later: x\n// in a while, y\n", words).size(), 2u);
  EXPECT_TRUE(check_words("a.cc", "// collateral\n// later_on\n", words).empty());
}

TEST(Lint, TopLevelEntries) {
  EXPECT_TRUE(check_top_level({"jit"}, {"jit", "tests"}).empty());
  EXPECT_EQ(check_top_level({"jit", "old"}, {"jit", "tests"}).size(), 1u);
}

}  // namespace
}  // namespace altrt::lint
