// Loops, tiles, storage and the parallel range.
#include <algorithm>

#include "tests/jit_cpu/fixture.h"

namespace altrt::jit {
namespace {

using namespace build;

const Expr i = variable("i"), j = variable("j"), k = variable("k"), v = variable("v");

/// c[m][n] = sum over k of a[m][k] * b[k][n] in one register tile, the reduction unrolled by `unroll`.
Nest product(int64_t m, int64_t n, int64_t depth, int64_t unroll) {
  Nest nest;
  nest.name = "product_" + std::to_string(m) + "x" + std::to_string(n);
  const int c = add_buffer(&nest, "c", DataType::f32, {m, n}, true);
  const int a = add_buffer(&nest, "a", DataType::f32, {m, depth});
  const int b = add_buffer(&nest, "b", DataType::f32, {depth, n});
  const int acc = add_buffer(&nest, "acc", DataType::f32, {m, n}, false, Scope::register_tile);
  const Expr step = variable("k0") * Expr(unroll) + variable("k1");
  const Expr next = fma(at(nest, a, {i, step}), at(nest, b, {step, v}), at(nest, acc, {i, v}));
  auto each = [&](Stmt s) { return unrolled("i", m, {vector("v", n, {std::move(s)})}); };
  nest.body = {allocate(acc, {each(store(acc, {i, v}, constant_float(DataType::f32, 0))),
                              serial("k0", depth / unroll, {unrolled("k1", unroll, {each(store(acc, {i, v}, next))})}),
                              each(store(c, {i, v}, max(at(nest, acc, {i, v}), constant_float(DataType::f32, 0))))})};
  return nest;
}

TEST(Structure, RegisterTiles) {
  const std::pair<int64_t, int64_t> shapes[] = {{1, 1},  {1, 8},  {6, 16}, {5, 6}, {4, 24},
                                                {3, 14}, {2, 32}, {7, 4},  {3, 1}, {2, 5}};
  for (const auto& [m, n] : shapes) {
    for (int64_t unroll : {1, 2, 4}) {
      const int64_t rows = m, columns = n;
      on_all_targets(product(m, n, 12, unroll), [&](Compiled& c) {
        for (int64_t p = 0; p < rows * columns; ++p) {
          double sum = 0;
          for (int64_t q = 0; q < 12; ++q) sum += c[1].get(p / columns * 12 + q) * c[2].get(q * columns + p % columns);
          ASSERT_EQ(c[0].get(p), std::max(sum, 0.0)) << rows << "x" << columns << " element " << p;
        }
      });
    }
  }
}

TEST(Structure, TilesLiveInRegisters) {
  const Nest fits = product(6, 16, 64, 4), spills = product(9, 32, 64, 4);
  const Target target = named_target("avx2");
  EXPECT_LE(cpu::compile(fits, target).frame_bytes, 64);
  EXPECT_GT(cpu::compile(spills, target).frame_bytes, 256);
  EXPECT_GT(cpu::compile(fits, target).code_bytes, 4 * 12 * 4);
}

TEST(Structure, MixedScalarAndVectorUseOfATile) {
  Nest nest;
  nest.name = "row_sums";  // eight partial sums, then their sum in order
  const int y = add_buffer(&nest, "y", DataType::f32, {5}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {5, 32});
  const int part = add_buffer(&nest, "part", DataType::f32, {8}, false, Scope::register_tile);
  const int sum = add_buffer(&nest, "sum", DataType::f32, {1}, false, Scope::register_tile);
  const Expr zero = constant_float(DataType::f32, 0);
  nest.body = {serial(
      "i", 5,
      {allocate(
          part,
          {allocate(sum, {vector("v", 8, {store(part, {v}, zero)}),
                          serial("k", 4,
                                 {vector("v", 8,
                                         {store(part, {v}, at(nest, part, {v}) + at(nest, x, {i, k * Expr(8) + v}))})}),
                          store(sum, {Expr(0)}, zero),
                          unrolled("j", 8, {store(sum, {Expr(0)}, at(nest, sum, {Expr(0)}) + at(nest, part, {j}))}),
                          store(y, {i}, at(nest, sum, {Expr(0)}))})})})};
  on_all_targets(nest, [&](Compiled& c) {
    for (int64_t p = 0; p < 5; ++p) {
      double want = 0;
      for (int64_t q = 0; q < 32; ++q) want += c[1].get(p * 32 + q);
      ASSERT_EQ(c[0].get(p), want);
    }
  });
}

TEST(Structure, MaskedStoresIntoTiles) {
  Nest nest;
  nest.name = "masked_tile";
  const int y = add_buffer(&nest, "y", DataType::f32, {16}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {16});
  const int t = add_buffer(&nest, "t", DataType::f32, {16}, false, Scope::register_tile);
  nest.body = {allocate(t, {vector("v", 16, {store(t, {v}, constant_float(DataType::f32, 3))}),
                            vector("v", 16, {if_then(lt(v, 11), {store(t, {v}, at(nest, x, {v}))})}),
                            vector("v", 16, {store(y, {v}, at(nest, t, {v}))})})};
  on_all_targets(nest, [&](Compiled& c) {
    for (int64_t p = 0; p < 16; ++p) ASSERT_EQ(c[0].get(p), p < 11 ? c[1].get(p) : 3);
  });
}

TEST(Structure, TilesNarrowerThanTheMaskedVector) {
  Nest nest;
  nest.name = "narrow_tile";
  const int y = add_buffer(&nest, "y", DataType::f32, {2, 3}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {2, 3});
  const int t = add_buffer(&nest, "t", DataType::f32, {2, 3}, false, Scope::register_tile);
  auto tail = [](Stmt s) { return unrolled("i", 2, {vector("v", 8, {if_then(lt(v, 3), {std::move(s)})})}); };
  nest.body = {allocate(t, {tail(store(t, {i, v}, at(nest, x, {i, v}) + constant_float(DataType::f32, 1))),
                            tail(store(y, {i, v}, at(nest, t, {i, v}) * at(nest, t, {i, Expr(2) - v})))})};
  on_all_targets(nest, [&](Compiled& c) {
    for (int64_t p = 0; p < 6; ++p) {
      ASSERT_EQ(c[0].get(p), (c[1].get(p) + 1) * (c[1].get(p / 3 * 3 + 2 - p % 3) + 1)) << p;
    }
  });
}

TEST(Structure, ThreadScopeStorage) {
  Nest nest;
  nest.name = "workspace";
  const int y = add_buffer(&nest, "y", DataType::f32, {6, 20}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {6, 20});
  const int spare = add_buffer(&nest, "spare", DataType::u8, {7}, false, Scope::thread);
  const int w = add_buffer(&nest, "w", DataType::f32, {20}, false, Scope::thread);
  const Expr b = cast(DataType::u8, constant_int(DataType::i32, 2));
  nest.body = {serial(
      "i", 6,
      {allocate(spare,
                {allocate(w, {serial("j", 7, {store(spare, {j}, b)}),
                              vector("v", 20, {store(w, {v}, at(nest, x, {i, v}) * at(nest, x, {i, v}))}),
                              vector("v", 20,
                                     {store(y, {i, v},
                                            at(nest, w, {Expr(19) - v}) +
                                                cast(DataType::f32, at(nest, spare, {floor_mod(v, 7)})))})})})})};
  on_all_targets(nest, [&](Compiled& c) {
    for (int64_t p = 0; p < 120; ++p) {
      const double e = c[1].get(p / 20 * 20 + 19 - p % 20);
      ASSERT_EQ(c[0].get(p), e * e + 2);
    }
  });
}

Nest parallel_nest(bool symbolic) {
  Nest nest;
  nest.name = symbolic ? "symbolic" : "parallel";
  const int y = add_buffer(&nest, "y", DataType::i64, {5, 1, 3, 4}, true);
  const Expr a = variable("a"), b = variable("b"), c = variable("c"), d = variable("d");
  if (symbolic) nest.sizes = 1, nest.size_bounds = {5};
  nest.parallel = {{"a", symbolic ? Extent::symbolic(5, 0) : Extent(5)}, {"b", 1}, {"c", 3}, {"d", 4}};
  nest.body = {store(y, {a, b, c, d}, a * Expr(1000) + b * Expr(100) + c * Expr(10) + d)};
  return nest;
}

TEST(Structure, RangesOfTasks) {
  for (bool symbolic : {false, true}) {
    const Nest nest = parallel_nest(symbolic);
    for (const auto& [first, last] : {std::pair<int64_t, int64_t>{0, 60}, {0, 0}, {7, 7}, {3, 4}, {11, 37}, {59, 60}}) {
      Compiled c(nest, cpu::compile(nest, host_target()));
      c.run(first, last, symbolic ? std::vector<int64_t>{5} : std::vector<int64_t>{});
      for (int64_t p = 0; p < 60; ++p) {
        const double want = static_cast<double>(p / 12 * 1000 + p / 4 % 3 * 10 + p % 4);
        ASSERT_EQ(c[0].get(p), p >= first && p < last ? want : -77) << first << " " << last << " " << p;
      }
    }
  }
}

TEST(Structure, RunTimeSizes) {
  Nest nest;
  nest.name = "run_time_size";
  nest.sizes = 1;
  nest.size_bounds = {9};
  const int y = add_buffer(&nest, "y", DataType::f32, {9, 10}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {9, 10});
  nest.body = {serial("i", variable("size0"), {vector("v", 10, {store(y, {i, v}, at(nest, x, {i, v}))})})};
  for (int64_t size : {1, 4, 9}) {
    Compiled c(nest, cpu::compile(nest, host_target()));
    c.run(0, 1, {size});
    for (int64_t p = 0; p < 90; ++p) ASSERT_EQ(c[0].get(p), p < size * 10 ? c[1].get(p) : -77) << size << " " << p;
  }
}

TEST(Structure, LetsAndUniformConditions) {
  Nest nest;
  nest.name = "lets";
  const int y = add_buffer(&nest, "y", DataType::f32, {6, 12}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {8, 30});
  const Expr row = variable("row");
  const Stmt inner = store(y, {i, v}, at(nest, x, {row, v * Expr(2) + Expr(1)}));
  const Stmt other = store(y, {i, v}, constant_float(DataType::f32, 5));
  nest.body = {serial("i", 6,
                      {let("row", floor_div(i * Expr(3) + Expr(1), 2) - Expr(0),
                           {if_then(logical_and(lt(row, 8), ne(i, 2)), {vector("v", 12, {inner})},
                                    {vector("v", 12, {if_then(lt(i, 5), {other})})})})})};
  on_all_targets(nest, [&](Compiled& c) {
    for (int64_t p = 0; p < 72; ++p) {
      const int64_t r = (p / 12 * 3 + 1) / 2;
      const double want = r < 8 && p / 12 != 2 ? c[1].get(r * 30 + p % 12 * 2 + 1) : p / 12 < 5 ? 5 : -77;
      ASSERT_EQ(c[0].get(p), want) << p;
    }
  });
}

// Copies of unrolled code under a condition that is never true for them, which only run time could tell: their indices
// lie outside the register tile.
TEST(Structure, CopiesThatNeverRun) {
  Nest nest;
  nest.name = "never_run";
  const int y = add_buffer(&nest, "y", DataType::f32, {3, 3, 5}, true);
  const int x = add_buffer(&nest, "x", DataType::f32, {8});
  const int t = add_buffer(&nest, "t", DataType::f32, {8}, false, Scope::register_tile);
  const Expr first = i * Expr(4) + j;  // in the only row that counts: j
  const auto if_inside = [&](Stmt body) {
    return if_then(logical_and(le(Expr(1), first), lt(i, 1)), {std::move(body)});
  };
  const Expr moved = j - Expr(1);
  nest.body = {serial(
      "i", 3,
      {allocate(t, {vector("v", 8, {store(t, {v}, at(nest, x, {v}))}),
                    unrolled("j", 5,
                             {if_inside(store(t, {moved}, at(nest, t, {moved}) + constant_float(DataType::f32, 1))),
                              if_inside(store(y, {i, Expr(0), j}, at(nest, t, {moved}))),
                              if_inside(vector("v", 4, {store(y, {i, Expr(1), v}, at(nest, t, {v + moved}))})),
                              if_inside(vector("v", 3, {store(t, {v + moved}, at(nest, x, {v}))})),
                              if_inside(vector("v", 4, {store(y, {i, Expr(2), v}, at(nest, t, {v + moved}))}))})})})};
  on_all_targets(nest, [&](Compiled& c) {
    EXPECT_EQ(c[0].get(0), -77);
    for (int64_t p = 1; p < 5; ++p) EXPECT_NE(c[0].get(p), -77) << p;
    for (int64_t p = 15; p < 45; ++p) EXPECT_EQ(c[0].get(p), -77) << p;
  });
}

TEST(Structure, SingleIterations) {
  Nest nest;
  nest.name = "single";
  const int y = add_buffer(&nest, "y", DataType::f32, {4}, true);
  const Expr one = constant_float(DataType::f32, 1);
  nest.body = {vector("v", 1, {store(y, {v + Expr(1)}, one)}),
               unrolled("j", 2, {serial("k", 1, {store(y, {j + Expr(2)}, one)})})};
  on_all_targets(nest, [&](Compiled& c) {
    ASSERT_EQ(c[0].get(0), -77);
    for (int64_t p = 1; p < 4; ++p) ASSERT_EQ(c[0].get(p), 1);
  });
}

/// A random expression of f32 over the columns of `x`, with conditions, integers and guarded accesses in between.
Expr random_value(const Nest& nest, std::mt19937_64& random, int depth) {
  const Expr column = i * Expr(3) + v - Expr(static_cast<int64_t>(random() % 4));
  const Expr inside = logical_and(le(0, column), lt(column, 40));
  auto sub = [&] { return random_value(nest, random, depth - 1); };
  if (depth == 0) {
    if (random() % 3 == 0) return constant_float(DataType::f32, static_cast<double>(random() % 9) - 4);
    if (random() % 3 == 0) return cast(DataType::f32, column * Expr(static_cast<int64_t>(random() % 3)) + i);
    if (random() % 4 == 0) return at(nest, 1, {min(max(cast(DataType::i64, at(nest, 2, {v})), Expr(0)), Expr(39))});
    return select(inside, at(nest, 1, {column}), constant_float(DataType::f32, random() % 2 ? 0 : -1));
  }
  switch (random() % 10) {
    case 0:
      return sub() + sub();
    case 1:
      return sub() - sub();
    case 2:
      return sub() * sub();
    case 3:
      return fma(sub(), sub(), sub());
    case 4:
      return min(sub(), sub());
    case 5:
      return max(sub(), constant_float(DataType::f32, 0));
    case 6:
      return select(lt(sub(), sub()), sub(), sub());
    case 7:
      return select(le(floor_mod(i + v, 5), 2), sub(), sub());
    case 8:
      return cast(DataType::f32, cast(DataType::i32, sub()) + constant_int(DataType::i32, 3));
    default:
      return unary(random() % 2 ? ExprKind::abs : ExprKind::floor, sub());
  }
}

TEST(Structure, RandomExpressionsAgreeWithTheInterpreter) {
  const uint64_t seed = test_seed();
  std::mt19937_64 random(seed);
  int tried = 0;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE("ALTRT_TEST_SEED=" + std::to_string(seed) + " round " + std::to_string(round));
    Nest nest;
    nest.name = "random";
    const auto width = static_cast<int64_t>(1 + random() % 26);
    add_buffer(&nest, "y", DataType::f32, {5, width}, true);
    add_buffer(&nest, "x", DataType::f32, {40});
    add_buffer(&nest, "index", DataType::i32, {26});
    const Expr value = random_value(nest, random, static_cast<int>(1 + random() % 3));
    Stmt s = store(0, {i, v}, value);
    if (random() % 2) s = if_then(lt(v + i, static_cast<int64_t>(random() % 30)), {s});
    nest.body = {loop("i", 5, random() % 2 ? LoopKind::serial : LoopKind::unrolled, {vector("v", width, {s})})};
    if (code_size(nest, 4).total > 400) continue;
    ++tried;
    on_all_targets(nest, [](Compiled&) {});
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GE(tried, 30);
}

}  // namespace
}  // namespace altrt::jit
