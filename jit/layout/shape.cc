// Preconditions and effect of each primitive on shapes and names, and the inverse list.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include <altrt/error.h>

#include "jit/layout/layout.h"
#include "jit/layout/steps.h"

namespace altrt::jit {

namespace {

// More elements than any memory holds, and far enough below 2^63 that offsets in bytes can't overflow.
constexpr int64_t kMaxElements = int64_t{1} << 56;

using Extents = std::vector<Extent>;

[[noreturn]] void refuse(const std::string& reason) { throw Error(ErrorCode::invalid_argument, reason); }

std::string text(const Extents& shape) {
  std::string result = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    result += (i ? ", " : "") + std::string(shape[i].is_symbolic() ? "<=" : "") + std::to_string(shape[i].bound);
  }
  return result + "]";
}

/// Product of the extents' bounds; refuses negative extents and products beyond kMaxElements.
int64_t count_elements(const Extents& shape) {
  int64_t count = 1;
  bool empty = false;
  for (const Extent& extent : shape) {
    if (extent.bound < 0) refuse("a negative extent in " + text(shape));
    if (extent.bound == 0) empty = true;
    if (extent.bound > 0 && count > kMaxElements / extent.bound) refuse("more than 2^56 elements in " + text(shape));
    if (extent.bound > 0) count *= extent.bound;
  }
  return empty ? 0 : count;
}

void require_dims(const Extents& shape, int dim, int64_t count) {
  int64_t rank = static_cast<int64_t>(shape.size());
  if (dim >= 0 && count <= rank && dim <= rank - count) return;
  std::string what = "dimension " + std::to_string(dim);
  if (count != 1) what = std::to_string(count) + " dimensions from " + std::to_string(dim) + " on";
  refuse(what + " of a tensor of rank " + std::to_string(rank));
}

void require_factors(const LayoutStep& step, size_t count, const char* meaning) {
  if (step.factors.size() == count) return;
  refuse("expected " + std::string(meaning) + ", got " + std::to_string(step.factors.size()) + " numbers");
}

void require_constant(const Extents& shape, int dim, int64_t count, const char* verb) {
  for (int64_t i = dim; i < dim + count; ++i) {
    if (shape[i].is_symbolic()) {
      refuse("dimension " + std::to_string(i) + " has a run-time extent: it may not be " + verb);
    }
  }
}

void require_tiles(int64_t tile, int64_t stride) {
  if (stride < 1) refuse("stride " + std::to_string(stride) + " is not positive");
  if (tile > kMaxElements) refuse("tile size " + std::to_string(tile) + " is too large");
  if (tile < stride) {
    refuse("stride " + std::to_string(stride) + " is larger than the tile size " + std::to_string(tile) +
           ": elements between the tiles would be lost");
  }
}

Extents replace(const Extents& shape, int dim, int64_t count, const std::vector<int64_t>& extents) {
  Extents result(shape.begin(), shape.begin() + dim);
  result.insert(result.end(), extents.begin(), extents.end());
  result.insert(result.end(), shape.begin() + dim + count, shape.end());
  return result;
}

Extents apply_split(const LayoutStep& step, const Extents& shape) {
  require_dims(shape, step.dim, 1);
  require_constant(shape, step.dim, 1, "split");
  if (step.factors.empty()) refuse("no factors");
  int64_t extent = shape[step.dim].bound;
  int64_t product = 1;
  for (size_t i = 0; i < step.factors.size(); ++i) {
    int64_t factor = step.factors[i];
    if (i == 0 && factor == 0) continue;
    if (factor < 1) refuse("factor " + std::to_string(factor) + " is not positive");
    if (factor > kMaxElements / product) refuse("the factors' product is too large");
    product *= factor;
  }
  if (step.factors[0] == 0 && extent % product != 0) {
    refuse("extent " + std::to_string(extent) + " is not a multiple of " + std::to_string(product) +
           "; pad the dimension first");
  }
  if (step.factors[0] != 0 && extent != product) {
    refuse("the factors' product " + std::to_string(product) + " is not the extent " + std::to_string(extent) +
           "; pad the dimension first");
  }
  return replace(shape, step.dim, 1, split_factors(step, extent));
}

Extents apply_reorder(const LayoutStep& step, const Extents& shape) {
  std::vector<int64_t> sorted = step.factors;
  std::sort(sorted.begin(), sorted.end());
  bool permutation = sorted.size() == shape.size();
  for (size_t i = 0; permutation && i < sorted.size(); ++i) permutation = sorted[i] == static_cast<int64_t>(i);
  if (!permutation) refuse("not a permutation of the " + std::to_string(shape.size()) + " dimensions");
  Extents result;
  for (int64_t dim : step.factors) result.push_back(shape[dim]);
  for (size_t i = 1; i < result.size(); ++i) {
    if (result[i].is_symbolic()) refuse("dimension 0 has a run-time extent: it must stay outermost");
  }
  return result;
}

Extents apply_fuse(const LayoutStep& step, const Extents& shape) {
  require_factors(step, 1, "the number of dimensions");
  int64_t count = step.factors[0];
  if (count < 1) refuse(std::to_string(count) + " dimensions");
  require_dims(shape, step.dim, count);
  require_constant(shape, step.dim, count, "fused");
  int64_t extent = 1;
  for (int64_t i = step.dim; i < step.dim + count; ++i) {
    // Only an empty first dimension can be split off again.
    if (shape[i].bound == 0 && i > step.dim) refuse("dimension " + std::to_string(i) + " is empty");
    extent *= shape[i].bound;
  }
  return replace(shape, step.dim, count, {extent});
}

Extents apply_unfold(const LayoutStep& step, const Extents& shape) {
  require_factors(step, 2, "tile size and stride");
  require_dims(shape, step.dim, 1);
  require_constant(shape, step.dim, 1, "unfolded");
  require_tiles(step.factors[0], step.factors[1]);
  int64_t tiles = tile_count(shape[step.dim].bound, step.factors[0], step.factors[1]);
  return replace(shape, step.dim, 1, {tiles, step.factors[0]});
}

Extents apply_fold(const LayoutStep& step, const Extents& shape) {
  require_factors(step, 3, "tile size, stride and extent");
  require_dims(shape, step.dim, 2);
  require_constant(shape, step.dim, 2, "folded");
  int64_t tile = step.factors[0], stride = step.factors[1], extent = step.factors[2];
  require_tiles(tile, stride);
  if (extent < 0 || extent > kMaxElements) refuse("extent " + std::to_string(extent) + " is out of range");
  int64_t tiles = tile_count(extent, tile, stride);
  if (shape[step.dim].bound != tiles || shape[step.dim + 1].bound != tile) {
    refuse("an axis of " + std::to_string(extent) + " unfolds into " + std::to_string(tiles) + " tiles of " +
           std::to_string(tile) + ", not " + std::to_string(shape[step.dim].bound) + " of " +
           std::to_string(shape[step.dim + 1].bound));
  }
  return replace(shape, step.dim, 2, {extent});
}

Extents apply_pad(const LayoutStep& step, const Extents& shape) {
  bool pad = step.kind == LayoutKind::pad;
  require_dims(shape, step.dim, 1);
  require_constant(shape, step.dim, 1, pad ? "padded" : "unpadded");
  if (step.lo < 0 || step.hi < 0) refuse("a negative amount of padding");
  if (step.lo > kMaxElements || step.hi > kMaxElements) refuse("too much padding");
  if (step.fill && std::isnan(*step.fill)) refuse("the fill value is not a number");
  int64_t extent = shape[step.dim].bound;
  int64_t border = step.lo + step.hi;
  if (!pad && border > extent) {
    refuse("there is no padding of " + std::to_string(border) + " in an extent of " + std::to_string(extent));
  }
  return replace(shape, step.dim, 1, {pad ? extent + border : extent - border});
}

/// {index, extent} of store_at and decouple_at.
void require_place(const LayoutStep& step) {
  if (step.factors.empty()) refuse("its place in '" + step.host + "' is known only together with that tensor's layout");
  require_factors(step, 2, "index and extent");
  int64_t index = step.factors[0], extent = step.factors[1];
  if (index < 0 || index >= extent || extent > kMaxElements) {
    refuse("there is no index " + std::to_string(index) + " in an extent of " + std::to_string(extent));
  }
}

Extents apply_store_at(const LayoutStep& step, const Extents& shape) {
  require_place(step);
  int64_t rank = static_cast<int64_t>(shape.size());
  if (step.dim < 0 || step.dim > rank) {
    refuse("a tensor of rank " + std::to_string(rank) + " can't be stored along dimension " + std::to_string(step.dim));
  }
  if (step.dim == 0 && rank > 0 && shape[0].is_symbolic()) {
    refuse("dimension 0 has a run-time extent: it must stay outermost");
  }
  return replace(shape, step.dim, 0, {step.factors[1]});
}

Extents apply_decouple_at(const LayoutStep& step, const Extents& shape) {
  require_place(step);
  require_dims(shape, step.dim, 1);
  require_constant(shape, step.dim, 1, "decoupled");
  if (shape[step.dim].bound != step.factors[1]) {
    refuse("dimension " + std::to_string(step.dim) + " has an extent of " + std::to_string(shape[step.dim].bound) +
           ", not " + std::to_string(step.factors[1]));
  }
  return replace(shape, step.dim, 1, {});
}

std::string fused_name(const std::vector<std::string>& names, int64_t dim, int64_t count) {
  std::string name = names[dim];
  for (int64_t i = dim + 1; i < dim + count; ++i) name += "*" + names[i];
  return name;
}

/// "h" for "h.t" and "h.b"
std::string folded_name(const std::string& tiles, const std::string& inside) {
  std::string base = tiles.substr(0, tiles.size() < 2 ? 0 : tiles.size() - 2);
  return !base.empty() && tiles == base + ".t" && inside == base + ".b" ? base : tiles + "*" + inside;
}

}  // namespace

