// The formulas of unfold: any access, sliding windows with stride and dilation, in one and two dimensions.
#include <gtest/gtest.h>

#include "jit/layout/layout.h"
#include "tests/jit_expr/random_index.h"
#include "tests/jit_layout/random_layout.h"

namespace altrt::jit::testing {
namespace {

bool uses(const Expr& e, const std::string& name) { return uses_variable(e, name); }

/// Whether interval arithmetic alone shows 0 <= e < extent.
bool provably_inside(const Expr& e, int64_t extent, const Ranges& ranges) {
  auto interval = bounds(e, ranges);
  return interval && interval->lo >= 0 && interval->hi < extent;
}

TEST(Unfold, AnyAccess) {
  // Rule 1: t = min(floor(e / S), T - 1), b = e - t*S.
  RandomLayout random(test_seed(20240911));
  for (int i = 0; i < cases(2000); ++i) {
    int64_t extent = random.integer(1, 40), tile = random.integer(1, 12), stride = random.integer(1, tile);
    Layout layout = Layout().unfold(0, tile, stride);
    int64_t tiles = physical_shape(layout, {extent})[0].bound;
    // The tiles reach the end of the axis, and one less would not.
    ASSERT_GE((tiles - 1) * stride + tile, extent);
    ASSERT_TRUE(tiles == 1 || (tiles - 2) * stride + tile < extent);
    Ranges ranges{{"e", {0, extent - 1}}};
    Exprs index = to_physical(layout, {extent}, {variable("e")}, ranges);
    ASSERT_TRUE(provably_inside(index[0], tiles, ranges)) << to_string(index[0]);
    ASSERT_TRUE(provably_inside(index[1], tile, ranges)) << to_string(index[1]);
    for (int64_t e = 0; e < extent; ++e) {
      int64_t t = std::min(e / stride, tiles - 1);
      ASSERT_EQ(evaluate_index(index[0], {{"e", e}}), t) << extent << " " << tile << " " << stride;
      ASSERT_EQ(evaluate_index(index[1], {{"e", e}}), e - t * stride);
    }
  }
}

/// A convolution along one axis: output i, tap r, stride V, dilation D, zero padding on both sides.
struct Window {
  int64_t outputs, taps, stride, dilation, pad_lo, pad_hi;

