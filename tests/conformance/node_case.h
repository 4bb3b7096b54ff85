// One of ONNX's back-end tests: a model of one operator or a few, with inputs and expected outputs.
#pragma once

#include <altrt/tensor.h>

#include <string>
#include <vector>

#include "runtime/graph/graph.h"

namespace altrt::conformance {

/// How a case ended, as the list of expectations writes it.
struct Outcome {
  enum class Kind { pass, unsupported, fail } kind = Kind::fail;
  /// pass: "" or "constants" (it needs inputs known at load that the test gives at run time). unsupported: "model"
  /// (refused by the reader), "operator" (not in the registry) or "form" (refused by the operator). fail: empty.
  std::string why;
  std::string detail;  // the message, or which output differs by how much

  std::string text() const;  // "pass", "pass constants", "unsupported operator", "fail"
};

enum class Engine { evaluator, session };

/// Names of all cases in the installed test data ("node/test_abs"), sorted; empty if it is not installed.
std::vector<std::string> all_cases();

/// Reads, runs and compares one case. Does not throw.
Outcome run_case(const std::string& name, Engine engine);

}  // namespace altrt::conformance
