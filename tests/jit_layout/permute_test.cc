// Native packing against an element-by-element copy.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include <altrt/error.h>

#include "jit/layout/permute.h"
#include "tests/jit_expr/random_index.h"
#include "tests/jit_layout/random_layout.h"

namespace altrt::jit::testing {
namespace {

constexpr DataType kTypes[] = {DataType::f32, DataType::f64, DataType::i64,    DataType::i32,
                               DataType::i8,  DataType::u8,  DataType::boolean};

using Bytes = std::vector<uint8_t>;

/// The bytes of one element.
Bytes element_bytes(DataType type, double value) {
  auto bytes = [](auto element) {
    Bytes result(sizeof(element));
    std::memcpy(result.data(), &element, sizeof(element));
    return result;
  };
  switch (type) {
    case DataType::f32:
      return bytes(static_cast<float>(value));
    case DataType::f64:
      return bytes(value);
    case DataType::i64:
      return bytes(static_cast<int64_t>(value));
    case DataType::i32:
      return bytes(static_cast<int32_t>(value));
    case DataType::i8:
      return bytes(static_cast<int8_t>(value));
    default:
      return bytes(static_cast<uint8_t>(value));
  }
}

/// The memory of a tensor in a layout: a pattern for each element whose bytes differ between neighbours, fills, and
/// `other` where nothing is defined.
Bytes memory_of(DataType type, const Layout& layout, const Placement& placement, uint8_t other) {
  size_t size = size_of(type);
  Bytes memory(placement.elements.size() * size, other);
  uint8_t* to = memory.data();
  for (int64_t element : placement.elements) {
    if (element >= 0) {
      uint64_t bits = static_cast<uint64_t>(element) * 0x9e3779b97f4a7c15u + 0x1234567u;
      std::memcpy(to, &bits, size);
    } else if (std::optional<double> fill = layout.steps[-1 - element].fill) {
      std::memcpy(to, element_bytes(type, *fill).data(), size);
    }
    to += size;
  }
  return memory;
}

/// Element numbers that `layout` holds somewhere.
std::vector<bool> held_by(const Placement& placement, int64_t count) {
  std::vector<bool> held(count);
  for (int64_t element : placement.elements) {
    if (element >= 0) held[element] = true;
  }
  return held;
}

constexpr size_t kGuard = 64;

/// Runs all tasks in random ranges and in any order, on memory with guards.
Bytes run_in_ranges(const Permute& permute, const Bytes& from, RandomLayout& random) {
  Bytes to(permute.bytes_to() + 2 * kGuard, 0xa5);
  std::vector<int64_t> cuts{0, permute.tasks()};
  for (int i = 0; i < 3; ++i) cuts.push_back(random.integer(0, permute.tasks()));
  std::sort(cuts.begin(), cuts.end());
  for (size_t i = cuts.size() - 1; i-- > 0;) permute.run(from.data(), to.data() + kGuard, cuts[i], cuts[i + 1]);
  for (size_t i = 0; i < kGuard; ++i) {
    EXPECT_EQ(to[i], 0xa5) << "written before the tensor";
    EXPECT_EQ(to[to.size() - 1 - i], 0xa5) << "written past the tensor";
  }
  return Bytes(to.begin() + kGuard, to.end() - kGuard);
}

void check_copy(DataType type, const std::vector<int64_t>& shape, const Layout& from, const Layout& to,
                RandomLayout& random) {
  SCOPED_TRACE(std::string(altrt::to_string(type)) + altrt::to_string(shape) + " from \"" + to_string(from) +
               "\" to \"" + to_string(to) + "\"");
  Placement source = place(from, shape), target = place(to, shape);
  // What the source does not hold is 0 in the target.
  std::vector<bool> held = held_by(source, count_of(shape));
  Bytes expected = memory_of(type, to, target, 0);
  for (size_t p = 0; p < target.elements.size(); ++p) {
    int64_t element = target.elements[p];
    if (element >= 0 && !held[element]) std::fill_n(expected.begin() + p * size_of(type), size_of(type), 0);
  }
  Permute permute(type, shape, from, to);
  ASSERT_EQ(permute.bytes_to(), static_cast<int64_t>(expected.size()));
  int64_t tasks = 1;
  for (const int64_t extent : permute.task_extents()) tasks *= extent;
  ASSERT_EQ(tasks, permute.tasks());
  ASSERT_EQ(run_in_ranges(permute, memory_of(type, from, source, 0x77), random), expected);
}

void check_fill(DataType type, const std::vector<int64_t>& shape, const Layout& layout) {
  SCOPED_TRACE(std::string(altrt::to_string(type)) + altrt::to_string(shape) + " \"" + to_string(layout) + "\"");
  Placement placement = place(layout, shape);
  Bytes expected = memory_of(type, layout, placement, 0);
  Bytes memory = memory_of(type, layout, placement, 0x55);
  for (size_t p = 0; p < placement.elements.size(); ++p) {
    if (placement.elements[p] < 0) std::fill_n(memory.begin() + p * size_of(type), size_of(type), 0x55);
  }
  fill_padding(type, shape, layout, memory.data());
  ASSERT_EQ(memory, expected);
}

Layout boolean_fills(Layout layout) {
  for (LayoutStep& step : layout.steps) {
    if (step.fill) step.fill = *step.fill != 0;
  }
  return layout;
}

TEST(Permute, RandomLayouts) {
  RandomLayout random(test_seed(20240921));
  for (int i = 0; i < cases(3000); ++i) {
    std::vector<int64_t> shape = random.shape(4, 12);
    bool lossless = random.integer(0, 3) != 0;
    Layout from = random.layout(shape, 5, lossless), to = random.layout(shape, 5, lossless);
    DataType type = kTypes[i % 7];
    if (type == DataType::boolean) to = boolean_fills(to), from = boolean_fills(from);
    check_copy(type, shape, from, to, random);
    check_fill(type, shape, to);
    if (HasFatalFailure()) FAIL() << "case " << i;
  }
}

TEST(Permute, EveryBlockedLayout) {
  // The layouts that networks use, at sizes that leave every remainder: both ways, all types, with and without borders.
  RandomLayout random(test_seed(20240922));
  for (int64_t channels : {1, 3, 8, 16, 20, 33, 64}) {
    for (int64_t width : {1, 2, 5, 7, 8, 14, 19}) {
      for (int64_t block : {4, 8, 16}) {
        std::vector<int64_t> shape{2, channels, 3, width};
        int64_t rest = (block - channels % block) % block;
        Layout blocked, last, bordered;
        blocked.pad(1, 0, rest, 0).split(1, {0, block}).reorder({0, 1, 3, 4, 2});
        last.reorder({0, 2, 3, 1});
        bordered.pad(2, 1, 1, 0).pad(3, 1, 1, 1).pad(1, 0, rest, std::nullopt).split(1, {0, block});
        bordered.reorder({0, 1, 3, 4, 2});
        DataType type = kTypes[(channels + width + block) % 7];
        const std::vector<Layout> layouts{{}, blocked, last, bordered};
        for (const Layout& from : layouts) {
          for (const Layout& to : layouts) check_copy(type, shape, from, to, random);
        }
        check_copy(DataType::f32, shape, {}, bordered, random);
        check_copy(DataType::f32, shape, bordered, {}, random);
        check_fill(type, shape, bordered);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Permute, LargeTensorsAreCutIntoTasks) {
  RandomLayout random(test_seed(20240923));
  struct Case {
    std::vector<int64_t> shape;
    const char *from, *to;
  };
  const Case kCases[] = {
      {{1, 64, 56, 56}, "", "pad(2, 1, 1, 0) pad(3, 1, 1, 0) split(1, 0x16) reorder(0,1,3,4,2)"},
      {{1, 64, 56, 56}, "pad(2, 1, 1, 0) pad(3, 1, 1, 0) split(1, 0x16) reorder(0,1,3,4,2)", ""},
      {{1, 64, 56, 56}, "split(1, 0x8) reorder(0,1,3,4,2)", "split(1, 0x16) reorder(0,1,3,4,2)"},
      {{70, 33, 3, 3}, "", "pad(0, 0, 10, 0) split(0, 0x16) reorder(0,2,3,4,1)"},
      {{64, 32, 3, 3}, "", "split(1, 0x16) split(0, 0x16) reorder(0,2,4,5,3,1)"},
      {{300, 500}, "", "reorder(1,0)"},
      {{300, 500}, "", ""},
      {{3, 100, 100}, "", "reorder(1,2,0)"},
      {{100, 100, 3}, "", "reorder(2,0,1)"},
      {{100, 3000}, "", "reorder(1,0) fuse(0, 2) pad(0, 7, 9, 3) split(0, 0x4)"},
      {{40, 60, 30}, "", "unfold(1, 10, 5) fuse(0, 2)"},
      {{1, 50000}, "split(1, 0x2) reorder(0,2,1)", "split(1, 0x100) reorder(0,2,1)"},
  };
  for (const Case& c : kCases) {
    Permute permute(DataType::f32, c.shape, parse_layout(c.from), parse_layout(c.to));
    EXPECT_GE(permute.tasks(), 4) << c.to;
    EXPECT_LE(permute.tasks(), permute.bytes_to() / 256) << c.to;
    for (DataType type : {DataType::f32, DataType::f64, DataType::u8}) {  // one of each width
      check_copy(type, c.shape, parse_layout(c.from), parse_layout(c.to), random);
    }
    if (HasFatalFailure()) return;
  }
}

TEST(Permute, InverseBringsTheDataBack) {
  RandomLayout random(test_seed(20240924));
  for (int i = 0; i < cases(1000); ++i) {
    std::vector<int64_t> shape = random.shape(4, 10);
    Layout layout = random.layout(shape, 6, true);
    SCOPED_TRACE("case " + std::to_string(i) + ": " + to_string(layout) + " on " + altrt::to_string(shape));
    std::vector<int64_t> packed_shape = place(layout, shape).shape;
    Bytes data = memory_of(DataType::f32, {}, place({}, shape), 0);
    Permute pack(DataType::f32, shape, {}, layout);
    Permute unpack(DataType::f32, packed_shape, {}, inverse(layout, extents(shape)));
    Permute direct(DataType::f32, shape, layout, {});
    Bytes packed = run_in_ranges(pack, data, random);
    ASSERT_EQ(run_in_ranges(unpack, packed, random), data);
    ASSERT_EQ(run_in_ranges(direct, packed, random), data);
  }
}

TEST(Permute, SourceMayRunBackwards) {
  // Element 0 lies at 2*2 + 0, element 1 at 2*0 + 1: the distance between them is negative.
  RandomLayout random(1);
  Layout from = parse_layout("pad(0, 2, 2, 0) split(0, 2x3) reorder(1,0,2)");
  check_copy(DataType::f32, {2, 1}, from, {}, random);
  check_copy(DataType::f32, {2, 20}, from, {}, random);
}

TEST(Permute, ScalarsAndEmptyTensors) {
  RandomLayout random(1);
  check_copy(DataType::f64, {}, {}, {}, random);
  EXPECT_EQ(Permute(DataType::f32, {0, 4}, {}, {}).tasks(), 0);
  check_copy(DataType::i32, {0, 4}, {}, parse_layout("reorder(1,0)"), random);
  check_copy(DataType::i32, {0, 4}, {}, parse_layout("pad(0, 1, 2, 5)"), random);
  check_fill(DataType::i32, {0, 4}, parse_layout("pad(0, 1, 2, 5)"));
  check_fill(DataType::f32, {}, {});
  check_copy(DataType::f32, {1, 1}, parse_layout("unpad(0, 1, 0)"), {}, random);
  check_copy(DataType::f32, {1, 1}, {}, parse_layout("unpad(0, 1, 0)"), random);
}

TEST(Permute, FillsKeepTheirValueInEveryType) {
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<float> data(3, 0);
  fill_padding(DataType::f32, {1}, Layout().pad(0, 1, 1, -infinity), data.data());
  EXPECT_EQ(data,
            (std::vector<float>{-std::numeric_limits<float>::infinity(), 0, -std::numeric_limits<float>::infinity()}));
  std::vector<int64_t> integers(3, 0);
  fill_padding(DataType::i64, {1}, Layout().pad(0, 1, 1, -9223372036854775808.0), integers.data());
  EXPECT_EQ(integers[0], std::numeric_limits<int64_t>::min());

  auto refused = [](DataType type, double fill) {
    try {
      Permute(type, {1}, {}, Layout().pad(0, 1, 1, fill));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refused(DataType::u8, -1), "fill value -1.000000 can't be held by element type u8");
  EXPECT_EQ(refused(DataType::i32, 0.5), "fill value 0.500000 can't be held by element type i32");
  EXPECT_EQ(refused(DataType::boolean, 2), "fill value 2.000000 can't be held by element type bool");
  EXPECT_NE(refused(DataType::i8, infinity), "");
  EXPECT_NE(refused(DataType::i64, 9223372036854775808.0), "");
  EXPECT_NE(refused(DataType::f32, 1e300), "");
  EXPECT_EQ(refused(DataType::f64, 1e300), "");
  EXPECT_EQ(refused(DataType::u8, 255), "");
}

TEST(Permute, LaterPaddingCoversEarlierPadding) {
  std::vector<float> data(16);
  Layout layout = parse_layout("pad(0, 1, 1, 1) pad(1, 1, 1, 2)");
  Permute permute(DataType::f32, {2, 2}, {}, layout);
  const float from[] = {5, 6, 7, 8};
  permute.run(from, data.data(), 0, permute.tasks());
  EXPECT_EQ(data, (std::vector<float>{2, 1, 1, 2, 2, 5, 6, 2, 2, 7, 8, 2, 2, 1, 1, 2}));
}

TEST(Permute, LayoutsThatDoNotFitAreRefused) {
  EXPECT_THROW(Permute(DataType::f32, {5}, {}, parse_layout("split(0, 0x2)")), Error);
  EXPECT_THROW(Permute(DataType::f32, {5}, parse_layout("split(0, 0x2)"), {}), Error);
  EXPECT_THROW(fill_padding(DataType::f32, {5}, parse_layout("reorder(1,0)"), nullptr), Error);
}

}  // namespace
}  // namespace altrt::jit::testing
