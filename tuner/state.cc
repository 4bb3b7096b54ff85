#include "tuner/state.h"

#include <algorithm>

namespace altrt::tuner {

void Ways::add(const jit::Computation& c, const jit::GroupDecision& decision, double kernels_ms) {
  std::string border;
  for (const jit::TensorDecl& tensor : c.tensors) {
    if (tensor.role != jit::Role::input && tensor.role != jit::Role::output) continue;
    const auto found = decision.layouts.find(tensor.name);
    border += tensor.name + " " + (found == decision.layouts.end() ? "" : jit::to_string(found->second)) + "\n";
  }
  Way& way = by_border_[border];
  if (way.kernels_ms == 0 || kernels_ms < way.kernels_ms) way = {decision, kernels_ms};
}

std::vector<Way> Ways::best(size_t count) const {
  std::vector<Way> ways;
  for (const auto& [border, way] : by_border_) ways.push_back(way);
  std::stable_sort(ways.begin(), ways.end(), [](const Way& a, const Way& b) { return a.kernels_ms < b.kernels_ms; });
  ways.resize(std::min(ways.size(), count));
  return ways;
}

}  // namespace altrt::tuner
