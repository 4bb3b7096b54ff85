// The five networks of the benchmarks, and the nine kinds of operator.
#pragma once

#include <altrt/model.h>

#include <string>
#include <vector>

namespace altrt::test {

/// Names of the graphs in networks/: real exports without their large weights.
const std::vector<std::string>& networks();
/// The graph with weights of a fixed pattern in place.
Model load_network(const std::string& name);

/// One operator of a kind, of a size that networks have.
struct Kind {
  std::string name;  // "C2D"
  Model model;
};
/// Convolutions in one to three dimensions, grouped, depthwise, dilated, transposed in two and three dimensions, and
/// matrix products. `small`: of a size that the evaluator can run.
std::vector<Kind> nine_kinds(bool small);

}  // namespace altrt::test
