// Convolutions and pools against loops straight from their definitions, on whole numbers.
#include <algorithm>
#include <cmath>

#include "tests/ops/harness.h"

namespace altrt::ops::testing {
namespace {

/// Random geometry in `rank` spatial dimensions.
struct Geometry {
  std::vector<int64_t> kernel, strides, dilations, pads;
  Shape input;

  explicit Geometry(size_t rank) {
    pads.resize(2 * rank);
    for (size_t d = 0; d < rank; ++d) {
      kernel.push_back(pick(1, 3));
      strides.push_back(pick(1, 3));
      dilations.push_back(pick(1, 2));
      const int64_t reach = (kernel[d] - 1) * dilations[d] + 1;
      pads[d] = pick(0, reach - 1);
      pads[d + rank] = pick(0, reach - 1);
      input.push_back(pick(std::max<int64_t>(1, reach - pads[d] - pads[d + rank]), 7));
    }
  }
  size_t rank() const { return kernel.size(); }
  AttributeMap attributes() const {
    return {{"kernel_shape", kernel}, {"strides", strides}, {"dilations", dilations}, {"pads", pads}};
  }
  /// Input position of a tap, or an empty shape in the padding.
  Shape position(const Shape& output, const Shape& tap) const {
    Shape result;
    for (size_t d = 0; d < rank(); ++d) {
      const int64_t x = output[d + 2] * strides[d] + tap[d] * dilations[d] - pads[d];
      if (x < 0 || x >= input[d]) return {};
      result.push_back(x);
    }
    return result;
  }
};

Shape joined(int64_t a, int64_t b, const Shape& rest) {
  Shape shape = {a, b};
  shape.insert(shape.end(), rest.begin(), rest.end());
  return shape;
}

TEST(Conv, AgreesWithTheDefinition) {
  for (int round = 0; round < 40; ++round) {
    const Geometry g(pick(1, 3));
    const int64_t groups = pick(1, 3), channels = pick(1, 3), outputs = pick(1, 3) * groups;
    const Tensor x = whole(DataType::f32, joined(pick(1, 2), channels * groups, g.input));
    const Tensor w = whole(DataType::f32, joined(outputs, channels, g.kernel));
    const Tensor bias = whole(DataType::f32, {outputs});
    Node node{.type = "Conv", .inputs = {x, w}, .attributes = g.attributes()};
    node.attributes.emplace("group", groups);
    if (round % 2) node.inputs.push_back(bias);
    const Tensor y = run(node)[0];
    const Tensor expected = filled(DataType::f32, y.shape(), [&](const Shape& o) {
      double sum = round % 2 ? at(bias, {o[1]}) : 0;
      for (int64_t i = 0; i < channels; ++i) {
        for_each(g.kernel, [&](const Shape& tap) {
          const Shape p = g.position(o, tap);
          const int64_t channel = o[1] / (outputs / groups) * channels + i;
          if (!p.empty()) sum += at(x, joined(o[0], channel, p)) * at(w, joined(o[1], i, tap));
        });
      }
      return sum;
    });
    expect_near(y, expected);
    for (size_t d = 0; d < g.rank(); ++d) {
      const int64_t reach = (g.kernel[d] - 1) * g.dilations[d] + 1;
      EXPECT_EQ(y.shape()[d + 2], (g.input[d] + g.pads[d] + g.pads[d + g.rank()] - reach) / g.strides[d] + 1);
    }
  }
}

TEST(Conv, AnchorAndAxes) {
  const Node node{
      .type = "Conv",
      .inputs = {whole(DataType::f32, {1, 4, 8, 8}), whole(DataType::f32, {6, 2, 3, 1})},
      .attributes = {
          {"group", 2}, {"strides", std::vector<int64_t>{2, 1}}, {"pads", std::vector<int64_t>{1, 0, 1, 0}}}};
  const jit::Computation c = computation(node);
  ASSERT_EQ(c.stages.size(), 1u);
  EXPECT_EQ(c.anchor.kind, jit::AnchorKind::conv);
  EXPECT_EQ(c.anchor.groups, 2);
  EXPECT_EQ(c.anchor.kernel, (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(c.anchor.strides, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(c.anchor.pads, (std::vector<int64_t>{1, 0, 1, 0}));
  EXPECT_EQ(c.anchor.data, 0);
  EXPECT_EQ(c.anchor.weights, 1);
  std::vector<std::string> names;
  for (const auto& axis : c.stages[0].axes) names.push_back(axis.name);
  for (const auto& axis : c.stages[0].reduce) names.push_back(axis.name);
  EXPECT_EQ(names, (std::vector<std::string>{"n", "o", "h", "w", "i", "kh"}));  // kw has one step: dropped
}

TEST(Conv, DepthwiseHasNoChannelReduction) {
  const Node node{.type = "Conv",
                  .inputs = {whole(DataType::f32, {1, 4, 5, 5}), whole(DataType::f32, {4, 1, 3, 3})},
                  .attributes = {{"group", 4}}};
  EXPECT_EQ(computation(node).stages[0].reduce.size(), 2u);
  const Node pointwise{.type = "Conv",
                       .inputs = {whole(DataType::f32, {1, 4, 5, 5}), whole(DataType::f32, {4, 1, 1, 1})},
                       .attributes = {{"group", 4}}};
  const jit::Computation map = computation(pointwise);
  EXPECT_TRUE(map.stages[0].reduce.empty());
  EXPECT_EQ(map.anchor.kind, jit::AnchorKind::none);
}

TEST(Conv, AutomaticPadding) {
  const Tensor x = filled(DataType::f32, {1, 1, 5}, [](const Shape& i) { return i[2] + 1.0; });
  const Tensor w = floats({1, 1, 2}, {1, 1});
  const auto padded = [&](const char* mode, int64_t stride) {
    return run({.type = "Conv",
                .inputs = {x, w},
                .attributes = {{"auto_pad", mode}, {"strides", std::vector<int64_t>{stride}}}})[0];
  };
  expect_near(padded("SAME_UPPER", 1), floats({1, 1, 5}, {3, 5, 7, 9, 5}));
  expect_near(padded("SAME_LOWER", 1), floats({1, 1, 5}, {1, 3, 5, 7, 9}));
  expect_near(padded("VALID", 1), floats({1, 1, 4}, {3, 5, 7, 9}));
  expect_near(padded("SAME_UPPER", 2), floats({1, 1, 3}, {3, 7, 5}));
}

TEST(ConvTranspose, AgreesWithScattering) {
  for (int round = 0; round < 40; ++round) {
    const Geometry g(pick(1, 3));
    const int64_t groups = pick(1, 2), channels = pick(1, 2), outputs = pick(1, 2);
    std::vector<int64_t> extra;
    Geometry legal = g;
    bool empty = false;
    Shape extents;
    for (size_t d = 0; d < g.rank(); ++d) {
      extra.push_back(pick(0, g.strides[d] - 1));
      extents.push_back((g.input[d] - 1) * g.strides[d] + (g.kernel[d] - 1) * g.dilations[d] + 1 + extra[d] -
                        g.pads[d] - g.pads[d + g.rank()]);
      empty |= extents[d] < 1;
    }
    if (empty) continue;
    const Tensor x = whole(DataType::f32, joined(pick(1, 2), channels * groups, g.input));
    const Tensor w = whole(DataType::f32, joined(channels * groups, outputs, g.kernel));
    const Tensor bias = whole(DataType::f32, {outputs * groups});
    Tensor expected = filled(DataType::f32, joined(x.shape()[0], outputs * groups, extents),
                             [&](const Shape& o) { return at(bias, {o[1]}); });
    for_each(x.shape(), [&](const Shape& from) {
      for (int64_t o = 0; o < outputs; ++o) {
        for_each(g.kernel, [&](const Shape& tap) {
          Shape to = {from[0], from[1] / channels * outputs + o};
          for (size_t d = 0; d < g.rank(); ++d) {
            to.push_back(from[d + 2] * g.strides[d] + tap[d] * g.dilations[d] - g.pads[d]);
            if (to[d + 2] < 0 || to[d + 2] >= extents[d]) return;
          }
          expected.as<float>()[offset(expected.shape(), to)] +=
              static_cast<float>(at(x, from) * at(w, joined(from[1], o, tap)));
        });
      }
    });
    Node node{.type = "ConvTranspose", .inputs = {x, w, bias}, .attributes = g.attributes()};
    node.attributes.emplace("group", groups);
    node.attributes.emplace("output_padding", extra);
    expect_near(run(node)[0], expected);
  }
}

TEST(ConvTranspose, OutputShapeDecidesThePadding) {
  const Tensor x = floats({1, 1, 3}, {1, 2, 3}), w = floats({1, 1, 3}, {1, 1, 1});
  const auto result = [&](const AttributeMap& attributes) {
    return run({.type = "ConvTranspose", .inputs = {x, w}, .attributes = attributes})[0];
  };
  const std::vector<int64_t> two{2};
  expect_near(result({{"strides", two}}), floats({1, 1, 7}, {1, 1, 3, 2, 5, 3, 3}));
  expect_near(result({{"strides", two}, {"output_shape", std::vector<int64_t>{8}}}),
              floats({1, 1, 8}, {1, 1, 3, 2, 5, 3, 3, 0}));
  expect_near(result({{"strides", two}, {"auto_pad", "SAME_UPPER"}}), floats({1, 1, 6}, {1, 1, 3, 2, 5, 3}));
  expect_near(result({{"strides", two}, {"auto_pad", "SAME_LOWER"}}), floats({1, 1, 6}, {1, 3, 2, 5, 3, 3}));
}

TEST(MaxPool, AgreesWithTheDefinition) {
  for (int round = 0; round < 40; ++round) {
    const Geometry g(pick(1, 3));
    const DataType type = round % 3 == 0 ? DataType::i8 : DataType::f32;
    const Tensor x = whole(type, joined(pick(1, 2), pick(1, 3), g.input), -50, 50);
    const auto results = run({.type = "MaxPool", .inputs = {x}, .attributes = g.attributes(), .outputs = 2});
    const Tensor single = run({.type = "MaxPool", .inputs = {x}, .attributes = g.attributes()})[0];
    const Tensor expected = filled(type, results[0].shape(), [&](const Shape& o) {
      double best = -INFINITY;
      for_each(g.kernel, [&](const Shape& tap) {
        const Shape p = g.position(o, tap);
        if (!p.empty()) best = std::max(best, at(x, joined(o[0], o[1], p)));
      });
      return best == -INFINITY ? (type == DataType::i8 ? -128 : best) : best;
    });
    expect_near(results[0], expected);
    expect_near(single, expected);
    for_each(expected.shape(), [&](const Shape& o) {
      if (at(expected, o) < -50) return;  // a window of padding only
      const int64_t place = static_cast<int64_t>(at(results[1], o));
      ASSERT_GE(place, 0);
      ASSERT_LT(place, element_count(x.shape()));
      const Tensor flat = filled(type, {element_count(x.shape())}, [&, i = int64_t{0}](const Shape& index) mutable {
        (void)i;
        Shape full(x.shape().size());
        int64_t rest = index[0];
        for (size_t d = full.size(); d-- > 0; rest /= x.shape()[d]) full[d] = rest % x.shape()[d];
        return at(x, full);
      });
      EXPECT_EQ(at(flat, {place}), at(expected, o));
    });
  }
}

TEST(MaxPool, KeepsNan) {
  const Tensor x = floats({1, 1, 4}, {1, NAN, 3, 4});
  expect_near(run({.type = "MaxPool", .inputs = {x}, .attributes = {{"kernel_shape", std::vector<int64_t>{2}}}})[0],
              floats({1, 1, 3}, {NAN, NAN, 4}));
}

TEST(AveragePool, CountsWhatItShould) {
  for (int round = 0; round < 40; ++round) {
    const Geometry g(pick(1, 3));
    const bool count_padding = round % 2;
    const Tensor x = whole(DataType::f32, joined(pick(1, 2), pick(1, 3), g.input));
    Node node{.type = "AveragePool", .inputs = {x}, .attributes = g.attributes()};
    node.attributes.emplace("count_include_pad", count_padding ? 1 : 0);
    const Tensor y = run(node)[0];
    const Tensor expected = filled(DataType::f32, y.shape(), [&](const Shape& o) {
      double sum = 0, count = 0;
      for_each(g.kernel, [&](const Shape& tap) {
        const Shape p = g.position(o, tap);
        count += count_padding || !p.empty();
        if (!p.empty()) sum += at(x, joined(o[0], o[1], p));
      });
      return sum / count;
    });
    expect_near(y, expected, 1e-6);
  }
}

TEST(Pool, CeilMode) {
  const Tensor x = floats({1, 1, 4}, {1, 2, 3, 4});
  const auto pooled = [&](const char* type, int64_t kernel, int64_t stride, int64_t pad) {
    return run({.type = type,
                .inputs = {x},
                .attributes = {{"kernel_shape", std::vector<int64_t>{kernel}},
                               {"strides", std::vector<int64_t>{stride}},
                               {"pads", std::vector<int64_t>{pad, pad}},
                               {"count_include_pad", 1},
                               {"ceil_mode", 1}}})[0];
  };
  expect_near(pooled("MaxPool", 3, 2, 0), floats({1, 1, 2}, {3, 4}));
  expect_near(pooled("AveragePool", 3, 2, 0), floats({1, 1, 2}, {2, 3.5f}));
  expect_near(pooled("MaxPool", 2, 2, 1), floats({1, 1, 3}, {1, 3, 4}));
  // The last window would start in the padding after the end: it does not count.
  expect_near(pooled("MaxPool", 2, 3, 1), floats({1, 1, 2}, {1, 4}));
}

TEST(GlobalPool, ReducesEverySpatialDimension) {
  const Tensor x = whole(DataType::f32, {2, 3, 4, 5});
  const auto reference = [&](bool average) {
    return filled(DataType::f32, {2, 3, 1, 1}, [&](const Shape& o) {
      double sum = 0, best = -INFINITY;
      for_each({4, 5}, [&](const Shape& p) {
        sum += at(x, {o[0], o[1], p[0], p[1]});
        best = std::max(best, at(x, {o[0], o[1], p[0], p[1]}));
      });
      return average ? sum / 20 : best;
    });
  };
  expect_near(run({.type = "GlobalAveragePool", .inputs = {x}})[0], reference(true), 1e-6);
  expect_near(run({.type = "GlobalMaxPool", .inputs = {x}})[0], reference(false));
}

}  // namespace
}  // namespace altrt::ops::testing
