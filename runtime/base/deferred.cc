#include "runtime/base/deferred.h"

#include <altrt/error.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/base/buffer.h"
#include "runtime/base/hash.h"
#include "runtime/base/throwing.h"

namespace altrt::base {
namespace {

// What is hashed while it is in the second-level cache.
constexpr size_t kHashed = 512 << 10;
// A thread's share of a copy, at a time.
constexpr size_t kShare = 1 << 20;

}  // namespace

DeferredBytes::~DeferredBytes() { std::free(data_.load(std::memory_order_relaxed)); }

const void* DeferredBytes::data() {
  if (void* data = data_.load(std::memory_order_acquire)) return data;
  const std::lock_guard lock(mutex_);
  if (void* data = data_.load(std::memory_order_relaxed)) return data;
  std::unique_ptr<void, void (*)(void*)> memory(allocate_with_slack(size_), std::free);
  if (!memory) throw Error(ErrorCode::out_of_memory, "cannot allocate " + std::to_string(size_) + " bytes of weights");
  reader_(memory.get(), 0, size_);
  data_.store(memory.get(), std::memory_order_release);
  return memory.release();
}

void DeferredBytes::read(void* to, size_t offset, size_t size) const {
  if (const void* data = data_.load(std::memory_order_acquire)) {
    std::memcpy(to, static_cast<const char*>(data) + offset, size);
  } else {
    reader_(to, offset, size);
  }
}

void DeferredBytes::read(void* to, Team& team) const {
  const auto shares = static_cast<int64_t>((size_ + kShare - 1) / kShare);
  run_throwing(team, shares, 1, [&](int64_t first, int64_t last, int) {
    const size_t begin = static_cast<size_t>(first) * kShare, end = std::min(static_cast<size_t>(last) * kShare, size_);
    read(static_cast<char*>(to) + begin, begin, end - begin);
  });
}

uint64_t DeferredBytes::hash(uint64_t seed) {
  const std::lock_guard lock(mutex_);
  if (hashed_ && seed == seed_) return hash_;
  std::vector<char> piece(std::min(kHashed, size_));
  hash_ = hash_pieces(size_, kHashed, seed, [&](size_t offset, size_t size) -> const void* {
    read(piece.data(), offset, size);
    return piece.data();
  });
  seed_ = seed;
  hashed_ = true;
  return hash_;
}

}  // namespace altrt::base
