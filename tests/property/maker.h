// Builds Computations for the generator: names tensors, axes and stages consistently.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "tests/property/generator.h"

namespace altrt::property {

using namespace jit;  // NOLINT

constexpr DataType kFloat = DataType::f32;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

inline Expr at(const std::string& axis) { return variable(axis); }

/// Small helpers that name things consistently.
class Maker {
 public:
  Maker(const std::string& name, Random& random) : random(random) { c.name = name; }

  int tensor(const std::string& name, const std::vector<int64_t>& shape, Role role, DataType type = kFloat) {
    TensorDecl decl;
    decl.name = name;
    decl.type = type;
    for (int64_t extent : shape) decl.shape.emplace_back(extent);
    decl.role = role;
    return c.add_tensor(decl);
  }

  std::vector<int64_t> shape(int tensor) const {
    std::vector<int64_t> result;
    for (const Extent& extent : c.tensors[static_cast<size_t>(tensor)].shape) result.push_back(extent.bound);
    return result;
  }

  Expr read(int tensor, Exprs index) const {
    return access(tensor, c.tensors[static_cast<size_t>(tensor)].type, std::move(index));
  }

  /// A pure map over `names`; the output's shape is that of the axes.
  Stage map(const std::string& name, const std::vector<std::string>& names, const std::vector<int64_t>& extents,
            int output, const Expr& result) {
    Stage stage;
    stage.name = name;
    for (size_t i = 0; i < names.size(); ++i) stage.axes.push_back({names[i], extents[i]});
    stage.store = variables(stage.axes);
    stage.outputs = {output};
    stage.results = {result};
    return stage;
  }

  static StateValue sum_of(const Expr& term) {
    const Expr self = state(0, term->type);
    return {term->type, constant(term->type, 0), self + term, self + other(0, term->type)};
  }
  static StateValue max_of(const Expr& term) {
    const Expr self = state(0, kFloat);
    return {kFloat, constant(kFloat, -kInfinity), max(self, term), max(self, other(0, kFloat))};
  }

  void add(Stage stage) { c.stages.push_back(std::move(stage)); }

  /// Appends zero to three elementwise stages behind `tensor` (the last of them writes the output `y`); the input
  /// tensor's role is set accordingly.
  void finish_with_maps(int from, const std::string& prefix) {
    const auto extents = shape(from);
    const int count = random.chance(70) ? static_cast<int>(random.in(1, 3)) : 0;
    int current = from;
    for (int k = 0; k < count; ++k) {
      const bool last = k + 1 == count;
      c.tensors[static_cast<size_t>(current)].role = Role::intermediate;
      const int next = tensor(prefix + "y" + std::to_string(k), extents, last ? Role::output : Role::intermediate);
      add(map(prefix + "map" + std::to_string(k), axis_names(prefix + "e" + std::to_string(k), extents.size()), extents,
              next, elementwise(current, prefix + "e" + std::to_string(k), extents)));
      current = next;
    }
  }

  std::vector<std::string> axis_names(const std::string& prefix, size_t count) const {
    std::vector<std::string> names;
    for (size_t i = 0; i < count; ++i) names.push_back(prefix + std::string(1, static_cast<char>('a' + i)));
    return names;
  }

  Expr elementwise(int from, const std::string& prefix, const std::vector<int64_t>& extents) {
    Exprs index;
    for (const std::string& name : axis_names(prefix, extents.size())) index.push_back(at(name));
    const Expr value = read(from, index);
    switch (random.in(0, 3)) {
      case 0:
        return max(value, constant(kFloat, 0));
      case 1: {
        const int residual = tensor(prefix + "res", extents, Role::input);
        return value + read(residual, index);
      }
      case 2: {
        const size_t dim = static_cast<size_t>(random.in(0, static_cast<int64_t>(extents.size()) - 1));
        const int bias = tensor(prefix + "bias", {extents[dim]}, Role::constant);
        return value * constant(kFloat, 2) + read(bias, {index[dim]});
      }
      default:
        return select(lt(value, constant(kFloat, 0)), value * constant(kFloat, 3), value);
    }
  }

  Computation c;
  Random& random;
};

// --- kinds with a file of their own ---
struct ConvShape {
  int dims = 2;
  int64_t groups = 1, out_per_group = 4, in_per_group = 3;
  bool strided = false, dilated = false;
};
Computation conv(const std::string& name, const ConvShape& s, Random& random);
Computation conv_transpose(Random& random);
Computation separable(Random& random);
Computation winograd(Random& random);

}  // namespace altrt::property
