// ONNX's back-end tests against the list of expectations, strict both ways: what is listed as passing passes, what is
// not does not.
//
// `--rewrite` writes the list anew from what happens now; lines that say xfail keep their reason.
#include <gtest/gtest.h>

#include <cctype>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "tests/conformance/node_case.h"

namespace altrt::conformance {
namespace {

constexpr int kLeastPasses = 250;

/// "name outcome"; an outcome is as Outcome::text() writes it, or "xfail reason" for a case that runs with wrong
/// results.
std::map<std::string, std::string> read_list() {
  std::ifstream file(ALTRT_NODE_TESTS);
  std::map<std::string, std::string> list;
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.find(' ');
    list[line.substr(0, space)] = space == std::string::npos ? "" : line.substr(space + 1);
  }
  return list;
}

const std::map<std::string, std::string>& expectations() {
  static const auto list = read_list();
  return list;
}

bool is_xfail(const std::string& expected) { return expected.rfind("xfail ", 0) == 0; }

void check(const std::string& name, Engine engine) {
  const auto found = expectations().find(name);
  ASSERT_NE(found, expectations().end()) << name << " is not in the list; run with --rewrite";
  const Outcome outcome = run_case(name, engine);
  const std::string expected = is_xfail(found->second) ? "fail" : found->second;
  EXPECT_EQ(outcome.text(), expected) << outcome.detail;
}

class NodeTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Onnx, NodeTest, testing::ValuesIn(all_cases()), [](const auto& info) {
  std::string name = info.param;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(NodeTest);

TEST_P(NodeTest, Evaluator) { check(GetParam(), Engine::evaluator); }
TEST_P(NodeTest, Session) { check(GetParam(), Engine::session); }

TEST(NodeTests, ListAndDataAgree) {
  const auto names = all_cases();
  ASSERT_FALSE(names.empty()) << "the test data is not installed: sh third_party/install.sh";
  EXPECT_EQ(names.size(), expectations().size());
  int passes = 0;
  for (const auto& [name, expected] : expectations()) passes += expected.rfind("pass", 0) == 0;
  EXPECT_GE(passes, kLeastPasses);
}

int rewrite() {
  const auto before = read_list();
  std::map<std::string, int> counts;
  std::ostringstream text;
  text << "# Expected outcome of each of ONNX's back-end tests; the same for evaluator and session. Written by\n"
          "# conformance_test --rewrite, except for reasons of xfail lines.\n"
          "#   pass                   equal results\n"
          "#   pass constants         equal results once shapes, axes and the like, which the test gives at run time, "
          "are\n"
          "#                          known at load\n"
          "#   unsupported model      refused by the reader: element types, subgraphs, sequences, strings\n"
          "#   unsupported operator   an operator that is not in the registry\n"
          "#   unsupported form       a form of an operator that it refuses\n"
          "#   xfail REASON           runs, with a wrong result or error\n";
  for (const auto& name : all_cases()) {
    const Outcome outcome = run_case(name, Engine::evaluator);
    std::string line = outcome.text();
    if (outcome.kind == Outcome::Kind::fail) {
      const auto known = before.find(name);
      line = known != before.end() && is_xfail(known->second) ? known->second : "xfail " + outcome.detail;
      std::cerr << name << ": " << outcome.detail << "\n";
    }
    ++counts[line.substr(0, line.find(' '))];
    text << name << " " << line << "\n";
  }
  std::ofstream(ALTRT_NODE_TESTS) << text.str();
  for (const auto& [kind, count] : counts) std::cout << kind << " " << count << "\n";
  return 0;
}

}  // namespace
}  // namespace altrt::conformance

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--rewrite") == 0) return altrt::conformance::rewrite();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
