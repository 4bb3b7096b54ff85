#include "runtime/session/accuracy.h"

#include <iomanip>
#include <sstream>

#include "jit/expr/algorithms.h"
#include "runtime/base/log.h"

namespace altrt::session {
namespace {

double error_of(const graph::Graph& graph, const graph::Group& group, int outputs) {
  const jit::Computation& c = group.computation;
  const int value = group.tensor_values[static_cast<size_t>(c.anchor.weights)];
  const Tensor* weights = value < 0 ? nullptr : graph.values[static_cast<size_t>(value)].data.get();
  // Weights that are no constants of the graph as they are can't be looked at.
  if (!weights || weights->type() != DataType::f32) return 0;
  return jit::winograd_error(c, outputs, weights->as<float>());
}

}  // namespace

bool is_accurate(const graph::Graph& graph, const graph::Group& group, const std::string& algorithm) {
  const int outputs = jit::winograd_outputs(algorithm);
  return outputs == 0 || error_of(graph, group, outputs) <= kWinogradBound;
}

void keep_accurate(const graph::Graph& graph, const std::vector<graph::Group>& groups, const jit::Target& target,
                   const std::vector<bool>& fixed, graph::Decisions& decisions) {
  for (size_t g = 0; g < groups.size(); ++g) {
    const int outputs = groups[g].host ? 0 : jit::winograd_outputs(decisions[g].algorithm);
    if (outputs == 0 || (g < fixed.size() && fixed[g])) continue;
    const double error = error_of(graph, groups[g], outputs);
    if (error <= kWinogradBound) continue;
    std::ostringstream text;
    text << "group '" << groups[g].name << "' (" << groups[g].ops << ") computes directly: " << decisions[g].algorithm
         << " is off by " << std::setprecision(2) << error << " (relative L2) with its weights, where "
         << kWinogradBound << " is allowed";
    base::log(base::LogLevel::info, text.str());
    decisions[g] =
        jit::with_algorithm(decisions[g], groups[g].computation, jit::default_algorithm(groups[g].computation), target);
  }
}

}  // namespace altrt::session
