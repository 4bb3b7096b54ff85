// Layouts that keep every element, and those that don't, by what lies where.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include <altrt/error.h>

#include "jit/layout/kept.h"
#include "tests/jit_expr/random_index.h"
#include "tests/jit_layout/random_layout.h"

namespace altrt::jit::testing {
namespace {

std::string refusal(const Layout& layout, const std::vector<int64_t>& shape) {
  try {
    verify_kept(layout, extents(shape));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  return "";
}

bool holds_all(const Layout& layout, const std::vector<int64_t>& shape) {
  std::set<int64_t> found;
  for (const int64_t element : place(layout, shape).elements)
    if (element >= 0) found.insert(element);
  return static_cast<int64_t>(found.size()) == count_of(shape);
}

TEST(Kept, NoLayoutThatDropsAnElementPasses) {
  RandomLayout random(test_seed(20261126));
  int kept = 0, dropped = 0;
  for (int i = 0; i < cases(3000); ++i) {
    const std::vector<int64_t> shape = random.shape(4, 9);
    const Layout layout = random.layout(shape, 6, false, 1500);
    SCOPED_TRACE("case " + std::to_string(i) + ": " + to_string(layout) + " on " + altrt::to_string(shape));
    const bool all = holds_all(layout, shape);
    if (refusal(layout, shape).empty()) {
      ASSERT_TRUE(all);
      ++kept;
    }
    dropped += all ? 0 : 1;
  }
  EXPECT_GT(kept, 1000);
  EXPECT_GT(dropped, 100);
}

TEST(Kept, WhatIsTakenBackPasses) {
  RandomLayout random(test_seed(20261127));
  for (int i = 0; i < cases(1000); ++i) {
    const std::vector<int64_t> shape = random.shape(4, 9);
    Layout layout = random.layout(shape, 6, true, 1500);
    ASSERT_EQ(refusal(layout, shape), "");
    const Layout back = inverse(layout, extents(shape));
    layout.steps.insert(layout.steps.end(), back.steps.begin(), back.steps.end());
    ASSERT_EQ(refusal(layout, shape), "") << to_string(layout) << " on " << altrt::to_string(shape);
  }
}

TEST(Kept, RefusalsNameStepAndReason) {
  const auto message = [](const std::string& layout) { return refusal(parse_layout(layout), {12, 14}); };
  EXPECT_EQ(message("pad(0, 2, 1) unpad(0, 1, 1)"), "");
  EXPECT_EQ(message("pad(0, 2, 1) reorder(1,0) unpad(1, 1, 2)"),
            "layout step 3, unpad(1, 1, 2): it would drop elements: of what it takes away, 2 before and 1 behind are "
            "known to be padding");
  EXPECT_EQ(message("unfold(1, 6, 4) fold(1, 6, 4, 14)"), "");
  EXPECT_EQ(message("fold(0, 14, 13, 157)"),
            "layout step 1, fold(0, 14, 13, 157): it would drop elements: its tiles overlap, and are not those of an "
            "unfold");
}

}  // namespace
}  // namespace altrt::jit::testing
