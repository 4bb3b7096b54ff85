// CumSum: running sums along an axis, in one pass.
#include "runtime/ops/host.h"

namespace altrt::ops {
namespace {

std::vector<ResultType> infer_cum_sum(const NodeInfo& node) {
  require_inputs(node, 2, 2);
  const Operand& x = require_input(node, 0, "x", kFloats | kIndices);
  const Operand& axis = require_input(node, 1, "axis", kIndices);
  if (element_count(axis.shape) != 1) node.fail("input 'axis' does not have one element");
  if (axis.data) node.axis(axis.integers()[0], x.shape.size());
  return one_result(node, x.type, x.shape);
}

void run_cum_sum(const NodeInfo& node, std::span<const TensorView> inputs, std::span<TensorView> outputs) {
  const TensorView& x = inputs[0];
  const Lines l = lines(x.shape, node.axis(index_at(inputs[1], 0), x.shape.size()));
  const bool exclusive = node.integer("exclusive", 0) != 0, reverse = node.integer("reverse", 0) != 0;
  with_type(x.type, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t line = 0; line < l.outer * l.inner; ++line) {
      const int64_t first = line / l.inner * l.axis * l.inner + line % l.inner;
      T sum = zero;
      for (int64_t i = 0; i < l.axis; ++i) {
        const int64_t at = first + (reverse ? l.axis - 1 - i : i) * l.inner;
        const T value = x.as<T>()[at], next = static_cast<T>(sum + value);
        outputs[0].as<T>()[at] = exclusive ? sum : next;
        sum = next;
      }
    }
  });
}

}  // namespace

const Implementation kCumSum = {infer_cum_sum, nullptr, run_cum_sum};

}  // namespace altrt::ops
