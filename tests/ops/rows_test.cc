// Reductions and normalisations over rows.
#include <algorithm>
#include <cmath>

#include "tests/ops/harness.h"

namespace altrt::ops::testing {
namespace {

/// The elements of a row of x that belongs to output index `kept` (with extent 1 at the reduced dimensions).
std::vector<double> row(const Tensor& x, const Shape& kept, const std::vector<int64_t>& axes) {
  Shape extents(x.shape().size(), 1);
  for (int64_t axis : axes) extents[axis] = x.shape()[axis];
  std::vector<double> values;
  for_each(extents, [&](const Shape& inner) {
    Shape index = kept;
    for (int64_t axis : axes) index[axis] = inner[axis];
    values.push_back(at(x, index));
  });
  return values;
}

template <typename F>
double fold(const std::vector<double>& values, double init, F f) {
  for (double value : values) init = f(init, value);
  return init;
}

struct Reduction {
  const char* type;
  double (*f)(const std::vector<double>&);
};

double sum(const std::vector<double>& v) {
  return fold(v, 0, [](double a, double b) { return a + b; });
}
double squares(const std::vector<double>& v) {
  return fold(v, 0, [](double a, double b) { return a + b * b; });
}

const Reduction kReductions[] = {
    {"ReduceSum", sum},
    {"ReduceMean", [](const std::vector<double>& v) { return sum(v) / static_cast<double>(v.size()); }},
    {"ReduceMax", [](const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); }},
    {"ReduceMin", [](const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); }},
    {"ReduceProd", [](const std::vector<double>& v) { return fold(v, 1, [](double a, double b) { return a * b; }); }},
    {"ReduceL1",
     [](const std::vector<double>& v) { return fold(v, 0, [](double a, double b) { return a + std::fabs(b); }); }},
    {"ReduceL2", [](const std::vector<double>& v) { return std::sqrt(squares(v)); }},
    {"ReduceLogSum", [](const std::vector<double>& v) { return std::log(sum(v)); }},
    {"ReduceLogSumExp",
     [](const std::vector<double>& v) {
       return std::log(fold(v, 0, [](double a, double b) { return a + std::exp(b); }));
     }},
    {"ReduceSumSquare", squares},
};

TEST(Reduce, AllOperatorsAllForms) {
  for (int round = 0; round < 100; ++round) {
    const Reduction& r = kReductions[round % 10];
    const Tensor x = whole(DataType::f32, pick_shape(1, 4, 4), 1, 3);
    const int64_t rank = static_cast<int64_t>(x.shape().size());
    std::vector<int64_t> axes, given;
    for (int64_t d = 0; d < rank; ++d) {
      if (pick(0, 1)) axes.push_back(d);
    }
    for (int64_t axis : axes) given.push_back(pick(0, 1) ? axis : axis - rank);
    if (axes.empty()) {
      for (int64_t d = 0; d < rank; ++d) axes.push_back(d);
    }
    std::shuffle(given.begin(), given.end(), generator());
    const bool keep = pick(0, 1);
    Node node{.type = r.type, .inputs = {x}, .attributes = {{"keepdims", int(keep)}}};
    if (round % 3 == 0) {
      node.opset = 18;
      node.inputs.push_back(longs(given));
      node.known = {1};
    } else if (!given.empty()) {
      node.attributes.emplace("axes", given);
    }
    Shape kept = x.shape();
    for (int64_t axis : axes) kept[axis] = 1;
    Tensor expected = filled(DataType::f32, kept, [&](const Shape& i) { return r.f(row(x, i, axes)); });
    if (!keep) {
      Shape shape;
      for (int64_t d = 0; d < rank; ++d) {
        if (std::find(axes.begin(), axes.end(), d) == axes.end()) shape.push_back(kept[d]);
      }
      expected = make<float>(shape, values<float>(expected));
    }
    SCOPED_TRACE(std::string(r.type) + to_string(x.shape()));
    expect_near(run(node)[0], expected, 2e-6);
  }
}

TEST(Reduce, IntegersNanAndEmptyAxes) {
  const Tensor x = make<int64_t>({2, 2}, {1, 2, 3, -9});
  expect_near(run({.type = "ReduceSum", .inputs = {x}})[0], make<int64_t>({1, 1}, {-3}));
  expect_near(run({.type = "ReduceMax", .inputs = {make<int8_t>({2}, {-7, -3})}})[0], make<int8_t>({1}, {-3}));
  const Node noop{
      .type = "ReduceSum", .inputs = {x, longs({})}, .attributes = {{"noop_with_empty_axes", 1}}, .known = {1}};
  expect_near(run(noop)[0], x);
  expect_near(run({.type = "ReduceMax", .inputs = {floats({3}, {1, NAN, 2})}})[0], floats({1}, {NAN}));
  // A sum over nothing is zero, whatever the other extents.
  expect_near(run({.type = "ReduceSum",
                   .inputs = {Tensor(DataType::f32, {2, 0}), longs({1})},
                   .attributes = {{"keepdims", 0}},
                   .known = {1}})[0],
              floats({2}, {0, 0}));
  const double large = 1000;
  expect_near(run({.type = "ReduceLogSumExp", .inputs = {floats({2}, {1000, 1000})}})[0],
              floats({1}, {static_cast<float>(large + std::log(2.0))}), 1e-6);
  expect_near(run({.type = "ReduceLogSumExp", .inputs = {floats({2}, {-INFINITY, -INFINITY})}})[0],
              floats({1}, {-INFINITY}));
}

