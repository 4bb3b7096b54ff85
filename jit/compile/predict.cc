// Which algorithm to begin with, by counting: multiplications, and what must come from memory that is cold when the
// kernel starts.
#include <algorithm>

#include "jit/compile/decisions.h"
#include "jit/compile/templates.h"
#include "jit/expr/algorithms.h"
#include "jit/expr/winograd_dimension.h"

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

// Images that the strides make of the last two dimensions.
int64_t phases_of(const Anchor& anchor) {
  return winograd_dimension(anchor, 1, 2).phases() * winograd_dimension(anchor, 2, 2).phases();
}

// Channels that one sum reads, and filters.
struct Channels {
  double in, out;
};
Channels channels_of(const Computation& c) {
  const std::vector<Extent>& weights = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
  const int out = weight_outputs(c.anchor);
  return {static_cast<double>(weights[static_cast<size_t>(1 - out)].bound),
          static_cast<double>(weights[static_cast<size_t>(out)].bound)};
}

// Every tap of a transposed convolution meets every element of the data.
double direct_products(const Computation& c) {
  const std::vector<Extent>& weights = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
  const int met = c.anchor.kind == AnchorKind::conv_transpose
                      ? c.anchor.data
                      : c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0];
  const std::vector<Extent>& points = c.tensors[static_cast<size_t>(met)].shape;
  return product(weights, 0, weights.size()) * product(points, 2, points.size()) * static_cast<double>(points[0].bound);
}

// With at most `outputs` a tile in each dimension.
double winograd_cost(const Computation& c, int outputs) {
  const std::vector<Extent>& data = c.tensors[static_cast<size_t>(c.anchor.data)].shape;
  const std::vector<Extent>& weights = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
  const std::vector<Extent>& out =
      c.tensors[static_cast<size_t>(c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0])].shape;
  const size_t rank = out.size(), lead = rank - std::min<size_t>(rank - 2, 2);
  double tiles = 1, points = 1, remainders = 1;
  for (size_t d = lead; d < rank; ++d) {
    const WinogradDimension dimension = winograd_dimension(c.anchor, rank - d, outputs);
    tiles *= static_cast<double>(dimension.tiles(out[d].bound));
    points *= static_cast<double>(dimension.points());
    remainders *= static_cast<double>(dimension.remainders);
  }
  const auto phases = static_cast<double>(phases_of(c.anchor));
  const Channels channels = channels_of(c);
  const double batch = static_cast<double>(out[0].bound), group_in = channels.in * phases,
               in = static_cast<double>(data[1].bound) * phases, filters = channels.out * remainders,
               taps = product(weights, 2, lead);
  const double square = points * tiles * batch;
  return square * group_in * filters * taps * product(out, 2, lead) * kProduct +
         points * group_in * filters * taps * kWeight +
         square * (in * product(data, 2, lead) + filters * product(out, 2, lead)) * kTransform;
}

}  // namespace

std::string predicted_algorithm(const Computation& c, const GroupDecision& decision, const Target& target) {
  if (target.is_gpu() || decision.provider != "own" || decision.algorithm != default_algorithm(c) ||
      winograd_sizes(c).empty())
    return decision.algorithm;
  const std::vector<Extent>& weights = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
  const int output = c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0];
  if (2 * channel_block(layout_of(c, output, decision.layouts)) < target.lanes ||
      c.tensors[static_cast<size_t>(c.anchor.weights)].role != Role::constant ||
      2 * channels_of(c).in * static_cast<double>(phases_of(c.anchor)) < static_cast<double>(target.lanes))
    return decision.algorithm;
  const double elements = product(weights, 0, weights.size());
  double best = (direct_products(c) + elements * kWeight) / kGain;
  std::string name = decision.algorithm;
  for (const int outputs : winograd_sizes(c)) {
    const double cost = winograd_cost(c, outputs);
    if (cost >= best || !has_winograd_template(winograd(c, outputs), decision.layouts)) continue;
    best = cost;
    name = winograd_name(outputs);
  }
  return name;
}

}  // namespace altrt::jit
