// Memory of tensors that a tuning and its worker share. What one candidate leaves the next ones take over: fresh pages
// would cost both processes more than most runs do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>

#include "tuner/measure/machine.h"
#include "tuner/worker/process.h"

namespace altrt::tuner {

/// In both processes between pages that may not be touched.
struct Region {
  Mapping mapping;
  uint8_t* base = nullptr;  // guard page, inner, guard page
  uint8_t* kept = nullptr;
  int generation = 0;  // of the worker that knows it

  uint8_t* inner() const;
  uint8_t* data() const { return inner() + mapping.offset; }
  /// Nothing was written between the tensor and the guards.
  bool intact() const;
};

/// One thread at a time.
class Regions {
 public:
  explicit Regions(WorkerProcess& worker) : worker_(worker) {}
  Regions(const Regions&) = delete;
  Regions& operator=(const Regions&) = delete;
  ~Regions();

  /// With contents left to chance. The worker can't write to constants. Error(unavailable | out_of_memory).
  Region take(uint64_t owner, size_t bytes, Contents contents, Placement placement);
  void give_back(const Region& region);
  /// Makes the worker see it, if it does not.
  void share(Region& region);

 private:
  Region make(const Mapping& mapping);
  bool reuse(const Mapping& wanted, Placement placement, Region& region);
  void give(Region& region, int descriptor);
  void release(const Region& region);

  WorkerProcess& worker_;
  std::list<Region> free_;  // oldest first
  size_t free_bytes_ = 0;
  uint64_t last_id_ = 0;
};

}  // namespace altrt::tuner