TEST(ArgReduce, FirstOrLastOfEqualOnes) {
  for (int round = 0; round < 40; ++round) {
    const bool maximum = round & 1, last = round & 2, keep = round & 4;
    const Tensor x = whole(round & 8 ? DataType::i32 : DataType::f32, pick_shape(1, 3, 5), -2, 2);
    const int64_t rank = static_cast<int64_t>(x.shape().size()), axis = pick(0, rank - 1);
    Shape kept = x.shape();
    kept[axis] = 1;
    Tensor expected = filled(DataType::i64, kept, [&](const Shape& i) {
      const std::vector<double> v = row(x, i, {axis});
      size_t best = 0;
      for (size_t p = 1; p < v.size(); ++p) {
        const double gain = maximum ? v[p] - v[best] : v[best] - v[p];
        if (gain > 0 || (gain == 0 && last)) best = p;
      }
      return static_cast<double>(best);
    });
    if (!keep) {
      kept.erase(kept.begin() + axis);
      expected = make<int64_t>(kept, values<int64_t>(expected));
    }
    const Node node{
        .type = maximum ? "ArgMax" : "ArgMin",
        .inputs = {x},
        .attributes = {
            {"axis", axis - (round & 16 ? rank : 0)}, {"keepdims", int(keep)}, {"select_last_index", int(last)}}};
    expect_near(run(node)[0], expected);
  }
}

std::vector<int64_t> all_from(int64_t first, size_t rank) {
  std::vector<int64_t> axes;
  for (int64_t d = first; d < static_cast<int64_t>(rank); ++d) axes.push_back(d);
  return axes;
}

TEST(Softmax, OldAndNewMeaningOfTheAxis) {
  for (int round = 0; round < 30; ++round) {
    const Tensor x = normal(pick_shape(1, 4, 5));
    const size_t rank = x.shape().size();
    const int64_t axis = pick(0, static_cast<int64_t>(rank) - 1);
    const bool flattens = round % 2, logarithm = round % 3 == 0;
    const std::vector<int64_t> axes = flattens ? all_from(axis, rank) : std::vector<int64_t>{axis};
    const Tensor expected = filled(DataType::f32, x.shape(), [&](const Shape& i) {
      double total = 0;
      for (double value : row(x, i, axes)) total += std::exp(value);
      return logarithm ? at(x, i) - std::log(total) : std::exp(at(x, i)) / total;
    });
    const Node node{.type = logarithm ? "LogSoftmax" : "Softmax",
                    .inputs = {x},
                    .attributes = {{"axis", axis}},
                    .opset = flattens ? 11 : 13};
    expect_near(run(node)[0], expected, 2e-6);
  }
}

TEST(Softmax, LargeNumbersAndDefaults) {
  const Tensor x = floats({2, 2}, {1000, 1000, -1000, 0});
  expect_near(run({.type = "Softmax", .inputs = {x}})[0], floats({2, 2}, {0.5f, 0.5f, 0, 1}));
  const jit::Computation c = computation({.type = "Softmax", .inputs = {x}});
  EXPECT_EQ(c.stages.size(), 4u);
  EXPECT_EQ(c.anchor.kind, jit::AnchorKind::normalize);
}

TEST(Hardmax, OneAtTheFirstMaximum) {
  expect_near(run({.type = "Hardmax", .inputs = {floats({2, 3}, {1, 3, 3, 0, -1, -1})}})[0],
              floats({2, 3}, {0, 1, 0, 1, 0, 0}));
  expect_near(run({.type = "Hardmax", .inputs = {floats({2, 1, 2}, {1, 3, 3, 0})}, .opset = 11})[0],
              floats({2, 1, 2}, {0, 1, 1, 0}));
}

struct Moments {
  double mean, variance;
};
Moments moments(const std::vector<double>& v) {
  const double n = static_cast<double>(v.size()), mean = sum(v) / n;
  double variance = 0;
  for (double value : v) variance += (value - mean) * (value - mean) / n;
  return {mean, variance};
}

