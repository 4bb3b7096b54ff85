// The memory plan: places tensors whose lives do not overlap into the same bytes. A pure function of sizes and lives.
#pragma once

#include <cstdint>
#include <vector>

namespace altrt::plan {

/// Bytes that are needed from step `first` to step `last`, both included.
struct Lifetime {
  int64_t bytes = 0;
  int first = 0, last = 0;
  /// Items with the same kind (not negative) may take each other's place but share with nothing else, ever: their
  /// memory holds something between uses. All items of a kind have the same size.
  int kind = -1;
};

struct MemoryPlan {
  struct Slot {
    int kind = -1;
    int64_t offset = 0, bytes = 0;
  };
  std::vector<int64_t> offsets;  // per item, multiples of 64
  std::vector<int> slots;        // per item: which slot it lies in; -1 for items without a kind
  std::vector<Slot> all_slots;
  int64_t bytes = 0;
};

/// Best fit, largest first.
MemoryPlan plan_memory(const std::vector<Lifetime>& items);

}  // namespace altrt::plan
