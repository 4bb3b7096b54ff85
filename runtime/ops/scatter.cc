// ScatterND, ScatterElements and Scatter: a copy of the data with some elements replaced by, or combined with, updates.
// Updates to the same element are applied in order.
#include <algorithm>

#include "runtime/ops/host.h"

namespace altrt::ops {
namespace {

std::string reduction(const NodeInfo& node) { return node.text("reduction", "none"); }

void check_reduction(const NodeInfo& node) {
  const std::string r = reduction(node);
  if (r != "none" && r != "add" && r != "mul" && r != "max" && r != "min") {
    node.fail("attribute 'reduction' is '" + r + "'");
  }
}

template <typename T>
T combined(const std::string& reduction, T old, T update) {
  if (reduction == "add") return static_cast<T>(old + update);
  if (reduction == "mul") return static_cast<T>(old * update);
  if (reduction == "max") return std::max(old, update);
  if (reduction == "min") return std::min(old, update);
  return update;
}

template <>
bool combined(const std::string& reduction, bool old, bool update) {
  if (reduction == "add" || reduction == "max") return old || update;
  if (reduction == "mul" || reduction == "min") return old && update;
  return update;
}

std::vector<ResultType> infer_scatter_nd(const NodeInfo& node) {
  require_inputs(node, 3, 3);
  const Operand& data = require_input(node, 0, "data", kAnyType);
  const Operand& indices = require_input(node, 1, "indices", type_bit(DataType::i64));
  require_same_type(node, 2, 0);
  check_reduction(node);
  const Shape& updates = node.input(2).shape;
  bool fits = !indices.shape.empty() && indices.shape.back() <= static_cast<int64_t>(data.shape.size());
  if (fits) {
    Shape expected(indices.shape.begin(), indices.shape.end() - 1);
    expected.insert(expected.end(), data.shape.begin() + indices.shape.back(), data.shape.end());
    fits = updates == expected;
  }
  if (!fits) {
    node.fail("inputs of shapes " + to_string(data.shape) + ", " + to_string(indices.shape) + ", " +
              to_string(updates) + " do not fit");
  }
  return one_result(node, data.type, data.shape);
}

void copy_data(const TensorView& from, TensorView& to) {
  if (from.bytes() > 0) std::memcpy(to.data, from.data, from.bytes());
}

void run_scatter_nd(const NodeInfo& node, std::span<const TensorView> inputs, std::span<TensorView> outputs) {
  const TensorView &data = inputs[0], &indices = inputs[1], &updates = inputs[2];
  copy_data(data, outputs[0]);
  const int64_t depth = indices.shape.back(), count = product(indices.shape, 0, indices.shape.size() - 1);
  const int64_t run = product(data.shape, depth, data.shape.size());
  const std::vector<int64_t> strides = dense_strides(data.shape);
  const std::string how = reduction(node);
  with_type(data.type, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < count; ++i) {
      int64_t offset = 0;
      for (int64_t d = 0; d < depth; ++d) {
        offset += checked_index(node, indices.as<int64_t>()[i * depth + d], data.shape[d]) * strides[d];
      }
      T* y = outputs[0].as<T>() + offset;
      const T* u = updates.as<T>() + i * run;
      for (int64_t e = 0; e < run; ++e) y[e] = combined<T>(how, y[e], u[e]);
    }
  });
}

std::vector<ResultType> infer_scatter_elements(const NodeInfo& node) {
  require_inputs(node, 3, 3);
  const Operand& data = require_input(node, 0, "data", kAnyType);
  const Operand& indices = require_input(node, 1, "indices", kIndices);
  require_same_type(node, 2, 0);
  check_reduction(node);
  const int64_t axis = node.axis(node.integer("axis", 0), data.shape.size());
  bool fits = indices.shape.size() == data.shape.size() && node.input(2).shape == indices.shape;
  for (size_t d = 0; fits && d < data.shape.size(); ++d) {
    fits = static_cast<int64_t>(d) == axis || indices.shape[d] <= data.shape[d];
  }
  if (!fits) {
    node.fail("inputs of shapes " + to_string(data.shape) + ", " + to_string(indices.shape) + ", " +
              to_string(node.input(2).shape) + " do not fit");
  }
  return one_result(node, data.type, data.shape);
}

void run_scatter_elements(const NodeInfo& node, std::span<const TensorView> inputs, std::span<TensorView> outputs) {
  const TensorView &data = inputs[0], &indices = inputs[1], &updates = inputs[2];
  copy_data(data, outputs[0]);
  const size_t rank = data.shape.size();
  const int64_t axis = node.axis(node.integer("axis", 0), rank), count = element_count(indices.shape);
  const std::vector<int64_t> strides = dense_strides(data.shape), walk = dense_strides(indices.shape);
  const std::string how = reduction(node);
  with_type(data.type, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < count; ++i) {
      int64_t offset = 0;
      for (size_t d = 0; d < rank; ++d) {
        int64_t position = i / walk[d] % indices.shape[d];
        if (static_cast<int64_t>(d) == axis) position = checked_index(node, index_at(indices, i), data.shape[d]);
        offset += position * strides[d];
      }
      T& y = outputs[0].as<T>()[offset];
      y = combined<T>(how, y, updates.as<T>()[i]);
    }
  });
}

}  // namespace

const Implementation kScatterND = {infer_scatter_nd, nullptr, run_scatter_nd};
const Implementation kScatterElements = {infer_scatter_elements, nullptr, run_scatter_elements};
const Implementation kScatter = {infer_scatter_elements, nullptr, run_scatter_elements};

}  // namespace altrt::ops
