#include "jit/layout/kept.h"

#include <memory>
#include <string>

#include <altrt/error.h>

#include "jit/layout/steps.h"

namespace altrt::jit {
namespace {

struct Dim;
using Source = std::shared_ptr<const Dim>;

/// Where a physical dimension comes from.
struct Dim {
  int64_t lo = 0, hi = 0;  // of its extent: padding, in which no element lies
  LayoutStep made_by;      // where it is a part: the split or unfold of `sources`' only one; or a store_at
  std::vector<Source> sources;
  size_t part = 0, parts = 0;    // parts: of a split or unfold; 0 = it is no part
  int64_t whole = 0;             // extent of the dimension that it is a part of
  std::vector<int64_t> extents;  // of the sources of a fused one
};

Source padded(const Source& dim, int64_t lo, int64_t hi) {
  auto result = std::make_shared<Dim>(*dim);
  result->lo += lo;
  result->hi += hi;
  return result;
}

bool is_part(const Source& dim, const Source& whole, size_t part) {
  return dim->parts > 0 && dim->sources[0] == whole && dim->part == part && dim->lo == 0 && dim->hi == 0;
}

/// What `count` dimensions from `first` on were made of, if they are all the parts of one; null if not.
Source whole_of(const std::vector<Source>& dims, size_t first, size_t count, LayoutKind kind) {
  const Dim& one = *dims[first];
  if (one.parts != count || one.made_by.kind != kind) return nullptr;
  for (size_t i = 0; i < count; ++i)
    if (!is_part(dims[first + i], one.sources[0], i)) return nullptr;
  return one.sources[0];
}

class Following {
 public:
  explicit Following(size_t rank) {
    for (size_t i = 0; i < rank; ++i) dims_.push_back(std::make_shared<Dim>());
  }

  /// The reason why the step drops elements, or "". `shape`: before the step.
  std::string apply(const LayoutStep& step, const std::vector<Extent>& shape) {
    const auto d = static_cast<size_t>(step.dim);
    switch (step.kind) {
      case LayoutKind::split:
        return take_apart(step, shape[d].bound, split_factors(step, shape[d].bound));
      case LayoutKind::unfold:
        return take_apart(step, shape[d].bound, {0, 0});
      case LayoutKind::reorder: {
        std::vector<Source> moved;
        for (const int64_t from : step.factors) moved.push_back(dims_[static_cast<size_t>(from)]);
        dims_ = moved;
        return "";
      }
      case LayoutKind::fuse:
        put_together(d, static_cast<size_t>(step.factors[0]), shape);
        return "";
      case LayoutKind::pad:
        dims_[d] = padded(dims_[d], step.lo, step.hi);
        return "";
      case LayoutKind::unpad:
        return shorten(d, step.lo, step.hi);
      case LayoutKind::fold:
        return fold(step, shape);
      case LayoutKind::store_at: {
        auto dim = std::make_shared<Dim>();
        dim->made_by = step;
        dims_.insert(dims_.begin() + step.dim, dim);
        return "";
      }
      case LayoutKind::decouple_at:
        return decouple(d, step, shape[d].bound);
    }
    return "";
  }

 private:
  void replace(size_t d, size_t count, const std::vector<Source>& by) {
    dims_.erase(dims_.begin() + static_cast<std::ptrdiff_t>(d), dims_.begin() + static_cast<std::ptrdiff_t>(d + count));
    dims_.insert(dims_.begin() + static_cast<std::ptrdiff_t>(d), by.begin(), by.end());
  }

  /// Split and unfold. A fused dimension split as it was fused is what it was made of.
  std::string take_apart(const LayoutStep& step, int64_t extent, const std::vector<int64_t>& factors) {
    const auto d = static_cast<size_t>(step.dim);
    const Source from = dims_[d];
    const bool whole = from->lo == 0 && from->hi == 0;
    if (step.kind == LayoutKind::split && factors.size() == 1) return "";
    if (step.kind == LayoutKind::split && from->parts == 0 && whole && from->extents == factors) {
      replace(d, 1, from->sources);
      return "";
    }
    std::vector<Source> made;
    for (size_t i = 0; i < factors.size(); ++i) {
      auto dim = std::make_shared<Dim>();
      dim->made_by = step;
      dim->sources = {from};
      dim->part = i;
      dim->parts = factors.size();
      dim->whole = extent;
      made.push_back(dim);
    }
    replace(d, 1, made);
    return "";
  }

  void put_together(size_t d, size_t count, const std::vector<Extent>& shape) {
    Source whole = count == 1 ? dims_[d] : whole_of(dims_, d, count, LayoutKind::split);
    if (!whole) {
      auto dim = std::make_shared<Dim>();
      for (size_t i = d; i < d + count; ++i) {
        dim->sources.push_back(dims_[i]);
        dim->extents.push_back(shape[i].bound);
      }
      whole = dim;
    }
    replace(d, count, {whole});
  }

  std::string shorten(size_t d, int64_t lo, int64_t hi) {
    const Dim& dim = *dims_[d];
    if (lo > dim.lo || hi > dim.hi)
      return "it would drop elements: of what it takes away, " + std::to_string(dim.lo) + " before and " +
             std::to_string(dim.hi) + " behind are known to be padding";
    dims_[d] = padded(dims_[d], -lo, -hi);
    return "";
  }

  std::string fold(const LayoutStep& step, const std::vector<Extent>& shape) {
    const auto d = static_cast<size_t>(step.dim);
    const int64_t tile = step.factors[0], stride = step.factors[1], extent = step.factors[2];
    const Source unfolded = whole_of(dims_, d, 2, LayoutKind::unfold);
    int64_t before = 0;  // extent that the rows put one behind the other have
    if (unfolded && dims_[d]->made_by.factors == std::vector<int64_t>{tile, stride}) {
      before = dims_[d]->whole;
      replace(d, 2, {unfolded});
    } else if (tile == stride) {
      before = shape[d].bound * tile;
      put_together(d, 2, shape);
    } else {
      return "it would drop elements: its tiles overlap, and are not those of an unfold";
    }
    if (extent < before) return shorten(d, 0, before - extent);
    dims_[d] = padded(dims_[d], 0, extent - before);
    return "";
  }

  std::string decouple(size_t d, const LayoutStep& step, int64_t extent) {
    const Dim& dim = *dims_[d];
    const bool stored =
        dim.made_by.kind == LayoutKind::store_at && dim.lo == 0 && dim.hi == 0 && dim.made_by.factors == step.factors;
    if (!stored && extent > 1) return "it would drop elements: a dimension that is no store_at's has other indices";
    replace(d, 1, {});
    return "";
  }

  std::vector<Source> dims_;
};

}  // namespace

void verify_kept(const Layout& layout, const std::vector<Extent>& shape) {
  Following following(shape.size());
  const std::vector<std::vector<Extent>> shapes = shapes_along(layout, shape);
  for (size_t i = 0; i < layout.steps.size(); ++i) {
    const std::string reason = following.apply(layout.steps[i], shapes[i]);
    if (reason.empty()) continue;
    throw Error(ErrorCode::invalid_argument,
                "layout step " + std::to_string(i + 1) + ", " + to_string(layout.steps[i]) + ": " + reason);
  }
}

}  // namespace altrt::jit
