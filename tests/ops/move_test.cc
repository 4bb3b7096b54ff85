// Operators that move elements: index maps against loops over output elements.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/ops/harness.h"

namespace altrt::ops::testing {
namespace {

/// Distinct values, so that every wrong index shows.
Tensor counting(const Shape& shape, DataType type = DataType::f32) {
  return filled(type, shape, [&](const Shape& index) { return static_cast<double>(offset(shape, index)); });
}

Shape factorised(int64_t count) {
  Shape shape;
  for (int64_t rest = count; rest > 1;) {
    int64_t factor = pick(1, 4);
    while (rest % factor != 0) --factor;
    if (factor == 1 && pick(0, 2)) continue;
    shape.push_back(factor);
    rest /= factor;
    if (pick(0, 9) == 0) {
      shape.push_back(rest);
      rest = 1;
    }
  }
  std::shuffle(shape.begin(), shape.end(), generator());
  return shape;
}

TEST(Reshape, KeepsTheOrderOfElements) {
  for (int round = 0; round < 60; ++round) {
    const int64_t count = std::vector<int64_t>{1, 12, 24, 36, 48, 72}[pick(0, 5)];
    const Shape from = factorised(count);
    std::vector<int64_t> to = factorised(count);
    const Tensor x = counting(from);
    Shape expected = to;
    if (!to.empty() && pick(0, 1)) to[pick(0, static_cast<int64_t>(to.size()) - 1)] = -1;
    SCOPED_TRACE(to_string(from) + " to " + to_string(to));
    expect_near(run({.type = "Reshape", .inputs = {x, longs(to)}, .known = {1}})[0],
                make<float>(expected, values<float>(x)));
  }
}

TEST(Reshape, SpecialExtents) {
  const auto shape = [](const Shape& from, const std::vector<int64_t>& to, int allow_zero = 0) {
    return infer({.type = "Reshape",
                  .inputs = {Tensor(DataType::f32, from), longs(to)},
                  .attributes = {{"allowzero", allow_zero}},
                  .known = {1}})[0]
        .shape;
  };
  EXPECT_EQ(shape({2, 3, 4}, {0, -1}), (Shape{2, 12}));
  EXPECT_EQ(shape({2, 3, 4}, {4, 0, -1}), (Shape{4, 3, 2}));
  EXPECT_EQ(shape({0, 3, 4}, {3, 4, 0}, 1), (Shape{3, 4, 0}));
  EXPECT_EQ(shape({1}, {}), Shape{});
  const auto refused = [](const Shape& from, const std::vector<int64_t>& to) {
    return refusal({.type = "Reshape", .inputs = {Tensor(DataType::f32, from), longs(to)}, .known = {1}});
  };
  EXPECT_NE(refused({2, 3}, {4, 2}).find("[2, 3]"), std::string::npos);
  refused({2, 3}, {-1, -1});
  refused({2, 3}, {-1, 4});
  refused({2, 3}, {2, 3, 0});
  EXPECT_NE(refusal({.type = "Reshape", .inputs = {counting({2, 3}), longs({6})}}, ErrorCode::unsupported)
                .find("input 'shape' is not known at load"),
            std::string::npos);
}

TEST(Reshape, SimpleIndicesWhereDimensionsSplitOrMerge) {
  const auto body = [](const Shape& from, const std::vector<int64_t>& to) {
    const jit::Computation c = computation({.type = "Reshape", .inputs = {counting(from), longs(to)}, .known = {1}});
    return to_string(c.stages[0].results[0]);
  };
  // Heads split off the last dimension: only products and sums.
  EXPECT_EQ(body({1, 8, 12}, {1, 8, 3, 4}).find('%'), std::string::npos);
  EXPECT_EQ(body({1, 8, 12}, {1, 8, 3, 4}).find('/'), std::string::npos);
  // Kept dimensions are read at their own variable.
  EXPECT_NE(body({5, 6, 7}, {5, 42}).find("d0"), std::string::npos);
}

TEST(Flatten, TwoDimensions) {
  const Tensor x = counting({2, 3, 4});
  for (const auto& [axis, shape] :
       std::map<int64_t, Shape>{{0, {1, 24}}, {1, {2, 12}}, {2, {6, 4}}, {3, {24, 1}}, {-1, {6, 4}}, {-3, {1, 24}}}) {
    expect_near(run({.type = "Flatten", .inputs = {x}, .attributes = {{"axis", axis}}})[0],
                make<float>(shape, values<float>(x)));
  }
}

TEST(Squeeze, AttributeInputOrAllOnes) {
  const Tensor x = counting({1, 3, 1, 2});
  const auto result = [&](const Shape& shape) { return make<float>(shape, values<float>(x)); };
  expect_near(run({.type = "Squeeze", .inputs = {x}})[0], result({3, 2}));
  expect_near(run({.type = "Squeeze", .inputs = {x, longs({-2})}, .known = {1}})[0], result({1, 3, 2}));
  expect_near(
      run({.type = "Squeeze", .inputs = {x}, .attributes = {{"axes", std::vector<int64_t>{0}}}, .opset = 11})[0],
      result({3, 1, 2}));
  refusal({.type = "Squeeze", .inputs = {x, longs({1})}, .known = {1}});
  refusal({.type = "Squeeze", .inputs = {x, longs({0, -4})}, .known = {1}});
}

TEST(Unsqueeze, AxesOfTheResult) {
  const Tensor x = counting({3, 2});
  const auto result = [&](const Shape& shape) { return make<float>(shape, values<float>(x)); };
  expect_near(run({.type = "Unsqueeze", .inputs = {x, longs({2, 0})}, .known = {1}})[0], result({1, 3, 1, 2}));
  expect_near(run({.type = "Unsqueeze", .inputs = {x, longs({-1})}, .known = {1}})[0], result({3, 2, 1}));
  refusal({.type = "Unsqueeze", .inputs = {x, longs({4})}, .known = {1}});
  refusal({.type = "Unsqueeze", .inputs = {x}});
}

TEST(Transpose, AnyPermutation) {
  for (int round = 0; round < 20; ++round) {
    const Tensor x = counting(pick_shape(0, 4, 4));
    std::vector<int64_t> perm(x.shape().size());
    std::iota(perm.begin(), perm.end(), 0);
    std::shuffle(perm.begin(), perm.end(), generator());
    Shape shape;
    for (int64_t source : perm) shape.push_back(x.shape()[source]);
    expect_near(run({.type = "Transpose", .inputs = {x}, .attributes = {{"perm", perm}}})[0],
                filled(DataType::f32, shape, [&](const Shape& i) {
                  Shape from(i.size());
                  for (size_t d = 0; d < i.size(); ++d) from[perm[d]] = i[d];
                  return at(x, from);
                }));
  }
  refusal({.type = "Transpose", .inputs = {counting({2, 3})}, .attributes = {{"perm", std::vector<int64_t>{0, 0}}}});
  refusal({.type = "Transpose", .inputs = {counting({2, 3})}, .attributes = {{"perm", std::vector<int64_t>{0}}}});
}

TEST(Slice, StepsOfEitherSignAndClampedBounds) {
  for (int round = 0; round < 60; ++round) {
    const int64_t extent = pick(1, 7);
    const Tensor x = counting({2, extent});
    const int64_t start = pick(-9, 9), end = pick(-9, 9), step = pick(0, 1) ? pick(1, 3) : pick(-3, -1);
    std::vector<int64_t> picked;  // as Python's range(*slice.indices(extent))
    const auto bound = [&](int64_t v, int64_t low, int64_t high) {
      return std::clamp(v < 0 ? v + extent : v, low, high);
    };
    const int64_t first = step > 0 ? bound(start, 0, extent) : bound(start, -1, extent - 1);
    const int64_t last = step > 0 ? bound(end, 0, extent) : bound(end, -1, extent - 1);
    for (int64_t i = first; step > 0 ? i < last : i > last; i += step) {
      if (i >= 0 && i < extent) picked.push_back(i);
    }
    if (step < 0 && start < -extent) continue;  // ONNX clamps the start to 0, Python to before it
    SCOPED_TRACE(to_string(Shape{extent, start, end, step}));
    const Tensor expected = filled(DataType::f32, {2, static_cast<int64_t>(picked.size())}, [&](const Shape& i) {
      return at(x, {i[0], picked[i[1]]});
    });
    expect_near(run({.type = "Slice",
                     .inputs = {x, longs({start}), longs({end}), longs({-1}), longs({step})},
                     .known = {1, 2, 3, 4}})[0],
                expected);
  }
  const int64_t far = std::numeric_limits<int64_t>::max();
  const Tensor x = counting({4});
  expect_near(run({.type = "Slice", .inputs = {x, longs({1}), longs({far})}, .known = {1, 2}})[0],
              floats({3}, {1, 2, 3}));
  expect_near(run({.type = "Slice",
                   .inputs = {x, longs({-1}), longs({-far}), longs({0}), longs({-1})},
                   .known = {1, 2, 3, 4}})[0],
              floats({4}, {3, 2, 1, 0}));
  expect_near(run({.type = "Slice",
                   .inputs = {x},
                   .attributes = {{"starts", std::vector<int64_t>{1}}, {"ends", std::vector<int64_t>{3}}},
                   .opset = 9})[0],
              floats({2}, {1, 2}));
  refusal({.type = "Slice", .inputs = {x, longs({0}), longs({1}), longs({0}), longs({0})}, .known = {1, 2, 3, 4}});
  refusal({.type = "Slice", .inputs = {x, longs({0}), longs({1, 2})}, .known = {1, 2}});
  refusal({.type = "Slice", .inputs = {x, longs({0}), longs({1})}}, ErrorCode::unsupported);
}

TEST(ConcatAndSplit, AreInverse) {
  for (int round = 0; round < 20; ++round) {
    const Tensor x = counting(pick_shape(1, 3, 6), DataType::i32);
    const int64_t rank = static_cast<int64_t>(x.shape().size()), axis = pick(0, rank - 1);
    std::vector<int64_t> sizes;
    for (int64_t rest = x.shape()[axis]; rest > 0; rest -= sizes.back()) sizes.push_back(pick(0, rest));
    Node split{.type = "Split",
               .inputs = {x, longs(sizes)},
               .attributes = {{"axis", axis - rank}},
               .known = {1},
               .outputs = static_cast<int>(sizes.size())};
    Node concat{.type = "Concat", .inputs = {}, .attributes = {{"axis", axis}}};
    for (const Tensor& part : run(split)) concat.inputs.push_back(part);
    expect_near(run(concat)[0], x);
  }
  const Tensor x = counting({6});
  const auto halves = run({.type = "Split", .inputs = {x}, .outputs = 2});
  expect_near(halves[1], floats({3}, {3, 4, 5}));
  const auto uneven =
      run({.type = "Split", .inputs = {x}, .attributes = {{"num_outputs", 4}}, .outputs = 4, .opset = 18});
  expect_near(uneven[0], floats({2}, {0, 1}));
  EXPECT_EQ(uneven[3].shape(), Shape{0});
  refusal({.type = "Split", .inputs = {x}, .outputs = 4});
  refusal({.type = "Split", .inputs = {x, longs({2, 3})}, .known = {1}, .outputs = 2});
  refusal({.type = "Concat", .inputs = {counting({2, 3}), counting({3, 3})}, .attributes = {{"axis", 1}}});
  refusal({.type = "Concat", .inputs = {x, x}});
}

TEST(Expand, Broadcasts) {
  const Tensor x = floats({2, 1}, {1, 2});
  expect_near(run({.type = "Expand", .inputs = {x, longs({2, 1, 3})}, .known = {1}})[0],
              floats({2, 2, 3}, {1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2}));
  expect_near(run({.type = "Expand", .inputs = {x, longs({1})}, .known = {1}})[0], x);
  refusal({.type = "Expand", .inputs = {x, longs({3, 1})}, .known = {1}});
  EXPECT_NE(refusal({.type = "Expand", .inputs = {x, longs({2, 2})}}, ErrorCode::unsupported)
                .find("input 'shape' is not known at load"),
            std::string::npos);
}

TEST(Tile, Repeats) {
  for (int round = 0; round < 10; ++round) {
    const Tensor x = counting(pick_shape(1, 3, 3));
    std::vector<int64_t> repeats;
    Shape shape;
    for (int64_t extent : x.shape()) {
      repeats.push_back(pick(1, 3));
      shape.push_back(extent * repeats.back());
    }
    expect_near(run({.type = "Tile", .inputs = {x, longs(repeats)}, .known = {1}})[0],
                filled(DataType::f32, shape, [&](const Shape& i) {
                  Shape from = i;
                  for (size_t d = 0; d < i.size(); ++d) from[d] %= x.shape()[d];
                  return at(x, from);
                }));
  }
}

TEST(Pad, AllModes) {
  const Tensor x = floats({3}, {1, 2, 3});
  const auto padded = [&](const char* mode, int64_t before, int64_t after) {
    return run({.type = "Pad",
                .inputs = {x, longs({before, after}), scalar(9.f)},
                .attributes = {{"mode", mode}},
                .known = {1, 2}})[0];
  };
  expect_near(padded("constant", 1, 2), floats({6}, {9, 1, 2, 3, 9, 9}));
  expect_near(padded("constant", -1, 1), floats({3}, {2, 3, 9}));
  expect_near(padded("edge", 2, 1), floats({6}, {1, 1, 1, 2, 3, 3}));
  expect_near(padded("reflect", 2, 2), floats({7}, {3, 2, 1, 2, 3, 2, 1}));
  expect_near(padded("wrap", 2, 4), floats({9}, {2, 3, 1, 2, 3, 1, 2, 3, 1}));
  refusal({.type = "Pad", .inputs = {x, longs({3, 0})}, .attributes = {{"mode", "reflect"}}, .known = {1}},
          ErrorCode::unsupported);
  refusal({.type = "Pad", .inputs = {x, longs({-2, -2})}, .known = {1}});
  expect_near(run({.type = "Pad",
                   .inputs = {floats({1, 2}, {1, 2}), longs({1, 0}), std::nullopt, longs({-1})},
                   .known = {1, 3},
                   .opset = 18})[0],
              floats({1, 3}, {0, 1, 2}));
  expect_near(run({.type = "Pad",
                   .inputs = {x},
                   .attributes = {{"pads", std::vector<int64_t>{0, 1}}, {"value", 5.f}},
                   .opset = 10})[0],
              floats({4}, {1, 2, 3, 5}));
}

TEST(DepthToSpace, BothModesAndBack) {
  const Tensor x = counting({1, 8, 2, 3});
  for (const char* mode : {"DCR", "CRD"}) {
    const Tensor y = run({.type = "DepthToSpace", .inputs = {x}, .attributes = {{"blocksize", 2}, {"mode", mode}}})[0];
    expect_near(y, filled(DataType::f32, {1, 2, 4, 6}, [&](const Shape& i) {
                  const int64_t inner = i[2] % 2 * 2 + i[3] % 2;
                  const int64_t channel = mode == std::string("DCR") ? inner * 2 + i[1] : i[1] * 4 + inner;
                  return at(x, {i[0], channel, i[2] / 2, i[3] / 2});
                }));
    if (mode == std::string("DCR")) {
      expect_near(run({.type = "SpaceToDepth", .inputs = {y}, .attributes = {{"blocksize", 2}}})[0], x);
    }
  }
  refusal({.type = "DepthToSpace", .inputs = {x}, .attributes = {{"blocksize", 3}}});
  refusal({.type = "SpaceToDepth", .inputs = {x}, .attributes = {{"blocksize", 0}}});
}

TEST(Trilu, Triangles) {
  const Tensor x = counting({2, 3, 4});
  for (int64_t k : {-2, 0, 1, 9}) {
    for (int upper : {0, 1}) {
      const Tensor expected = filled(DataType::f32, x.shape(), [&](const Shape& i) {
        return (upper ? i[2] >= i[1] + k : i[2] <= i[1] + k) ? at(x, i) : 0;
      });
      Node node{.type = "Trilu", .inputs = {x, scalar(k)}, .attributes = {{"upper", upper}}};
      expect_near(run(node)[0], expected);
      node.known = {1};
      expect_near(run(node)[0], expected);
    }
  }
}

TEST(Gather, AnyAxisAndNegativeIndices) {
  const Tensor x = counting({3, 4, 2});
  for (int64_t axis : {0, 1, 2, -1}) {
    const int64_t extent = x.shape()[axis < 0 ? axis + 3 : axis];
    const Tensor indices = whole(DataType::i64, {2, 2}, -extent, extent - 1);
    const size_t d = axis < 0 ? axis + 3 : axis;
    Shape shape(x.shape().begin(), x.shape().begin() + d);
    shape.insert(shape.end(), {2, 2});
    shape.insert(shape.end(), x.shape().begin() + d + 1, x.shape().end());
    expect_near(run({.type = "Gather", .inputs = {x, indices}, .attributes = {{"axis", axis}}})[0],
                filled(DataType::f32, shape, [&](const Shape& i) {
                  Shape from(i.begin(), i.begin() + d);
                  const double index = at(indices, {i[d], i[d + 1]});
                  from.push_back(static_cast<int64_t>(index < 0 ? index + extent : index));
                  from.insert(from.end(), i.begin() + d + 2, i.end());
                  return at(x, from);
                }));
  }
  // A scalar index drops the axis; an index out of range reads the nearest element.
  expect_near(run({.type = "Gather", .inputs = {x, scalar<int64_t>(-1)}, .known = {1}})[0],
              floats({4, 2}, {16, 17, 18, 19, 20, 21, 22, 23}));
  expect_near(run({.type = "Gather", .inputs = {floats({2}, {5, 6}), longs({100, -100})}})[0], floats({2}, {6, 5}));
}

TEST(Gather, KnownIndicesGiveWhatOthersGive) {
  const Tensor x = counting({2, 6, 3});
  for (const Tensor& indices :
       {longs({0, 1, 2, 3, 4, 5}), longs({5, 3, 1}), longs({-1, -2}), longs({4, 4, 4}), longs({4, 5, 6, 7}),
        longs({1, 2, 4}), longs({-100, 0}), make<int64_t>({2, 2}, {0, 1, 2, 3}), make<int64_t>({2, 2}, {0, 1, 3, 4})}) {
    Node node{.type = "Gather", .inputs = {x, indices}, .attributes = {{"axis", 1}}};
    const Tensor expected = run(node)[0];
    node.known = {1};
    expect_near(run(node)[0], expected);
  }
}

TEST(GatherElements, OneIndexAnElement) {
  const Tensor x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  expect_near(run({.type = "GatherElements",
                   .inputs = {x, make<int32_t>({2, 2}, {2, 0, -2, 1})},
                   .attributes = {{"axis", 0}}})[0],
              floats({2, 2}, {5, 2, 3, 4}));
  expect_near(
      run({.type = "GatherElements", .inputs = {x, make<int64_t>({3, 1}, {1, 0, -1})}, .attributes = {{"axis", 1}}})[0],
      floats({3, 1}, {2, 3, 6}));
  refusal({.type = "GatherElements", .inputs = {x, make<int64_t>({1, 3}, {0, 0, 0})}});
}

TEST(GatherND, TuplesAndBatches) {
  const Tensor x = counting({2, 2, 2});
  expect_near(run({.type = "GatherND", .inputs = {x, make<int64_t>({2, 2}, {0, 1, 1, -2})}})[0],
              floats({2, 2}, {2, 3, 4, 5}));
  expect_near(
      run({.type = "GatherND", .inputs = {x, make<int64_t>({2, 1}, {1, 0})}, .attributes = {{"batch_dims", 1}}})[0],
      floats({2, 2}, {2, 3, 4, 5}));
  expect_near(run({.type = "GatherND", .inputs = {x, make<int64_t>({1, 3}, {1, 0, 1})}})[0], floats({1}, {5}));
  refusal({.type = "GatherND", .inputs = {x, make<int64_t>({1, 4}, {0, 0, 0, 0})}});
}

TEST(OneHot, AnyAxis) {
  const Tensor indices = make<int64_t>({2}, {1, -1}), values = floats({2}, {2, 5});
  const auto result = [&](int64_t axis) {
    return run({.type = "OneHot",
                .inputs = {indices, scalar<int64_t>(3), values},
                .attributes = {{"axis", axis}},
                .known = {1}})[0];
  };
  expect_near(result(-1), floats({2, 3}, {2, 5, 2, 2, 2, 5}));
  expect_near(result(0), floats({3, 2}, {2, 2, 5, 2, 2, 5}));
  expect_near(run({.type = "OneHot", .inputs = {floats({1}, {7}), scalar(3.f), values}, .known = {1}})[0],
              floats({1, 3}, {2, 2, 2}));
}

Tensor resized(const Tensor& x, const std::vector<float>& scales, const AttributeMap& attributes) {
  return run({.type = "Resize",
              .inputs = {x, std::nullopt, floats({static_cast<int64_t>(scales.size())}, scales)},
              .attributes = attributes,
              .known = {2}})[0];
}

TEST(Resize, Nearest) {
  const Tensor x = floats({1, 1, 2, 2}, {1, 2, 3, 4});
  expect_near(resized(x, {1, 1, 2, 3}, {{"mode", "nearest"}}),
              floats({1, 1, 4, 6}, {1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4}));
  const Tensor row = floats({1, 1, 1, 4}, {1, 2, 3, 4});
  expect_near(
      resized(row, {1, 1, 1, 0.5f}, {{"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"}}),
      floats({1, 1, 1, 2}, {1, 3}));
  expect_near(resized(row, {1, 1, 1, 0.6f}, {{"nearest_mode", "ceil"}}), floats({1, 1, 1, 2}, {2, 3}));
  // Doubling needs no table: a division of the position.
  const jit::Computation c =
      computation({.type = "Resize", .inputs = {x, std::nullopt, floats({4}, {1, 1, 2, 2})}, .known = {2}});
  bool has_table = false;
  jit::visit(c.stages[0].results[0], [&](const jit::Expr& e) { has_table |= e.is(jit::ExprKind::table); });
  EXPECT_FALSE(has_table);
}

TEST(Resize, LinearAgreesWithInterpolation) {
  for (const char* mode : {"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"}) {
    for (int round = 0; round < 5; ++round) {
      const Tensor x = normal({1, 2, pick(2, 5), pick(2, 5)});
      const std::vector<int64_t> sizes = {1, 2, pick(2, 9), pick(2, 9)};
      const Tensor y = run({.type = "Resize",
                            .inputs = {x, std::nullopt, std::nullopt, longs(sizes)},
                            .attributes = {{"mode", "linear"}, {"coordinate_transformation_mode", mode}},
                            .known = {3}})[0];
      const auto position = [&](int64_t o, size_t d) {
        const double in = static_cast<double>(x.shape()[d]), out = static_cast<double>(sizes[d]), p = double(o);
        double result = (p + 0.5) * in / out - 0.5;
        if (mode == std::string("align_corners")) result = p * (in - 1) / (out - 1);
        if (mode == std::string("asymmetric")) result = p * in / out;
        return std::clamp(result, 0.0, in - 1);
      };
      expect_near(
          y,
          filled(DataType::f32, sizes,
                 [&](const Shape& i) {
                   const double h = position(i[2], 2), w = position(i[3], 3);
                   const int64_t h0 = int64_t(h), w0 = int64_t(w);
                   const int64_t h1 = std::min(h0 + 1, x.shape()[2] - 1), w1 = std::min(w0 + 1, x.shape()[3] - 1);
                   const double a = h - double(h0), b = w - double(w0);
                   const auto v = [&](int64_t r, int64_t c) { return at(x, {0, i[1], r, c}); };
                   return (1 - a) * ((1 - b) * v(h0, w0) + b * v(h0, w1)) + a * ((1 - b) * v(h1, w0) + b * v(h1, w1));
                 }),
          1e-5);
    }
  }
}

TEST(Resize, CubicKeepsStraightLinesInside) {
  const Tensor x = counting({1, 1, 1, 8});
  const Tensor y = resized(x, {1, 1, 1, 2}, {{"mode", "cubic"}, {"cubic_coeff_a", -0.5f}});
  for (int64_t i = 4; i < 12; ++i) EXPECT_NEAR(at(y, {0, 0, 0, i}), (double(i) + 0.5) / 2 - 0.5, 1e-5);
}

TEST(Resize, UpsampleAndRefusals) {
  const Tensor x = floats({1, 2}, {1, 2});
  expect_near(run({.type = "Upsample", .inputs = {x, floats({2}, {1, 2})}, .known = {1}, .opset = 9})[0],
              floats({1, 4}, {1, 1, 2, 2}));
  expect_near(
      run({.type = "Upsample", .inputs = {x}, .attributes = {{"scales", std::vector<float>{1, 2}}}, .opset = 7})[0],
      floats({1, 4}, {1, 1, 2, 2}));
  refusal({.type = "Resize", .inputs = {x, std::nullopt, floats({1}, {2})}, .known = {2}});
  refusal({.type = "Resize", .inputs = {x, std::nullopt, floats({2}, {1, -2})}, .known = {2}});
  refusal({.type = "Resize", .inputs = {x, std::nullopt, floats({2}, {1, 2})}}, ErrorCode::unsupported);
  refusal({.type = "Resize",
           .inputs = {x, std::nullopt, floats({2}, {1, 2})},
           .attributes = {{"mode", "quintic"}},
           .known = {2}},
          ErrorCode::unsupported);
}

TEST(Generate, RangeEyeAndConstants) {
  expect_near(run({.type = "Range",
                   .inputs = {scalar<int64_t>(10), scalar<int64_t>(4), scalar<int64_t>(-3)},
                   .known = {0, 1, 2}})[0],
              make<int64_t>({2}, {10, 7}));
  expect_near(run({.type = "Range", .inputs = {scalar(1.f), scalar(2.f), scalar(0.25f)}, .known = {0, 1, 2}})[0],
              floats({4}, {1, 1.25f, 1.5f, 1.75f}));
  refusal({.type = "Range", .inputs = {scalar(1.f), scalar(2.f), scalar(0.f)}, .known = {0, 1, 2}});
  refusal({.type = "Range", .inputs = {scalar(1.f), scalar(2.f), scalar(1.f)}}, ErrorCode::unsupported);
  expect_near(run({.type = "EyeLike", .inputs = {counting({2, 3})}, .attributes = {{"k", 1}, {"dtype", 7}}})[0],
              make<int64_t>({2, 3}, {0, 1, 0, 0, 0, 1}));
  Node filled_node{.type = "ConstantOfShape", .inputs = {longs({2, 1})}, .known = {0}};
  expect_near(run(filled_node)[0], floats({2, 1}, {0, 0}));
  filled_node.tensors.emplace("value", make<int64_t>({1}, {1234567890123456789}));
  EXPECT_EQ(values<int64_t>(run(filled_node)[0])[1], 1234567890123456789);
}

}  // namespace
}  // namespace altrt::ops::testing
