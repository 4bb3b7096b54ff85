#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace altrt::base {

// Every buffer starts on a cache line, which is also the widest vector.
inline constexpr size_t kAlignment = 64;

constexpr size_t round_up(size_t size, size_t multiple) { return (size + multiple - 1) / multiple * multiple; }

// Memory of at least `size` bytes (whole cache lines) for std::free, aligned to kAlignment. From 2 MiB on it asks for
// huge pages: first use takes a fraction of the page faults, and streaming through it of the page walks. Null where
// there is no memory.
void* allocate(size_t size);

// The same for the bytes of a tensor: with a line more, zero behind them, so that whole vectors may be read at the end.
void* allocate_with_slack(size_t bytes);

// Memory like that of allocate(), but zero, which costs a pass over it only where it is small; pages of large memory
// come into being where and when they are first touched, so that who fills it together with others shares that work.
// Throws Error(out_of_memory).
std::shared_ptr<void> allocate_zero(size_t size);

// Gives pages that the C library's heap keeps without use back to the system. Takes milliseconds.
void release_free_memory();

// Owns `size` bytes aligned to kAlignment. The allocation is rounded up to whole cache lines, so that whole vectors may
// be read and written at the end. Contents are undefined until zero() or the owner writes them. Throws
// Error(out_of_memory).
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size);
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~AlignedBuffer();

  void zero();
  void* data() { return data_; }
  const void* data() const { return data_; }
  template <typename T>
  T* as() {
    return static_cast<T*>(data_);
  }
  template <typename T>
  const T* as() const {
    return static_cast<const T*>(data_);
  }
  size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

// Hands out buffers that live about equally long. Those too small for huge pages of their own lie side by side in
// pieces of memory that are large enough; a piece is freed with the last of its buffers. No locks.
class BufferPool {
 public:
  // `expected`: bytes of all buffers together, more or less. Where that is less than a huge page, none is asked for.
  explicit BufferPool(size_t expected = 0);

  // Like the memory of an AlignedBuffer, but zero. Throws Error(out_of_memory).
  std::shared_ptr<void> allocate(size_t size);

 private:
  size_t piece_bytes_;  // 0: every buffer by itself
  std::shared_ptr<void> piece_;
  size_t used_ = 0;  // of the piece
};

// Marks bytes beside a buffer, so that one sees whether they were written, and a number that was read there is NaN.
void mark(void* from, const void* to);
bool is_marked(const void* from, const void* to);

// Memory between two pages that may not be touched, so that a kernel that leaves its buffer dies at the faulty access.
// The buffer lies as close to the guard on `side` as `alignment` (a power of two) allows, or `gap` bytes (a multiple of
// it) behind the guard before; the bytes between the buffer and both guards are marked. For tests and for the gate; not
// for speed.
class GuardedBuffer {
 public:
  enum class Side { before, after };

  explicit GuardedBuffer(size_t size, Side side = Side::after, size_t alignment = kAlignment, size_t gap = 0);
  GuardedBuffer(GuardedBuffer&& other) noexcept;
  GuardedBuffer& operator=(GuardedBuffer&& other) noexcept;
  ~GuardedBuffer();

  // Makes the buffer readable only, so that a write to an input is caught as well; or writable again.
  void protect(bool read_only);
  // False when bytes beside the buffer were written.
  bool intact() const;

  void* data() { return data_; }
  const void* data() const { return data_; }
  template <typename T>
  T* as() {
    return static_cast<T*>(static_cast<void*>(data_));
  }
  size_t size() const { return size_; }

 private:
  uint8_t* mapping_ = nullptr;  // guard page, inner_ bytes, guard page
  size_t inner_ = 0;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace altrt::base
