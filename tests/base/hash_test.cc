#include "runtime/base/hash.h"

#include <gtest/gtest.h>

#include <cmath>

namespace altrt::base {
namespace {

// The published XXH3 value of the empty input: file names and checksums must not change with the library's version.
TEST(Hash, IsTheXxh3OfTheBytes) { EXPECT_EQ(hash_bytes("", 0), 0x2d06800538d394c2u); }

TEST(Hash, InPiecesIsTheSame) {
  std::string bytes;
  for (int i = 0; i < 5000; ++i) bytes += static_cast<char>(i * 7 + i / 256);
  for (const size_t size : {0, 1, 16, 17, 128, 129, 240, 241, 1024, 4999, 5000}) {
    for (const size_t piece : {1, 64, 100, 6000}) {
      for (const uint64_t seed : {0, 3}) {
        const auto part = [&](size_t offset, size_t count) -> const void* {
          EXPECT_LE(count, piece);
          return bytes.data() + offset;
        };
        EXPECT_EQ(hash_pieces(size, piece, seed, part), hash_bytes(bytes.data(), size, seed)) << size << " " << piece;
      }
    }
  }
}

TEST(Hash, StringsDoNotRunTogether) {
  EXPECT_NE(Hasher().add("ab").add("c").value(), Hasher().add("a").add("bc").value());
  EXPECT_NE(Hasher().add("").value(), Hasher().value());
}

TEST(Hash, IntegersCountByValueNotByWidth) {
  EXPECT_EQ(Hasher().add(int32_t{-7}).value(), Hasher().add(int64_t{-7}).value());
  EXPECT_NE(Hasher().add(7).value(), Hasher().add(-7).value());
  enum class Kind : uint8_t { one = 1 };
  EXPECT_EQ(Hasher().add(Kind::one).value(), Hasher().add(1).value());
}

TEST(Hash, DoublesCountByBits) {
  EXPECT_NE(Hasher().add(0.0).value(), Hasher().add(-0.0).value());
  EXPECT_EQ(Hasher().add(std::nan("")).value(), Hasher().add(std::nan("")).value());
}

TEST(Hash, SeedAndOrderMatter) {
  EXPECT_NE(Hasher(1).add("x").value(), Hasher(2).add("x").value());
  EXPECT_NE(Hasher().add(1).add(2).value(), Hasher().add(2).add(1).value());
}

TEST(Hash, HexHasSixteenDigits) {
  EXPECT_EQ(hex(0), "0000000000000000");
  EXPECT_EQ(hex(0x0123456789abcdefu), "0123456789abcdef");
}

}  // namespace
}  // namespace altrt::base