TEST(LayerNormalization, AllAxesAndOutputs) {
  for (int round = 0; round < 20; ++round) {
    const Tensor x = normal(pick_shape(1, 4, 5));
    const size_t rank = x.shape().size();
    const int64_t axis = pick(0, static_cast<int64_t>(rank) - 1);
    const Shape inner(x.shape().begin() + axis, x.shape().end());
    const Tensor scale = normal(inner), bias = normal(inner);
    Node node{.type = "LayerNormalization",
              .inputs = {x, scale, bias},
              .attributes = {{"axis", axis}, {"epsilon", 0.01f}},
              .outputs = 3};
    const auto results = run(node);
    const std::vector<int64_t> axes = all_from(axis, rank);
    expect_near(results[0],
                filled(DataType::f32, x.shape(),
                       [&](const Shape& i) {
                         const Moments m = moments(row(x, i, axes));
                         const Shape own(i.begin() + axis, i.end());
                         return (at(x, i) - m.mean) / std::sqrt(m.variance + 0.01f) * at(scale, own) + at(bias, own);
                       }),
                1e-5);
    Shape kept = x.shape();
    for (int64_t d : axes) kept[d] = 1;
    expect_near(results[1], filled(DataType::f32, kept, [&](const Shape& i) { return moments(row(x, i, axes)).mean; }),
                1e-5);
    expect_near(results[2],
                filled(DataType::f32, kept,
                       [&](const Shape& i) { return 1 / std::sqrt(moments(row(x, i, axes)).variance + 0.01f); }),
                1e-5);
    node.outputs = 1;
    node.inputs.resize(2);
    expect_near(run(node)[0],
                filled(DataType::f32, x.shape(),
                       [&](const Shape& i) {
                         const Moments m = moments(row(x, i, axes));
                         return (at(x, i) - m.mean) / std::sqrt(m.variance + 0.01f) *
                                at(scale, Shape(i.begin() + axis, i.end()));
                       }),
                1e-5);
  }
}

TEST(InstanceNormalization, PerImageAndChannel) {
  const Tensor x = normal({2, 3, 4, 5}), scale = normal({3}), bias = normal({3});
  expect_near(run({.type = "InstanceNormalization", .inputs = {x, scale, bias}})[0],
              filled(DataType::f32, x.shape(),
                     [&](const Shape& i) {
                       const Moments m = moments(row(x, i, {2, 3}));
                       return (at(x, i) - m.mean) / std::sqrt(m.variance + 1e-5f) * at(scale, {i[1]}) +
                              at(bias, {i[1]});
                     }),
              1e-5);
}

TEST(BatchNormalization, UsesTheGivenMoments) {
  const Tensor x = normal({2, 3, 4}), scale = normal({3}), bias = normal({3}), mean = normal({3});
  const Tensor variance = floats({3}, {0.5f, 1, 2});
  expect_near(run({.type = "BatchNormalization", .inputs = {x, scale, bias, mean, variance}})[0],
              filled(DataType::f32, x.shape(),
                     [&](const Shape& i) {
                       const Shape c = {i[1]};
                       return (at(x, i) - at(mean, c)) / std::sqrt(at(variance, c) + 1e-5f) * at(scale, c) +
                              at(bias, c);
                     }),
              1e-5);
  const Node training{
      .type = "BatchNormalization", .inputs = {x, scale, bias, mean, variance}, .attributes = {{"training_mode", 1}}};
  EXPECT_NE(refusal(training, ErrorCode::unsupported).find("training_mode"), std::string::npos);
}

TEST(MeanVarianceNormalization, AcrossBatchAndImage) {
  const Tensor x = normal({2, 3, 4, 2});
  expect_near(run({.type = "MeanVarianceNormalization", .inputs = {x}})[0],
              filled(DataType::f32, x.shape(),
                     [&](const Shape& i) {
                       const Moments m = moments(row(x, i, {0, 2, 3}));
                       return (at(x, i) - m.mean) / (std::sqrt(m.variance) + 1e-9);
                     }),
              1e-5);
}

TEST(LRN, NeighbouringChannels) {
  for (int64_t size : {1, 2, 3, 5}) {
    const Tensor x = normal({2, 4, 3});
    expect_near(run({.type = "LRN",
                     .inputs = {x},
                     .attributes = {{"size", size}, {"alpha", 0.02f}, {"beta", 0.6f}, {"bias", 1.5f}}})[0],
                filled(DataType::f32, x.shape(),
                       [&](const Shape& i) {
                         double total = 0;
                         const int64_t first = i[1] - (size - 1) / 2;
                         for (int64_t c = std::max<int64_t>(0, first); c < std::min<int64_t>(4, first + size); ++c) {
                           total += std::pow(at(x, {i[0], c, i[2]}), 2);
                         }
                         return at(x, i) / std::pow(1.5 + 0.02 / static_cast<double>(size) * total, 0.6);
                       }),
                1e-5);
  }
}

}  // namespace
}  // namespace altrt::ops::testing
