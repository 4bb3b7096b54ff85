#include "runtime/base/buffer.h"

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <cstring>

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
