// The builders of layouts: shapes, names, and what they refuse.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include "jit/compile/templates.h"
#include "tests/jit_compile/operators.h"

namespace altrt::jit {
namespace {

Ints extents(const Layout& layout, const std::vector<Extent>& shape) {
  Ints result;
  for (const Extent& e : physical_shape(layout, shape)) result.push_back(e.bound);
  return result;
}

std::string names(const Layout& layout, const std::vector<std::string>& axes) {
  std::string text;
  for (const std::string& name : physical_names(layout, axes)) text += (text.empty() ? "" : " ") + name;
  return text;
}

const std::vector<Extent> kImage{1, 20, 10, 15};

TEST(ChannelsLast, MovesChannelsBehindTheImage) {
  const Layout layout = channels_last(kImage, {{1, 2}, {3, 0}}, 12);
  EXPECT_EQ(extents(layout, kImage), (Ints{1, 14, 17, 32}));
  EXPECT_EQ(names(layout, {"n", "c", "h", "w"}), "n h w c");
  EXPECT_EQ(channel_block(layout), 1);
}

TEST(Blocked, CutsChannels) {
  const Layout layout = blocked(kImage, 16, {{1, 1}, {1, 1}});
  EXPECT_EQ(extents(layout, kImage), (Ints{1, 2, 12, 17, 16}));
  EXPECT_EQ(names(layout, {"n", "c", "h", "w"}), "n c.0 h w c.1");
  EXPECT_EQ(channel_block(layout), 16);
  EXPECT_TRUE(blocked(kImage, 1).is_plain());
}

TEST(Blocked, TakesOtherBlocks) {
  const Borders borders{{1, 0}, {0, 2}, 0};
  const auto changed = with_channel_block(blocked(kImage, 16, borders), kImage, 8);
  ASSERT_TRUE(changed);
  EXPECT_EQ(*changed, blocked(kImage, 8, borders));
  EXPECT_FALSE(with_channel_block(channels_last(kImage), kImage, 8));
  EXPECT_FALSE(with_channel_block(tiled(kImage, {4, 4}, 16), kImage, 8));
}

TEST(Tiled, IsTheTemplatesOutput) {
  const Layout layout = tiled(kImage, {4, 5}, 8);
  EXPECT_EQ(names(layout, {"n", "c", "h", "w"}), "n h.0 w.0 c.0 h.1 w.1 c.1");
  EXPECT_EQ(extents(layout, kImage), (Ints{1, 3, 3, 3, 4, 5, 8}));
  EXPECT_EQ(channel_block(layout), 8);
  const Layout rows = tiled(kImage, {4, 0}, 8);
  EXPECT_EQ(names(rows, {"n", "c", "h", "w"}), "n h.0 c.0 h.1 w c.1");
  const Layout whole = tiled(kImage, {4, 15}, 0);
  EXPECT_EQ(names(whole, {"n", "c", "h", "w"}), "n h.0 h.1 w c");
  EXPECT_EQ(channel_block(whole), 1);
  EXPECT_EQ(names(tiled({1, 6, 4, 8, 8}, {2, 0, 4}, 2), {"n", "c", "d", "h", "w"}), "n d.0 w.0 c.0 d.1 h w.1 c.1");
}

TEST(Unfolded, HoldsAllThatATileReads) {
  ConvCase k;
  k.channels = 20;
  k.spatial = {10, 15};
  k.kernel = {3, 3};
  k.pad = 1;
  const Computation c = convolution(k);
  const Layout layout = unfolded(c, {4, 5}, 8);
  EXPECT_EQ(extents(layout, kImage), (Ints{1, 3, 3, 3, 6, 7, 8}));
  EXPECT_EQ(names(layout, {"n", "c", "h", "w"}), "n h.t w.t c.0 h.b w.b c.1");
  EXPECT_EQ(read_borders(c), (Borders{{1, 1}, {1, 1}, 0}));
  EXPECT_EQ(read_borders(c, {4, 5}), (Borders{{1, 1}, {3, 1}, 0}));
}

TEST(Unfolded, LosesNothingBetweenTiles) {
  ConvCase k;
  k.channels = 4;
  k.spatial = {8, 8};
  k.kernel = {1, 1};
  k.stride = 2;
  const Layout layout = unfolded(convolution(k), {2, 2}, 0);
  EXPECT_EQ(extents(layout, {1, 4, 8, 8}), (Ints{1, 2, 2, 4, 4, 4}));
}

TEST(Unfolded, RefusesTilesThatCutPhases) {
  ConvCase k;
  k.transposed = true;
  k.spatial = {4, 4};
  k.kernel = {4, 4};
  k.stride = 2;
  k.pad = 1;
  const Computation c = convolution(k);
  try {
    unfolded(c, {3, 4}, 8);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
    EXPECT_STREQ(e.what(), "unfolded: a tile of 3 is not a multiple of the stride 2");
  }
  EXPECT_EQ(extents(unfolded(c, {4, 4}, 8), {1, 8, 4, 4}), (Ints{1, 2, 2, 1, 4, 4, 8}));
}

TEST(Weights, ArePackedInTheOrderOfTheLoops) {
  ConvCase k;
  k.channels = 20;
  k.outputs = 24;
  k.spatial = {8, 8};
  k.kernel = {3, 2};
  const std::vector<Extent> shape{24, 20, 3, 2};
  const std::vector<std::string> axes{"o", "i", "h", "w"};
  const Computation c = convolution(k);
  EXPECT_EQ(names(plain_weights(c), axes), "h w i o");
  EXPECT_EQ(names(conv_weights(c, 16, 8), axes), "o.0 i.0 h w i.1 o.1");
  EXPECT_EQ(extents(conv_weights(c, 16, 8), shape), (Ints{2, 3, 3, 2, 8, 16}));
  EXPECT_EQ(names(conv_weights(c, 16, 0), axes), "o.0 h w i o.1");
  k.transposed = true;
  const Computation t = convolution(k);
  const std::vector<std::string> transposed{"i", "o", "h", "w"};
  EXPECT_EQ(names(plain_weights(t), transposed), "h w i o");
  EXPECT_EQ(names(conv_weights(t, 16, 8), transposed), "o.0 i.0 h w i.1 o.1");
  EXPECT_EQ(names(conv_weights(t, 16, 0), transposed), "o.0 h w i o.1");
  k.stride = 2;  // of the kernel's two dimensions only the last one's taps make two equal parts
  const Computation by_phases = convolution(k);
  EXPECT_EQ(names(conv_weights(by_phases, 16, 8), transposed), "o.0 w.1 i.0 h w.0 i.1 o.1");
  EXPECT_EQ(names(conv_weights(by_phases, 16, 0), transposed), "o.0 w.1 h w.0 i o.1");
}

TEST(TiledMatrix, CutsTheLastTwoDimensions) {
  EXPECT_EQ(extents(tiled_matrix({3, 10, 20}, 4, 8), {3, 10, 20}), (Ints{3, 3, 3, 4, 8}));
  EXPECT_EQ(names(tiled_matrix({3, 10, 20}, 4, 8), {"b", "m", "n"}), "b m.0 n.0 m.1 n.1");
  EXPECT_EQ(names(tiled_matrix({10, 20}, 0, 8), {"m", "n"}), "n.0 m n.1");
  EXPECT_EQ(names(tiled_matrix({10, 20}, 4, 0), {"m", "n"}), "m.0 m.1 n");
}

TEST(AnchorLayouts, AResidualFollowsTheOutput) {
  ConvCase k;
  k.spatial = {6, 6};
  k.kernel = {1, 1};
  k.residual = true;
  const Computation c = convolution(k);
  const std::vector<Extent> shape{1, 8, 6, 6};
  const Layouts layouts = anchor_layouts(c, blocked(shape, 4), channels_last(shape));
  int last = 0;
  for (const auto& [tensor, layout] : layouts) last += layout == channels_last(shape);
  EXPECT_EQ(last, 2);
  EXPECT_EQ(layouts.at(c.tensors[static_cast<size_t>(c.anchor.data)].name), blocked(shape, 4));
}

TEST(GroupBlock, FillsVectorsWithinAGroup) {
  const Target wide = named_target("avx512"), narrow = named_target("avx2");
  for (const int64_t outputs : {3, 5, 6, 7, 8, 16}) EXPECT_EQ(group_block(outputs, narrow), outputs);
  EXPECT_EQ(group_block(24, narrow), 8);
  EXPECT_EQ(group_block(32, wide), 16);
  EXPECT_EQ(group_block(12, wide), 12);
}

}  // namespace
}  // namespace altrt::jit
