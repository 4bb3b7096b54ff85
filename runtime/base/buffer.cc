#include "runtime/base/buffer.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <altrt/error.h>
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

namespace altrt::base {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kMostPiece = 8 * kHugePage;  // what does not fit its end is lost

size_t page_size() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// A NaN in floating-point types of every width, but not the one that fills memory which nobody has written.
uint8_t mark_at(const uint8_t* address) { return reinterpret_cast<uintptr_t>(address) % 2 == 0 ? 0xa7 : 0xff; }

// What lies on huge pages: whole ones, and an end that nearly fills one.
size_t huge_part(size_t size) { return (size + kHugePage / 4) / kHugePage * kHugePage; }

[[noreturn]] void out_of_memory(size_t size) {
  throw Error(ErrorCode::out_of_memory, "cannot allocate " + std::to_string(size) + " bytes");
}

}  // namespace

void* allocate(size_t size) {
  if (size > SIZE_MAX / 2) return nullptr;
  const size_t alignment = size >= kHugePage ? kHugePage : kAlignment;
  void* data = nullptr;  // not by aligned_alloc: some refuse sizes that are no multiples of the alignment
  if (posix_memalign(&data, alignment, std::max(kAlignment, round_up(size, kAlignment))) != 0) return nullptr;
  if (size >= kHugePage) madvise(data, size / kHugePage * kHugePage, MADV_HUGEPAGE);
  return data;
}

void* allocate_with_slack(size_t bytes) {
  const size_t allocated = round_up(bytes, kAlignment) + kAlignment;
  void* data = allocate(allocated);
  if (data) std::memset(static_cast<uint8_t*>(data) + bytes, 0, allocated - bytes);
  return data;
}

std::shared_ptr<void> allocate_zero(size_t size) {
  if (size < kHugePage) {
    auto buffer = std::make_shared<AlignedBuffer>(size);
    buffer->zero();
    return {buffer, buffer->data()};
  }
  if (size > SIZE_MAX / 2) out_of_memory(size);
  // Fresh pages are zero; what the heap has may not be.
  const size_t huge = huge_part(size), length = std::max(round_up(size, page_size()), huge),
               mapped = length + kHugePage;
  void* mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) out_of_memory(size);
  auto* const start = static_cast<uint8_t*>(mapping);
  uint8_t* const data = start + (kHugePage - reinterpret_cast<uintptr_t>(start) % kHugePage) % kHugePage;
  if (data > start) munmap(start, static_cast<size_t>(data - start));
  uint8_t* const end = data + length;
  if (end < start + mapped) munmap(end, static_cast<size_t>(start + mapped - end));
  madvise(data, huge, MADV_HUGEPAGE);
  return {data, [length](void* memory) { munmap(memory, length); }};
}

void release_free_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

AlignedBuffer::AlignedBuffer(size_t size) : data_(allocate(size)), size_(size) {
  if (!data_) out_of_memory(size);
}

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

void AlignedBuffer::zero() {
  if (size_) std::memset(data_, 0, size_);
}

BufferPool::BufferPool(size_t expected)
    : piece_bytes_(expected < kHugePage ? 0 : std::min(round_up(expected, kHugePage), kMostPiece)) {}

std::shared_ptr<void> BufferPool::allocate(size_t size) {
  if (size >= std::min(kHugePage, piece_bytes_)) return allocate_zero(size);
  if (!piece_ || piece_bytes_ - used_ < round_up(size, kAlignment)) {
    piece_ = allocate_zero(piece_bytes_);
    used_ = 0;
  }
  uint8_t* data = static_cast<uint8_t*>(piece_.get()) + used_;
  used_ += round_up(size, kAlignment);
  return {piece_, data};
}

void mark(void* from, const void* to) {
  for (auto* at = static_cast<uint8_t*>(from); at != to; ++at) *at = mark_at(at);
}

bool is_marked(const void* from, const void* to) {
  for (const auto* at = static_cast<const uint8_t*>(from); at != to; ++at) {
    if (*at != mark_at(at)) return false;
  }
  return true;
}

GuardedBuffer::GuardedBuffer(size_t size, Side side, size_t alignment, size_t gap) : size_(size) {
  const size_t page = page_size();
  if (size > SIZE_MAX / 2) out_of_memory(size);
  inner_ = round_up(size + alignment + gap, page);
  void* mapping = mmap(nullptr, inner_ + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) out_of_memory(size);
  mapping_ = static_cast<uint8_t*>(mapping);
  uint8_t* inner = mapping_ + page;
  protect(false);
  // A page is aligned enough for the start; the end is moved down to the next aligned start.
  const size_t offset = side == Side::before ? gap : (inner_ - size) / alignment * alignment;
  data_ = inner + offset;
  mark(inner, inner + inner_);
}

GuardedBuffer::GuardedBuffer(GuardedBuffer&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      inner_(std::exchange(other.inner_, 0)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

GuardedBuffer& GuardedBuffer::operator=(GuardedBuffer&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(inner_, other.inner_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

GuardedBuffer::~GuardedBuffer() {
  if (mapping_) munmap(mapping_, inner_ + 2 * page_size());
}

void GuardedBuffer::protect(bool read_only) {
  const int access = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
  if (mprotect(mapping_ + page_size(), inner_, access) != 0) {
    throw Error(ErrorCode::out_of_memory, "cannot change the protection of a guarded buffer");
  }
}

bool GuardedBuffer::intact() const {
  const uint8_t* begin = mapping_ + page_size();
  return is_marked(begin, data_) && is_marked(data_ + size_, begin + inner_);
}

}  // namespace altrt::base
