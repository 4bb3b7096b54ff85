// Operators that run as host functions.
#include <cmath>

#include "tests/ops/harness.h"

namespace altrt::ops::testing {
namespace {

TEST(Constant, AllForms) {
  expect_near(run({.type = "Constant", .inputs = {}, .attributes = {{"value_float", 2.5f}}})[0], scalar(2.5f));
  expect_near(run({.type = "Constant", .inputs = {}, .attributes = {{"value_int", 7}}})[0], scalar<int64_t>(7));
  expect_near(run({.type = "Constant", .inputs = {}, .attributes = {{"value_ints", std::vector<int64_t>{1, 2}}}})[0],
              longs({1, 2}));
  expect_near(run({.type = "Constant", .inputs = {}, .attributes = {{"value_floats", std::vector<float>{1, 2}}}})[0],
              floats({2}, {1, 2}));
  const Tensor value = booleans({2, 1}, {true, false});
  expect_near(run({.type = "Constant", .inputs = {}, .tensors = {{"value", value}}})[0], value);
  refusal({.type = "Constant", .inputs = {}}, ErrorCode::unsupported);
}

TEST(Shape, WholeAndPart) {
  const Tensor x(DataType::f32, {3, 4, 5});
  expect_near(run({.type = "Shape", .inputs = {x}})[0], longs({3, 4, 5}));
  expect_near(run({.type = "Shape", .inputs = {x}, .attributes = {{"start", -2}}})[0], longs({4, 5}));
  expect_near(run({.type = "Shape", .inputs = {x}, .attributes = {{"start", -9}, {"end", -1}}})[0], longs({3, 4}));
  expect_near(run({.type = "Shape", .inputs = {x}, .attributes = {{"start", 2}, {"end", 1}}})[0], longs({}));
  expect_near(run({.type = "Size", .inputs = {x}})[0], scalar<int64_t>(60));
}

TEST(ScatterND, ReplacesAndCombines) {
  const Tensor x = floats({4}, {1, 2, 3, 4}), where = make<int64_t>({3, 1}, {1, -1, 1}), u = floats({3}, {9, 8, 7});
  const auto result = [&](const char* reduction) {
    return run(
        {.type = "ScatterND", .inputs = {x, where, u}, .attributes = {{"reduction", reduction}}, .opset = 18})[0];
  };
  expect_near(result("none"), floats({4}, {1, 7, 3, 8}));
  expect_near(result("add"), floats({4}, {1, 18, 3, 12}));
  expect_near(result("mul"), floats({4}, {1, 126, 3, 32}));
  expect_near(result("max"), floats({4}, {1, 9, 3, 8}));
  expect_near(result("min"), floats({4}, {1, 2, 3, 4}));
  expect_near(run({.type = "ScatterND",
                   .inputs = {floats({2, 2}, {1, 2, 3, 4}), make<int64_t>({1, 1}, {0}), floats({1, 2}, {5, 6})}})[0],
              floats({2, 2}, {5, 6, 3, 4}));
  EXPECT_THROW(run({.type = "ScatterND", .inputs = {x, make<int64_t>({3, 1}, {1, 4, 1}), u}}), Error);
  refusal({.type = "ScatterND", .inputs = {x, where, floats({2}, {1, 2})}});
  refusal({.type = "ScatterND", .inputs = {x, where, u}, .attributes = {{"reduction", "average"}}});
}

TEST(ScatterElements, AlongAnAxis) {
  const Tensor x = floats({1, 4}, {1, 2, 3, 4});
  const Node node{.type = "ScatterElements",
                  .inputs = {x, make<int64_t>({1, 3}, {1, -1, 1}), floats({1, 3}, {5, 6, 7})},
                  .attributes = {{"axis", 1}}};
  expect_near(run(node)[0], floats({1, 4}, {1, 7, 3, 6}));
  Node added = node;
  added.opset = 18;
  added.attributes.emplace("reduction", "add");
  expect_near(run(added)[0], floats({1, 4}, {1, 14, 3, 10}));
  expect_near(
      run({.type = "ScatterElements", .inputs = {booleans({2}, {false, false}), longs({1}), booleans({1}, {true})}})[0],
      booleans({2}, {false, true}));
}

TEST(TopK, ValuesAndPlaces) {
  const Tensor x = floats({2, 4}, {3, 1, 3, 2, -1, NAN, 0, -1});
  const auto top = run({.type = "TopK", .inputs = {x, longs({2})}, .known = {1}, .outputs = 2});
  expect_near(top[0], floats({2, 2}, {3, 3, NAN, 0}));
  expect_near(top[1], make<int64_t>({2, 2}, {0, 2, 1, 2}));
  const auto low = run({.type = "TopK",
                        .inputs = {x, longs({2})},
                        .attributes = {{"largest", 0}, {"axis", 0}},
                        .known = {1},
                        .outputs = 2});
  expect_near(low[0], floats({2, 4}, {-1, 1, 0, -1, 3, NAN, 3, 2}));
  expect_near(low[1], make<int64_t>({2, 4}, {1, 0, 1, 1, 0, 1, 0, 0}));
  refusal({.type = "TopK", .inputs = {x, longs({5})}, .known = {1}, .outputs = 2});
  refusal({.type = "TopK", .inputs = {x, longs({2})}, .outputs = 2}, ErrorCode::unsupported);
}

TEST(NonZero, NeedsKnownData) {
  const Tensor x = make<int64_t>({2, 2}, {1, 0, 0, 5});
  expect_near(run({.type = "NonZero", .inputs = {x}, .known = {0}})[0], make<int64_t>({2, 2}, {0, 1, 0, 1}));
  EXPECT_NE(refusal({.type = "NonZero", .inputs = {x}}, ErrorCode::unsupported).find("not known at load"),
            std::string::npos);
}

TEST(CumSum, ForwardReverseExclusive) {
  const Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6}), axis = scalar<int64_t>(1);
  const auto sums = [&](int exclusive, int reverse) {
    return run(
        {.type = "CumSum", .inputs = {x, axis}, .attributes = {{"exclusive", exclusive}, {"reverse", reverse}}})[0];
  };
  expect_near(sums(0, 0), floats({2, 3}, {1, 3, 6, 4, 9, 15}));
  expect_near(sums(1, 0), floats({2, 3}, {0, 1, 3, 0, 4, 9}));
  expect_near(sums(0, 1), floats({2, 3}, {6, 5, 3, 15, 11, 6}));
  expect_near(sums(1, 1), floats({2, 3}, {5, 3, 0, 11, 6, 0}));
  expect_near(run({.type = "CumSum", .inputs = {x, scalar<int32_t>(-2)}})[0], floats({2, 3}, {1, 2, 3, 5, 7, 9}));
}

}  // namespace
}  // namespace altrt::ops::testing
