#include "jit/compile/image_layout.h"

#include <algorithm>
#include <numeric>

#include <altrt/error.h>

#include "jit/compile/stage_loops.h"
#include "jit/expr/algorithms.h"

namespace altrt::jit {

namespace {

size_t spatial_rank(const std::vector<Extent>& shape) { return shape.size() - 2; }

void add_borders(const Borders& borders, int first_dim, Layout& layout) {
  for (size_t i = 0; i < borders.lo.size(); ++i) {
    const int64_t lo = borders.lo[i], hi = borders.hi[i];
    if (lo || hi) layout.pad(first_dim + static_cast<int>(i), lo, hi, borders.fill);
  }
}

// Elements behind the last one that make the extent a multiple.
int64_t rest_of(const Extent& extent, int64_t factor) { return round_up_to(extent.bound, factor) - extent.bound; }

// What the anchor takes elements outside its data to hold.
double outside_value(const Computation& c) {
  double value = 0;
  for (const StateValue& state : c.stages[static_cast<size_t>(c.anchor.stage)].state) {
    visit(state.update, [&](const Expr& e) {
      const bool guarded = e.is(ExprKind::select) && e->args[1].is(ExprKind::access) && e->args[1]->id == c.anchor.data;
      if (guarded && e->args[2].is(ExprKind::constant)) {
        value = e->args[2].is_int() ? static_cast<double>(e->args[2]->int_value) : e->args[2]->float_value;
      }
    });
  }
  return value;
}

int64_t output_extent(const Computation& c, size_t spatial) {
  const Stage& stage = c.stages[static_cast<size_t>(c.anchor.stage)];
  return c.tensors[static_cast<size_t>(stage.outputs[0])].shape[spatial + 2].bound;
}

// First and last position of the data that outputs [0, count) read along a spatial dimension.
std::pair<int64_t, int64_t> reach(const Anchor& anchor, size_t i, int64_t count) {
  const int64_t stride = anchor.strides[i], window = anchor.dilations[i] * (anchor.kernel[i] - 1);
  const int64_t lo = anchor.pads[i];
  if (anchor.kind != AnchorKind::conv_transpose) return {-lo, (count - 1) * stride - lo + window};
  return {-ceil_div(std::max<int64_t>(0, window - lo), stride), (count - 1 + lo) / stride};
}

bool cuts(const std::vector<int64_t>& tile, size_t i, int64_t extent) {
  return i < tile.size() && tile[i] > 0 && tile[i] < extent;
}

// The physical dimensions of a tiled image after the splits: n, c (or c.0, c.1), then for each spatial dimension one or
// two. Reordered to n, tiles, c.0, the rest of the spatial ones, c.1.
void reorder_tiles(const std::vector<bool>& is_cut, bool has_blocks, Layout& layout) {
  std::vector<int64_t> order{0}, inner;
  int64_t next = has_blocks ? 3 : 2;
  for (const bool cut : is_cut) {
    if (cut) order.push_back(next++);
    inner.push_back(next++);
  }
  if (has_blocks) order.push_back(1);
  order.insert(order.end(), inner.begin(), inner.end());
  order.push_back(has_blocks ? 2 : 1);
  layout.reorder(order);
}

void split_channels(const std::vector<Extent>& shape, int64_t block, Layout& layout) {
  const int64_t rest = rest_of(shape[1], block);
  if (rest) layout.pad(1, 0, rest, std::nullopt);
  layout.split(1, {0, block});
}

// Unfolds the data along one spatial dimension, its dimension `dim` by now.
void unfold_dimension(const Anchor& anchor, size_t i, int64_t tile, int64_t outputs, int64_t inputs, int dim,
                      double fill, Layout& layout) {
  const bool transposed = anchor.kind == AnchorKind::conv_transpose;
  if (transposed && tile % anchor.strides[i] != 0) {
    throw Error(ErrorCode::invalid_argument, "unfolded: a tile of " + std::to_string(tile) +
                                                 " is not a multiple of the stride " +
                                                 std::to_string(anchor.strides[i]));
  }
  const auto [first, last] = reach(anchor, i, tile);
  const int64_t stride = transposed ? tile / anchor.strides[i] : tile * anchor.strides[i];
  const int64_t lo = std::max<int64_t>(0, -first);
  const int64_t tiles = ceil_div(outputs, tile);
  // No element may fall between two tiles; and the axis ends with the last one, longer by what it does not need.
  int64_t size = std::max(last + lo + 1, stride);
  const int64_t needed = (tiles - 1) * stride + size, have = lo + inputs;
  size += std::max<int64_t>(0, have - needed);
  const int64_t hi = std::max<int64_t>(0, needed - have);
  if (lo || hi) layout.pad(dim, lo, hi, fill);
  layout.unfold(dim, size, stride);
}

}  // namespace

Borders read_borders(const Computation& c, const std::vector<int64_t>& tile) {
  const std::vector<Extent>& in = c.tensors[static_cast<size_t>(c.anchor.data)].shape;
  Borders borders;
  borders.fill = outside_value(c);
  for (size_t i = 0; i < spatial_rank(in); ++i) {
    int64_t outputs = output_extent(c, i);
    if (cuts(tile, i, outputs)) outputs = round_up_to(outputs, tile[i]);
    const auto [first, last] = reach(c.anchor, i, outputs);
    borders.lo.push_back(std::max<int64_t>(0, -first));
    borders.hi.push_back(std::max<int64_t>(0, last - (in[i + 2].bound - 1)));
  }
  return borders;
}

Layout channels_last(const std::vector<Extent>& shape, const Borders& borders, int64_t padding) {
  Layout layout;
  if (padding > 0) layout.pad(1, 0, padding, std::nullopt);
  std::vector<int64_t> order{0};
  for (size_t i = 2; i < shape.size(); ++i) order.push_back(static_cast<int64_t>(i));
  order.push_back(1);
  layout.reorder(order);
  add_borders(borders, 1, layout);
  return layout;
}

Layout blocked(const std::vector<Extent>& shape, int64_t block, const Borders& borders) {
  Layout layout;
  if (block > 1) {
    split_channels(shape, block, layout);
    reorder_tiles(std::vector<bool>(spatial_rank(shape), false), true, layout);
  }
  add_borders(borders, 2, layout);
  return layout;
}

Layout tiled(const std::vector<Extent>& shape, const std::vector<int64_t>& tile, int64_t block) {
  Layout layout;
  if (block > 0) split_channels(shape, block, layout);
  std::vector<bool> is_cut;
  int dim = block > 0 ? 3 : 2;
  for (size_t i = 0; i < spatial_rank(shape); ++i, ++dim) {
    is_cut.push_back(cuts(tile, i, shape[i + 2].bound));
    if (!is_cut.back()) continue;
    const int64_t rest = rest_of(shape[i + 2], tile[i]);
    if (rest) layout.pad(dim, 0, rest, std::nullopt);
    layout.split(dim++, {0, tile[i]});
  }
  reorder_tiles(is_cut, block > 0, layout);
  return layout;
}

Layout unfolded(const Computation& c, const std::vector<int64_t>& tile, int64_t block) {
  const std::vector<Extent>& shape = c.tensors[static_cast<size_t>(c.anchor.data)].shape;
  const Borders borders = read_borders(c);
  Layout layout;
  if (block > 0) split_channels(shape, block, layout);
  std::vector<bool> is_cut;
  int dim = block > 0 ? 3 : 2;
  for (size_t i = 0; i < spatial_rank(shape); ++i, ++dim) {
    const int64_t outputs = output_extent(c, i);
    is_cut.push_back(cuts(tile, i, outputs));
    if (is_cut.back()) {
      unfold_dimension(c.anchor, i, tile[i], outputs, shape[i + 2].bound, dim++, borders.fill, layout);
    } else if (borders.lo[i] || borders.hi[i]) {
      layout.pad(dim, borders.lo[i], borders.hi[i], borders.fill);
    }
  }
  reorder_tiles(is_cut, block > 0, layout);
  return layout;
}

Layout tiled_matrix(const std::vector<Extent>& shape, int64_t rows, int64_t columns, std::optional<double> fill) {
  Layout layout;
  const int rank = static_cast<int>(shape.size()), m = rank - 2, n = rank - 1;
  const auto cut = [&](int dim, const Extent& extent, int64_t factor) {
    if (factor <= 0) return false;
    const int64_t rest = rest_of(extent, factor);
    if (rest) layout.pad(dim, 0, rest, fill);
    layout.split(dim, {0, factor});
    return true;
  };
  const bool cuts_columns = cut(n, shape.back(), columns);
  const bool cuts_rows = m >= 0 && cut(m, shape[static_cast<size_t>(m)], rows);
  if (!cuts_columns || m < 0) return layout;
  std::vector<int64_t> order(static_cast<size_t>(m));
  std::iota(order.begin(), order.end(), 0);
  if (cuts_rows) {
    order.insert(order.end(), {m, m + 2, m + 1, m + 3});
  } else {
    order.insert(order.end(), {m + 1, m, m + 2});
  }
  return layout.reorder(order);
}

std::map<std::string, Layout> anchor_layouts(const Computation& c, const Layout& data, const Layout& output,
                                             std::map<std::string, Layout> given) {
  const int out = c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0];
  const TensorDecl& written = c.tensors[static_cast<size_t>(out)];
  for (size_t t = 0; t < c.tensors.size(); ++t) {
    const TensorDecl& tensor = c.tensors[t];
    const bool follows = static_cast<int>(t) == out || tensor.role == Role::output || tensor.role == Role::input;
    if (static_cast<int>(t) == c.anchor.data) {
      given[tensor.name] = data;
    } else if (follows && tensor.shape == written.shape) {
      given[tensor.name] = output;
    }
  }
  return given;
}

