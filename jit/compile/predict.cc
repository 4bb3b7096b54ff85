// Which algorithm to begin with, by counting: multiplications, and what must come from memory that is cold when the
// kernel starts.
#include <cmath>
#include <tuple>

#include "jit/compile/decisions.h"
#include "jit/compile/templates.h"
#include "jit/expr/algorithms.h"

namespace altrt::jit {

namespace {

// In multiplications of the direct form's speed.
constexpr double kProduct = 1.3;   // one of the transformed domain: shorter sums, tiles that go through the cache
constexpr double kWeight = 16;     // a weight from memory
constexpr double kTransform = 12;  // an element of a transformed tensor: made, stored, read
constexpr double kGain = 1.25;     // what a change must promise

double product(const std::vector<Extent>& extents, size_t first, size_t last) {
  double all = 1;
  for (size_t d = first; d < last; ++d) all *= static_cast<double>(extents[d].bound);
  return all;
}

// Of products of `points` x `points` a tile of `outputs` x `outputs`, for every output channel.
double winograd_cost(const Computation& c, double outputs, double points) {
  const std::vector<Extent>& data = c.tensors[static_cast<size_t>(c.anchor.data)].shape;
  const std::vector<Extent>& weights = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
  const std::vector<Extent>& out =
      c.tensors[static_cast<size_t>(c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0])].shape;
  const size_t rank = out.size(), spatial = rank - 2;
  double tiles = 1;
  for (size_t d = rank - 2; d < rank; ++d) {
    const auto dilation = static_cast<double>(c.anchor.dilations[d - rank + spatial]);
    const double across = outputs * dilation;
    tiles *= std::ceil(static_cast<double>(out[d].bound) / across) * dilation;
  }
  const double batch = static_cast<double>(out[0].bound), in = static_cast<double>(weights[1].bound),
               filters = static_cast<double>(weights[0].bound), taps = product(weights, 2, rank - 2);
  const double square = points * points * tiles * batch;
  return square * in * filters * taps * product(out, 2, rank - 2) * kProduct +
         points * points * in * filters * taps * kWeight +
         square * (in * product(data, 2, rank - 2) + filters * product(out, 2, rank - 2)) * kTransform;
}

}  // namespace

std::string predicted_algorithm(const Computation& c, const GroupDecision& decision, const Target& target) {
  if (target.is_gpu() || decision.provider != "own" || decision.algorithm != "direct" || !winograd_fits(c))
    return decision.algorithm;
  const std::vector<Extent>& weights = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
  const int output = c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0];
  if (channel_block(layout_of(c, output, decision.layouts)) < target.lanes ||
      c.tensors[static_cast<size_t>(c.anchor.weights)].role != Role::constant || weights[1].bound < target.lanes)
    return decision.algorithm;
  const double elements = product(weights, 0, weights.size());
  const std::vector<Extent>& out = c.tensors[static_cast<size_t>(output)].shape;
  double best =
      (elements * product(out, 2, out.size()) * static_cast<double>(out[0].bound) + elements * kWeight) / kGain;
  std::string name = decision.algorithm;
  for (const auto& [algorithm, outputs, points] : {std::tuple{"winograd2", 2, 4}, std::tuple{"winograd4", 4, 6}}) {
    const double cost = winograd_cost(c, outputs, points);
    if (cost >= best) continue;
    best = cost;
    name = algorithm;
  }
  return name;
}

}  // namespace altrt::jit
