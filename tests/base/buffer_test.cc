#include "runtime/base/buffer.h"

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

namespace altrt::base {
namespace {

bool aligned(const void* data, size_t alignment) { return reinterpret_cast<uintptr_t>(data) % alignment == 0; }

TEST(AlignedBuffer, IsAlignedWritableAndMovable) {
  for (size_t size : {0u, 1u, 63u, 64u, 65u, 4096u}) {
    AlignedBuffer buffer(size);
    EXPECT_TRUE(aligned(buffer.data(), kAlignment)) << size;
    EXPECT_EQ(buffer.size(), size);
    std::memset(buffer.data(), 1, round_up(size, kAlignment));
    buffer.zero();
    for (size_t i = 0; i < size; ++i) ASSERT_EQ(buffer.as<char>()[i], 0);
    AlignedBuffer moved(std::move(buffer));
    EXPECT_EQ(moved.size(), size);
    EXPECT_EQ(buffer.data(), nullptr);
  }
}

TEST(AlignedBuffer, RefusesAbsurdSizes) {
  for (size_t size : {SIZE_MAX, SIZE_MAX / 2, size_t{1} << 60}) {
    try {
      AlignedBuffer buffer(size);
      FAIL() << size;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    }
  }
}

constexpr size_t kHuge = size_t{2} << 20;

TEST(ZeroMemory, IsZeroAlignedAndWritable) {
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{100'000}, (size_t{2} << 20) - 1, size_t{2} << 20, (size_t{7} << 20) + 5}) {
    for (int again = 0; again < 2; ++again) {  // what the first one leaves behind is not zero
      const std::shared_ptr<void> memory = allocate_zero(size);
      ASSERT_NE(memory, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.get()) % kAlignment, 0u);
      auto* const bytes = static_cast<uint8_t*>(memory.get());
      EXPECT_TRUE(std::all_of(bytes, bytes + size, [](uint8_t byte) { return byte == 0; })) << size;
      std::fill(bytes, bytes + size, uint8_t{0xff});
    }
  }
  EXPECT_THROW(allocate_zero(SIZE_MAX - 1), Error);
  EXPECT_THROW(allocate_zero(SIZE_MAX / 4), Error);
}

TEST(BufferPool, SmallBuffersLieSideBySideAndOutliveThePool) {
  std::vector<std::shared_ptr<void>> buffers;
  {
    BufferPool pool(3 * kHuge);
    for (const size_t size : {1u, 64u, 100u, 1u << 20, 0u}) buffers.push_back(pool.allocate(size));
  }
  const auto address = [&](size_t i) { return static_cast<const uint8_t*>(buffers[i].get()); };
  EXPECT_TRUE(aligned(address(0), kHuge));
  EXPECT_EQ(address(1), address(0) + 64);
  EXPECT_EQ(address(2), address(1) + 64);
  EXPECT_EQ(address(3), address(2) + 128);
  buffers.front().reset();
  uint8_t* last = static_cast<uint8_t*>(buffers[3].get());
  for (size_t i = 0; i < 1u << 20; ++i) ASSERT_EQ(last[i], 0);
  std::memset(last, 1, 1u << 20);
}

TEST(BufferPool, AFullPieceIsFollowedByAnother) {
  BufferPool pool(kHuge);
  const std::shared_ptr<void> first = pool.allocate(kHuge - 64), second = pool.allocate(64), third = pool.allocate(64);
  EXPECT_EQ(static_cast<uint8_t*>(second.get()), static_cast<uint8_t*>(first.get()) + kHuge - 64);
  EXPECT_NE(static_cast<uint8_t*>(third.get()), static_cast<uint8_t*>(second.get()) + 64);
  EXPECT_TRUE(aligned(third.get(), kHuge));
}

// What fills huge pages by itself is freed by itself, and what fills none all together asks for none.
TEST(BufferPool, LargeBuffersAndFewAreMemoryOfTheirOwn) {
  BufferPool pool(64 * kHuge), few(kHuge - 1);
  const std::shared_ptr<void> small = pool.allocate(64), large = pool.allocate(kHuge), next = pool.allocate(64);
  EXPECT_EQ(static_cast<uint8_t*>(next.get()), static_cast<uint8_t*>(small.get()) + 64);
  EXPECT_TRUE(aligned(large.get(), kHuge));
  EXPECT_EQ(large.use_count(), 1);
  const std::shared_ptr<void> one = few.allocate(64), other = few.allocate(64);
  EXPECT_EQ(one.use_count(), 1);
  EXPECT_EQ(other.use_count(), 1);
  EXPECT_EQ(small.use_count(), 3);  // with the next one and the pool
  EXPECT_THROW(pool.allocate(SIZE_MAX), Error);
}

TEST(GuardedBuffer, LiesAgainstTheGuard) {
  for (size_t size : {1u, 7u, 64u, 100u, 4096u, 5000u}) {
    GuardedBuffer after(size, GuardedBuffer::Side::after, 1);
    EXPECT_TRUE(aligned(after.as<char>() + size, 4096)) << size;
    GuardedBuffer before(size, GuardedBuffer::Side::before);
    EXPECT_TRUE(aligned(before.data(), 4096)) << size;
    GuardedBuffer wide(size, GuardedBuffer::Side::after, 64);
    EXPECT_TRUE(aligned(wide.data(), 64)) << size;
    std::memset(wide.data(), 0, size);
    EXPECT_TRUE(wide.intact());
  }
}

TEST(GuardedBuffer, NoticesWritesBesideTheBuffer) {
  GuardedBuffer after(100, GuardedBuffer::Side::after, 64);
  after.as<uint8_t>()[100] = 0;  // the 28 bytes up to the guard
  EXPECT_FALSE(after.intact());
  GuardedBuffer front(100, GuardedBuffer::Side::after, 64);
  front.as<uint8_t>()[-1] = 0;
  EXPECT_FALSE(front.intact());
}

TEST(GuardedBufferDeathTest, DiesOutsideAndOnWritesToProtectedInput) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  GuardedBuffer after(128, GuardedBuffer::Side::after, 64);
  GuardedBuffer before(128, GuardedBuffer::Side::before);
  volatile char* past_end = after.as<char>() + 128;
  volatile char* before_start = before.as<char>() - 1;
  EXPECT_DEATH(*past_end = 1, "");
  EXPECT_DEATH((void)*before_start, "");
  after.protect(true);
  volatile char* inside = after.as<char>();
  EXPECT_DEATH(*inside = 1, "");
  after.protect(false);
  *inside = 1;
  EXPECT_EQ(*inside, 1);
}

}  // namespace
}  // namespace altrt::base