namespace {

// By spatial dimension: every so many-th tap is of the same phase of the outputs; 1 where taps can't be cut so.
std::vector<int64_t> phase_steps(const Computation& c) {
  std::vector<int64_t> steps(c.anchor.kernel.size(), 1);
  if (c.algorithm != "phases") return steps;
  for (size_t d = 0; d < steps.size(); ++d) {
    const int64_t step = tap_step(c.anchor, d);
    if (c.anchor.kernel[d] % step == 0) steps[d] = step;
  }
  return steps;
}

}  // namespace

Layout plain_weights(const Computation& c) {
  const int64_t outputs = weight_outputs(c.anchor);
  std::vector<int64_t> order;
  const auto rank = static_cast<int64_t>(c.tensors[static_cast<size_t>(c.anchor.weights)].shape.size());
  for (int64_t i = 2; i < rank; ++i) order.push_back(i);
  order.insert(order.end(), {1 - outputs, outputs});
  return Layout().reorder(order);
}

Layout conv_weights(const Computation& c, int64_t block, int64_t input_block) {
  const std::vector<Extent>& shape = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
  const int o = weight_outputs(c.anchor), i = 1 - o;
  const Extent& inputs = shape[static_cast<size_t>(i)];
  const bool split_inputs = input_block > 1 && inputs.bound > input_block;
  Layout layout;
  const auto split = [&](int dim, const Extent& extent, int64_t factor) {
    const int64_t rest = rest_of(extent, factor);
    if (rest) layout.pad(dim, 0, rest, 0.0);
    layout.split(dim, {0, factor});
  };
  // Later dimensions first, so that the numbers of those before stay.
  const std::vector<int64_t> steps = phase_steps(c);
  for (size_t t = steps.size(); t-- > 0;) {
    if (steps[t] > 1) layout.split(static_cast<int>(t) + 2, {0, steps[t]});
  }
  for (const int dim : {1, 0}) {
    if (dim == o) split(dim, shape[static_cast<size_t>(dim)], block);
    if (dim == i && split_inputs) split(dim, inputs, input_block);
  }
  const int64_t o0 = o == 0 ? 0 : split_inputs ? 2 : 1, i0 = o == 0 ? 2 : 0;
  std::vector<int64_t> order{o0}, taps;
  int64_t next = split_inputs ? 4 : 3;
  for (const int64_t step : steps) {
    taps.push_back(next++);
    if (step > 1) order.push_back(next++);
  }
  if (split_inputs) order.push_back(i0);
  order.insert(order.end(), taps.begin(), taps.end());
  order.insert(order.end(), {split_inputs ? i0 + 1 : i0, o0 + 1});
  return layout.reorder(order);
}

