// The stage "layouts": default decisions and the conversions between them, by golden text.
#include "runtime/graph/layouts.h"

#include <gtest/gtest.h>

#include <map>

#include "jit/compile/stage_loops.h"
#include "runtime/graph/channels_last.h"
#include "runtime/graph/image_layout.h"
#include "tests/graph/sample.h"

namespace altrt::graph {
namespace {

using Integers = std::vector<int64_t>;

std::string layouts(const Model& model, const ConversionReasons& reasons = {}) {
  const Graph graph = simplified(model);
  const std::vector<Group> groups = form_groups(graph);
  return layouts_to_string(graph, groups, default_decisions(graph, groups, jit::named_target("avx2")), reasons);
}

TEST(Layouts, EveryTensorAndConversionWithItsReason) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {1, 16, 6, 6});
  const auto w1 = b.constant("w1", random_tensor({32, 16, 3, 3}, 1));
  const auto w2 = b.constant("w2", random_tensor({20, 32, 3, 3}, 2));
  const auto c1 = b.op("Relu", {b.op("Conv", {"x", w1}, {{"pads", Integers{1, 1, 1, 1}}}, "c1")}, {}, "r1");
  b.output(b.op("Conv", {c1, w2}, {{"pads", Integers{0, 0, 1, 1}}}, "y"));
  const auto axis = b.constant("axis", tensor_of<int64_t>({}, {1}));
  b.output(b.op("CumSum", {c1, axis}, {}, "sums"));
  const std::string text = layouts(b.build());
  EXPECT_EQ(text, R"(input x f32[1, 16, 6, 6]: row-major
    conversion into blocks of 16 channels, border of 1 = split(1, 0x16) reorder(0,1,3,4,2) pad(2, 1, 1, 0) pad(3, 1, 1, 0): for 'c1'; graph inputs are row-major
group c1 (Conv+Relu)
  reads x f32[1, 16, 6, 6]: blocks of 16 channels, border of 1 = split(1, 0x16) reorder(0,1,3,4,2) pad(2, 1, 1, 0) pad(3, 1, 1, 0)
  packs w1 f32[32, 16, 3, 3]: split(0, 0x16) reorder(0,3,4,2,1)
  makes r1 f32[1, 32, 6, 6]: blocks of 16 channels, border of 0+1 x 0+1 = split(1, 0x16) reorder(0,1,3,4,2) pad(2, 0, 1, 0) pad(3, 0, 1, 0)
    conversion into row-major: 'sums' computes on the host
group y (Conv)
  reads r1 f32[1, 32, 6, 6]: blocks of 16 channels, border of 0+1 x 0+1 = split(1, 0x16) reorder(0,1,3,4,2) pad(2, 0, 1, 0) pad(3, 0, 1, 0)
  packs w2 f32[20, 32, 3, 3]: split(1, 0x16) pad(0, 0, 4, 0) split(0, 0x8) reorder(0,2,4,5,3,1)
  makes y f32[1, 20, 5, 5]: blocks of 8 channels = pad(1, 0, 4) split(1, 0x8) reorder(0,1,3,4,2)
    conversion into row-major: graph outputs are row-major
group sums (CumSum) on the host
  reads r1 f32[1, 32, 6, 6]: row-major
  reads axis i64[]: row-major
  makes sums f32[1, 32, 6, 6]: row-major
)");
}

// Whole blocks of 16 would compute 32 channels for 24, 48 for 40; 96 for 88 are few enough. What reads them point by
// point follows.
TEST(Layouts, BlocksAreHalvedWhereManyChannelsWouldBePadding) {
  const std::map<int64_t, int64_t> expected{{6, 8},   {12, 16}, {16, 16}, {24, 8},   {40, 8},
                                            {48, 16}, {72, 8},  {88, 16}, {116, 16}, {120, 16}};
  for (const auto& [channels, block] : expected) {
    GraphBuilder b("net");
    b.input("x", DataType::f32, {1, 16, 6, 6});
    const auto w = b.constant("w", random_tensor({channels, 16, 1, 1}, 1));
    const auto d = b.constant("d", random_tensor({channels, 1, 3, 3}, 2));
    const auto v = b.constant("v", random_tensor({16, channels, 1, 1}, 3));
    const auto c = b.op("Conv", {"x", w}, {}, "c");
    const auto e = b.op("Conv", {c, d}, {{"pads", Integers{1, 1, 1, 1}}, {"group", channels}}, "e");
    b.output(b.op("Conv", {e, v}, {}, "y"));
    const Graph graph = simplified(b.build());
    const std::vector<Group> groups = form_groups(graph);
    const Decisions decisions = default_decisions(graph, groups, jit::named_target("avx2"));
    ASSERT_EQ(groups.size(), 3u);
    for (size_t g = 0; g < groups.size(); ++g) {
      const jit::Computation& computation = groups[g].computation;
      const auto made = [&](int tensor) {
        return jit::channel_block(jit::layout_of(computation, tensor, decisions[g].layouts));
      };
      EXPECT_EQ(made(computation.with_role(jit::Role::output)[0]), g < 2 ? block : 16) << channels;
      if (g > 0) {
        EXPECT_EQ(made(computation.anchor.data), block) << channels;
      }
    }
  }
}

