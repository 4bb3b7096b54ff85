#include "jit/layout/permute_map.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "jit/layout/steps.h"

namespace altrt::jit {

namespace {

// Positions evaluated together, so that the columns stay in the first-level cache.
constexpr int64_t kBatch = 512;

using Shapes = std::vector<std::vector<Extent>>;
using Column = std::vector<int64_t>;

/// Indices of a batch of positions, one column per dimension; dimensions outside the group under evaluation have empty
/// columns. state: 0, or the negative value of a position that holds no element.
struct Points {
  std::vector<Column> index;
  Column state;
};

int64_t combine(int64_t a, int64_t b) { return a < 0 || b < 0 ? std::min(a, b) : a + b; }

void replace(std::vector<Column>& index, int dim, int64_t count, std::vector<Column> by) {
  index.erase(index.begin() + dim, index.begin() + dim + count);
  index.insert(index.begin() + dim, std::make_move_iterator(by.begin()), std::make_move_iterator(by.end()));
}

Column digit_sum(const std::vector<Column>& index, int dim, const std::vector<int64_t>& factors) {
  Column sum = index[dim];
  for (size_t j = 1; j < factors.size(); ++j) {
    const Column& digit = index[dim + j];
    for (size_t p = 0; p < sum.size(); ++p) sum[p] = sum[p] * factors[j] + digit[p];
  }
  return sum;
}

std::vector<Column> digits(const Column& e, const std::vector<int64_t>& factors) {
  std::vector<Column> result(factors.size());
  int64_t inner = 1;
  for (size_t j = factors.size(); j-- > 0;) {
    result[j].resize(e.size());
    for (size_t p = 0; p < e.size(); ++p) result[j][p] = j ? e[p] / inner % factors[j] : e[p] / inner;
    inner *= factors[j];
  }
  return result;
}

std::vector<Column> tiles(const Column& e, int64_t extent, const LayoutStep& step) {
  int64_t stride = step.factors[1], last = tile_count(extent, step.factors[0], stride) - 1;
  std::vector<Column> result{Column(e.size()), Column(e.size())};
  for (size_t p = 0; p < e.size(); ++p) {
    result[0][p] = std::min(e[p] / stride, last);
    result[1][p] = e[p] - result[0][p] * stride;
  }
  return result;
}

/// Adds `offset`; positions that fall outside [0, extent) get `state` unless they have one.
void shift(Column& e, int64_t offset, int64_t extent, int64_t state, Column& states) {
  for (size_t p = 0; p < e.size(); ++p) {
    e[p] += offset;
    if ((e[p] < 0 || e[p] >= extent) && states[p] == 0) states[p] = state;
  }
}

std::vector<int64_t> bounds_of(const std::vector<Extent>& shape, int dim, int64_t count) {
  std::vector<int64_t> result;
  for (int64_t i = dim; i < dim + count; ++i) result.push_back(shape[i].bound);
  return result;
}

/// How many dimensions a step (other than reorder) takes and makes.
struct StepWidth {
  int64_t before, after;
};
StepWidth width_of(const LayoutStep& step) {
  switch (step.kind) {
    case LayoutKind::split:
      return {1, static_cast<int64_t>(step.factors.size())};
    case LayoutKind::fuse:
      return {step.factors[0], 1};
    case LayoutKind::unfold:
      return {1, 2};
    case LayoutKind::fold:
      return {2, 1};
    default:
      return {1, 1};
  }
}

/// Logical -> physical. Elements that the layout does not hold (fold, unpad) get state -1.
void to_physical(const Layout& layout, const Shapes& shapes, Points& points) {
  for (size_t i = 0; i < layout.steps.size(); ++i) {
    const LayoutStep& step = layout.steps[i];
    std::vector<Column>& index = points.index;
    if (step.kind == LayoutKind::reorder) {
      std::vector<Column> reordered;
      for (int64_t dim : step.factors) reordered.push_back(std::move(index[dim]));
      index = std::move(reordered);
      continue;
    }
    int dim = step.dim;
    int64_t extent = shapes[i][dim].bound;
    auto [before, after] = width_of(step);
    if (index[dim].empty()) {
      replace(index, dim, before, std::vector<Column>(after));
    } else if (step.kind == LayoutKind::split) {
      replace(index, dim, before, digits(index[dim], split_factors(step, extent)));
    } else if (step.kind == LayoutKind::fuse) {
      replace(index, dim, before, {digit_sum(index, dim, bounds_of(shapes[i], dim, before))});
    } else if (step.kind == LayoutKind::unfold) {
      replace(index, dim, before, tiles(index[dim], extent, step));
    } else if (step.kind == LayoutKind::fold) {
      replace(index, dim, before, {digit_sum(index, dim, {0, step.factors[1]})});
      shift(index[dim], 0, step.factors[2], -1, points.state);
    } else {
      bool pad = step.kind == LayoutKind::pad;
      shift(index[dim], pad ? step.lo : -step.lo, shapes[i + 1][dim].bound, -1, points.state);
    }
  }
}

/// Physical -> logical. Positions without an element get state -2 - (number of the step that made them).
void to_logical(const Layout& layout, const Shapes& shapes, Points& points) {
  for (size_t i = layout.steps.size(); i-- > 0;) {
    const LayoutStep& step = layout.steps[i];
    std::vector<Column>& index = points.index;
    if (step.kind == LayoutKind::reorder) {
      std::vector<Column> reordered(index.size());
      for (size_t j = 0; j < index.size(); ++j) reordered[step.factors[j]] = std::move(index[j]);
      index = std::move(reordered);
      continue;
    }
    int dim = step.dim;
    int64_t extent = shapes[i][dim].bound;
    int64_t state = -2 - static_cast<int64_t>(i);
    auto [before, after] = width_of(step);
    if (index[dim].empty()) {
      replace(index, dim, after, std::vector<Column>(before));
    } else if (step.kind == LayoutKind::split) {
      replace(index, dim, after, {digit_sum(index, dim, split_factors(step, extent))});
    } else if (step.kind == LayoutKind::fuse) {
      replace(index, dim, after, digits(index[dim], bounds_of(shapes[i], dim, before)));
    } else if (step.kind == LayoutKind::unfold) {
      replace(index, dim, after, {digit_sum(index, dim, {0, step.factors[1]})});
      shift(index[dim], 0, extent, state, points.state);
    } else if (step.kind == LayoutKind::fold) {
      replace(index, dim, after, tiles(index[dim], step.factors[2], step));
    } else {
      shift(index[dim], step.kind == LayoutKind::pad ? -step.lo : step.lo, extent, state, points.state);
    }
  }
}

/// Which logical dimensions belong together.
class Grouping {
 public:
  explicit Grouping(size_t rank) : parent_(rank) { std::iota(parent_.begin(), parent_.end(), 0); }