int64_t channel_block(const Layout& layout) {
  // Which logical dimension each physical one belongs to, for as many dimensions as any layout names.
  constexpr int kMostDimensions = 16;
  std::vector<int> dims(kMostDimensions);
  std::iota(dims.begin(), dims.end(), 0);
  int64_t block = 1;
  for (const LayoutStep& step : layout.steps) {
    const auto at = dims.begin() + step.dim;
    switch (step.kind) {
      case LayoutKind::split:
        if (*at == 1) block = step.factors.back();
        dims.insert(at, step.factors.size() - 1, *at);
        break;
      case LayoutKind::unfold:
        dims.insert(at, *at);
        break;
      case LayoutKind::fuse:
        *at = -1;
        dims.erase(at + 1, at + static_cast<std::ptrdiff_t>(step.factors[0]));
        break;
      case LayoutKind::fold:
        dims.erase(at + 1);
        break;
      case LayoutKind::reorder: {
        const std::vector<int> before = dims;
        for (size_t i = 0; i < step.factors.size(); ++i) dims[i] = before[static_cast<size_t>(step.factors[i])];
        break;
      }
      case LayoutKind::pad:
      case LayoutKind::unpad:
      case LayoutKind::store_at:
      case LayoutKind::decouple_at:
        break;
    }
  }
  return block;
}

Borders borders_of(const Layout& layout, const std::vector<Extent>& shape) {
  if (shape.size() < 3) return {};
  for (const int first : {1, 2}) {
    Borders borders;
    for (const LayoutStep& step : layout.steps) {
      if (step.kind != LayoutKind::pad || !step.fill || step.dim < first) continue;
      const auto dim = static_cast<size_t>(step.dim - first);
      if (dim >= spatial_rank(shape)) continue;
      borders.lo.resize(spatial_rank(shape), 0);
      borders.hi.resize(spatial_rank(shape), 0);
      borders.lo[dim] = step.lo;
      borders.hi[dim] = step.hi;
      borders.fill = *step.fill;
    }
    const Layout same = first == 1 ? channels_last(shape, borders) : blocked(shape, channel_block(layout), borders);
    if (same == layout) return borders;
  }
  return {};
}

std::optional<Layout> with_channel_block(const Layout& layout, const std::vector<Extent>& shape, int64_t block) {
  if (shape.size() < 3) return std::nullopt;
  const Borders borders = borders_of(layout, shape);
  if (!(blocked(shape, channel_block(layout), borders) == layout)) return std::nullopt;
  return blocked(shape, block, borders);
}

}  // namespace altrt::jit
