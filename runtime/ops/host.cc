#include "runtime/ops/host.h"

namespace altrt::ops {

std::vector<int64_t> dense_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  return strides;
}

int64_t index_at(const TensorView& tensor, int64_t i) {
  return tensor.type == DataType::i32 ? tensor.as<int32_t>()[i] : tensor.as<int64_t>()[i];
}

int64_t checked_index(const NodeInfo& node, int64_t index, int64_t extent) {
  const int64_t positive = index < 0 ? index + extent : index;
  if (positive < 0 || positive >= extent) {
    node.fail("index " + std::to_string(index) + " is outside of an extent of " + std::to_string(extent),
              ErrorCode::invalid_argument);
  }
  return positive;
}

Lines lines(const Shape& shape, int64_t axis) {
  return {product(shape, 0, axis), shape[axis], product(shape, axis + 1, shape.size())};
}

}  // namespace altrt::ops
