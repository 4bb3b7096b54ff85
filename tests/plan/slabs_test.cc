// Packing piece by piece is packing.
#include "runtime/plan/slabs.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace altrt::plan {
namespace {

Tensor numbered(const Shape& shape) {
  Tensor tensor(DataType::f32, shape);
  for (int64_t i = 0; i < element_count(shape); ++i) tensor.as<int32_t>()[i] = static_cast<int32_t>(i + 1);
  return tensor;
}

std::vector<uint8_t> packed_whole(const Tensor& tensor, const jit::Layout& layout) {
  const jit::Permute permute(tensor.type(), tensor.shape(), {}, layout);
  std::vector<uint8_t> result(static_cast<size_t>(permute.bytes_to()), 0xff);
  permute.run(tensor.data(), result.data(), 0, permute.tasks());
  return result;
}

std::vector<uint8_t> packed_in_slabs(const Tensor& tensor, const jit::Layout& layout) {
  const Slabs slabs(tensor, layout);
  const jit::Permute whole = slabs.permute(false), last = slabs.permute(true);
  std::vector<uint8_t> result(static_cast<size_t>(whole.bytes_to() * (slabs.count() - 1) + last.bytes_to()), 0xff);
  for (int64_t s = 0; s < slabs.count(); ++s) {
    const jit::Permute& permute = s + 1 == slabs.count() ? last : whole;
    permute.run(static_cast<const uint8_t*>(tensor.data()) + static_cast<size_t>(s) * slabs.bytes(),
                result.data() + s * whole.bytes_to(), 0, permute.tasks());
  }
  return result;
}

struct Case {
  Shape shape;
  const char* layout;
};

TEST(Slabs, GiveWhatTheWholeGives) {
  for (const Case& c :
       {Case{{1024, 700}, "split(0, 0x16) reorder(0,2,1)"},
        Case{{1000, 700}, "pad(0, 0, 24) split(0, 0x32) reorder(0,2,1)"},
        Case{{1000, 700}, "pad(0, 0, 24, 7) split(0, 0x32) reorder(0,2,1)"}, Case{{5000, 300}, ""},
        Case{{384, 160, 3, 3}, "split(0, 0x32) reorder(0,2,3,4,1)"},
        Case{{384, 160, 3, 3}, "split(0, 0x16) split(2, 0x16) reorder(0,2,4,5,3,1)"},
        Case{{384, 150, 3, 3}, "pad(1, 0, 10, 0) split(0, 0x8x2) split(3, 0x16) reorder(0,3,5,6,4,1,2)"},
        Case{{2048, 100, 3}, "reorder(0,2,1)"}}) {
    const jit::Layout layout = jit::parse_layout(c.layout);
    const Tensor tensor = numbered(c.shape);
    ASSERT_GT(Slabs(tensor, layout).count(), 1) << c.layout;
    EXPECT_EQ(packed_in_slabs(tensor, layout), packed_whole(tensor, layout)) << c.layout;
  }
}

TEST(Slabs, AreOneWhereTheLayoutMixesRows) {
  for (const Case& c :
       {Case{{1024, 700}, "reorder(1,0)"}, Case{{1024, 704}, "split(1, 0x16) reorder(1,0,2)"},
        Case{{1024, 700}, "pad(0, 8, 0) split(0, 0x8) reorder(0,2,1)"},
        Case{{1024, 700}, "split(0, 64x16) reorder(0,2,1)"}, Case{{1024, 700}, "split(0, 0x16) pad(0, 0, 1)"},
        Case{{1024, 700}, "fuse(0, 2)"}, Case{{1024, 700}, "split(0, 0x4) split(0, 0x4) reorder(0,3,2,1)"},
        Case{{2, 5'000'000}, ""}, Case{{100, 100}, "reorder(0,1)"}}) {
    EXPECT_EQ(Slabs(numbered(c.shape), jit::parse_layout(c.layout)).count(), 1) << c.layout;
  }
}

}  // namespace
}  // namespace altrt::plan
