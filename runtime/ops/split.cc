// Split. The sizes are an attribute before opset 13, an input since; without them the parts are equal (the last one
// smaller since opset 18).
#include <numeric>

#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

struct Parts {
  int64_t axis = 0;
  std::vector<int64_t> sizes;  // one per output
};

Parts parts(const NodeInfo& node) {
  const Shape& shape = node.input(0).shape;
  Parts p;
  p.axis = node.axis(node.integer("axis", 0), shape.size());
  const int64_t extent = shape[p.axis];
  if (node.has_input(1)) {
    p.sizes = node.constant_input(1, "split");
  } else if (node.has_attribute("split")) {
    p.sizes = node.integers("split");
  } else {
    const int64_t count = node.integer("num_outputs", node.outputs);
    if (count != node.outputs) node.fail("attribute 'num_outputs' differs from the number of outputs");
    const int64_t size = (extent + count - 1) / count;
    if (extent % count != 0 && (node.opset < 18 || (count - 1) * size > extent)) {
      node.fail("axis of " + std::to_string(extent) + " elements does not split into " + std::to_string(count) +
                " parts");
    }
    p.sizes.assign(count, size);
    p.sizes.back() = extent - (count - 1) * size;
  }
  require_range(node, p.sizes, 0, "'split'");
  if (static_cast<int>(p.sizes.size()) != node.outputs ||
      std::accumulate(p.sizes.begin(), p.sizes.end(), int64_t{0}) != extent) {
    node.fail("'split' " + to_string(p.sizes) + " does not make " + std::to_string(node.outputs) + " outputs of " +
              std::to_string(extent) + " elements");
  }
  return p;
}

std::vector<ResultType> infer_split(const NodeInfo& node) {
  require_inputs(node, 1, 2);
  const Operand& x = require_input(node, 0, "input", kAnyType);
  const Parts p = parts(node);
  std::vector<ResultType> results;
  for (int64_t size : p.sizes) {
    results.push_back({x.type, x.shape});
    results.back().shape[p.axis] = size;
  }
  return results;
}

void build_split(const NodeInfo& node, Builder& b) {
  const Parts p = parts(node);
  int64_t offset = 0;
  for (int i = 0; i < node.outputs; ++i) {
    if (b.output(i) >= 0) {
      const auto axes = b.axes(b.shape(b.output(i)));
      Exprs index = jit::variables(axes);
      index[p.axis] = index[p.axis] + offset;
      b.map(b.output(i), axes, b.at(b.input(0), index));
    }
    offset += p.sizes[i];
  }
}

}  // namespace

const Implementation kSplit = {infer_split, build_split};

}  // namespace altrt::ops
