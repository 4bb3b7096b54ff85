// Memory that is taken again and again.
#include "runtime/plan/scratch.h"

#include <gtest/gtest.h>

#include <cstring>

namespace altrt::plan {
namespace {

TEST(ScratchMemory, IsUsedAgainWhenNobodyHoldsIt) {
  ScratchMemory scratch(1000);
  std::shared_ptr<void> first = scratch.take(10);
  const void* const place = first.get();
  const std::shared_ptr<void> second = scratch.take(1000);
  EXPECT_NE(second.get(), place) << "somebody holds it";
  std::memset(first.get(), 1, 1000);
  std::memset(second.get(), 2, 1000);
  EXPECT_EQ(static_cast<const char*>(first.get())[999], 1);
  first.reset();
  EXPECT_EQ(scratch.take(1000).get(), place) << "any request up to the usual size fits";
}

TEST(ScratchMemory, ALargerRequestReplacesWhatIsTooSmall) {
  ScratchMemory scratch(100);
  const std::weak_ptr<void> small = scratch.take(100);
  EXPECT_FALSE(small.expired());
  const std::shared_ptr<void> large = scratch.take(5000);
  EXPECT_TRUE(small.expired());
  std::memset(large.get(), 1, 5000);
}

}  // namespace
}  // namespace altrt::plan
