// Bytes that come into memory when they are needed.
#include "runtime/base/deferred.h"

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include "runtime/base/hash.h"

namespace altrt::base {
namespace {

// Some megabytes, neither whole pieces nor whole lines.
std::vector<uint8_t> pattern() {
  std::vector<uint8_t> bytes((3 << 20) + 77);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
  return bytes;
}

struct Source {
  std::vector<uint8_t> bytes = pattern();
  std::atomic<size_t> copied{0};
  std::atomic<bool> gone{false};

  std::shared_ptr<DeferredBytes> deferred() {
    return std::make_shared<DeferredBytes>(bytes.size(), [this](void* to, size_t offset, size_t size) {
      ASSERT_LE(offset + size, bytes.size());
      if (gone) throw Error(ErrorCode::io, "gone");
      std::memcpy(to, bytes.data() + offset, size);
      copied += size;
    });
  }
};

TEST(DeferredBytes, AreReadWhenTheyAreNeededAndOnce) {
  Source source;
  const auto deferred = source.deferred();
  EXPECT_FALSE(deferred->in_memory());
  EXPECT_EQ(source.copied, 0u);
  std::vector<const void*> seen(8);
  std::vector<std::thread> threads;
  for (const void*& data : seen) threads.emplace_back([&] { data = deferred->data(); });
  for (std::thread& thread : threads) thread.join();
  for (const void* data : seen) EXPECT_EQ(data, seen[0]);
  EXPECT_EQ(source.copied, source.bytes.size());
  EXPECT_TRUE(deferred->in_memory());
  EXPECT_EQ(std::memcmp(seen[0], source.bytes.data(), source.bytes.size()), 0);
  source.gone = true;  // nobody asks there any more
  EXPECT_EQ(deferred->data(), seen[0]);
  uint8_t byte = 0;
  deferred->read(&byte, 12345, 1);
  EXPECT_EQ(byte, source.bytes[12345]);
}

TEST(DeferredBytes, ATeamSharesACopy) {
  Source source;
  const auto deferred = source.deferred();
  std::vector<uint8_t> copy(source.bytes.size());
  Team team(3);
  deferred->read(copy.data(), team);
  EXPECT_EQ(copy, source.bytes);
  EXPECT_FALSE(deferred->in_memory());
  source.gone = true;
  EXPECT_THROW(deferred->read(copy.data(), team), Error);
  EXPECT_THROW(deferred->data(), Error);
  EXPECT_FALSE(deferred->in_memory());
}

TEST(DeferredBytes, HashWithoutMemory) {
  Source source;
  const auto deferred = source.deferred();
  for (const uint64_t seed : {uint64_t{7}, uint64_t{7}, uint64_t{8}}) {
    EXPECT_EQ(deferred->hash(seed), hash_bytes(source.bytes.data(), source.bytes.size(), seed));
  }
  EXPECT_EQ(source.copied, 2 * source.bytes.size()) << "the second one was remembered";
  EXPECT_FALSE(deferred->in_memory());
}

Tensor tensor_of(Source& source) {
  return deferred_tensor(DataType::u8, {static_cast<int64_t>(source.bytes.size())}, source.deferred());
}

bool holds(const Tensor& tensor, const Source& source) {
  return tensor.bytes() == source.bytes.size() &&
         std::memcmp(tensor.data(), source.bytes.data(), source.bytes.size()) == 0;
}

TEST(DeferredTensor, CopiesAndMovesLikeAnyOther) {
  Source source;
  Tensor tensor = tensor_of(source);
  const Tensor copy = tensor;
  EXPECT_FALSE(deferred_bytes(tensor)->in_memory()) << "copied from where they are";
  EXPECT_EQ(deferred_bytes(copy), nullptr);
  EXPECT_TRUE(holds(copy, source));
  const Tensor moved = std::move(tensor);
  EXPECT_EQ(tensor.bytes(), 0u);  // NOLINT(bugprone-use-after-move): a moved-from tensor is empty
  EXPECT_EQ(tensor.data(), nullptr);
  EXPECT_TRUE(holds(moved, source));
  EXPECT_TRUE(deferred_bytes(moved)->in_memory());
  EXPECT_EQ(moved.view().data, moved.data());
}

TEST(DeferredTensor, WhoWritesHasACopyOfItsOwn) {
  Source source;
  Tensor tensor = tensor_of(source);
  tensor.as<uint8_t>()[0] ^= 1;
  EXPECT_EQ(deferred_bytes(tensor), nullptr);
  EXPECT_FALSE(holds(tensor, source));
  tensor.as<uint8_t>()[0] ^= 1;
  EXPECT_TRUE(holds(tensor, source));
}

}  // namespace
}  // namespace altrt::base
