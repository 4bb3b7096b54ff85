#include "jit/expr/algorithms.h"

#include <algorithm>

#include <altrt/error.h>

namespace altrt::jit {

std::string default_algorithm(const Computation& c) { return phases_fit(c) ? "phases" : "direct"; }

int gemm_parts(const std::string& algorithm) {
  if (algorithm.rfind("gemm", 0) != 0) return 0;
  return algorithm.size() == 4 ? 1 : std::stoi(algorithm.substr(4));
}

std::string winograd_name(int outputs_per_tile) { return "winograd" + std::to_string(outputs_per_tile); }

int winograd_outputs(const std::string& algorithm) {
  if (algorithm == "winograd2") return 2;
  return algorithm == "winograd4" ? 4 : 0;
}

int weight_outputs(const Anchor& anchor) { return anchor.kind == AnchorKind::conv_transpose ? 1 : 0; }

bool is_zero(const Expr& e) { return e.is(ExprKind::constant) && e->float_value == 0; }

bool is_direct(const std::string& algorithm) {
  return algorithm == "direct" || algorithm == "phases" || gemm_parts(algorithm) > 0;
}

}  // namespace altrt::jit

namespace altrt {

using namespace jit;

std::vector<std::string> algorithms(const Computation& c) {
  std::vector<std::string> names{"direct"};
  for (const int outputs : winograd_sizes(c)) names.push_back(winograd_name(outputs));
  if (strassen_fits(c)) names.push_back("strassen");
  if (phases_fit(c)) names.push_back("phases");
  if (gemm_fits(c)) names.insert(names.end(), {"gemm", "gemm2", "gemm4", "gemm8", "gemm16", "gemm32"});
  return names;
}

Computation apply_algorithm(const Computation& c, const std::string& algorithm) {
  const std::vector<std::string> names = algorithms(c);
  if (std::find(names.begin(), names.end(), algorithm) == names.end()) {
    std::string known;
    for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
    throw Error(ErrorCode::invalid_argument,
                "group '" + c.name + "': algorithm '" + algorithm + "' does not fit (these do: " + known + ")");
  }
  if (const int outputs = winograd_outputs(algorithm)) return winograd(c, outputs);
  if (algorithm == "strassen") return strassen(c);
  if (algorithm == "phases") return phases(c);
  if (const int parts = gemm_parts(algorithm)) return gemm(c, parts);
  return c;
}

}  // namespace altrt
