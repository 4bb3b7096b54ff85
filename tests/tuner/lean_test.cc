// Where memory is to be saved, packed weights stay near the size of those in the file.
#include "tuner/lean.h"

#include <gtest/gtest.h>

#include "groups.h"

namespace altrt::tuner {
namespace {

constexpr int64_t kChannels = 32;
constexpr int64_t kTap = kChannels * kChannels * static_cast<int64_t>(sizeof(float));  // bytes of weights
constexpr int64_t kBias = kChannels * static_cast<int64_t>(sizeof(float));

// Two convolutions with weights of one size, the second with a sixteenth of the work.
Model two_convolutions() {
  GraphBuilder b("two");
  b.input("x", DataType::f32, {1, kChannels, 28, 28});
  const auto conv = [&](const std::string& in, uint64_t seed) {
    const std::string name = std::to_string(seed);
    const auto w = b.constant("w" + name, values({kChannels, kChannels, 3, 3}, seed));
    return b.op("Conv", {in, w, b.constant("b" + name, values({kChannels}, seed))}, {{"pads", Ints{1, 1, 1, 1}}});
  };
  const auto pooled = b.op("MaxPool", {conv("x", 1)}, {{"kernel_shape", Ints{4, 4}}, {"strides", Ints{4, 4}}});
  b.output(conv(pooled, 2));
  return b.build();
}

TEST(KeptBytes, OfWhatRunsAreLeft) {
  const Groups net(conv_model({1, kChannels, 28, 28}, {kChannels, kChannels, 3, 3}, 1, 1), jit::host_target());
  const jit::Computation& c = *net.tasks.at(0).computation;
  EXPECT_EQ(kept_bytes(c), 9 * kTap + kBias);
  EXPECT_EQ(kept_bytes(jit::apply_algorithm(c, "winograd4")), 36 * kTap + kBias);
  EXPECT_EQ(kept_bytes(jit::apply_algorithm(c, "winograd2")), 16 * kTap + kBias);
}

class LeanAlgorithms : public ::testing::Test {
 protected:
  LeanAlgorithms() : net_(two_convolutions(), jit::host_target()) {
    for (size_t t = 0; t < net_.tasks.size(); ++t) {
      if (net_.tasks[t].ops.rfind("Conv", 0) == 0) convs_.push_back(t);
    }
  }

  bool allows(int64_t allowance, size_t conv, const std::string& algorithm) const {
    return lean_algorithms(net_.tasks, allowance).at(convs_.at(conv)).contains(algorithm);
  }

  Groups net_;
  std::vector<size_t> convs_;
};

TEST_F(LeanAlgorithms, WithoutAnAllowanceThoseThatKeepNoMore) {
  ASSERT_EQ(convs_.size(), 2u);
  for (const size_t conv : {0, 1}) {
    EXPECT_TRUE(allows(0, conv, "direct"));
    EXPECT_FALSE(allows(0, conv, "winograd2"));
    EXPECT_FALSE(allows(0, conv, "winograd4"));
  }
}

TEST_F(LeanAlgorithms, TheAllowanceGoesWhereMostWorkIs) {
  // Four Winograd outputs a tile keep 27 taps more; eight parts of "gemm" keep one for padding, which comes first.
  EXPECT_TRUE(allows(28 * kTap, 0, "winograd4"));
  EXPECT_FALSE(allows(28 * kTap, 1, "winograd2"));
  EXPECT_FALSE(allows(27 * kTap, 0, "winograd4"));
  EXPECT_TRUE(allows(27 * kTap, 0, "winograd2"));
  EXPECT_TRUE(allows(34 * kTap, 1, "winograd2"));
  EXPECT_FALSE(allows(34 * kTap, 1, "winograd4"));
  EXPECT_TRUE(allows(54 * kTap, 1, "winograd4"));
}

}  // namespace
}  // namespace altrt::tuner
