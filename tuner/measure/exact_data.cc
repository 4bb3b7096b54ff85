#include "tuner/measure/exact_data.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "jit/compile/stage_loops.h"
#include "jit/expr/bound_shape.h"
#include "jit/expr/math.h"
#include "jit/expr/scalar.h"

namespace altrt::tuner {
namespace {

template <typename T>
void fill(Tensor& tensor, std::mt19937_64& random, int64_t low, int64_t high, int64_t scale) {
  T* data = tensor.as<T>();
  const int64_t count = element_count(tensor.shape());
  const auto span = static_cast<uint64_t>(high - low + 1);
  for (int64_t i = 0; i < count; ++i) {
    data[i] = static_cast<T>((low + static_cast<int64_t>((random() >> 33) % span)) * scale);
  }
}

// Some six input channels of weights that are not zero for each output channel and tap.
void fill_sparse(Tensor& tensor, std::mt19937_64& random, int64_t scale) {
  const int64_t channels = tensor.shape()[1];
  float* data = tensor.as<float>();
  for (int64_t i = 0; i < element_count(tensor.shape()); ++i) {
    const bool zero = static_cast<int64_t>((random() >> 33) % static_cast<uint64_t>(channels)) >= 6;
    data[i] = static_cast<float>(zero ? 0 : (random() >> 63 ? scale : -scale));
  }
}

// The smallest extent that an index computed from data runs over; 2 if there is none.
int64_t index_limit(const jit::Computation& c) {
  int64_t limit = 2;
  for (const jit::Stage& stage : c.stages) {
    for (const jit::Expr& e : jit::stage_accesses(stage)) {
      for (size_t d = 0; d < e->args.size(); ++d) {
        bool opaque = false;
        jit::visit(e->args[d], [&](const jit::Expr& node) { opaque |= node.is(jit::ExprKind::access); });
        if (opaque) limit = std::min(limit, c.tensors[static_cast<size_t>(e->id)].shape[d].bound);
      }
    }
  }
  return std::max<int64_t>(limit, 1);
}

template <typename T>
double float_error(const Tensor& result, const Tensor& reference) {
  const T* a = result.as<T>();
  const T* b = reference.as<T>();
  const int64_t count = element_count(reference.shape());
  double error = 0, size = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double x = a[i], y = b[i];
    if (!std::isfinite(x) || !std::isfinite(y)) {
      if (std::isnan(x) != std::isnan(y) || (!std::isnan(x) && x != y)) return std::numeric_limits<double>::infinity();
      continue;
    }
    error += (x - y) * (x - y);
    size += y * y;
  }
  if (error == 0) return 0;
  return size == 0 ? std::numeric_limits<double>::infinity() : std::sqrt(error / size);
}

}  // namespace

Data exact_data(const jit::Computation& c, bool winograd, uint64_t seed) {
  Data data;
  std::mt19937_64 random(seed);
  const int64_t limit = index_limit(c);
  for (size_t t = 0; t < c.tensors.size(); ++t) {
    const jit::TensorDecl& tensor = c.tensors[t];
    if (tensor.role != jit::Role::input && tensor.role != jit::Role::constant) continue;
    Tensor& made = data[tensor.name] = Tensor(tensor.type, jit::bound_shape(tensor.shape));
    const bool is_weights = static_cast<int>(t) == c.anchor.weights, is_data = static_cast<int>(t) == c.anchor.data;
    if (winograd && tensor.type == DataType::f32) {
      if (is_weights) fill_sparse(made, random, 576);
      if (is_data) fill<float>(made, random, -1, 1, 1);
      if (!is_weights && !is_data) fill<float>(made, random, -2, 2, 64);
      continue;
    }
    switch (tensor.type) {
      case DataType::f32:
        fill<float>(made, random, -2, 2, 1);
        break;
      case DataType::f64:
        fill<double>(made, random, -2, 2, 1);
        break;
      case DataType::i64:
        fill<int64_t>(made, random, 0, limit - 1, 1);
        break;
      case DataType::i32:
        fill<int32_t>(made, random, 0, limit - 1, 1);
        break;
      case DataType::i8:
      case DataType::u8:
        fill<uint8_t>(made, random, 0, limit - 1, 1);
        break;
      case DataType::boolean:
        fill<uint8_t>(made, random, 0, 1, 1);
        break;
    }
  }
  return data;
}

bool is_exact(const jit::Computation& c) {
  const auto same = [](const jit::Expr& e) { return !e || jit::equal(jit::surrogate_math(e), e); };
  for (const jit::Stage& stage : c.stages) {
    for (const jit::StateValue& value : stage.state) {
      if (!same(value.init) || !same(value.update) || !same(value.combine)) return false;
    }
    if (!std::all_of(stage.results.begin(), stage.results.end(), same)) return false;
  }
  return true;
}

Data with_nan(const jit::Computation& c, Data data, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (const int input : c.with_role(jit::Role::input)) {
    Tensor& tensor = data.at(c.tensors[static_cast<size_t>(input)].name);
    if (tensor.type() != DataType::f32) continue;
    const int64_t count = element_count(tensor.shape());
    for (int64_t i = 0; i < count; i += 1 + static_cast<int64_t>((random() >> 33) % 20)) {
      tensor.as<float>()[i] = std::numeric_limits<float>::quiet_NaN();
    }
  }
  return data;
}

bool can_lose_nan(const jit::Computation& c) {
  using jit::ExprKind;
  bool can = false, clear = true;
  const auto look = [&](const jit::Expr& e, bool in_reduction) {
    if (!e) return;
    jit::visit(e, [&](const jit::Expr& node) {
      const bool to_float = jit::is_float(node->type);
      const bool from_float = !node->args.empty() && jit::is_float(node->args[0]->type);
      const bool compares =
          node.is(ExprKind::eq) || node.is(ExprKind::ne) || node.is(ExprKind::lt) || node.is(ExprKind::le);
      const bool elementary = node.is(ExprKind::exp) || node.is(ExprKind::log) || node.is(ExprKind::tanh) ||
                              node.is(ExprKind::erf) || node.is(ExprKind::sigmoid) || node.is(ExprKind::call);
      can |= to_float && (node.is(ExprKind::max) || node.is(ExprKind::min) || elementary);
      can |= from_float && compares;
      clear &= !(in_reduction && from_float && compares);
      clear &= !(from_float && !to_float && (node.is(ExprKind::cast) || node.is(ExprKind::bitcast)));
    });
  };
  for (const jit::Stage& stage : c.stages) {
    for (const jit::StateValue& value : stage.state) {
      look(value.update, true);
      look(value.combine, true);
    }
    for (const jit::Expr& result : stage.results) look(result, false);
  }
  return can && clear;
}

double relative_error(const Tensor& result, const Tensor& reference) {
  if (reference.type() == DataType::f32) return float_error<float>(result, reference);
  if (reference.type() == DataType::f64) return float_error<double>(result, reference);
  const bool equal = std::memcmp(result.data(), reference.data(), reference.bytes()) == 0;
  return equal ? 0 : std::numeric_limits<double>::infinity();
}

}  // namespace altrt::tuner
