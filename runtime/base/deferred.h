#pragma once

#include <altrt/tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "runtime/base/team.h"

namespace altrt::base {

// The bytes of a tensor that lie elsewhere, in a file, until somebody needs them in memory. Thread-safe.
class DeferredBytes {
 public:
  // Copies the bytes [offset, offset + size) from where they lie; from many threads at a time. Throws where they are no
  // longer what they were.
  using Reader = std::function<void(void* to, size_t offset, size_t size)>;

  DeferredBytes(size_t size, Reader reader) : size_(size), reader_(std::move(reader)) {}
  ~DeferredBytes();
  DeferredBytes(const DeferredBytes&) = delete;
  DeferredBytes& operator=(const DeferredBytes&) = delete;

  size_t size() const { return size_; }
  bool in_memory() const { return data_.load(std::memory_order_acquire) != nullptr; }
  // All of them in memory, where they stay as long as this object lives, with slack as a Tensor has it. Throws what the
  // reader throws and Error(out_of_memory).
  const void* data();
  // A copy, which leaves the bytes where they are.
  void read(void* to, size_t offset, size_t size) const;
  // All of them, shared by the team.
  void read(void* to, Team& team) const;
  // hash_bytes(data(), size(), seed), remembered, without taking memory for them.
  uint64_t hash(uint64_t seed);

 private:
  const size_t size_;
  const Reader reader_;
  std::atomic<void*> data_{nullptr};
  std::mutex mutex_;  // of what follows, and while the bytes are brought into memory
  bool hashed_ = false;
  uint64_t seed_ = 0, hash_ = 0;
};

// A tensor with these bytes, which are as many as type and shape need.
Tensor deferred_tensor(DataType type, const Shape& shape, std::shared_ptr<DeferredBytes> bytes);
// Null for all other tensors.
DeferredBytes* deferred_bytes(const Tensor& tensor);

}  // namespace altrt::base
