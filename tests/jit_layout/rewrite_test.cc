// Index rewriting against a model that moves the elements, and the exact text of what it makes.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include <altrt/error.h>

#include "jit/layout/layout.h"
#include "tests/jit_expr/random_index.h"
#include "tests/jit_layout/random_layout.h"

namespace altrt::jit::testing {
namespace {

struct Variables {
  Exprs index;
  Ranges ranges;
  Values values(const std::vector<int64_t>& at) const {
    Values result;
    for (size_t i = 0; i < at.size(); ++i) result[index[i]->name] = at[i];
    return result;
  }
};

Variables variables_of(const std::vector<int64_t>& shape) {
  Variables result;
  for (size_t i = 0; i < shape.size(); ++i) {
    std::string name = "i" + std::to_string(i);
    result.index.push_back(variable(name));
    result.ranges[name] = {0, shape[i] - 1};
  }
  return result;
}

std::vector<int64_t> evaluate(const Exprs& index, const Values& values) {
  std::vector<int64_t> result;
  for (const Expr& e : index) result.push_back(evaluate_index(e, values));
  return result;
}

std::vector<int64_t> shape_of(const Layout& layout, const std::vector<int64_t>& shape) {
  std::vector<int64_t> result;
  for (const Extent& extent : physical_shape(layout, extents(shape))) result.push_back(extent.bound);
  return result;
}

void check_to_physical(const Layout& layout, const std::vector<int64_t>& shape, const Placement& model) {
  std::set<int64_t> held(model.elements.begin(), model.elements.end());
  Variables logical = variables_of(shape);
  Exprs physical = to_physical(layout, extents(shape), logical.index, logical.ranges);
  ASSERT_EQ(physical.size(), model.shape.size());
  for (int64_t element = 0; element < count_of(shape); ++element) {
    if (!held.count(element)) continue;
    std::vector<int64_t> at = evaluate(physical, logical.values(index_of(element, shape)));
    for (size_t d = 0; d < at.size(); ++d) {
      ASSERT_GE(at[d], 0) << to_string(physical[d]);
      ASSERT_LT(at[d], model.shape[d]) << to_string(physical[d]);
    }
    ASSERT_EQ(model.elements[number_of(at, model.shape)], element);
  }
}

void check_to_logical(const Layout& layout, const std::vector<int64_t>& shape, const Placement& model) {
  Variables physical = variables_of(model.shape);
  LogicalIndex logical = to_logical(layout, extents(shape), physical.index, physical.ranges);
  ASSERT_EQ(logical.index.size(), shape.size());
  for (int64_t position = 0; position < count_of(model.shape); ++position) {
    Values values = physical.values(index_of(position, model.shape));
    ASSERT_EQ(evaluate_index(logical.valid, values) != 0, model.elements[position] >= 0) << to_string(logical.valid);
    if (model.elements[position] < 0) continue;
    ASSERT_EQ(number_of(evaluate(logical.index, values), shape), model.elements[position]);
  }
}

TEST(Rewrite, RandomLayoutsAgreeWithTheModel) {
  RandomLayout random(test_seed(20240901));
  for (int i = 0; i < cases(1500); ++i) {
    std::vector<int64_t> shape = random.shape(4, 9);
    Layout layout = random.layout(shape, 6, i % 2 == 0, 1500);
    SCOPED_TRACE("case " + std::to_string(i) + ": " + to_string(layout) + " on " + altrt::to_string(shape));
    Placement model = place(layout, shape);
    ASSERT_EQ(shape_of(layout, shape), model.shape);
    ASSERT_EQ(physical_elements(layout, extents(shape)), count_of(model.shape));
    check_to_physical(layout, shape, model);
    check_to_logical(layout, shape, model);
    if (HasFatalFailure()) return;
  }
}

TEST(Rewrite, InverseIsTheIdentity) {
  RandomLayout random(test_seed(20240902));
  for (int i = 0; i < cases(1500); ++i) {
    std::vector<int64_t> shape = random.shape(4, 9);
    Layout layout = random.layout(shape, 6, true, 1500);
    SCOPED_TRACE("case " + std::to_string(i) + ": " + to_string(layout) + " on " + altrt::to_string(shape));
    Layout back = inverse(layout, extents(shape));
    Layout both = layout;
    both.steps.insert(both.steps.end(), back.steps.begin(), back.steps.end());
    ASSERT_EQ(shape_of(both, shape), shape);
    Variables logical = variables_of(shape);
    Exprs there = to_physical(layout, extents(shape), logical.index, logical.ranges);
    Exprs again = to_physical(back, physical_shape(layout, extents(shape)), there, logical.ranges);
    Exprs composed = to_physical(both, extents(shape), logical.index, logical.ranges);
    for (int64_t element = 0; element < count_of(shape); ++element) {
      std::vector<int64_t> at = index_of(element, shape);
      ASSERT_EQ(evaluate(again, logical.values(at)), at);
      ASSERT_EQ(evaluate(composed, logical.values(at)), at);
    }
    ASSERT_EQ(place(both, shape).elements, place({}, shape).elements);
    // The inverse of the inverse does the same as the layout itself.
    Layout forth = inverse(back, physical_shape(layout, extents(shape)));
    ASSERT_EQ(shape_of(forth, shape), shape_of(layout, shape));
  }
}

TEST(Rewrite, BasicPrimitivesOnWholeIndicesNeedNoDivisionBack) {
  RandomLayout random(test_seed(20240903));
  int digits = 0;
  for (int i = 0; i < cases(300); ++i) {
    // Each axis split once, in any order of dimensions: accesses by digits must come back as the digits themselves.
    std::vector<int64_t> shape = random.shape(3, 6), inner = random.shape(3, 5);
    size_t rank = std::min(shape.size(), inner.size());
    shape.resize(rank);
    Layout layout;
    Exprs index, expected;
    Ranges ranges;
    for (size_t d = 0; d < rank; ++d) {
      Expr outer = variable("o" + std::to_string(d)), in = variable("v" + std::to_string(d));
      ranges["o" + std::to_string(d)] = {0, shape[d] - 1};
      ranges["v" + std::to_string(d)] = {0, inner[d] - 1};
      layout.split(static_cast<int>(2 * d), {0, inner[d]});
      shape[d] *= inner[d];
      index.push_back(outer * inner[d] + in);
      expected.push_back(shape[d] == inner[d] ? Expr(0) : outer);
      expected.push_back(inner[d] == 1 ? Expr(0) : in);
    }
    Exprs physical = to_physical(layout, extents(shape), index, ranges);
    ASSERT_EQ(physical.size(), expected.size());
    for (size_t k = 0; k < physical.size(); ++k) {
      EXPECT_TRUE(equal(physical[k], expected[k])) << to_string(physical[k]) << " for " << to_string(expected[k]);
      ++digits;
    }
    LogicalIndex logical = to_logical(layout, extents(shape), physical, ranges);
    for (size_t d = 0; d < rank; ++d) {
      EXPECT_FALSE(to_string(logical.index[d]).find('/') != std::string::npos) << to_string(logical.index[d]);
    }
    EXPECT_TRUE(logical.valid.is_int(1)) << to_string(logical.valid);
  }
  EXPECT_GT(digits, 100);
}

std::string text(const Exprs& index) {
  std::string result;
  for (const Expr& e : index) result += (result.empty() ? "" : ", ") + to_string(e);
  return result;
}

TEST(Rewrite, GoldenBlockedChannels) {
  Layout layout = parse_layout("split(1, 0x16) reorder(0,1,3,4,2)");
  std::vector<Extent> shape{Extent::symbolic(8, 0), 64, 56, 56};
  Ranges ranges{{"n", {0, 7}}, {"o.0", {0, 3}}, {"o.1", {0, 15}}, {"h", {0, 55}}, {"w", {0, 55}}, {"c", {0, 63}}};
  Expr n = variable("n"), h = variable("h"), w = variable("w");
  Exprs digits{n, variable("o.0") * 16 + variable("o.1"), h, w};
  EXPECT_EQ(text(to_physical(layout, shape, digits, ranges)), "n, o.0, h, w, o.1");
  Exprs whole = to_physical(layout, shape, {n, variable("c"), h, w}, ranges);
  EXPECT_TRUE(equal(whole[1], floor_div(variable("c"), 16)));
  EXPECT_TRUE(equal(whole[4], floor_mod(variable("c"), 16)));
  LogicalIndex back = to_logical(layout, shape, {n, variable("o.0"), h, w, variable("o.1")}, ranges);
  EXPECT_EQ(text(back.index), "n, " + to_string(digits[1]) + ", h, w");
  EXPECT_TRUE(back.valid.is_int(1));
}

TEST(Rewrite, PaddingGivesACondition) {
  Layout layout = parse_layout("pad(0, 0, 4) split(0, 0x16) pad(2, 1, 1, 0)");
  std::vector<Extent> shape{60, 7};
  Ranges ranges{{"a", {0, 3}}, {"b", {0, 15}}, {"x", {0, 8}}, {"y", {0, 6}}, {"c", {0, 59}}};
  Exprs physical = to_physical(layout, shape, {variable("c"), variable("y")}, ranges);
  EXPECT_EQ(text(physical), text({floor_div(variable("c"), 16), floor_mod(variable("c"), 16), variable("y") + 1}));
  LogicalIndex back = to_logical(layout, shape, {variable("a"), variable("b"), variable("x")}, ranges);
  for (int64_t a = 0; a < 4; ++a) {
    for (int64_t b = 0; b < 16; ++b) {
      for (int64_t x = 0; x < 9; ++x) {
        bool inside = a * 16 + b < 60 && x >= 1 && x < 8;
        EXPECT_EQ(evaluate_index(back.valid, {{"a", a}, {"b", b}, {"x", x}}), inside);
      }
    }
  }
  // In the part of the loops where padding can't be met, nothing is left to check.
  ranges["a"] = {0, 2};
  ranges["x"] = {1, 7};
  back = to_logical(layout, shape, {variable("a"), variable("b"), variable("x")}, ranges);
  EXPECT_TRUE(back.valid.is_int(1)) << to_string(back.valid);
}

TEST(Rewrite, WrongNumberOfIndicesIsRefused) {
  Layout layout = parse_layout("split(0, 0x2)");
  EXPECT_THROW(to_physical(layout, {4, 4}, {variable("x")}, {}), Error);
  EXPECT_THROW(to_logical(layout, {4, 4}, {variable("x"), variable("y")}, {}), Error);
}

}  // namespace
}  // namespace altrt::jit::testing