int64_t tile_count(int64_t extent, int64_t tile, int64_t stride) {
  return extent <= tile ? 1 : (extent - tile + stride - 1) / stride + 1;
}

std::vector<int64_t> split_factors(const LayoutStep& step, int64_t extent) {
  std::vector<int64_t> factors = step.factors;
  if (factors[0] == 0) {
    factors[0] = extent / std::accumulate(factors.begin() + 1, factors.end(), int64_t{1}, std::multiplies<>());
  }
  return factors;
}

std::vector<Extent> apply_step(const LayoutStep& step, const std::vector<Extent>& shape) {
  switch (step.kind) {
    case LayoutKind::split:
      return apply_split(step, shape);
    case LayoutKind::reorder:
      return apply_reorder(step, shape);
    case LayoutKind::fuse:
      return apply_fuse(step, shape);
    case LayoutKind::unfold:
      return apply_unfold(step, shape);
    case LayoutKind::fold:
      return apply_fold(step, shape);
    case LayoutKind::pad:
    case LayoutKind::unpad:
      return apply_pad(step, shape);
    case LayoutKind::store_at:
      return apply_store_at(step, shape);
    case LayoutKind::decouple_at:
      return apply_decouple_at(step, shape);
  }
  refuse("unknown primitive");
}

std::vector<std::vector<Extent>> shapes_along(const Layout& layout, const std::vector<Extent>& shape) {
  count_elements(shape);
  for (size_t i = 1; i < shape.size(); ++i) {
    if (shape[i].is_symbolic())
      refuse("dimension " + std::to_string(i) + " has a run-time extent: only dimension 0 may");
  }
  std::vector<std::vector<Extent>> shapes{shape};
  for (size_t i = 0; i < layout.steps.size(); ++i) {
    try {
      shapes.push_back(apply_step(layout.steps[i], shapes.back()));
      count_elements(shapes.back());
    } catch (const Error& error) {
      throw Error(error.code(), "layout step " + std::to_string(i + 1) + ", " + to_string(layout.steps[i]) + ", on " +
                                    text(shapes[i]) + ": " + error.what());
    }
  }
  return shapes;
}

}  // namespace altrt::jit

