// NonZero: the indices of elements that are not zero. The result's shape depends on the data, so the data must be known
// at load.
#include "runtime/ops/host.h"

namespace altrt::ops {
namespace {

/// Flat positions of the elements that are not zero, in order.
std::vector<int64_t> positions(const TensorView& x) {
  std::vector<int64_t> result;
  const int64_t count = element_count(x.shape);
  with_type(x.type, [&](auto zero) {
    for (int64_t i = 0; i < count; ++i) {
      if (x.as<decltype(zero)>()[i] != zero) result.push_back(i);
    }
  });
  return result;
}

std::vector<ResultType> infer_nonzero(const NodeInfo& node) {
  require_inputs(node, 1, 1);
  const Operand& x = require_input(node, 0, "X", kAnyType);
  if (!x.data) node.fail("input 'X' is not known at load", ErrorCode::unsupported);
  const int64_t count = static_cast<int64_t>(positions(x.data->view()).size());
  return one_result(node, DataType::i64, {static_cast<int64_t>(x.shape.size()), count});
}

void run_nonzero(const NodeInfo&, std::span<const TensorView> inputs, std::span<TensorView> outputs) {
  const Shape& shape = inputs[0].shape;
  const std::vector<int64_t> strides = dense_strides(shape), where = positions(inputs[0]);
  int64_t* y = outputs[0].as<int64_t>();
  for (size_t d = 0; d < shape.size(); ++d) {
    for (int64_t position : where) *y++ = position / strides[d] % shape[d];
  }
}

}  // namespace

const Implementation kNonZero = {infer_nonzero, nullptr, run_nonzero};

}  // namespace altrt::ops
