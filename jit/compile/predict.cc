// Which algorithm to begin with, by counting: multiplications, and what must come from memory that is cold when the
// kernel starts.
#include <algorithm>
#include <cmath>
#include <utility>

#include "jit/compile/decisions.h"
#include "jit/compile/templates.h"
#include "jit/expr/algorithms.h"

namespace altrt::jit {

namespace {

// In multiplications of the direct form's speed.
constexpr double kProduct = 1.1;  // one of the transformed domain: shorter sums, tiles that go through the cache
constexpr double kWeight = 16;    // a weight from memory
constexpr double kTransform = 6;  // an element of a transformed tensor: made, stored, read
constexpr double kGain = 1.25;    // what a change must promise

double product(const std::vector<Extent>& extents, size_t first, size_t last) {
  double all = 1;
  for (size_t d = first; d < last; ++d) all *= static_cast<double>(extents[d].bound);
  return all;
}

// With `outputs` a tile in each dimension whose kernel is wider than one.
double winograd_cost(const Computation& c, double outputs) {
  const std::vector<Extent>& data = c.tensors[static_cast<size_t>(c.anchor.data)].shape;
  const std::vector<Extent>& weights = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
  const std::vector<Extent>& out =
      c.tensors[static_cast<size_t>(c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0])].shape;
  const size_t rank = out.size(), spatial = rank - 2, lead = rank - std::min<size_t>(spatial, 2);
  double tiles = 1, points = 1;
  for (size_t d = lead; d < rank; ++d) {
    const bool is_cut = c.anchor.kernel[d - 2] != 1;
    const double dilation = is_cut ? static_cast<double>(c.anchor.dilations[d - 2]) : 1;
    const double across = (is_cut ? outputs : 1) * dilation;
    tiles *= std::ceil(static_cast<double>(out[d].bound) / across) * dilation;
    points *= is_cut ? outputs + static_cast<double>(c.anchor.kernel[d - 2]) - 1 : 1;
  }
  const double batch = static_cast<double>(out[0].bound), group_in = static_cast<double>(weights[1].bound),
               in = static_cast<double>(data[1].bound), filters = static_cast<double>(weights[0].bound),
               taps = product(weights, 2, lead);
  const double square = points * tiles * batch;
  return square * group_in * filters * taps * product(out, 2, lead) * kProduct +
         points * group_in * filters * taps * kWeight +
         square * (in * product(data, 2, lead) + filters * product(out, 2, lead)) * kTransform;
}

}  // namespace

std::string predicted_algorithm(const Computation& c, const GroupDecision& decision, const Target& target) {
  if (target.is_gpu() || decision.provider != "own" || decision.algorithm != "direct" || winograd_sizes(c).empty())
    return decision.algorithm;
  const std::vector<Extent>& weights = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
  const int output = c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0];
  if (2 * channel_block(layout_of(c, output, decision.layouts)) < target.lanes ||
      c.tensors[static_cast<size_t>(c.anchor.weights)].role != Role::constant || weights[1].bound < target.lanes)
    return decision.algorithm;
  const double elements = product(weights, 0, weights.size());
  const std::vector<Extent>& out = c.tensors[static_cast<size_t>(output)].shape;
  double best =
      (elements * product(out, 2, out.size()) * static_cast<double>(out[0].bound) + elements * kWeight) / kGain;
  std::string name = decision.algorithm;
  for (const int outputs : winograd_sizes(c)) {
    const std::string algorithm = winograd_name(outputs);
    if (!has_winograd_template(apply_algorithm(c, algorithm), decision.layouts)) continue;
    const double cost = winograd_cost(c, outputs);
    if (cost >= best) continue;
    best = cost;
    name = algorithm;
  }
  return name;
}

}  // namespace altrt::jit
