// What host functions share: the element type as a template argument, dense strides, walking through indices.
#pragma once

#include <cstring>
#include <vector>

#include "runtime/ops/common.h"

namespace altrt::ops {

/// Calls f with a value of the C++ type of the element type.
template <typename F>
void with_type(DataType type, F f) {
  switch (type) {
    case DataType::f32:  // NOLINT(bugprone-branch-clone): the calls differ in the type
      return f(float());
    case DataType::f64:
      return f(double());
    case DataType::i64:
      return f(int64_t());
    case DataType::i32:
      return f(int32_t());
    case DataType::i8:
      return f(int8_t());
    case DataType::u8:
      return f(uint8_t());
    case DataType::boolean:
      return f(bool());
  }
}

/// Elements between neighbours of each dimension, row-major.
std::vector<int64_t> dense_strides(const Shape& shape);
/// Element i of an i64 or i32 tensor.
int64_t index_at(const TensorView& tensor, int64_t i);
/// A negative index made positive; Error(invalid_argument) if it is outside of the extent.
int64_t checked_index(const NodeInfo& node, int64_t index, int64_t extent);

/// A shape seen as [outer, axis, inner].
struct Lines {
  int64_t outer, axis, inner;
};
Lines lines(const Shape& shape, int64_t axis);

}  // namespace altrt::ops
