// Every form of load and store that the code generator distinguishes.
#include <algorithm>
#include <limits>

#include "tests/jit_cpu/fixture.h"

namespace altrt::jit {
namespace {

using namespace build;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const int64_t kWidths[] = {1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 16, 17, 24, 31, 32, 40};
const Expr r = variable("r"), v = variable("v");

/// y[r][v] = value for `rows` rows, a vector loop of `width` columns.
Nest map_nest(const std::string& name, DataType type, int64_t rows, int64_t width) {
  Nest nest;
  nest.name = name;
  add_buffer(&nest, "y", type, {rows, width}, true);
  return nest;
}

void finish(Nest* nest, Expr value) {
  const int64_t rows = nest->buffers[0].shape[0], width = nest->buffers[0].shape[1];
  nest->body = {serial("r", rows, {vector("v", width, {store(0, {r, v}, std::move(value))})})};
}

TEST(Access, ContiguousInEveryTypeAndWidth) {
  for (DataType type : {DataType::f32, DataType::f64, DataType::i64, DataType::i32, DataType::i8, DataType::u8}) {
    for (int64_t width : kWidths) {
      Nest nest = map_nest("contiguous", type, 3, width);
      const int x = add_buffer(&nest, "x", type, {3, width});
      finish(&nest, at(nest, x, {r, v}) * constant(type, 2) + constant(type, 1));
      on_all_targets(nest, [&](Compiled& m) {
        for (int64_t i = 0; i < 3 * width; ++i) {
          double expected = m[1].get(i) * 2 + 1;
          if (type == DataType::u8) expected = static_cast<uint8_t>(expected);
          ASSERT_EQ(m[0].get(i), expected) << altrt::to_string(type) << " width " << width << " element " << i;
        }
      });
    }
  }
}

TEST(Access, Booleans) {
  for (int64_t width : kWidths) {
    Nest nest = map_nest("booleans", DataType::boolean, 2, width);
    const int x = add_buffer(&nest, "x", DataType::boolean, {2, width});
    const int z = add_buffer(&nest, "z", DataType::f32, {2, width});
    finish(&nest,
           logical_or(logical_not(at(nest, x, {r, v})), lt(at(nest, z, {r, v}), constant_float(DataType::f32, 0))));
    on_all_targets(nest, [&](Compiled& m) {
      for (int64_t i = 0; i < 2 * width; ++i) ASSERT_EQ(m[0].get(i), !m[1].get(i) || m[2].get(i) < 0) << i;
    });
  }
}

TEST(Access, StridesForwardsAndBackwards) {
  for (int64_t stride : {-3, -2, -1, 0, 1, 2, 3, 5}) {
    for (int64_t width : {3, 4, 6, 8, 16, 24}) {
      Nest nest = map_nest("stride", DataType::f32, 2, width);
      const int64_t span = std::abs(stride) * (width - 1) + 1, first = stride < 0 ? span - 1 : 0;
      const int x = add_buffer(&nest, "x", DataType::f32, {2, span});
      finish(&nest, at(nest, x, {r, v * Expr(stride) + Expr(first)}));
      on_all_targets(nest, [&](Compiled& m) {
        for (int64_t i = 0; i < 2 * width; ++i) {
          ASSERT_EQ(m[0].get(i), m[1].get(i / width * span + first + i % width * stride)) << stride << " " << i;
        }
      });
    }
  }
}

TEST(Access, StridedAndReversedStores) {
  for (int64_t stride : {-1, 2, 3}) {
    Nest nest;
    nest.name = "scatter";
    const int64_t width = 13, span = std::abs(stride) * (width - 1) + 1;
    const int y = add_buffer(&nest, "y", DataType::i32, {span}, true);
    const int x = add_buffer(&nest, "x", DataType::i32, {width});
    nest.body = {
        vector("v", width, {store(y, {v * Expr(stride) + Expr(stride < 0 ? span - 1 : 0)}, at(nest, x, {v}))})};
    on_all_targets(nest, [&](Compiled& m) {
      for (int64_t i = 0; i < span; ++i) {
        const int64_t from = stride < 0 ? width - 1 - i : i / stride;
        ASSERT_EQ(m[0].get(i), stride > 0 && i % stride ? -77 : m[1].get(from)) << i;
      }
    });
  }
}

TEST(Access, LastLaneWinsWhereAllStoreToOnePlace) {
  Nest nest;
  nest.name = "one_place";
  const int y = add_buffer(&nest, "y", DataType::f32, {1}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {11});
  nest.body = {vector("v", 11, {store(y, {Expr(0)}, at(nest, x, {v}))})};
  on_all_targets(nest, [&](Compiled& m) { ASSERT_EQ(m[0].get(0), m[1].get(10)); });
}

TEST(Access, AllLanesAreReadBeforeTheFirstIsStored) {
  Nest nest;
  nest.name = "reverse_in_place";
  const int y = add_buffer(&nest, "y", DataType::f32, {40}, true);
  nest.body = {vector("v", 40, {store(y, {v}, at(nest, y, {Expr(39) - v}))})};
  on_all_targets(
      nest,
      [](Compiled& m) {
        for (int i = 0; i < 40; ++i) m[0].set(i, i);
      },
      [](Compiled& m) {
        for (int i = 0; i < 40; ++i) ASSERT_EQ(m[0].get(i), 39 - i);
      });
}

TEST(Access, FusedAxesSplitByDivision) {
  Nest nest;
  nest.name = "fused";
  const int y = add_buffer(&nest, "y", DataType::f32, {56}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {8, 9});
  const Expr f = r * Expr(8) + v;  // 56 points of 8 x 7
  nest.body = {
      serial("r", 7, {vector("v", 8, {store(y, {f}, at(nest, x, {floor_div(f, 7), floor_mod(f, 7) + Expr(1)}))})})};
  on_all_targets(nest, [&](Compiled& m) {
    for (int64_t i = 0; i < 56; ++i) ASSERT_EQ(m[0].get(i), m[1].get(i / 7 * 9 + i % 7 + 1)) << i;
  });
}

TEST(Access, DivisionWithNegativeOperandsRoundsDown) {
  Nest nest;
  nest.name = "negative_division";
  const int y = add_buffer(&nest, "y", DataType::f32, {40}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {24});
  const Expr e = r * Expr(8) + v - Expr(20);
  for (int64_t d : {3, 4}) {
    const Expr index = floor_div(e, d) * Expr(1) + Expr(10) + floor_mod(e, d);
    nest.body = {serial("r", 5, {vector("v", 8, {store(y, {r * Expr(8) + v}, at(nest, x, {index}))})})};
    on_all_targets(nest, [&](Compiled& m) {
      for (int64_t i = 0; i < 40; ++i) {
        const int64_t n = i - 20, mod = ((n % d) + d) % d, div = (n - mod) / d;
        ASSERT_EQ(m[0].get(i), m[1].get(div + 10 + mod)) << i;
      }
    });
  }
}

TEST(Access, DataDependentIndices) {
  for (DataType type : {DataType::i64, DataType::i32}) {
    Nest nest = map_nest("gather", DataType::f32, 3, 13);
    const int x = add_buffer(&nest, "x", DataType::f32, {5, 3});
    const int index = add_buffer(&nest, "index", type, {13});
    const Expr raw = cast(DataType::i64, at(nest, index, {v}));
    finish(&nest, at(nest, x, {min(max(raw, Expr(0)), Expr(4)), r}));
    on_all_targets(nest, [&](Compiled& m) {
      for (int64_t i = 0; i < 39; ++i) {
        const auto row = static_cast<int64_t>(std::clamp(m[2].get(i % 13), 0.0, 4.0));
        ASSERT_EQ(m[0].get(i), m[1].get(row * 3 + i / 13)) << i;
      }
    });
  }
}

TEST(Access, MaskedTails) {
  for (int64_t extent : {1, 5, 8, 13, 21, 33}) {
    for (int64_t width : {6, 8, 16, 24}) {
      for (DataType type : {DataType::f32, DataType::i64, DataType::u8}) {
        Nest nest;
        nest.name = "masked_tail";
        const int y = add_buffer(&nest, "y", type, {extent}, true);
        const int x = add_buffer(&nest, "x", type, {extent});
        const Expr i = r * Expr(width) + v;
        nest.body = {serial(
            "r", (extent + width - 1) / width,
            {vector("v", width, {if_then(lt(i, extent), {store(y, {i}, at(nest, x, {i}) + constant(type, 1))})})})};
        on_all_targets(nest, [&](Compiled& m) {
          for (int64_t k = 0; k < extent; ++k)
            ASSERT_EQ(m[0].get(k), m[1].get(k) + 1) << extent << " " << width << " " << k;
        });
      }
    }
  }
}

TEST(Access, BothBranchesOfALaneVaryingCondition) {
  Nest nest = map_nest("both_branches", DataType::f32, 1, 20);
  const int a = add_buffer(&nest, "a", DataType::f32, {7});
  const int b = add_buffer(&nest, "b", DataType::f32, {26});
  const Expr condition = lt(v, 7);
  nest.body = {vector("v", 20,
                      {if_then(condition, {store(0, {Expr(0), v}, at(nest, a, {v}))},
                               {store(0, {Expr(0), v}, at(nest, b, {v * Expr(2) - Expr(14)}))})})};
  on_all_targets(nest, [&](Compiled& m) {
    for (int64_t i = 0; i < 20; ++i) ASSERT_EQ(m[0].get(i), i < 7 ? m[1].get(i) : m[2].get(2 * i - 14)) << i;
  });
}

// Padding of a convolution: the row condition is the same for all lanes, the column's is not; what lies outside is
// never read.
TEST(Access, SelectsGuardTheirAccesses) {
  for (double outside : {0.0, -static_cast<double>(kInfinity)}) {
    for (int64_t stride : {1, 2, 3}) {
      for (int64_t width : {5, 8, 14, 16, 24}) {
        Nest nest = map_nest("padding", DataType::f32, 6, width);
        const int64_t columns = (width - 1) * stride - 1;
        if (columns < 1) continue;
        const int x = add_buffer(&nest, "x", DataType::f32, {4, columns});
        const Expr row = r - Expr(1), column = v * Expr(stride) - Expr(1);
        const Expr inside =
            logical_and(logical_and(le(0, row), lt(row, 4)), logical_and(le(0, column), lt(column, columns)));
        finish(&nest, select(inside, at(nest, x, {row, column}), constant_float(DataType::f32, outside)));
        on_all_targets(nest, [&](Compiled& m) {
          for (int64_t i = 0; i < 6 * width; ++i) {
            const int64_t h = i / width - 1, w = i % width * stride - 1;
            const bool in = h >= 0 && h < 4 && w >= 0 && w < columns;
            ASSERT_EQ(m[0].get(i), in ? m[1].get(h * columns + w) : outside) << stride << " " << width << " " << i;
          }
        });
      }
    }
  }
}

TEST(Access, UniformGuardsAtEveryStride) {
  for (int64_t stride : {-1, 0, 1, 2, 3}) {
    Nest nest = map_nest("uniform_guard", DataType::f32, 4, 8);
    const int x = add_buffer(&nest, "x", DataType::f32, {2, 22});
    const Expr row = r - Expr(1);
    const Expr column = v * Expr(stride) + Expr(stride < 0 ? 21 : 0);
    const Expr inside = logical_and(le(0, row), lt(row, 2));
    finish(&nest, select(inside, at(nest, x, {row, column}) + constant_float(DataType::f32, 1),
                         constant_float(DataType::f32, 9)));
    on_all_targets(nest, [&](Compiled& m) {
      for (int64_t i = 0; i < 32; ++i) {
        const int64_t h = i / 8 - 1, w = i % 8 * stride + (stride < 0 ? 21 : 0);
        ASSERT_EQ(m[0].get(i), h >= 0 && h < 2 ? m[1].get(h * 22 + w) + 1 : 9) << stride << " " << i;
      }
    });
  }
}

TEST(Access, OneElementForSomeOfTheLanes) {
  Nest nest = map_nest("some_lanes", DataType::f32, 3, 12);
  const int x = add_buffer(&nest, "x", DataType::f32, {3});
  finish(&nest, select(eq(floor_mod(v, 3), 1), at(nest, x, {r}), constant_float(DataType::f32, 0)));
  on_all_targets(nest, [&](Compiled& m) {
    for (int64_t i = 0; i < 36; ++i) ASSERT_EQ(m[0].get(i), i % 12 % 3 == 1 ? m[1].get(i / 12) : 0) << i;
  });
}

TEST(Access, NestedSelectsAndSharedSubexpressions) {
  Nest nest = map_nest("nested", DataType::f32, 1, 16);
  const int x = add_buffer(&nest, "x", DataType::f32, {10});
  const Expr load = at(nest, x, {v - Expr(3)}), zero = constant_float(DataType::f32, 0);
  const Expr inside = logical_and(le(3, v), lt(v, 13));
  // The access is first seen with its guard, then again below a narrower one, then outside as part of a sum.
  const Expr once = select(inside, load, zero);
  const Expr twice = select(inside, select(lt(v, 8), load * load, load), zero);
  finish(&nest, once + twice);
  on_all_targets(nest, [&](Compiled& m) {
    for (int64_t i = 0; i < 16; ++i) {
      const double e = i >= 3 && i < 13 ? m[1].get(i - 3) : 0;
      ASSERT_EQ(m[0].get(i), e + (i < 8 ? e * e : e)) << i;
    }
  });
}

TEST(Access, ConstantTables) {
  const auto values =
      std::make_shared<const std::vector<double>>(std::vector<double>{1, 0, -1, 0.5, 2, 0, 7, -3, 4, 9, 11, 13});
  auto entry = [&](const Expr& e) { return table(values, DataType::f32, e); };
  Nest nest = map_nest("tables", DataType::f32, 4, 6);
  const int x = add_buffer(&nest, "x", DataType::f32, {6});
  const Expr u = variable("u"), load = at(nest, x, {v});
  const Expr by_lane = entry(v), by_row = entry(r * Expr(2)), by_both = entry(r + v);
  const Expr sum = fma(load, by_row, by_lane) + by_both * entry(u) + entry(Expr(6)) + entry(u) * load;
  nest.body = {serial("r", 4,
                      {vector("v", 6, {store(0, {r, v}, constant_float(DataType::f32, 0))}),
                       unrolled("u", 4, {vector("v", 6, {store(0, {r, v}, at(nest, 0, {r, v}) + sum)})})})};
  on_all_targets(nest, [&](Compiled& m) {
    for (int64_t i = 0; i < 24; ++i) {
      const int64_t row = i / 6, lane = i % 6;
      const auto& t = *values;
      double expected = 0;
      for (int64_t k = 0; k < 4; ++k) {
        const double xv = m[1].get(lane);
        expected += xv * t[2 * row] + t[lane] + t[row + lane] * t[k] + t[6] + t[k] * xv;
      }
      ASSERT_EQ(m[0].get(i), expected) << i;
    }
  });
}

}  // namespace
}  // namespace altrt::jit
