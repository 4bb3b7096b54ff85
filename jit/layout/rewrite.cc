// Index rewriting: logical index -> physical index through each primitive in order, and back in reverse order.
//
// Every intermediate index is simplified, so that digits made by one primitive are recognised by the next: o.0*16 + o.1
// splits into (o.0, o.1) without a division.
#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include <altrt/error.h>

#include "jit/expr/simplify.h"
#include "jit/layout/layout.h"
#include "jit/layout/steps.h"

namespace altrt::jit {

namespace {

using Extents = std::vector<Extent>;

/// One axis cut into overlapping tiles: tile t holds elements [t * stride, t * stride + tile).
struct Tiling {
  int64_t extent, tile, stride, tiles;
};

struct TiledIndex {
  Expr t, b;
};

Tiling tiling_of(int64_t extent, const LayoutStep& step) {
  int64_t tile = step.factors[0], stride = step.factors[1];
  return {extent, tile, stride, tile_count(extent, tile, stride)};
}

bool within(const Expr& e, int64_t lo, int64_t hi, const Ranges& ranges) {
  auto interval = bounds(e, ranges);
  return interval && interval->lo >= lo && interval->hi <= hi;
}

/// Any access: t = min(floor(e / S), T - 1), b = e - t * S. The offset is written as max(e mod S, e - (T - 1) * S),
/// which is the same for 0 <= e < extent and whose bounds interval arithmetic can see.
TiledIndex tile_any(const Expr& e, const Tiling& tiling, const Ranges& ranges) {
  Expr t = simplify(floor_div(e, tiling.stride), ranges);
  Expr b = simplify(floor_mod(e, tiling.stride), ranges);
  int64_t last = tiling.tiles - 1;
  // Where the tiles' strides alone cover the axis, the last tile needs no care.
  if (tiling.tiles * tiling.stride >= tiling.extent || within(t, 0, last, ranges)) return {t, b};
  return {simplify(min(t, last), ranges), simplify(max(b, e - last * tiling.stride), ranges)};
}

/// A sliding window e = A + W, W the part in window variables: the tile is chosen by the window's start, t = floor(A /
/// S), so that a whole window lies in one tile. Absent unless t and b = (A mod S) + W are provably inside.
///
/// Constants: W is shifted to begin at 0, and keeps what is left of A's constant modulo g = gcd(S, A's coefficients).
/// Then A / g is an integer and b = g * (A/g mod S/g) + W, at most S - g + max(W). With A = V*i, S = V*h and B = V*(h -
/// 1) + M' that is B - 1: just inside.
TiledIndex tile_window(const Expr& e, const Tiling& tiling, const Ranges& ranges,
                       const std::vector<std::string>& window) {
  LinearForm form = linear_form(e);
  LinearForm start, inside;
  for (const LinearForm::Term& term : form.terms) {
    bool sliding = std::any_of(window.begin(), window.end(),
                               [&](const std::string& name) { return uses_variable(term.atom, name); });
    (sliding ? inside : start).terms.push_back(term);
  }
  if (inside.terms.empty()) return {};
  auto reach = bounds(inside.to_expr(), ranges);
  if (!reach) return {};
  int64_t unit = tiling.stride;
  for (const LinearForm::Term& term : start.terms) unit = std::gcd(unit, term.coefficient);
  int64_t origin = form.constant + reach->lo;
  int64_t rest = (origin % unit + unit) % unit;
  inside.constant = rest - reach->lo;
  start.constant = (origin - rest) / unit;
  for (LinearForm::Term& term : start.terms) term.coefficient /= unit;

  Expr first = start.to_expr();
  Expr t = simplify(floor_div(first, tiling.stride / unit), ranges);
  Expr b = simplify(floor_mod(first, tiling.stride / unit) * unit + inside.to_expr(), ranges);
  if (!within(b, 0, tiling.tile - 1, ranges)) return {};
  int64_t last = tiling.tiles - 1;
  if (within(t, 0, last, ranges)) return {t, b};
  if (!within(t, 0, INT64_MAX, ranges) || !within(e, 0, tiling.extent - 1, ranges)) return {};
  // Tiles longer than the windows need: the axis may end before the tile of the last window start.
  return {simplify(min(t, last), ranges), simplify(max(b, e - last * tiling.stride), ranges)};
}

TiledIndex tile_index(const Expr& e, const Tiling& tiling, const Ranges& ranges,
                      const std::vector<std::string>& window) {
  TiledIndex index = tile_window(e, tiling, ranges, window);
  return index.t ? index : tile_any(e, tiling, ranges);
}

/// Mixed-radix digits of e, outermost first. The outermost needs no modulus as e is below the factors' product.
Exprs digits(const Expr& e, const std::vector<int64_t>& factors, const Ranges& ranges) {
  Exprs result(factors.size());
  int64_t inner = 1;
  for (size_t j = factors.size(); j-- > 0;) {
    Expr digit = 0;
    if (factors[j] != 1) {
      digit = simplify(floor_div(e, inner), ranges);
      if (j > 0) digit = simplify(floor_mod(digit, factors[j]), ranges);
    }
    result[j] = digit;
    inner *= factors[j];
  }
  return result;
}

/// The number that `digits` [dim, dim + count) of a tensor of this shape spell.
Expr digit_sum(const Exprs& index, int dim, int64_t count, const std::vector<int64_t>& factors, const Ranges& ranges) {
  Expr sum = 0;
  int64_t inner = 1;
  for (int64_t j = count; j-- > 0;) {
    sum = index[dim + j] * inner + sum;
    inner *= factors[j];
  }
  return simplify(sum, ranges);
}

void replace(Exprs& index, int dim, int64_t count, const Exprs& by) {
  index.erase(index.begin() + dim, index.begin() + dim + count);
  index.insert(index.begin() + dim, by.begin(), by.end());
}

std::vector<int64_t> bounds_of(const Extents& shape, int dim, int64_t count) {
  std::vector<int64_t> result;
  for (int64_t i = dim; i < dim + count; ++i) result.push_back(shape[i].bound);
  return result;
}

void require_rank(size_t rank, const Exprs& index, const char* what) {
  if (index.size() == rank) return;
  throw Error(ErrorCode::internal,
              std::to_string(index.size()) + " indices for a " + what + " shape of rank " + std::to_string(rank));
}

}  // namespace

Exprs to_physical(const Layout& layout, const std::vector<Extent>& shape, const Exprs& index, const Ranges& ranges,
                  const std::vector<std::string>& window) {
  auto shapes = shapes_along(layout, shape);
  require_rank(shape.size(), index, "logical");
  Exprs result;
  for (const Expr& e : index) result.push_back(simplify(e, ranges));
  for (size_t i = 0; i < layout.steps.size(); ++i) {
    const LayoutStep& step = layout.steps[i];
    const Extents& before = shapes[i];
    int dim = step.dim;
    Exprs reordered;
    TiledIndex tiled;
    switch (step.kind) {
      case LayoutKind::split:
        replace(result, dim, 1, digits(result[dim], split_factors(step, before[dim].bound), ranges));
        break;
      case LayoutKind::reorder:
        for (int64_t from : step.factors) reordered.push_back(result[from]);
        result = std::move(reordered);
        break;
      case LayoutKind::fuse: {
        int64_t count = step.factors[0];
        replace(result, dim, count, {digit_sum(result, dim, count, bounds_of(before, dim, count), ranges)});
        break;
      }
      case LayoutKind::unfold:
        tiled = tile_index(result[dim], tiling_of(before[dim].bound, step), ranges, window);
        replace(result, dim, 1, {tiled.t, tiled.b});
        break;
      case LayoutKind::fold:
        replace(result, dim, 2, {simplify(result[dim] * step.factors[1] + result[dim + 1], ranges)});
        break;
      case LayoutKind::pad:
        result[dim] = simplify(result[dim] + step.lo, ranges);
        break;
      case LayoutKind::unpad:
        result[dim] = simplify(result[dim] - step.lo, ranges);
        break;
      case LayoutKind::store_at:
        replace(result, dim, 0, {Expr(step.factors[0])});
        break;
      case LayoutKind::decouple_at:
        replace(result, dim, 1, {});
        break;
    }
  }
  return result;
}

LogicalIndex to_logical(const Layout& layout, const std::vector<Extent>& shape, const Exprs& physical,
                        const Ranges& ranges) {
  auto shapes = shapes_along(layout, shape);
  require_rank(shapes.back().size(), physical, "physical");
  LogicalIndex result{{}, boolean(true)};
  for (const Expr& e : physical) result.index.push_back(simplify(e, ranges));
  for (size_t i = layout.steps.size(); i-- > 0;) {
    const LayoutStep& step = layout.steps[i];
    const Extents& before = shapes[i];
    Exprs& index = result.index;
    int dim = step.dim;
    int64_t extent = dim < static_cast<int>(before.size()) ? before[dim].bound : 0;
    Exprs reordered(index.size());
    TiledIndex tiled;
    switch (step.kind) {
      case LayoutKind::split: {
        std::vector<int64_t> factors = split_factors(step, extent);
        int64_t count = static_cast<int64_t>(factors.size());
        replace(index, dim, count, {digit_sum(index, dim, count, factors, ranges)});
        break;
      }
      case LayoutKind::reorder:
        for (size_t j = 0; j < index.size(); ++j) reordered[step.factors[j]] = index[j];
        index = std::move(reordered);
        break;
      case LayoutKind::fuse:
        replace(index, dim, 1, digits(index[dim], bounds_of(before, dim, step.factors[0]), ranges));
        break;
      case LayoutKind::unfold:
        replace(index, dim, 2, {simplify(index[dim] * step.factors[1] + index[dim + 1], ranges)});
        result.valid = logical_and(result.valid, lt(index[dim], extent));
        break;
      case LayoutKind::fold:
        tiled = tile_any(index[dim], tiling_of(step.factors[2], step), ranges);
        replace(index, dim, 1, {tiled.t, tiled.b});
        break;
      case LayoutKind::pad:
        index[dim] = simplify(index[dim] - step.lo, ranges);
        result.valid = logical_and(result.valid, logical_and(le(0, index[dim]), lt(index[dim], extent)));
        break;
      case LayoutKind::unpad:
        index[dim] = simplify(index[dim] + step.lo, ranges);
        break;
      case LayoutKind::store_at:
        result.valid = logical_and(result.valid, eq(index[dim], Expr(step.factors[0])));
        replace(index, dim, 1, {});
        break;
      case LayoutKind::decouple_at:
        replace(index, dim, 0, {Expr(step.factors[0])});
        break;
    }
  }
  result.valid = simplify(result.valid, ranges);
  return result;
}

}  // namespace altrt::jit