// The factors of channels join a convolution of single pixels, which reads the image itself; others can't scale their
// weights, or somebody else needs the product.
TEST(Groups, FactorsOfChannelsJoinConvolutionsOfSinglePixels) {
  const auto kinds = [](const Shape& factors, int64_t kernel, int64_t pad, int64_t groups, bool also_output) {
    GraphBuilder b("net");
    b.input("x", DataType::f32, {1, 16, 6, 6});
    b.input("f", DataType::f32, factors);
    const auto w = b.constant("w", random_tensor({16, 16 / groups, kernel, kernel}, 1));
    const auto m = b.op("Mul", {"f", b.op("MaxPool", {"x"}, {{"kernel_shape", Integers{1, 1}}})}, {}, "m");
    b.output(b.op("Conv", {m, w}, {{"pads", Integers{pad, pad, pad, pad}}, {"group", groups}}, "y"));
    if (also_output) b.output("m");
    std::string ops;
    for (const Group& group : form_groups(simplified(b.build()))) ops += group.ops + " ";
    return ops;
  };
  const std::string joined = "MaxPool Mul+Conv ", apart = "MaxPool+Mul Conv ";
  EXPECT_EQ(kinds({1, 16, 1, 1}, 1, 0, 1, false), joined);
  EXPECT_EQ(kinds({1, 16, 6, 6}, 1, 0, 1, false), apart);
  EXPECT_EQ(kinds({1, 16, 1, 6}, 1, 0, 1, false), apart);
  EXPECT_EQ(kinds({1, 16, 1, 1}, 3, 1, 1, false), apart);
  EXPECT_EQ(kinds({1, 16, 1, 1}, 1, 1, 1, false), apart);
  EXPECT_EQ(kinds({1, 16, 1, 1}, 1, 0, 4, false), apart);
  EXPECT_EQ(kinds({1, 16, 1, 1}, 1, 0, 1, true), apart);
}

TEST(ChannelsLast, ImagesAndWeights) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {1, 16, 6, 6});
  const auto w = b.constant("w", random_tensor({32, 16, 3, 3}, 1)), m = b.constant("m", random_tensor({1152, 50}, 2));
  const auto r = b.op("Relu", {b.op("Conv", {"x", w}, {{"pads", Integers{1, 1, 1, 1}}}, "c")}, {}, "r");
  const auto p = b.op("MaxPool", {r}, {{"kernel_shape", Integers{1, 1}}}, "p");
  b.output(b.op("MatMul", {b.op("Flatten", {p}), m}, {}, "y"));
  const Graph graph = simplified(b.build());
  const std::vector<Group> groups = form_groups(graph);
  const jit::Target target = jit::named_target("avx2");
  const Decisions blocked = default_decisions(graph, groups, target);
  const auto plain = channels_last(groups, blocked, target, false),
             packed = channels_last(groups, blocked, target, true);
  const auto text = [&](const Decisions& decisions, size_t g, int tensor) {
    return to_string(jit::layout_of(groups[g].computation, tensor, decisions[g].layouts));
  };
  size_t seen = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    const jit::Anchor& anchor = groups[g].computation.anchor;
    if (anchor.kind == jit::AnchorKind::conv) {
      EXPECT_EQ(text(plain, g, anchor.data), "reorder(0,2,3,1) pad(1, 1, 1, 0) pad(2, 1, 1, 0)");
      EXPECT_EQ(text(plain, g, anchor.weights), "reorder(2,3,1,0)");
      EXPECT_EQ(text(packed, g, anchor.data), text(plain, g, anchor.data));
      EXPECT_EQ(text(packed, g, anchor.weights), text(blocked, g, anchor.weights));
      ++seen;
    } else if (anchor.kind == jit::AnchorKind::matmul) {
      EXPECT_EQ(text(plain, g, anchor.weights), "");
      EXPECT_EQ(text(packed, g, anchor.weights), text(blocked, g, anchor.weights));
      ++seen;
    }
  }
  EXPECT_EQ(seen, 2u);
}

TEST(Layouts, WhatIsKnownOfAConversionIsTold) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {1, 16, 6, 6});
  b.output(b.op("Conv", {"x", b.constant("w", random_tensor({32, 16, 3, 3}, 1))}, {}, "y"));
  const std::string text = layouts(b.build(), {{{2, ""}, "takes 0.1 ms"}});
  EXPECT_NE(text.find("graph outputs are row-major; kept: takes 0.1 ms\n"), std::string::npos) << text;
}

TEST(ImageLayout, IsFoundInWhatItMade) {
  for (const Shape& shape : {Shape{1, 20, 7}, Shape{2, 16, 5, 6}, Shape{1, 8, 3, 4, 5}}) {
    for (const int64_t block : {1, 8, 16}) {
      ImageLayout image{block, {}};
      EXPECT_EQ(ImageLayout::of(image.make(shape), shape), image);
      for (size_t i = 2; i < shape.size(); ++i) {
        image.borders.lo.push_back(static_cast<int64_t>(i) - 2);
        image.borders.hi.push_back(1);
      }
      EXPECT_EQ(ImageLayout::of(image.make(shape), shape), image);
    }
  }
  jit::Layout other;
  other.reorder({0, 2, 3, 1});
  EXPECT_FALSE(ImageLayout::of(other, {1, 16, 5, 5}));
  EXPECT_FALSE(ImageLayout::of({}, {4, 4}));
}

}  // namespace
}  // namespace altrt::graph