  int find(int dim) const {
    while (parent_[dim] != dim) dim = parent_[dim];
    return dim;
  }
  /// One logical dimension of the group of each physical dimension.
  std::vector<int> follow(const Layout& layout) {
    std::vector<int> owner(parent_.size());
    std::iota(owner.begin(), owner.end(), 0);
    for (const LayoutStep& step : layout.steps) {
      if (step.kind == LayoutKind::reorder) {
        std::vector<int> reordered;
        for (int64_t dim : step.factors) reordered.push_back(owner[dim]);
        owner = std::move(reordered);
        continue;
      }
      auto [before, after] = width_of(step);
      int first = owner[step.dim];
      for (int64_t j = 1; j < before; ++j) parent_[find(owner[step.dim + j])] = find(first);
      owner.erase(owner.begin() + step.dim, owner.begin() + step.dim + before);
      owner.insert(owner.begin() + step.dim, after, first);
    }
    return owner;
  }

 private:
  std::vector<int> parent_;
};

/// One side of the copy.
struct Side {
  const Layout& layout;
  Shapes shapes;
  std::vector<int> groups;       // of the physical dimensions
  std::vector<int64_t> strides;  // of the physical dimensions, in elements
};

Side make_side(const Layout& layout, const std::vector<Extent>& shape, Grouping& grouping) {
  Side side{layout, shapes_along(layout, shape), {}, {}};
  side.groups = grouping.follow(layout);
  const std::vector<Extent>& physical = side.shapes.back();
  side.strides.resize(physical.size());
  int64_t stride = 1;
  for (size_t i = physical.size(); i-- > 0;) {
    side.strides[i] = stride;
    stride *= physical[i].bound;
  }
  return side;
}

/// Values of all positions of the group made of `dims` of the destination.
std::vector<int64_t> group_table(const Side& from, const Side& to, const std::vector<int>& dims) {
  const std::vector<Extent>& extents = to.shapes.back();
  int64_t count = 1;
  for (int dim : dims) count *= extents[dim].bound;
  std::vector<int64_t> table(count);
  for (int64_t begin = 0; begin < count; begin += kBatch) {
    int64_t size = std::min(kBatch, count - begin);
    Points points{std::vector<Column>(extents.size()), Column(size, 0)};
    int64_t inner = 1;
    for (size_t k = dims.size(); k-- > 0;) {
      Column& column = points.index[dims[k]];
      column.resize(size);
      int64_t extent = extents[dims[k]].bound;
      for (int64_t p = 0; p < size; ++p) column[p] = (begin + p) / inner % extent;
      inner *= extent;
    }
    to_logical(to.layout, to.shapes, points);
    to_physical(from.layout, from.shapes, points);
    for (size_t dim = 0; dim < points.index.size(); ++dim) {
      const Column& column = points.index[dim];
      for (size_t p = 0; p < column.size(); ++p) table[begin + p] += column[p] * from.strides[dim];
    }
    for (int64_t p = 0; p < size; ++p) {
      if (points.state[p] != 0) table[begin + p] = points.state[p];
    }
  }
  return table;
}

/// Drops dimensions of extent 1 and turns constant groups into the base.
void drop_ones(CopyMap& map) {
  std::vector<MapDim> kept;
  std::vector<bool> used(map.groups.size());
  for (const MapDim& dim : map.dims) {
    MapGroup& group = map.groups[dim.group];
    bool constant = group.table.size() == 1 && !used[dim.group];
    if (dim.extent == 1 && (!constant || group.table[0] >= 0)) {
      if (constant) map.base += std::exchange(group.table[0], 0);
      continue;
    }
    used[dim.group] = true;
    kept.push_back(dim);
  }
  map.dims = std::move(kept);
}

/// Dimensions adjacent both in the destination and within their group are one.
void merge_within_groups(CopyMap& map) {
  for (size_t i = map.dims.size(); i-- > 1;) {
    MapDim& outer = map.dims[i - 1];
    const MapDim& inner = map.dims[i];
    if (outer.group != inner.group || outer.group_stride != inner.extent * inner.group_stride) continue;
    outer.extent *= inner.extent;
    outer.to_stride = inner.to_stride;
    outer.group_stride = inner.group_stride;
    map.dims.erase(map.dims.begin() + i);
  }
}

/// A group without padding whose values are a weighted sum of its dimensions' indices falls apart into one uniform
/// group per dimension.
void separate_uniform(CopyMap& map) {
  size_t groups = map.groups.size();
  for (size_t g = 0; g < groups; ++g) {
    std::vector<MapDim*> dims;
    for (MapDim& dim : map.dims) {
      if (dim.group == static_cast<int>(g)) dims.push_back(&dim);
    }
    const std::vector<int64_t>& table = map.groups[g].table;
    int64_t origin = table[0];
    // Distances may not be negative: those stand for padding.
    bool uniform = origin >= 0 && std::all_of(dims.begin(), dims.end(), [&](const MapDim* dim) {
                     return dim->extent > 1 && table[dim->group_stride] >= origin;
                   });
    for (size_t p = 0; uniform && p < table.size(); ++p) {
      int64_t value = origin;
      for (const MapDim* dim : dims) {
        value += static_cast<int64_t>(p) / dim->group_stride % dim->extent * (table[dim->group_stride] - origin);
      }
      uniform = table[p] >= 0 && table[p] == value;
    }
    if (!uniform) continue;
    map.base += origin;
    for (MapDim* dim : dims) {
      MapGroup group;
      group.stride = map.groups[g].table[dim->group_stride] - origin;
      dim->group = static_cast<int>(map.groups.size());
      dim->group_stride = 1;
      map.groups.push_back(group);
    }
  }
}

void merge_uniform(CopyMap& map) {
  for (size_t i = map.dims.size(); i-- > 1;) {
    MapDim& outer = map.dims[i - 1];
    const MapDim& inner = map.dims[i];
    const MapGroup& a = map.groups[outer.group];
    const MapGroup& b = map.groups[inner.group];
    if (!a.is_uniform() || !b.is_uniform() || a.stride != inner.extent * b.stride) continue;
    outer = {outer.extent * inner.extent, inner.to_stride, inner.group, 1};
    map.dims.erase(map.dims.begin() + i);
  }
}

/// Removes groups without dimensions.
void compact_groups(CopyMap& map) {
  std::vector<int> number(map.groups.size(), -1);
  std::vector<MapGroup> kept;
  for (MapDim& dim : map.dims) {
    int& n = number[dim.group];
    if (n < 0) {
      n = static_cast<int>(kept.size());
      kept.push_back(std::move(map.groups[dim.group]));
    }
    dim.group = n;
  }
  map.groups = std::move(kept);
}

bool names_host(const Layout& layout) {
  return std::any_of(layout.steps.begin(), layout.steps.end(), [](const LayoutStep& step) {
    return step.kind == LayoutKind::store_at || step.kind == LayoutKind::decouple_at;
  });
}

/// The same placement without store_at and decouple_at. A tensor without dimensions counts as one of shape [1].
Layout without_store_at(const Layout& layout, const std::vector<Extent>& shape) {
  const Shapes shapes = shapes_along(layout, shape);
  Layout result;
  const auto swap_first = [&](size_t rank) {
    std::vector<int64_t> order(rank);
    std::iota(order.begin(), order.end(), 0);
    std::swap(order[0], order[1]);
    result.reorder(order);
  };
  for (size_t i = 0; i < layout.steps.size(); ++i) {
    const LayoutStep& step = layout.steps[i];
    const size_t before = shapes[i].size(), after = shapes[i + 1].size();
    if (step.kind == LayoutKind::store_at) {
      const int64_t index = step.factors[0], extent = step.factors[1];
      if (before > 0) result.split(std::max(step.dim - 1, 0), {0, 1});
      if (before > 0 && step.dim == 0) swap_first(after);
      result.pad(step.dim, index, extent - index - 1, std::nullopt);
    } else if (step.kind == LayoutKind::decouple_at) {
      result.unpad(step.dim, step.factors[0], step.factors[1] - step.factors[0] - 1);
      if (after > 0 && step.dim == 0) swap_first(before);
      if (after > 0) result.fuse(std::max(step.dim - 1, 0), 2);
    } else if (before > 0) {
      result.steps.push_back(step);
    }
  }
  return result;
}

/// Of layouts without store_at and decouple_at.
CopyMap copy_map(const std::vector<int64_t>& shape, const Layout& from, const Layout& to) {
  std::vector<Extent> extents(shape.begin(), shape.end());
  Grouping grouping(shape.size());
  Side source = make_side(from, extents, grouping);
  Side target = make_side(to, extents, grouping);
  CopyMap map;
  map.elements = physical_elements(to, extents);
  map.fills.push_back(0);
  for (const LayoutStep& step : to.steps) map.fills.push_back(step.fill.value_or(0));
  if (map.elements == 0) return map;

  std::vector<std::vector<int>> members(shape.size());
  for (size_t i = 0; i < target.groups.size(); ++i) {
    int logical = grouping.find(target.groups[i]);
    members[logical].push_back(static_cast<int>(i));
    map.dims.push_back({target.shapes.back()[i].bound, target.strides[i], logical, 1});
  }
  map.groups.resize(shape.size());
  for (size_t g = 0; g < members.size(); ++g) {
    if (members[g].empty()) continue;
    int64_t inner = 1;
    for (size_t k = members[g].size(); k-- > 0;) {
      MapDim& dim = map.dims[members[g][k]];
      dim.group_stride = inner;
      inner *= dim.extent;
    }
    map.groups[g].table = group_table(source, target, members[g]);
  }
  compact_groups(map);
  drop_ones(map);
  compact_groups(map);
  merge_within_groups(map);
  separate_uniform(map);
  merge_uniform(map);
  compact_groups(map);
  return map;
}

}  // namespace

bool CopyMap::alone(int dim) const {
  return std::count_if(dims.begin(), dims.end(), [&](const MapDim& d) { return d.group == dims[dim].group; }) == 1;
}

CopyMap make_copy_map(const std::vector<int64_t>& shape, const Layout& from, const Layout& to) {
  if (!names_host(from) && !names_host(to)) return copy_map(shape, from, to);
  const std::vector<Extent> extents(shape.begin(), shape.end());
  return copy_map(shape.empty() ? std::vector<int64_t>{1} : shape, without_store_at(from, extents),
                  without_store_at(to, extents));
}

void merge_alone(CopyMap& map, int dim) {
  MapDim& outer = map.dims[dim];
  const MapDim inner = map.dims[dim + 1];
  std::vector<int64_t> table(outer.extent * inner.extent);
  for (int64_t i = 0; i < outer.extent; ++i) {
    int64_t a = map.groups[outer.group].at(i);
    for (int64_t j = 0; j < inner.extent; ++j) {
      table[i * inner.extent + j] = combine(a, map.groups[inner.group].at(j));
    }
  }
  map.groups[outer.group] = {0, std::move(table)};
  outer.extent *= inner.extent;
  outer.to_stride = inner.to_stride;
  map.dims.erase(map.dims.begin() + dim + 1);
  compact_groups(map);
}

}  // namespace altrt::jit