namespace altrt {

using namespace jit;

void verify(const Layout& layout, const std::vector<Extent>& shape) { shapes_along(layout, shape); }

std::vector<Extent> physical_shape(const Layout& layout, const std::vector<Extent>& shape) {
  return shapes_along(layout, shape).back();
}

int64_t physical_elements(const Layout& layout, const std::vector<Extent>& shape) {
  return count_elements(physical_shape(layout, shape));
}

std::vector<std::string> physical_names(const Layout& layout, const std::vector<std::string>& names) {
  std::vector<std::string> result = names;
  auto refuse_step = [&](size_t i) {
    refuse("layout step " + std::to_string(i + 1) + ", " + to_string(layout.steps[i]) + ", does not fit " +
           std::to_string(result.size()) + " names");
  };
  auto replace_names = [&](int dim, int64_t count, const std::vector<std::string>& by) {
    result.erase(result.begin() + dim, result.begin() + dim + count);
    result.insert(result.begin() + dim, by.begin(), by.end());
  };
  for (size_t i = 0; i < layout.steps.size(); ++i) {
    const LayoutStep& step = layout.steps[i];
    bool reorder = step.kind == LayoutKind::reorder;
    int64_t rank = static_cast<int64_t>(result.size());
    int64_t count = step.kind == LayoutKind::fuse && step.factors.size() == 1 ? step.factors[0]
                    : step.kind == LayoutKind::fold                           ? 2
                    : step.kind == LayoutKind::store_at                       ? 0
                                                                              : 1;
    bool fuses = step.kind == LayoutKind::fuse;
    if (!reorder && (step.dim < 0 || (fuses && count < 1) || count > rank || step.dim > rank - count)) refuse_step(i);
    std::vector<std::string> by;
    switch (step.kind) {
      case LayoutKind::split:
        if (step.factors.size() == 1) break;
        for (size_t j = 0; j < step.factors.size(); ++j) by.push_back(result[step.dim] + "." + std::to_string(j));
        replace_names(step.dim, 1, by);
        break;
      case LayoutKind::reorder:
        if (static_cast<int64_t>(step.factors.size()) != rank) refuse_step(i);
        for (int64_t dim : step.factors) {
          if (dim < 0 || dim >= rank) refuse_step(i);
          by.push_back(result[dim]);
        }
        result = std::move(by);
        break;
      case LayoutKind::fuse:
        replace_names(step.dim, count, {fused_name(result, step.dim, count)});
        break;
      case LayoutKind::unfold:
        replace_names(step.dim, 1, {result[step.dim] + ".t", result[step.dim] + ".b"});
        break;
      case LayoutKind::fold:
        replace_names(step.dim, 2, {folded_name(result[step.dim], result[step.dim + 1])});
        break;
      case LayoutKind::store_at:
        replace_names(step.dim, 0, {step.host});
        break;
      case LayoutKind::decouple_at:
        replace_names(step.dim, 1, {});
        break;
      case LayoutKind::pad:
      case LayoutKind::unpad:
        break;
    }
  }
  return result;
}

Layout inverse(const Layout& layout, const std::vector<Extent>& shape) {
  auto shapes = shapes_along(layout, shape);
  Layout result;
  for (size_t i = layout.steps.size(); i-- > 0;) {
    const LayoutStep& step = layout.steps[i];
    const std::vector<Extent>& before = shapes[i];
    std::vector<int64_t> numbers;
    switch (step.kind) {
      case LayoutKind::split:
        result.fuse(step.dim, static_cast<int>(step.factors.size()));
        break;
      case LayoutKind::reorder:
        numbers.resize(step.factors.size());
        for (size_t j = 0; j < step.factors.size(); ++j) numbers[step.factors[j]] = static_cast<int64_t>(j);
        result.reorder(numbers);
        break;
      case LayoutKind::fuse:
        for (int64_t j = 0; j < step.factors[0]; ++j) numbers.push_back(before[step.dim + j].bound);
        result.split(step.dim, numbers);
        break;
      case LayoutKind::unfold:
        result.fold(step.dim, step.factors[0], step.factors[1], before[step.dim].bound);
        break;
      case LayoutKind::fold:
        result.unfold(step.dim, step.factors[0], step.factors[1]);
        break;
      case LayoutKind::pad:
        result.unpad(step.dim, step.lo, step.hi);
        break;
      case LayoutKind::unpad:
        result.pad(step.dim, step.lo, step.hi, std::nullopt);
        break;
      case LayoutKind::store_at:
        result.decouple_at(step.host, step.dim, step.factors);
        break;
      case LayoutKind::decouple_at:
        result.store_at(step.host, step.dim, step.factors);
        break;
    }
  }
  return result;
}

}  // namespace altrt
