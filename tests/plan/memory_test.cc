// The memory plan against its definition, on random lives.
#include "runtime/plan/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace altrt::plan {
namespace {

uint64_t seed() {
  const char* text = std::getenv("ALTRT_TEST_SEED");
  const uint64_t value = text ? std::strtoull(text, nullptr, 10) : 20240607;
  std::cout << "ALTRT_TEST_SEED=" << value << "\n";
  return value;
}

bool together(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

void check(const std::vector<Lifetime>& items, const MemoryPlan& plan) {
  ASSERT_EQ(plan.offsets.size(), items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(plan.offsets[i] % 64, 0);
    EXPECT_GE(plan.offsets[i], 0);
    EXPECT_LE(plan.offsets[i] + items[i].bytes, plan.bytes);
    EXPECT_EQ(plan.slots[i] >= 0, items[i].kind >= 0);
    for (size_t j = i + 1; j < items.size(); ++j) {
      const bool overlap =
          plan.offsets[i] < plan.offsets[j] + items[j].bytes && plan.offsets[j] < plan.offsets[i] + items[i].bytes;
      if (!overlap || items[i].bytes == 0 || items[j].bytes == 0) continue;
      EXPECT_FALSE(together(items[i], items[j])) << i << " and " << j << " live at the same time";
      EXPECT_EQ(items[i].kind, items[j].kind) << i << " and " << j << " may never share";
    }
  }
}

// The most bytes that are needed at one step: no plan can do with less.
int64_t lower_bound(const std::vector<Lifetime>& items) {
  int64_t most = 0;
  for (const Lifetime& at : items) {
    int64_t sum = 0;
    for (const Lifetime& item : items) {
      if (item.first <= at.first && at.first <= item.last) sum += (item.bytes + 63) / 64 * 64;
    }
    most = std::max(most, sum);
  }
  return most;
}

TEST(PlanMemory, RandomLivesNeverOverlap) {
  std::mt19937_64 random(seed());
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  for (int round = 0; round < 300; ++round) {
    std::vector<Lifetime> items;
    const int64_t count = below(60), steps = 1 + below(40);
    const std::vector<int64_t> kind_bytes{64, 4096, 100};
    for (int64_t i = 0; i < count; ++i) {
      Lifetime life{below(5) == 0 ? below(64) : below(100'000), static_cast<int>(below(steps)), 0, -1};
      life.last = life.first + static_cast<int>(below(6));
      if (below(4) == 0) {
        life.kind = static_cast<int>(below(3));
        life.bytes = kind_bytes[static_cast<size_t>(life.kind)];
      }
      items.push_back(life);
    }
    check(items, plan_memory(items));
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST(PlanMemory, ChainsNeedTwoBuffersOnly) {
  std::vector<Lifetime> chain;
  for (int i = 0; i < 50; ++i) chain.push_back({1 << 20, i, i + 1, -1});
  EXPECT_EQ(plan_memory(chain).bytes, 2 << 20);
}

TEST(PlanMemory, StaysNearTheLowerBoundOnBranchingLives) {
  std::mt19937_64 random(7);
  std::vector<Lifetime> items;
  for (int i = 0; i < 200; ++i) {
    const int length = random() % 5 == 0 ? 12 : 2;  // residuals among chains
    items.push_back({static_cast<int64_t>(random() % 64 + 1) * 4096, i, i + length, -1});
  }
  EXPECT_LE(static_cast<double>(plan_memory(items).bytes), 1.3 * static_cast<double>(lower_bound(items)));
}

TEST(PlanMemory, PaddedItemsOfOneKindTakeTurns) {
  const std::vector<Lifetime> items{{256, 0, 1, 0}, {256, 2, 3, 0}, {256, 1, 2, 0}, {256, 0, 9, -1}};
  const MemoryPlan plan = plan_memory(items);
  check(items, plan);
  EXPECT_EQ(plan.all_slots.size(), 2u);
  EXPECT_EQ(plan.slots[0], plan.slots[1]);
  EXPECT_EQ(plan.bytes, 3 * 256);
}

TEST(PlanMemory, NothingNeedsNothing) { EXPECT_EQ(plan_memory({}).bytes, 0); }

}  // namespace
}  // namespace altrt::plan
