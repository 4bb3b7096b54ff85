// The value: builders, equality helpers and hash.
#include "jit/layout/layout.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "runtime/base/hash.h"

namespace altrt {

namespace {

Layout& append(Layout& layout, LayoutKind kind, int dim, std::vector<int64_t> factors) {
  LayoutStep step;
  step.kind = kind;
  step.dim = dim;
  step.factors = std::move(factors);
  layout.steps.push_back(std::move(step));
  return layout;
}

}  // namespace

Layout& Layout::split(int dim, std::vector<int64_t> factors) {
  return append(*this, LayoutKind::split, dim, std::move(factors));
}

Layout& Layout::reorder(std::vector<int64_t> permutation) {
  return append(*this, LayoutKind::reorder, 0, std::move(permutation));
}

Layout& Layout::fuse(int dim, int count) { return append(*this, LayoutKind::fuse, dim, {count}); }

Layout& Layout::unfold(int dim, int64_t tile, int64_t stride) {
  return append(*this, LayoutKind::unfold, dim, {tile, stride});
}

Layout& Layout::fold(int dim, int64_t tile, int64_t stride, int64_t extent) {
  return append(*this, LayoutKind::fold, dim, {tile, stride, extent});
}

Layout& Layout::pad(int dim, int64_t lo, int64_t hi, std::optional<double> fill) {
  append(*this, LayoutKind::pad, dim, {});
  steps.back().lo = lo;
  steps.back().hi = hi;
  steps.back().fill = fill;
  return *this;
}

Layout& Layout::unpad(int dim, int64_t lo, int64_t hi) {
  append(*this, LayoutKind::unpad, dim, {});
  steps.back().lo = lo;
  steps.back().hi = hi;
  return *this;
}

Layout& Layout::store_at(std::string host, int dim, std::vector<int64_t> index_and_extent) {
  append(*this, LayoutKind::store_at, dim, std::move(index_and_extent)).steps.back().host = std::move(host);
  return *this;
}

Layout& Layout::decouple_at(std::string host, int dim, std::vector<int64_t> index_and_extent) {
  append(*this, LayoutKind::decouple_at, dim, std::move(index_and_extent)).steps.back().host = std::move(host);
  return *this;
}

bool Layout::has_filled_padding() const {
  return std::any_of(steps.begin(), steps.end(), [](const LayoutStep& step) {
    return step.kind == LayoutKind::pad && step.fill && step.lo + step.hi > 0;
  });
}

uint64_t hash(const Layout& layout) {
  base::Hasher hasher;
  hasher.add(layout.steps.size());
  for (const LayoutStep& step : layout.steps) {
    hasher.add(step.kind).add(step.dim).add(step.factors.size());
    for (int64_t factor : step.factors) hasher.add(factor);
    hasher.add(step.lo).add(step.hi).add(step.fill.has_value());
    // Equal layouts have equal hashes: 0 and -0 compare equal.
    if (step.fill) hasher.add(*step.fill == 0 ? 0.0 : *step.fill);
    hasher.add(std::string_view(step.host));
  }
  return hasher.value();
}

}  // namespace altrt