  int64_t reach() const { return dilation * (taps - 1) + 1; }
  /// Of h windows. Where windows leave gaps (taps narrower than the stride) a tile must still reach the next one.
  int64_t tile(int64_t h) const { return stride * (h - 1) + std::max(reach(), stride); }
  /// Of the unpadded axis; `spare` elements at the end are read by no window.
  int64_t extent(int64_t spare) const { return stride * (outputs - 1) + reach() - pad_lo - pad_hi + spare; }
};

Window random_window(RandomLayout& random) {
  for (;;) {
    Window w{random.integer(1, 20), random.integer(1, 4), random.integer(1, 3), random.integer(1, 3), 0, 0};
    w.pad_lo = random.integer(0, w.reach() - 1);
    w.pad_hi = random.integer(0, w.reach() - 1);
    if (w.extent(0) >= 1) return w;
  }
}

TEST(Unfold, SlidingWindow) {
  // Rule 2, the operator's padding made by the layout first: t = floor(i / h), b = V*(i mod h) + D*r.
  RandomLayout random(test_seed(20240912));
  for (int i = 0; i < cases(2000); ++i) {
    Window w = random_window(random);
    int64_t h = random.integer(1, w.outputs), spare = random.integer(0, w.stride - 1);
    int64_t tile = w.tile(h), extent = w.extent(spare);
    Layout layout = Layout().pad(0, w.pad_lo, w.pad_hi, 0).unfold(0, tile, w.stride * h);
    SCOPED_TRACE(to_string(layout) + " on " + std::to_string(extent));
    auto shape = physical_shape(layout, {extent});
    Ranges ranges{{"i", {0, w.outputs - 1}}, {"r", {0, w.taps - 1}}};
    Expr e = variable("i") * w.stride + variable("r") * w.dilation - w.pad_lo;
    Exprs index = to_physical(layout, {extent}, {e}, ranges, {"r"});
    ASSERT_FALSE(uses(index[0], "r")) << to_string(index[0]);
    ASSERT_TRUE(provably_inside(index[0], shape[0].bound, ranges)) << to_string(index[0]);
    ASSERT_TRUE(provably_inside(index[1], tile, ranges)) << to_string(index[1]);
    for (int64_t o = 0; o < w.outputs; ++o) {
      for (int64_t r = 0; r < w.taps; ++r) {
        Values at{{"i", o}, {"r", r}};
        ASSERT_EQ(evaluate_index(index[0], at), o / h);
        ASSERT_EQ(evaluate_index(index[1], at), w.stride * (o % h) + w.dilation * r);
      }
    }
  }
}

TEST(Unfold, OutputSplitTakesAllDivisionsAway) {
  // Rule 3: the output axis split by h as well, i = i.0*h + i.1: t = i.0, b = V*i.1 + D*r.
  RandomLayout random(test_seed(20240913));
  for (int i = 0; i < cases(1000); ++i) {
    Window w = random_window(random);
    int64_t h = random.integer(1, 7);
    w.outputs = h * random.integer(1, 5);
    if (w.extent(0) < 1) continue;
    Layout layout = Layout().pad(0, w.pad_lo, w.pad_hi, 0).unfold(0, w.tile(h), w.stride * h);
    SCOPED_TRACE(to_string(layout) + " on " + std::to_string(w.extent(0)));
    ASSERT_EQ(physical_shape(layout, {w.extent(0)})[0].bound, w.outputs / h);
    Ranges ranges{{"i.0", {0, w.outputs / h - 1}}, {"i.1", {0, h - 1}}, {"r", {0, w.taps - 1}}};
    Expr output = variable("i.0") * h + variable("i.1");
    Expr e = output * w.stride + variable("r") * w.dilation - w.pad_lo;
    Exprs index = to_physical(layout, {w.extent(0)}, {e}, ranges, {"r"});
    Expr tap = variable("i.1") * w.stride + variable("r") * w.dilation;
    EXPECT_TRUE(equal(index[0], simplify(variable("i.0"), ranges))) << to_string(index[0]);
    EXPECT_TRUE(equal(index[1], simplify(tap, ranges))) << to_string(index[1]) << " for " << to_string(tap);
  }
}

/// Every access of a window (operator padding guarded, not stored) must find its element, whatever rule was chosen.
void check_window(const Layout& layout, const Window& w, int64_t extent, const Expr& e, const Ranges& ranges) {
  Placement model = place(layout, {extent});
  Exprs index = to_physical(layout, {extent}, {e}, ranges, {"r"});
  for (int64_t o = 0; o < w.outputs; ++o) {
    for (int64_t r = 0; r < w.taps; ++r) {
      Values at{{"i", o}, {"r", r}};
      int64_t element = evaluate_index(e, at);
      if (element < 0 || element >= extent) continue;
      std::vector<int64_t> position;
      for (size_t d = 0; d < index.size(); ++d) {
        position.push_back(evaluate_index(index[d], at));
        ASSERT_GE(position[d], 0) << to_string(index[d]);
        ASSERT_LT(position[d], model.shape[d]) << to_string(index[d]);
      }
      ASSERT_EQ(model.elements[number_of(position, model.shape)], element) << to_string(index[0]);
    }
  }
}

TEST(Unfold, AnyTileServesAnyWindow) {
  RandomLayout random(test_seed(20240914));
  for (int i = 0; i < cases(3000); ++i) {
    Window w = random_window(random);
    int64_t extent = w.extent(random.integer(0, 2));
    int64_t lo = random.integer(0, w.pad_lo + 2), hi = random.integer(0, w.pad_hi + 2);
    int64_t tile = random.integer(1, extent + lo + hi), stride = random.integer(1, tile);
    if (i % 3 == 0) {  // the size rule 2 asks for, or a little more
      int64_t h = random.integer(1, w.outputs);
      stride = w.stride * h;
      tile = std::max(stride, stride - w.stride + w.reach() + random.integer(0, 2));
    }
    Layout layout = Layout().pad(0, lo, hi, std::nullopt).unfold(0, tile, stride);
    Expr r = variable("r");
    if (i % 2) r = w.taps - 1 - r;  // taps from the end, as in transposed convolutions
    Ranges ranges{{"i", {0, w.outputs - 1}}, {"r", {0, w.taps - 1}}};
    SCOPED_TRACE("case " + std::to_string(i) + ": " + to_string(layout) + " on " + std::to_string(extent));
    check_window(layout, w, extent, variable("i") * w.stride + r * w.dilation - w.pad_lo, ranges);
    if (HasFatalFailure()) return;
  }
}

TEST(Unfold, TapsFromTheEndStayInOneTile) {
  // i*2 - 1*r + 2 for a window of 3: the part in r begins at its smallest value.
  Layout layout = Layout().unfold(0, 9, 8);  // h = 4, V = 2
  Ranges ranges{{"i", {0, 15}}, {"r", {0, 2}}};
  Exprs index = to_physical(layout, {33}, {variable("i") * 2 - variable("r") + 2}, ranges, {"r"});
  EXPECT_FALSE(uses(index[0], "r")) << to_string(index[0]);
  EXPECT_TRUE(provably_inside(index[0], 4, ranges)) << to_string(index[0]);
  EXPECT_TRUE(provably_inside(index[1], 9, ranges)) << to_string(index[1]);
}

TEST(Unfold, TilesLongerThanTheWindowsNeed) {
  // The axis ends inside the tile before the last window's own: that window is found at the end of the last tile.
  Layout layout = Layout().unfold(0, 6, 4);  // windows of 3 with h = 4 need 6; here 5 windows on 7 elements
  Window w{5, 3, 1, 1, 0, 0};
  Ranges ranges{{"i", {0, 4}}, {"r", {0, 2}}};
  check_window(layout, w, 7, variable("i") + variable("r"), ranges);
  Layout longer = Layout().unfold(0, 7, 4);  // one tile holds all
  Exprs index = to_physical(longer, {7}, {variable("i") + variable("r")}, ranges, {"r"});
  EXPECT_TRUE(index[0].is_int(0)) << to_string(index[0]);
  EXPECT_TRUE(provably_inside(index[1], 7, ranges)) << to_string(index[1]);
  check_window(longer, w, 7, variable("i") + variable("r"), ranges);
}

TEST(Unfold, ConvolutionInTheTiledLayoutEqualsTheDirectOne) {
  // The whole template of ALT for C2D: X (n, h.t, w.t, i.0, h.b, w.b, i.1), Y split likewise, 7-dimensional accesses by
  // digits.
  RandomLayout random(test_seed(20240915));
  for (int i = 0; i < cases(60); ++i) {
    int64_t kernel = random.integer(1, 3), stride = random.integer(1, 2), dilation = random.integer(1, 2);
    int64_t reach = dilation * (kernel - 1) + 1, pad = random.integer(0, reach / 2);
    int64_t ht = random.integer(1, 3), wt = random.integer(1, 3), it = random.integer(1, 2);
    int64_t height = ht * random.integer(1, 3), width = wt * random.integer(1, 3), channels = it * random.integer(1, 2);
    int64_t rows = stride * (height - 1) + reach - 2 * pad, columns = stride * (width - 1) + reach - 2 * pad;
    if (rows < 1 || columns < 1) continue;
    std::vector<int64_t> shape{1, channels, rows, columns};
    Layout layout;
    layout.pad(2, pad, pad, 0).pad(3, pad, pad, 0);
    int64_t window = std::max(reach, stride);
    layout.unfold(3, stride * (wt - 1) + window, stride * wt).unfold(2, stride * (ht - 1) + window, stride * ht);
    layout.split(1, {0, it}).reorder({0, 3, 5, 1, 4, 6, 2});
    SCOPED_TRACE(to_string(layout) + " on " + altrt::to_string(shape));
    Placement model = place(layout, shape);
    Ranges ranges{
        {"h.0", {0, height / ht - 1}}, {"h.1", {0, ht - 1}},    {"w.0", {0, width / wt - 1}},    {"w.1", {0, wt - 1}},
        {"kh", {0, kernel - 1}},       {"kw", {0, kernel - 1}}, {"c.0", {0, channels / it - 1}}, {"c.1", {0, it - 1}}};
    Expr h = variable("h.0") * ht + variable("h.1"), w = variable("w.0") * wt + variable("w.1");
    Exprs access{0, variable("c.0") * it + variable("c.1"), h * stride + variable("kh") * dilation - pad,
                 w * stride + variable("kw") * dilation - pad};
    Exprs index = to_physical(layout, extents(shape), access, ranges, {"kh", "kw"});
    for (size_t d = 0; d < index.size(); ++d) {
      EXPECT_TRUE(provably_inside(index[d], model.shape[d], ranges)) << to_string(index[d]);
      std::string text = to_string(index[d]);
      EXPECT_TRUE(text.find_first_of("/%") == std::string::npos) << text;
    }
    std::vector<int64_t> loops;
    for (const auto& range : ranges) loops.push_back(range.second.hi + 1);
    for (int64_t point = 0; point < count_of(loops); ++point) {
      std::vector<int64_t> at = index_of(point, loops);
      Values values;
      size_t k = 0;
      for (const auto& range : ranges) values[range.first] = at[k++];
      std::vector<int64_t> logical, physical;
      for (const Expr& e : access) logical.push_back(evaluate_index(e, values));
      for (const Expr& e : index) physical.push_back(evaluate_index(e, values));
      bool inside = logical[2] >= 0 && logical[2] < rows && logical[3] >= 0 && logical[3] < columns;
      int64_t found = model.elements[number_of(physical, model.shape)];
      ASSERT_EQ(found >= 0 ? found : -1, inside ? number_of(logical, shape) : -1);
    }
  }
}

}  // namespace
}  // namespace altrt::jit::testing
