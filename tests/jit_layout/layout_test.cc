// Layouts as values: text, hash, shapes, names, and every refusal.
#include <gtest/gtest.h>

#include <limits>

#include <altrt/error.h>

#include "jit/layout/layout.h"
#include "tests/jit_expr/random_index.h"
#include "tests/jit_layout/random_layout.h"

namespace altrt::jit::testing {
namespace {

std::string refusal(const std::string& layout, const std::vector<Extent>& shape) {
  try {
    verify(parse_layout(layout), shape);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  return "accepted";
}

std::string shape_text(const std::string& layout, const std::vector<Extent>& shape) {
  std::string text;
  for (const Extent& extent : physical_shape(parse_layout(layout), shape)) {
    text += (text.empty() ? "" : " ") + std::string(extent.is_symbolic() ? "?" : "") + std::to_string(extent.bound);
  }
  return text;
}

TEST(Layout, GoldenText) {
  Layout layout;
  layout.split(1, {0, 16}).reorder({0, 1, 3, 4, 2}).pad(2, 1, 1, 0).pad(3, 0, 4, std::nullopt).pad(3, 1, 2, -0.5);
  layout.fuse(2, 2).unfold(2, 6, 4).fold(2, 6, 4, 100).unpad(0, 1, 2);
  EXPECT_EQ(to_string(layout),
            "split(1, 0x16) reorder(0,1,3,4,2) pad(2, 1, 1, 0) pad(3, 0, 4) pad(3, 1, 2, -0.5) fuse(2, 2) "
            "unfold(2, 6, 4) fold(2, 6, 4, 100) unpad(0, 1, 2)");
  EXPECT_EQ(parse_layout(to_string(layout)), layout);
  EXPECT_EQ(parse_layout("\n split( 1,0 x 16 )reorder(0, 1,3 ,4,2)pad(2,1,1,0.0)"),
            Layout().split(1, {0, 16}).reorder({0, 1, 3, 4, 2}).pad(2, 1, 1, 0));
  EXPECT_EQ(to_string(Layout()), "");
  EXPECT_TRUE(parse_layout("  ").is_plain());
  EXPECT_FALSE(layout.is_plain());
}

TEST(Layout, RandomLayoutsSurviveTextAndHash) {
  RandomLayout random(test_seed(20240931));
  std::map<uint64_t, std::string> hashes;
  for (int i = 0; i < cases(2000); ++i) {
    std::vector<int64_t> shape = random.shape(4, 12);
    Layout layout = random.layout(shape, 6, false);
    Layout again = parse_layout(to_string(layout));
    ASSERT_EQ(again, layout) << to_string(layout);
    ASSERT_EQ(hash(again), hash(layout));
    auto [entry, added] = hashes.emplace(hash(layout), to_string(layout));
    ASSERT_EQ(entry->second, to_string(layout)) << "equal hashes";
  }
}

TEST(Layout, FillsAreExactInText) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (double fill : {0.0, 1.0, 0.1, -1e-300, 1.0 / 3, infinity, -infinity, -3.4028234663852886e38}) {
    Layout layout = Layout().pad(0, 1, 0, fill);
    EXPECT_EQ(parse_layout(to_string(layout)), layout) << to_string(layout);
  }
  EXPECT_EQ(to_string(Layout().pad(0, 1, 0, -infinity)), "pad(0, 1, 0, -inf)");
}

TEST(Layout, FillIsPartOfEqualityAndHash) {
  Layout zero = Layout().pad(0, 1, 1, 0), one = Layout().pad(0, 1, 1, 1), any = Layout().pad(0, 1, 1, std::nullopt);
  EXPECT_NE(zero, one);
  EXPECT_NE(zero, any);
  EXPECT_NE(hash(zero), hash(one));
  EXPECT_NE(hash(zero), hash(any));
  Layout minus = Layout().pad(0, 1, 1, -0.0);
  EXPECT_EQ(zero, minus);
  EXPECT_EQ(hash(zero), hash(minus));
  EXPECT_NE(hash(Layout().split(0, {0, 2})), hash(Layout().reorder({0, 2})));
  EXPECT_TRUE(zero.has_filled_padding());
  EXPECT_FALSE(any.has_filled_padding());
  EXPECT_FALSE(Layout().pad(0, 0, 0, 5).has_filled_padding());
}

TEST(Layout, Shapes) {
  EXPECT_EQ(shape_text("", {2, 3}), "2 3");
  EXPECT_EQ(shape_text("split(1, 0x16) reorder(0,1,3,4,2)", {1, 64, 56, 56}), "1 4 56 56 16");
  EXPECT_EQ(shape_text("split(1, 0x2x16)", {Extent::symbolic(8, 0), 64}), "?8 2 2 16");
  EXPECT_EQ(shape_text("fuse(1, 2)", {2, 3, 5, 7}), "2 15 7");
  EXPECT_EQ(shape_text("pad(1, 1, 2, 0)", {2, 3}), "2 6");
  EXPECT_EQ(shape_text("unpad(1, 1, 2)", {2, 7}), "2 4");
  EXPECT_EQ(shape_text("unfold(0, 3, 2)", {5}), "2 3");
  EXPECT_EQ(shape_text("unfold(0, 3, 2)", {6}), "3 3");
  EXPECT_EQ(shape_text("unfold(0, 8, 2)", {5}), "1 8");
  EXPECT_EQ(shape_text("fold(0, 3, 2, 5)", {2, 3}), "5");
  EXPECT_EQ(shape_text("split(0, 0x4)", {0}), "0 4");
  // Stored size of unfold at 3x3, stride 1, 56x56 with both axes in tiles of 4 outputs: 2.10 times the padded image.
  Layout both = parse_layout("pad(0, 1, 1, 0) pad(1, 1, 1, 0) unfold(1, 6, 4) unfold(0, 6, 4)");
  EXPECT_NEAR(static_cast<double>(physical_elements(both, {56, 56})) / (58 * 58), 2.10, 0.01);
}

TEST(Layout, Names) {
  auto names = [](const std::string& layout) {
    std::string text;
    for (const std::string& name : physical_names(parse_layout(layout), {"n", "o", "h", "w"})) text += " " + name;
    return text;
  };
  EXPECT_EQ(names(""), " n o h w");
  EXPECT_EQ(names("split(1, 0x16) reorder(0,1,3,4,2)"), " n o.0 h w o.1");
  EXPECT_EQ(names("split(1, 0x16) split(2, 0x2x4)"), " n o.0 o.1.0 o.1.1 o.1.2 h w");
  EXPECT_EQ(names("split(1, 64)"), " n o h w");
  EXPECT_EQ(names("fuse(2, 2)"), " n o h*w");
  EXPECT_EQ(names("pad(2, 1, 1, 0) unfold(2, 6, 4)"), " n o h.t h.b w");
  EXPECT_EQ(names("unfold(2, 6, 4) fold(2, 6, 4, 56)"), " n o h w");
  EXPECT_EQ(names("unpad(2, 1, 1)"), " n o h w");
  EXPECT_THROW(names("split(4, 0x16)"), Error);
  EXPECT_THROW(names("fuse(2, 3)"), Error);
  EXPECT_THROW(names("reorder(0,1,2)"), Error);
}

TEST(Layout, Inverse) {
  Layout layout = parse_layout("pad(1, 0, 4, 0) split(1, 0x16) reorder(0,1,3,4,2) fuse(2, 2) unfold(2, 10, 7)");
  Layout back = inverse(layout, {1, 60, 4, 6});
  EXPECT_EQ(to_string(back), "fold(2, 10, 7, 24) split(2, 4x6) reorder(0,1,4,2,3) fuse(1, 2) unpad(1, 0, 4)");
  EXPECT_EQ(to_string(inverse(parse_layout("fold(0, 3, 2, 5) unpad(0, 1, 2)"), {2, 3})),
            "pad(0, 1, 2) unfold(0, 3, 2)");
  EXPECT_EQ(to_string(inverse(parse_layout("split(0, 0x4) fuse(0, 2)"), {0})), "split(0, 0x4) fuse(0, 2)");
}

TEST(Layout, RefusedSplits) {
  EXPECT_EQ(refusal("split(1, 0x16)", {1, 60}),
            "layout step 1, split(1, 0x16), on [1, 60]: extent 60 is not a multiple of 16; pad the dimension first");
  EXPECT_EQ(refusal("reorder(1,0) split(0, 3x16)", {1, 60}),
            "layout step 2, split(0, 3x16), on [60, 1]: the factors' product 48 is not the extent 60; pad the "
            "dimension first");
  EXPECT_EQ(refusal("split(2, 0x2)", {4, 4}),
            "layout step 1, split(2, 0x2), on [4, 4]: dimension 2 of a tensor of rank 2");
  EXPECT_EQ(refusal("split(-1, 0x2)", {4}),
            "layout step 1, split(-1, 0x2), on [4]: dimension -1 of a tensor of rank 1");
  EXPECT_EQ(refusal("split(0, 2x0)", {4}), "layout step 1, split(0, 2x0), on [4]: factor 0 is not positive");
  EXPECT_EQ(refusal("split(0, -2x-2)", {4}), "layout step 1, split(0, -2x-2), on [4]: factor -2 is not positive");
  EXPECT_NE(refusal("split(0, 4611686018427387904x4)", {4}).find("product is too large"), std::string::npos);
  EXPECT_THROW(verify(Layout().split(0, {}), {4}), Error);
}

TEST(Layout, RefusedReordersAndFuses) {
  for (const char* bad : {"reorder(0,1)", "reorder(0,1,1)", "reorder(0,1,3)", "reorder(-1,0,1)", "reorder(0,1,2,3)"}) {
    EXPECT_EQ(refusal(bad, {2, 3, 4}),
              "layout step 1, " + std::string(bad) + ", on [2, 3, 4]: not a permutation of the 3 dimensions");
  }
  EXPECT_EQ(refusal("fuse(1, 2)", {2, 3}),
            "layout step 1, fuse(1, 2), on [2, 3]: 2 dimensions from 1 on of a tensor of rank 2");
  EXPECT_EQ(refusal("fuse(1, 0)", {2, 3}), "layout step 1, fuse(1, 0), on [2, 3]: 0 dimensions");
  EXPECT_EQ(refusal("fuse(0, 2)", {2, 0}), "layout step 1, fuse(0, 2), on [2, 0]: dimension 1 is empty");
  EXPECT_NE(refusal("fuse(1, 9223372036854775807)", {2, 3}).find("from 1 on of a tensor of rank 2"), std::string::npos);
}

TEST(Layout, RefusedTiles) {
  EXPECT_EQ(
      refusal("unfold(0, 3, 4)", {9}),
      "layout step 1, unfold(0, 3, 4), on [9]: stride 4 is larger than the tile size 3: elements between the tiles "
      "would be lost");
  EXPECT_EQ(refusal("unfold(0, 3, 0)", {9}), "layout step 1, unfold(0, 3, 0), on [9]: stride 0 is not positive");
  EXPECT_EQ(refusal("fold(0, 3, 2, 6)", {2, 3}),
            "layout step 1, fold(0, 3, 2, 6), on [2, 3]: an axis of 6 unfolds into 3 tiles of 3, not 2 of 3");
  EXPECT_EQ(refusal("fold(0, 3, 2, 6)", {6}),
            "layout step 1, fold(0, 3, 2, 6), on [6]: 2 dimensions from 0 on of a tensor of rank 1");
  EXPECT_NE(refusal("fold(0, 3, 2, -1)", {1, 3}).find("extent -1 is out of range"), std::string::npos);
  EXPECT_NE(refusal("unfold(0, 9223372036854775807, 1)", {9}).find("too large"), std::string::npos);
  EXPECT_THROW(verify({{{LayoutKind::unfold, 0, {4}, 0, 0, {}}}}, {9}), Error);
  EXPECT_THROW(verify({{{LayoutKind::fuse, 0, {}, 0, 0, {}}}}, {9}), Error);
}

TEST(Layout, RefusedPadding) {
  EXPECT_EQ(refusal("pad(0, -1, 2)", {4}), "layout step 1, pad(0, -1, 2), on [4]: a negative amount of padding");
  EXPECT_EQ(refusal("unpad(0, 3, 2)", {4}),
            "layout step 1, unpad(0, 3, 2), on [4]: there is no padding of 5 in an extent of 4");
  EXPECT_EQ(refusal("pad(0, 1, 1, nan)", {4}),
            "layout step 1, pad(0, 1, 1, nan), on [4]: the fill value is not a number");
  EXPECT_NE(refusal("pad(0, 9223372036854775807, 9223372036854775807)", {4}).find("too much padding"),
            std::string::npos);
  EXPECT_NE(refusal("pad(0, 72057594037927930, 0) pad(1, 8, 0)", {4, 1}).find("more than 2^56 elements"),
            std::string::npos);
}

TEST(Layout, RunTimeExtentStaysOutermost) {
  std::vector<Extent> shape{Extent::symbolic(8, 0), 64, 56};
  auto reason = [&](const std::string& layout) {
    std::string text = refusal(layout, shape);
    return text.substr(text.rfind("]: ") == std::string::npos ? 0 : text.rfind("]: ") + 3);
  };
  EXPECT_EQ(reason("split(0, 0x2)"), "dimension 0 has a run-time extent: it may not be split");
  EXPECT_EQ(reason("fuse(0, 2)"), "dimension 0 has a run-time extent: it may not be fused");
  EXPECT_EQ(reason("pad(0, 0, 1)"), "dimension 0 has a run-time extent: it may not be padded");
  EXPECT_EQ(reason("unpad(0, 0, 1)"), "dimension 0 has a run-time extent: it may not be unpadded");
  EXPECT_EQ(reason("unfold(0, 2, 1)"), "dimension 0 has a run-time extent: it may not be unfolded");
  EXPECT_EQ(reason("fold(0, 64, 64, 512)"), "dimension 0 has a run-time extent: it may not be folded");
  EXPECT_EQ(reason("reorder(1,0,2)"), "dimension 0 has a run-time extent: it must stay outermost");
  EXPECT_EQ(reason("reorder(0,2,1) split(2, 0x16) pad(1, 1, 1, 0)"), "accepted");
  EXPECT_EQ(refusal("", {4, Extent::symbolic(8, 0)}), "dimension 1 has a run-time extent: only dimension 0 may");
  EXPECT_EQ(physical_shape(parse_layout("split(1, 0x16) reorder(0,1,3,2)"), shape)[0], shape[0]);
}

TEST(Layout, RefusedShapes) {
  EXPECT_EQ(refusal("", {-1}), "a negative extent in [-1]");
  EXPECT_EQ(refusal("", {int64_t{1} << 30, int64_t{1} << 30}), "more than 2^56 elements in [1073741824, 1073741824]");
}

TEST(Layout, NonsenseTextIsRefused) {
  auto message = [](const std::string& text) {
    try {
      parse_layout(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(message("split(1, 0x16) foo(2)"),
            "layout \"split(1, 0x16) foo(2)\", character 16: expected split, reorder, fuse, unfold, fold, pad, unpad, "
            "store_at or decouple_at");
  EXPECT_EQ(message("split 1"), "layout \"split 1\", character 7: expected '('");
  EXPECT_EQ(message("split(1, x)"), "layout \"split(1, x)\", character 10: expected a number in range");
  EXPECT_EQ(message("split(1, 0x99999999999999999999)"),
            "layout \"split(1, 0x99999999999999999999)\", character 12: expected a number in range");
  for (const char* bad : {"split", "split(", "split(1", "split(1)", "split(1,", "split(1, 2", "reorder()",
                          "fuse(1, 2, 3)", "unfold(0, 3)", "fold(0, 3, 2)", "pad(0, 1)", "pad(0, 1, 2, )",
                          "unpad(0, 1, 2, 0)", ")", "0", "split(1, 2)x", "reorder(0;1)", "pad(0, 1, 2, 1e999)"}) {
    EXPECT_NE(message(bad), "accepted") << bad;
  }
}

}  // namespace
}  // namespace altrt::jit::testing
