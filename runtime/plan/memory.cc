#include "runtime/plan/memory.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/base/buffer.h"

namespace altrt::plan {
namespace {

struct Block {
  int64_t offset = 0, bytes = 0;
  int first = 0, last = 0;
};

int64_t aligned(int64_t bytes) {
  return static_cast<int64_t>(base::round_up(static_cast<size_t>(std::max<int64_t>(bytes, 1)), base::kAlignment));
}

// The smallest gap between those placed blocks that live at the same time; behind them all if none is large enough.
int64_t best_fit(const std::vector<Block>& placed, const Block& block) {
  int64_t best = -1, best_gap = std::numeric_limits<int64_t>::max(), end = 0;
  for (const Block& other : placed) {  // in order of offset
    if (other.last < block.first || block.last < other.first) continue;
    const int64_t gap = other.offset - end;
    if (gap >= block.bytes && gap < best_gap) {
      best = end;
      best_gap = gap;
    }
    end = std::max(end, other.offset + other.bytes);
  }
  return best >= 0 ? best : end;
}

// Gives every item with a kind a slot that is free during its life, as few slots as possible.
void assign_slots(const std::vector<Lifetime>& items, MemoryPlan& plan) {
  std::vector<size_t> order;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].kind >= 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return items[a].first < items[b].first; });
  std::vector<int> busy_until;  // by slot
  for (const size_t i : order) {
    size_t slot = 0;
    while (slot < busy_until.size() &&
           (plan.all_slots[slot].kind != items[i].kind || busy_until[slot] >= items[i].first)) {
      ++slot;
    }
    if (slot == busy_until.size()) {
      plan.all_slots.push_back({items[i].kind, 0, aligned(items[i].bytes)});
      busy_until.push_back(0);
    }
    busy_until[slot] = items[i].last;
    plan.slots[i] = static_cast<int>(slot);
  }
}

}  // namespace

MemoryPlan plan_memory(const std::vector<Lifetime>& items) {
  MemoryPlan plan;
  plan.offsets.assign(items.size(), 0);
  plan.slots.assign(items.size(), -1);
  assign_slots(items, plan);

  // Slots lie behind each other at the end, as nothing shares with them.
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::erase_if(order, [&](size_t i) { return items[i].kind >= 0; });
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return items[a].bytes > items[b].bytes; });
  std::vector<Block> placed;
  for (const size_t i : order) {
    Block block{0, aligned(items[i].bytes), items[i].first, items[i].last};
    block.offset = best_fit(placed, block);
    plan.offsets[i] = block.offset;
    plan.bytes = std::max(plan.bytes, block.offset + block.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), block,
                                   [](const Block& a, const Block& b) { return a.offset < b.offset; }),
                  block);
  }
  for (MemoryPlan::Slot& slot : plan.all_slots) {
    slot.offset = plan.bytes;
    plan.bytes += slot.bytes;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    if (plan.slots[i] >= 0) plan.offsets[i] = plan.all_slots[static_cast<size_t>(plan.slots[i])].offset;
  }
  return plan;
}

}  // namespace altrt::plan
