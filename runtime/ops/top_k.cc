// TopK: the k largest (or smallest) elements along an axis and where they were; of equal ones the first come first.
#include <algorithm>
#include <numeric>

#include "runtime/ops/host.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_top_k(const NodeInfo& node) {
  require_inputs(node, node.opset < 10 ? 1 : 2, node.opset < 10 ? 1 : 2);
  require_outputs(node, 2);
  const Operand& x = require_input(node, 0, "X", kNumbers);
  const int64_t axis = node.axis(node.integer("axis", -1), x.shape.size());
  int64_t k;
  if (node.opset < 10) {
    k = node.integer("k");
  } else {
    const std::vector<int64_t> values = node.constant_input(1, "K");
    if (values.size() != 1) node.fail("input 'K' does not have one element");
    k = values[0];
  }
  if (k < 0 || k > x.shape[axis]) {
    node.fail("k is " + std::to_string(k) + " for an axis of " + std::to_string(x.shape[axis]) + " elements");
  }
  Shape shape = x.shape;
  shape[axis] = k;
  std::vector<ResultType> results = {{x.type, shape}, {DataType::i64, shape}};
  results.resize(node.outputs);
  return results;
}

/// Orders NaN before every number, so that it counts as the largest and the order is total.
template <typename T>
bool greater(T a, T b) {
  return a != a ? b == b : a > b;
}

void run_top_k(const NodeInfo& node, std::span<const TensorView> inputs, std::span<TensorView> outputs) {
  const TensorView& x = inputs[0];
  const int64_t axis = node.axis(node.integer("axis", -1), x.shape.size());
  const Lines from = lines(x.shape, axis);
  const bool largest = node.integer("largest", 1) != 0;
  const bool wants_values = outputs[0].data != nullptr, wants_places = outputs.size() > 1 && outputs[1].data != nullptr;
  const int64_t k = wants_values ? outputs[0].shape[axis] : wants_places ? outputs[1].shape[axis] : 0;
  std::vector<int64_t> order(from.axis);
  with_type(x.type, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t line = 0; line < from.outer * from.inner; ++line) {
      const int64_t outer = line / from.inner, inner = line % from.inner;
      const T* values = x.as<T>() + outer * from.axis * from.inner + inner;
      const auto value = [&](int64_t i) { return values[i * from.inner]; };
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t a, int64_t b) {
        const T u = largest ? value(a) : value(b), v = largest ? value(b) : value(a);
        return greater(u, v) || (!greater(v, u) && a < b);
      });
      for (int64_t i = 0; i < k; ++i) {
        const int64_t to = (outer * k + i) * from.inner + inner;
        if (wants_values) outputs[0].as<T>()[to] = value(order[i]);
        if (wants_places) outputs[1].as<int64_t>()[to] = order[i];
      }
    }
  });
}

}  // namespace

const Implementation kTopK = {infer_top_k, nullptr, run_top_k};

}  // namespace altrt::ops
