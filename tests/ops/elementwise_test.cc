#include <cmath>
#include <limits>

#include "tests/ops/harness.h"

namespace altrt::ops::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Function {
  const char* type;
  double (*reference)(double);
  float low, high;  // of the arguments
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

const Function kFunctions[] = {
    {"Relu", [](double x) { return x < 0 ? 0 : x; }, -9, 9},
    {"LeakyRelu", [](double x) { return x < 0 ? 0.01f * x : x; }, -9, 9},
    {"Elu", [](double x) { return x < 0 ? std::expm1(x) : x; }, -9, 9},
    {"Selu",
     [](double x) { return 1.05070102214813232421875 * (x < 0 ? 1.67326319217681884765625 * std::expm1(x) : x); }, -9,
     9},
    {"Celu", [](double x) { return x < 0 ? std::expm1(x) : x; }, -9, 9},
    {"ThresholdedRelu", [](double x) { return x > 1 ? x : 0; }, -9, 9},
    {"Softplus", softplus, -30, 30},
    {"Softsign", [](double x) { return x / (1 + std::fabs(x)); }, -9, 9},
    {"HardSwish", [](double x) { return x * std::fmax(0, std::fmin(1, x / 6 + 0.5)); }, -9, 9},
    {"HardSigmoid", [](double x) { return std::fmax(0, std::fmin(1, 0.2f * x + 0.5)); }, -9, 9},
    {"Sigmoid", sigmoid, -90, 90},
    {"Tanh", [](double x) { return std::tanh(x); }, -9, 9},
    {"Erf", [](double x) { return std::erf(x); }, -5, 5},
    {"Gelu", [](double x) { return 0.5 * x * (1 + std::erf(x * M_SQRT1_2)); }, -6, 6},
    {"Mish", [](double x) { return x * std::tanh(softplus(x)); }, -9, 9},
    {"Exp", [](double x) { return std::exp(x); }, -20, 20},
    {"Log", [](double x) { return std::log(x); }, 0.001f, 100},
    {"Sqrt", [](double x) { return std::sqrt(x); }, 0, 100},
    {"Reciprocal", [](double x) { return 1 / x; }, 0.1f, 100},
    {"Abs", [](double x) { return std::fabs(x); }, -9, 9},
    {"Neg", [](double x) { return -x; }, -9, 9},
    {"Floor", [](double x) { return std::floor(x); }, -9, 9},
    {"Ceil", [](double x) { return std::ceil(x); }, -9, 9},
    {"Round", [](double x) { return std::nearbyint(x); }, -9, 9},
    {"Sign", [](double x) { return x > 0   ? 1.0
                                   : x < 0 ? -1.0
                                           : 0.0; }, -9, 9},
    {"Shrink", [](double x) { return x < -0.5 || x > 0.5 ? x : 0; }, -9, 9},
    {"Sin", [](double x) { return std::sin(x); }, -9, 9},
    {"Cos", [](double x) { return std::cos(x); }, -9, 9},
    {"Tan", [](double x) { return std::tan(x); }, -1.5f, 1.5f},
    {"Asin", [](double x) { return std::asin(x); }, -1, 1},
    {"Acos", [](double x) { return std::acos(x); }, -1, 1},
    {"Atan", [](double x) { return std::atan(x); }, -9, 9},
    {"Sinh", [](double x) { return std::sinh(x); }, -9, 9},
    {"Cosh", [](double x) { return std::cosh(x); }, -9, 9},
    {"Asinh", [](double x) { return std::asinh(x); }, -9, 9},
    {"Acosh", [](double x) { return std::acosh(x); }, 1, 9},
    {"Atanh", [](double x) { return std::atanh(x); }, -0.9f, 0.9f},
    {"Identity", [](double x) { return x; }, -9, 9},
};

/// What becomes of NaN: Shrink keeps only what lies beyond its limits.
double on_nan(const Function& f) { return f.type == std::string("Shrink") ? 0 : kNan; }

TEST(Unary, AgreesWithTheFunctionAndKeepsNan) {
  for (const Function& f : kFunctions) {
    SCOPED_TRACE(f.type);
    std::uniform_real_distribution<float> distribution(f.low, f.high);
    const Tensor x = filled(DataType::f32, {3, 17}, [&](const Shape& i) {
      return i[1] == 0 ? kNan : i[1] == 1 ? f.low : i[1] == 2 ? f.high : distribution(generator());
    });
    const Tensor expected =
        filled(DataType::f32, x.shape(), [&](const Shape& i) { return i[1] == 0 ? on_nan(f) : f.reference(at(x, i)); });
    Node node{.type = f.type, .inputs = {x}};
    if (std::string(f.type) == "Gelu" || std::string(f.type) == "Mish") node.opset = 20;
    expect_near(run(node)[0], expected, 2e-6);
    node.inputs[0] = filled(DataType::f64, x.shape(), [&](const Shape& i) { return at(x, i); });
    const Tensor wide = filled(DataType::f64, x.shape(), [&](const Shape& i) { return at(expected, i); });
    if (std::string(f.type) != "ThresholdedRelu") expect_near(run(node)[0], wide, 2e-6);
  }
}

TEST(Unary, Attributes) {
  const Tensor x = floats({4}, {-2, -0.25f, 0.5f, 3});
  expect_near(run({.type = "LeakyRelu", .inputs = {x}, .attributes = {{"alpha", 0.5f}}})[0],
              floats({4}, {-1, -0.125f, 0.5f, 3}));
  expect_near(run({.type = "ThresholdedRelu", .inputs = {x}, .attributes = {{"alpha", 0.5f}}})[0],
              floats({4}, {0, 0, 0, 3}));
  expect_near(run({.type = "HardSigmoid", .inputs = {x}, .attributes = {{"alpha", 0.5f}, {"beta", 0.25f}}})[0],
              floats({4}, {0, 0.125f, 0.5f, 1}));
  expect_near(run({.type = "Shrink", .inputs = {x}, .attributes = {{"lambd", 1.0f}, {"bias", 0.5f}}})[0],
              floats({4}, {-1.5f, 0, 0, 2.5f}));
  expect_near(run({.type = "Gelu", .inputs = {x}, .attributes = {{"approximate", "tanh"}}, .opset = 20})[0],
              floats({4}, {-0.04540229f, -0.1003246f, 0.345714f, 2.9963627f}), 1e-6);
  expect_near(run({.type = "Celu", .inputs = {x}, .attributes = {{"alpha", 2.0f}}})[0],
              floats({4}, {2 * std::expm1(-1.f), 2 * std::expm1(-0.125f), 0.5f, 3}), 1e-6);
}

TEST(Unary, Classification) {
  const Tensor x = floats({4}, {1, kNan, kInfinity, -kInfinity});
  expect_near(run({.type = "IsNaN", .inputs = {x}})[0], booleans({4}, {false, true, false, false}));
  expect_near(run({.type = "IsInf", .inputs = {x}})[0], booleans({4}, {false, false, true, true}));
  expect_near(run({.type = "IsInf", .inputs = {x}, .attributes = {{"detect_negative", 0}}})[0],
              booleans({4}, {false, false, true, false}));
  expect_near(run({.type = "Not", .inputs = {booleans({2}, {true, false})}})[0], booleans({2}, {false, true}));
}

TEST(Unary, Integers) {
  expect_near(run({.type = "Abs", .inputs = {make<int8_t>({3}, {-3, 0, 4})}})[0], make<int8_t>({3}, {3, 0, 4}));
  expect_near(run({.type = "Sign", .inputs = {make<int64_t>({3}, {-3, 0, 4})}})[0], make<int64_t>({3}, {-1, 0, 1}));
  expect_near(run({.type = "Sign", .inputs = {make<uint8_t>({2}, {0, 200})}})[0], make<uint8_t>({2}, {0, 1}));
  expect_near(run({.type = "Neg", .inputs = {make<int32_t>({2}, {-3, 4})}})[0], make<int32_t>({2}, {3, -4}));
  expect_near(run({.type = "Relu", .inputs = {make<int32_t>({2}, {-3, 4})}})[0], make<int32_t>({2}, {0, 4}));
}

TEST(Cast, AllPairs) {
  const DataType types[] = {DataType::f32, DataType::f64, DataType::i64,    DataType::i32,
                            DataType::i8,  DataType::u8,  DataType::boolean};
  const int codes[] = {1, 11, 7, 6, 3, 2, 9};
  for (DataType from : types) {
    const Tensor x = whole(from, {5}, 0, 1);
    for (int i = 0; i < 7; ++i) {
      const Tensor expected = filled(types[i], {5}, [&](const Shape& index) { return at(x, index); });
      expect_near(run({.type = "Cast", .inputs = {x}, .attributes = {{"to", codes[i]}}})[0], expected);
      expect_near(run({.type = "CastLike", .inputs = {x, Tensor(types[i], {1})}})[0], expected);
    }
  }
  expect_near(run({.type = "Cast", .inputs = {floats({4}, {-1.9f, 1.9f, 1e20f, -0.5f})}, .attributes = {{"to", 6}}})[0],
              make<int32_t>({4}, {-1, 1, std::numeric_limits<int32_t>::max(), 0}));
}

/// numpy broadcasting by the book.
Tensor broadcast_reference(DataType type, const Tensor& a, const Tensor& b, const Shape& shape,
                           double (*f)(double, double)) {
  const auto element = [](const Tensor& t, const Shape& index) {
    Shape own(t.shape().size());
    for (size_t d = 0; d < own.size(); ++d) {
      own[d] = t.shape()[d] == 1 ? 0 : index[index.size() - own.size() + d];
    }
    return at(t, own);
  };
  return filled(type, shape, [&](const Shape& index) { return f(element(a, index), element(b, index)); });
}

TEST(Binary, BroadcastsLikeNumpy) {
  struct Case {
    const char* type;
    double (*f)(double, double);
    bool comparison;
  };
  const Case cases[] = {
      {"Add", [](double a, double b) { return a + b; }, false},
      {"Sub", [](double a, double b) { return a - b; }, false},
      {"Mul", [](double a, double b) { return a * b; }, false},
      {"Min", [](double a, double b) { return a < b ? a : b; }, false},
      {"Max", [](double a, double b) { return a < b ? b : a; }, false},
      {"Equal", [](double a, double b) { return double(a == b); }, true},
      {"Less", [](double a, double b) { return double(a < b); }, true},
      {"LessOrEqual", [](double a, double b) { return double(a <= b); }, true},
      {"Greater", [](double a, double b) { return double(a > b); }, true},
      {"GreaterOrEqual", [](double a, double b) { return double(a >= b); }, true},
  };
  const DataType types[] = {DataType::f32, DataType::f64, DataType::i64, DataType::i32, DataType::i8};
  for (int round = 0; round < 60; ++round) {
    const Case& c = cases[round % 10];
    const DataType type = types[pick(0, 4)];
    const Shape shape = pick_shape(0, 4, 4);
    Shape parts[2];
    for (Shape& part : parts) {
      part.assign(shape.begin() + (shape.empty() ? 0 : pick(0, static_cast<int64_t>(shape.size()))), shape.end());
      for (int64_t& extent : part) extent = pick(0, 3) == 0 ? 1 : extent;
    }
    const Tensor a = whole(type, parts[0]), b = whole(type, parts[1]);
    Node node{.type = c.type, .inputs = {a, b}};
    if (pick(0, 1)) node.known = {1};
    SCOPED_TRACE(std::string(c.type) + to_string(parts[0]) + to_string(parts[1]) + to_string(type));
    const Tensor actual = run(node)[0];
    expect_near(actual, broadcast_reference(c.comparison ? DataType::boolean : type, a, b, actual.shape(), c.f));
    for (size_t d = 0; d < actual.shape().size(); ++d) EXPECT_LE(actual.shape()[d], 4);
  }
}

TEST(Binary, DivisionAndModulus) {
  const Tensor a = make<int64_t>({6}, {7, -7, 7, -7, 6, 5}), b = make<int64_t>({6}, {3, 3, -3, -3, 3, 9});
  expect_near(run({.type = "Div", .inputs = {a, b}})[0], make<int64_t>({6}, {2, -2, -2, 2, 2, 0}));
  expect_near(run({.type = "Mod", .inputs = {a, b}})[0], make<int64_t>({6}, {1, 2, -2, -1, 0, 5}));
  expect_near(run({.type = "Mod", .inputs = {a, b}, .attributes = {{"fmod", 1}}})[0],
              make<int64_t>({6}, {1, -1, 1, -1, 0, 5}));
  expect_near(
      run({.type = "Mod", .inputs = {floats({2}, {-4.5f, 5}), floats({2}, {2, 3})}, .attributes = {{"fmod", 1}}})[0],
      floats({2}, {-0.5f, 2}));
  EXPECT_NE(refusal({.type = "Mod", .inputs = {floats({1}, {1}), floats({1}, {1})}}).find("fmod"), std::string::npos);
}

TEST(Binary, Power) {
  const Tensor x = floats({3}, {1, 2, 3});
  expect_near(run({.type = "Pow", .inputs = {x, floats({3}, {4, 5, 6})}})[0], floats({3}, {1, 32, 729}));
  for (float exponent : {1.f, 2.f, 3.f, 0.5f}) {
    const Tensor expected = filled(DataType::f32, {3}, [&](const Shape& i) { return std::pow(at(x, i), exponent); });
    expect_near(run({.type = "Pow", .inputs = {x, scalar(exponent)}, .known = {1}})[0], expected, 1e-6);
    expect_near(run({.type = "Pow", .inputs = {x, scalar(exponent)}})[0], expected, 1e-6);
  }
  expect_near(run({.type = "Pow", .inputs = {make<int64_t>({2}, {3, -2}), make<int32_t>({2}, {3, 3})}})[0],
              make<int64_t>({2}, {27, -8}));
  expect_near(run({.type = "Pow", .inputs = {make<int32_t>({2}, {4, 9}), floats({2}, {0.5f, 2})}})[0],
              make<int32_t>({2}, {2, 81}));
}

TEST(Binary, LogicAndSlopes) {
  const Tensor a = booleans({4}, {false, false, true, true}), b = booleans({4}, {false, true, false, true});
  expect_near(run({.type = "And", .inputs = {a, b}})[0], booleans({4}, {false, false, false, true}));
  expect_near(run({.type = "Or", .inputs = {a, b}})[0], booleans({4}, {false, true, true, true}));
  expect_near(run({.type = "Xor", .inputs = {a, b}})[0], booleans({4}, {false, true, true, false}));
  expect_near(run({.type = "PRelu", .inputs = {floats({2, 2}, {-1, 2, -3, 4}), floats({2}, {0.5f, 0.25f})}})[0],
              floats({2, 2}, {-0.5f, 2, -1.5f, 4}));
  EXPECT_NE(refusal({.type = "PRelu", .inputs = {floats({2}, {1, 2}), floats({2, 2}, {1, 1, 1, 1})}}).find("slope"),
            std::string::npos);
}

TEST(Variadic, AnyNumberOfInputs) {
  const Tensor a = floats({2}, {1, 5}), b = floats({2, 1}, {4, 3}), c = floats({}, {2});
  expect_near(run({.type = "Sum", .inputs = {a, b, c}})[0], floats({2, 2}, {7, 11, 6, 10}));
  expect_near(run({.type = "Mean", .inputs = {a, b}})[0], floats({2, 2}, {2.5f, 4.5f, 2, 4}));
  expect_near(run({.type = "Max", .inputs = {a, b, c}})[0], floats({2, 2}, {4, 5, 3, 5}));
  expect_near(run({.type = "Min", .inputs = {a, b, c}})[0], floats({2, 2}, {1, 2, 1, 2}));
  expect_near(run({.type = "Max", .inputs = {a}})[0], a);
  const Tensor nan = floats({2}, {kNan, 1});
  expect_near(run({.type = "Max", .inputs = {nan, floats({2}, {3, kNan})}})[0], floats({2}, {kNan, kNan}));
}

TEST(Clip, LimitsAreOptionalAndNanStays) {
  const Tensor x = floats({4}, {-9, kNan, 3, kInfinity});
  expect_near(run({.type = "Clip", .inputs = {x, scalar(-1.f), scalar(4.f)}})[0], floats({4}, {-1, kNan, 3, 4}));
  expect_near(run({.type = "Clip", .inputs = {x, std::nullopt, scalar(4.f)}, .known = {2}})[0],
              floats({4}, {-9, kNan, 3, 4}));
  expect_near(run({.type = "Clip", .inputs = {x, scalar(-1.f)}})[0], floats({4}, {-1, kNan, 3, kInfinity}));
  expect_near(run({.type = "Clip", .inputs = {x}, .attributes = {{"min", 0.f}, {"max", 6.f}}, .opset = 6})[0],
              floats({4}, {0, kNan, 3, 6}));
  expect_near(run({.type = "Clip", .inputs = {make<int8_t>({2}, {-9, 9}), scalar<int8_t>(-3)}})[0],
              make<int8_t>({2}, {-3, 9}));
}

TEST(Where, BroadcastsAllThree) {
  expect_near(run({.type = "Where", .inputs = {booleans({2, 1}, {true, false}), floats({2}, {1, 2}), scalar(9.f)}})[0],
              floats({2, 2}, {1, 2, 9, 9}));
  expect_near(
      run({.type = "Where",
           .inputs = {booleans({2}, {true, false}), make<int64_t>({2}, {1, 2}), make<int64_t>({2}, {3, 4})}})[0],
      make<int64_t>({2}, {1, 4}));
}

TEST(Dropout, IsTheIdentity) {
  const Tensor x = floats({2}, {1, 2});
  const auto results = run({.type = "Dropout", .inputs = {x, scalar(0.5f)}, .outputs = 2});
  expect_near(results[0], x);
  expect_near(results[1], booleans({2}, {true, true}));
  const Node training{.type = "Dropout", .inputs = {x, scalar(0.5f), scalar(true)}, .known = {1, 2}};
  EXPECT_NE(refusal(training, ErrorCode::unsupported).find("training_mode"), std::string::npos);
}

}  // namespace
}  // namespace altrt::ops::testing
