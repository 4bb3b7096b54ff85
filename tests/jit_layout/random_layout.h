// Random layouts, and a model of layouts that moves elements one primitive at a time by definition.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "jit/layout/layout.h"

namespace altrt::jit::testing {

/// A dense array of element numbers; -1 - k in padding made by step k.
struct Placement {
  std::vector<int64_t> shape;
  std::vector<int64_t> elements;
};

inline int64_t count_of(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

inline int64_t number_of(const std::vector<int64_t>& index, const std::vector<int64_t>& shape) {
  int64_t number = 0;
  for (size_t i = 0; i < shape.size(); ++i) number = number * shape[i] + index[i];
  return number;
}

inline std::vector<int64_t> index_of(int64_t number, const std::vector<int64_t>& shape) {
  std::vector<int64_t> index(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    index[i] = number % shape[i];
    number /= shape[i];
  }
  return index;
}

/// The array of `shape` whose element at each index is what `source` gives.
inline Placement build(std::vector<int64_t> shape, const std::function<int64_t(std::vector<int64_t>)>& source) {
  Placement result{std::move(shape), {}};
  int64_t count = count_of(result.shape);
  for (int64_t i = 0; i < count; ++i) result.elements.push_back(source(index_of(i, result.shape)));
  return result;
}

/// One primitive by its definition on arrays: unfold is U[t, b] = X[t*S + b], and so on.
inline Placement place(const Placement& x, const LayoutStep& step, int64_t number) {
  auto at = [&](const std::vector<int64_t>& index) { return x.elements[number_of(index, x.shape)]; };
  int d = step.dim;
  int64_t padding = -1 - number;
  std::vector<int64_t> shape = x.shape;
  switch (step.kind) {
    case LayoutKind::reorder: {
      for (size_t i = 0; i < shape.size(); ++i) shape[i] = x.shape[step.factors[i]];
      return build(shape, [&](std::vector<int64_t> index) {
        std::vector<int64_t> old(index.size());
        for (size_t i = 0; i < index.size(); ++i) old[step.factors[i]] = index[i];
        return at(old);
      });
    }
    case LayoutKind::split: {  // the same array with another shape
      int64_t rest = 1;
      for (size_t j = 1; j < step.factors.size(); ++j) rest *= step.factors[j];
      std::vector<int64_t> factors = step.factors;
      factors[0] = x.shape[d] / rest;
      shape.erase(shape.begin() + d);
      shape.insert(shape.begin() + d, factors.begin(), factors.end());
      return {shape, x.elements};
    }
    case LayoutKind::fuse: {  // likewise
      for (int64_t j = 1; j < step.factors[0]; ++j) {
        shape[d] *= shape[d + 1];
        shape.erase(shape.begin() + d + 1);
      }
      return {shape, x.elements};
    }
    case LayoutKind::unfold: {
      int64_t tile = step.factors[0], stride = step.factors[1], tiles = 1;
      while (tiles * stride + tile - stride < x.shape[d]) ++tiles;
      shape[d] = tiles;
      shape.insert(shape.begin() + d + 1, tile);
      return build(shape, [&](std::vector<int64_t> index) {
        index[d] = index[d] * stride + index[d + 1];
        index.erase(index.begin() + d + 1);
        return index[d] < x.shape[d] ? at(index) : padding;
      });
    }
    case LayoutKind::fold: {
      int64_t stride = step.factors[1];
      shape[d] = step.factors[2];
      shape.erase(shape.begin() + d + 1);
      return build(shape, [&](std::vector<int64_t> index) {
        int64_t t = std::min(index[d] / stride, x.shape[d] - 1);
        index.insert(index.begin() + d + 1, index[d] - t * stride);
        index[d] = t;
        return at(index);
      });
    }
    case LayoutKind::pad:
      shape[d] += step.lo + step.hi;
      return build(shape, [&](std::vector<int64_t> index) {
        index[d] -= step.lo;
        return index[d] >= 0 && index[d] < x.shape[d] ? at(index) : padding;
      });
    case LayoutKind::unpad:
      shape[d] -= step.lo + step.hi;
      return build(shape, [&](std::vector<int64_t> index) {
        index[d] += step.lo;
        return at(index);
      });
    case LayoutKind::store_at:
      shape.insert(shape.begin() + d, step.factors[1]);
      return build(shape, [&](std::vector<int64_t> index) {
        if (index[d] != step.factors[0]) return padding;
        index.erase(index.begin() + d);
        return at(index);
      });
    case LayoutKind::decouple_at:
      shape.erase(shape.begin() + d);
      return build(shape, [&](std::vector<int64_t> index) {
        index.insert(index.begin() + d, step.factors[0]);
        return at(index);
      });
  }
  return x;
}

inline Placement place(const Layout& layout, const std::vector<int64_t>& shape) {
  Placement x{shape, std::vector<int64_t>(count_of(shape))};
  std::iota(x.elements.begin(), x.elements.end(), 0);
  for (size_t i = 0; i < layout.steps.size(); ++i) x = place(x, layout.steps[i], static_cast<int64_t>(i));
  return x;
}

inline std::vector<Extent> extents(const std::vector<int64_t>& shape) { return {shape.begin(), shape.end()}; }

/// ALTRT_TEST_LONG: ten times the cases.
inline int cases(int count) { return std::getenv("ALTRT_TEST_LONG") ? 10 * count : count; }

class RandomLayout {
 public:
  explicit RandomLayout(uint64_t seed) : random_(seed) {}

  int64_t integer(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(random_); }

  std::vector<int64_t> shape(int max_rank, int64_t max_extent) {
    std::vector<int64_t> result(integer(1, max_rank));
    for (int64_t& extent : result) extent = integer(1, max_extent);
    return result;
  }

  /// `lossless`: without fold, unpad and decouple_at, so that every element has a place. Otherwise never so that some
  /// copies of an unfolded element are dropped and others kept: such an element has no defined place.
  Layout layout(const std::vector<int64_t>& shape, int max_steps, bool lossless, int64_t max_elements = 4000) {
    Layout result;
    Placement x = place(result, shape);
    int64_t steps = integer(0, max_steps);
    for (int64_t i = 0; i < steps; ++i) {
      Layout one;
      add_step(one, x.shape, lossless, result);
      if (one.steps.empty()) continue;
      if (one.steps[0].kind == LayoutKind::fold && !copies_agree(x, one.steps[0])) continue;
      Placement next = place(x, one.steps[0], static_cast<int64_t>(result.steps.size()));
      if (count_of(next.shape) > max_elements) continue;
      x = std::move(next);
      result.steps.push_back(one.steps[0]);
    }
    return result;
  }

 private:
  int64_t divisor(int64_t n) {
    int64_t d = integer(1, n);
    while (n % d != 0) --d;
    return d;
  }

  std::optional<double> fill() {
    constexpr double kValues[] = {0, 1, 7, 100};
    if (integer(0, 1)) return std::nullopt;
    return kValues[integer(0, 3)];
  }

  /// Whether elements that fold puts into one place are equal, and those that it drops are padding.
  static bool copies_agree(const Placement& x, const LayoutStep& step) {
    Placement folded = place(x, step, 0);
    for (size_t p = 0; p < x.elements.size(); ++p) {
      std::vector<int64_t> index = index_of(static_cast<int64_t>(p), x.shape);
      index[step.dim] = index[step.dim] * step.factors[1] + index[step.dim + 1];
      index.erase(index.begin() + step.dim + 1);
      int64_t kept = index[step.dim] < step.factors[2] ? folded.elements[number_of(index, folded.shape)] : -1;
      if (x.elements[p] >= 0 && kept != x.elements[p]) return false;
    }
    return true;
  }

  void add_step(Layout& layout, const std::vector<int64_t>& shape, bool lossless, const Layout& before) {
    auto is_unfold = [](const LayoutStep& step) { return step.kind == LayoutKind::unfold; };
    bool unfolded = std::any_of(before.steps.begin(), before.steps.end(), is_unfold);
    int rank = static_cast<int>(shape.size());
    int64_t kind = integer(0, lossless ? 5 : 8);
    if (rank == 0 || kind == 0) {
      int64_t joint = integer(1, 4);
      layout.store_at("host", static_cast<int>(integer(0, rank)), {integer(0, joint - 1), joint});
      return;
    }
    int dim = static_cast<int>(integer(0, rank - 1));
    int64_t extent = shape[dim];
    switch (kind) {
      case 6: {
        bool stored = !before.steps.empty() && before.steps.back().kind == LayoutKind::store_at;
        if (stored) dim = before.steps.back().dim;
        if (unfolded && !stored) break;
        layout.decouple_at("host", dim, {stored ? before.steps.back().factors[0] : integer(0, extent - 1), shape[dim]});
        break;
      }
      case 4: {
        int64_t inner = divisor(extent), outer = divisor(extent / inner);
        std::vector<int64_t> factors{integer(0, 1) ? 0 : extent / inner, inner};
        if (integer(0, 1)) factors = {extent / inner / outer, outer, inner};
        layout.split(dim, factors);
        break;
      }
      case 1: {
        std::vector<int64_t> permutation(rank);
        std::iota(permutation.begin(), permutation.end(), 0);
        std::shuffle(permutation.begin(), permutation.end(), random_);
        layout.reorder(permutation);
        break;
      }
      case 2:
        layout.fuse(dim, static_cast<int>(integer(1, std::min(3, rank - dim))));
        break;
      case 3:
        layout.pad(dim, integer(0, 3), integer(0, 3), fill());
        break;
      case 5: {
        int64_t tile = integer(1, extent + 1);
        layout.unfold(dim, tile, integer((tile + 1) / 2, tile));
        break;
      }
      case 7: {
        int64_t lo = integer(0, extent - 1);
        if (!unfolded) layout.unpad(dim, lo, integer(0, extent - 1 - lo));
        break;
      }
      default: {
        if (unfolded && is_unfold(before.steps.back())) dim = before.steps.back().dim;
        if (dim + 1 == rank) break;
        int64_t tile = shape[dim + 1], stride = integer(1, tile), tiles = shape[dim];
        if (unfolded && is_unfold(before.steps.back())) stride = before.steps.back().factors[1];
        if (!unfolded) stride = tile;
        int64_t longest = (tiles - 1) * stride + tile;
        int64_t shortest = tiles == 1 ? 1 : longest - stride + 1;
        layout.fold(dim, tile, stride, integer(0, 1) ? longest : integer(shortest, longest));
      }
    }
  }

  std::mt19937_64 random_;
};

}  // namespace altrt::jit::testing
