// Every kind of operator in every family of layouts, with random parameters of layouts and loops, against the evaluator
// bit for bit: by the interpreter and as machine code. ALTRT_TEST_SEED and ALTRT_TEST_CASES vary the cases.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "jit/compile/templates.h"
#include "jit/loop/lower.h"
#include "tests/jit_compile/operators.h"
#include "tests/jit_compile/run_case.h"

namespace altrt::jit {
namespace {

using property::Random;

const std::vector<std::string>& families() {
  static const std::vector<std::string> names{"blocked", "channels_last", "tiled", "tiled_rows", "plain"};
  return names;
}

const std::vector<Extent>& shape_of(const Computation& c, int tensor) {
  return c.tensors[static_cast<size_t>(tensor)].shape;
}
const std::vector<Extent>& output_shape(const Computation& c) {
  return shape_of(c, c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0]);
}

int64_t random_block(const std::vector<Extent>& shape, Random& random) {
  return random.chance(20) ? shape[1].bound : random.pick(Ints{2, 3, 4, 5, 8, 16});
}

/// Tiles that suit the anchor (multiples of a transposed convolution's stride), any extent.
Ints random_tile(const Computation& c, bool rows_only, Random& random) {
  Ints tile;
  const std::vector<Extent>& out = output_shape(c);
  for (size_t i = 2; i < out.size(); ++i) {
    const int64_t step = c.anchor.kind == AnchorKind::conv_transpose ? c.anchor.strides[i - 2] : 1;
    const bool whole = (rows_only && i + 1 == out.size() && out.size() > 3) || random.chance(15);
    tile.push_back(whole ? 0 : step * random.in(1, std::max<int64_t>(2, out[i].bound / step)));
  }
  return tile;
}

Borders borders_round(const std::vector<Extent>& shape, Random& random) {
  Borders borders;
  for (size_t i = 2; i < shape.size(); ++i) {
    borders.lo.push_back(random.in(0, 2));
    borders.hi.push_back(random.in(0, 2));
  }
  return borders;
}

Layouts random_layouts(const Computation& c, const std::string& family, Random& random) {
  const std::vector<Extent>&in = shape_of(c, c.anchor.data), &out = output_shape(c);
  const bool is_tiled = family.starts_with("tiled");
  const Ints tile = is_tiled ? random_tile(c, family == "tiled_rows", random) : Ints();
  const Borders borders = read_borders(c, tile);
  if (family == "plain") {
    Borders wide = borders;
    wide.hi.back() += random.in(0, 3);
    const Layout rows = random.chance(40) ? Layout() : blocked(in, 1, wide);
    return anchor_layouts(c, rows, random.chance(70) ? Layout() : blocked(out, 1, borders_round(out, random)));
  }
  const std::vector<Layout> data{blocked(in, random_block(in, random), borders),
                                 channels_last(in, borders, random.pick(Ints{0, 0, 3, 16}))};
  Layout input = random.pick(data), output;
  if (is_tiled) {
    output = tiled(out, tile, random.chance(20) ? 0 : random_block(out, random));
    if (random.chance(75)) input = unfolded(c, tile, random.chance(20) ? 0 : random_block(in, random));
  } else if (family == "blocked") {
    output = blocked(out, std::max<int64_t>(2, random_block(out, random)));
  } else {
    output = channels_last(out, {}, random.pick(Ints{0, 0, 5, 16}));
  }
  return anchor_layouts(c, input, output);
}

ConvParameters random_conv(Random& random) {
  ConvParameters p;
  p.height = random.in(1, 3);
  p.width = random.in(1, 5);
  p.blocks = random.chance(60) ? 1 : random.in(2, 3);
  p.unroll = random.in(1, 5);
  p.taps_inside = random.chance(30);
  p.rows_first = random.chance(50);
  p.tiles_first = random.chance(40);
  p.columns = random.chance(40) ? 0 : random.pick(Ints{3, 4, 8, 16});
  p.unroll_taps = random.chance(25);
  p.cache_channels = random.chance(70) ? 0 : random.in(1, 3);
  p.cache_rows = random.chance(70) ? 0 : random.in(1, 3);
  p.chunk = random.chance(70) ? 0 : random.in(1, 6);
  p.parallel = random.chance(60) ? 0 : random.in(1, 4);
  return p;
}

WindowParameters random_window(Random& random) {
  WindowParameters p;
  p.width = random.in(1, 5);
  p.unroll_taps = random.chance(50);
  p.columns = random.chance(40) ? 0 : random.pick(Ints{3, 4, 8, 16});
  p.height = random.in(1, 3);
  p.rows_first = random.chance(50);
  return p;
}

PixelParameters random_pixels(const Computation& c, Random& random) {
  PixelParameters p;
  p.channels = random.in(1, 5);
  p.height = random.in(1, 3);
  p.vectors = random.in(1, 2);
  p.unroll = random.in(1, 5);
  p.unroll_taps = random.chance(50);
  p.taps_inside = random.chance(50);
  p.rows_first = random.chance(50);
  p.pack = p.rows_first && c.anchor.weights >= 0 && random.chance(50);
  return p;
}

/// Weights packed for the loops, plain, or in blocks that have nothing to do with them.
Layout random_weights(const Computation& c, const Layout& packed, Random& random) {
  if (random.chance(50)) return packed;
  if (random.chance(50)) return plain_weights(c);
  return conv_weights(c, random.pick(Ints{2, 4, 8, 16}), random.pick(Ints{0, 2, 3, 8}));
}

/// Layouts of weights and schedule: the defaults, or by random parameters.
Schedule random_schedule(const Computation& c, bool defaults, const Target& target, Random& random, Layouts& layouts) {
  if (defaults) {
    layouts = default_layouts(c, target, layouts);
    return default_schedule(c, layouts, target);
  }
  Schedule schedule = default_schedule(c, layouts, target);
  const bool has_weights = c.anchor.weights >= 0;
  const std::string weights = has_weights ? c.tensors[static_cast<size_t>(c.anchor.weights)].name : "";
  if (has_pixel_template(c, layouts)) {
    const PixelParameters p = random_pixels(c, random);
    if (has_weights) layouts[weights] = random_weights(c, packed_weights(c, p), random);
    schedule[c.stages[static_cast<size_t>(c.anchor.stage)].name] = schedule_pixels(c, layouts, p, target);
    return schedule;
  }
  if (!is_dense_conv(c)) {
    const WindowParameters p = random_window(random);
    if (has_weights) layouts[weights] = random_weights(c, packed_weights(c, layouts, p), random);
    schedule[c.stages[static_cast<size_t>(c.anchor.stage)].name] = schedule_window(c, layouts, p);
    return schedule;
  }
  const ConvParameters p = random_conv(random);
  if (has_weights) layouts[weights] = random_weights(c, packed_weights(c, layouts, p), random);
  for (const int number : anchor_stages(c)) {
    const Stage& stage = c.stages[static_cast<size_t>(number)];
    if (!stage.reduce.empty()) schedule[stage.name] = schedule_conv(c, stage, layouts, p);
  }
  return schedule;
}

class Templates : public testing::TestWithParam<std::string> {};

TEST_P(Templates, GiveTheEvaluatorsBitsInEveryFamily) {
  const std::string& kind = GetParam();
  const uint64_t first = property::test_seed(1);
  const int count = property::test_cases(24);
  const std::vector<Target> targets{host_target(), named_target("avx2")};
  std::map<std::string, int> refused;
  int run = 0, families_run = 0;
  for (const std::string& family : families()) {
    if (family == "plain" && kind[0] == 't') continue;  // a transposed convolution writes points apart
    ++families_run;
    for (uint64_t seed = first; seed < first + static_cast<uint64_t>(count); ++seed) {
      Random random(seed * 64 + (&family - families().data()));
      const Computation c = make_operator(kind, random);
      Layouts layouts = random_layouts(c, family, random);
      const Target& target = targets[seed % targets.size()];
      ASSERT_TRUE(family == "plain" ? has_pixel_template(c, layouts) : has_image_template(c, layouts)) << family;
      const std::string what = kind + ", " + family + ", seed " + std::to_string(seed);
      property::Case made;
      try {
        const Schedule schedule = random_schedule(c, seed % 3 == 0, target, random, layouts);
        made = lowered_case(kind, c, layouts, schedule, seed);
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::invalid_argument) << what << ": " << e.what();
        EXPECT_NE(seed % 3, 0U) << "a default is refused: " << what << ": " << e.what();
        ++refused[e.what()];
        continue;
      }
      ++run;
      EXPECT_EQ(property::check(made, property::run_interpreter), "") << what << "\n" << property::to_string(made);
      if (seed % 2 == 0) {
        const std::string difference = run_machine_code(made, target);
        EXPECT_TRUE(difference.empty() || difference == "too large") << what << ": " << difference << "\n"
                                                                     << property::to_string(made);
      }
    }
  }
  std::printf("%s: %d run\n", kind.c_str(), run);
  for (const auto& [reason, times] : refused) std::printf("  refused %d: %s\n", times, reason.c_str());
  EXPECT_GE(run * 10, count * families_run * 8);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Templates, testing::ValuesIn(operator_kinds()),
                         [](const auto& info) { return info.param; });

// 5 blocks of 32 channels would be 3 tasks for one of two threads; where there are enough, rows stay whole.
TEST(ConvTemplate, FewTasksAreCutAlongTheRows) {
  const auto tasks = [](int64_t outputs, int64_t size, int64_t parallel) {
    const Computation c =
        convolution({.channels = 16, .outputs = outputs, .spatial = {size, size}, .kernel = {1, 1}, .bias = false});
    Layouts layouts{{c.tensors[static_cast<size_t>(c.anchor.data)].name, blocked(shape_of(c, c.anchor.data), 16)},
                    {c.tensors[static_cast<size_t>(c.stages[0].outputs[0])].name, blocked(output_shape(c), 16)}};
    const ConvParameters p{.height = size, .width = 2, .blocks = 2, .parallel = parallel};
    layouts[c.tensors[static_cast<size_t>(c.anchor.weights)].name] = packed_weights(c, layouts, p);
    Schedule schedule;
    schedule[c.stages[0].name] = schedule_conv(c, c.stages[0], layouts, p);
    return lower(c, layouts, schedule).at(0).nest.tasks();
  };
  EXPECT_EQ(tasks(160, 7, 0), 5 * 4);
  EXPECT_EQ(tasks(160, 7, 2), 5);
  EXPECT_EQ(tasks(512, 7, 0), 16);
}

// --- images one after the other ---

TEST(PixelTemplate, JoinsTheRowsThatAPointwiseConvolutionReadsAndWrites) {
  const Computation c = convolution({.channels = 6, .outputs = 10, .spatial = {7, 9}, .kernel = {1, 1}});
  ASSERT_TRUE(joins_rows(c, {}));
  PixelParameters p;
  p.channels = 4, p.vectors = 1, p.unroll = 2;
  const Layouts layouts{{c.tensors[static_cast<size_t>(c.anchor.weights)].name, packed_weights(c, p)}};
  Schedule schedule = default_schedule(c, layouts, host_target());
  schedule[c.stages[static_cast<size_t>(c.anchor.stage)].name] = schedule_pixels(c, layouts, p, host_target());
  const property::Case made = lowered_case("pointwise", c, layouts, schedule, 1);
  EXPECT_NE(to_string(made.kernels[0].nest).find("h*w.1 in"), std::string::npos) << to_string(made.kernels[0].nest);
  EXPECT_EQ(property::check(made, property::run_interpreter), "");
  EXPECT_EQ(run_machine_code(made, host_target()), "");
  // Borders keep the rows apart, and so does a window of more than a point.
  const std::string x = c.tensors[static_cast<size_t>(c.anchor.data)].name;
  EXPECT_FALSE(joins_rows(c, {{x, blocked(shape_of(c, c.anchor.data), 1, {{0, 1}, {0, 0}, 0})}}));
  EXPECT_FALSE(joins_rows(convolution({.spatial = {7, 9}, .kernel = {1, 3}, .pad = 1}), {}));
}

// --- matrix products ---

Layouts random_matmul_layouts(const Computation& c, Random& random) {
  const Stage& stage = c.stages[static_cast<size_t>(c.anchor.stage)];
  const TensorDecl &a = c.tensors[static_cast<size_t>(c.anchor.data)],
                   &b = c.tensors[static_cast<size_t>(c.anchor.weights)],
                   &out = c.tensors[static_cast<size_t>(stage.outputs[0])];
  Layouts layouts;
  const int64_t m = random.in(2, 7), n = random.pick(Ints{3, 4, 8, 16}), k = random.pick(Ints{3, 4, 8});
  const bool constant = b.role == Role::constant;
  if (random.chance(60)) layouts[out.name] = tiled_matrix(out.shape, m, n);
  if (random.chance(20)) layouts[out.name] = tiled_matrix(out.shape, 0, n);
  if (random.chance(60)) layouts[a.name] = tiled_matrix(a.shape, m, k);
  if (random.chance(60)) layouts[b.name] = tiled_matrix(b.shape, k, n, constant ? std::optional(0.0) : std::nullopt);
  if (random.chance(20)) layouts[out.name] = padded_rows(out.shape, random.in(1, 9));
  return layouts;
}

TEST(MatmulTemplate, GivesTheEvaluatorsBitsInEveryLayout) {
  const int count = property::test_cases(150);
  const uint64_t first = property::test_seed(1);
  const std::vector<Target> targets{host_target(), named_target("avx2")};
  int run = 0;
  for (uint64_t seed = first; seed < first + static_cast<uint64_t>(count); ++seed) {
    Random random(seed * 64 + 63);
    const int64_t m = random.in(1, 17), k = random.in(2, 19), n = random.in(1, 37), batch = random.in(2, 3);
    const bool batched = random.chance(50), constant = random.chance(50), shared = random.chance(40);
    const Computation c = matmul(batched ? Shape{batch, m, k} : Shape{m, k},
                                 batched && !shared ? Shape{batch, k, n} : Shape{k, n}, constant, random.chance(50));
    Layouts layouts = random_matmul_layouts(c, random);
    const std::string what = "matmul, seed " + std::to_string(seed);
    ASSERT_TRUE(has_matmul_template(c, layouts)) << what;
    const Target& target = targets[seed % targets.size()];
    const bool defaults = seed % 3 == 0;
    MatmulParameters p;
    p.rows = random.in(1, 6);
    p.columns = random.pick(Ints{4, 8, 16, 24});
    p.unroll = random.in(1, 5);
    p.rows_first = random.chance(50);
    p.blocks = random.in(1, 3);
    p.cache_rows = random.chance(60) ? 0 : random.in(1, 3);
    p.cache_columns = random.chance(60) ? 0 : random.in(1, 3);
    p.chunk = random.chance(60) ? 0 : random.in(1, 8);
    try {
      if (defaults || random.chance(40)) layouts = default_layouts(c, target, layouts);
      Schedule schedule = default_schedule(c, layouts, target);
      if (!defaults) schedule[c.stages[static_cast<size_t>(c.anchor.stage)].name] = schedule_matmul(c, layouts, p);
      const property::Case made = lowered_case("matmul", c, layouts, schedule, seed);
      ++run;
      EXPECT_EQ(property::check(made, property::run_interpreter), "") << what << "\n" << property::to_string(made);
      const std::string difference = seed % 2 == 0 ? run_machine_code(made, target) : "";
      EXPECT_TRUE(difference.empty() || difference == "too large") << what << ": " << difference << "\n"
                                                                   << property::to_string(made);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::invalid_argument) << what << ": " << e.what();
      EXPECT_FALSE(defaults) << what << ": " << e.what();
      std::printf("refused, seed %d: %s\n", static_cast<int>(seed), e.what());
    }
  }
  EXPECT_GE(run * 10, count * 9);
}

TEST(StrassenTemplate, GivesTheEvaluatorsBits) {
  const int count = property::test_cases(120);
  const uint64_t first = property::test_seed(1);
  const std::vector<Target> targets{host_target(), named_target("avx2")};
  int run = 0;
  for (uint64_t seed = first; seed < first + static_cast<uint64_t>(count); ++seed) {
    Random random(seed * 64 + 62);
    const int64_t m = random.in(2, 37), k = random.in(2, 69), n = random.in(2, 75), batch = random.in(1, 3);
    const Computation c = apply_algorithm(
        matmul(random.chance(40) ? Shape{batch, m, k} : Shape{m, k}, {k, n}, true, random.chance(50)), "strassen");
    const std::string what = "strassen, seed " + std::to_string(seed);
    ASSERT_TRUE(has_strassen_template(c, {})) << what;
    const Target& target = targets[seed % targets.size()];
    StrassenParameters p = default_strassen(c, target);
    const bool defaults = seed % 3 == 0;
    if (!defaults) {
      p.rows = random.in(1, 6);
      p.columns = random.pick(Ints{4, 8, 16, 24});
      p.unroll = random.in(1, 5);
      p.row_tiles = random.in(1, 4);
      p.column_tiles = random.in(1, 3);
      p.depth = random.pick(Ints{4, 8, 16});
      p.by_rows = random.chance(50);
    }
    Layouts layouts;
    layout_strassen(c, p, layouts);
    const property::Case made = lowered_case("strassen", c, layouts, schedule_strassen(c, p), seed);
    const StrassenHalves h = strassen_halves(c);
    const bool in_blocks = p.by_rows && (h.batch > 1 || p.rows * p.row_tiles < h.m);
    EXPECT_TRUE(!in_blocks || made.kernels.size() == 2) << what << ": one, and that of the weights";
    ++run;
    EXPECT_EQ(property::check(made, property::run_interpreter), "") << what << "\n" << property::to_string(made);
    const std::string difference = seed % 2 == 0 ? run_machine_code(made, target) : "";
    EXPECT_TRUE(difference.empty() || (!defaults && difference == "too large")) << what << ": " << difference << "\n"
                                                                                << property::to_string(made);
  }
  EXPECT_EQ(run, count);
}

TEST(StrassenTemplate, MakesOneBlockAtATime) {
  const Computation c = apply_algorithm(matmul({64, 48}, {48, 96}, true, true), "strassen");
  StrassenParameters p;
  p.rows = 4, p.row_tiles = 2, p.columns = 16, p.by_rows = true, p.depth = 8;
  Layouts layouts;
  layout_strassen(c, p, layouts);
  const std::vector<LoweredKernel> kernels = lower(c, layouts, schedule_strassen(c, p));
  ASSERT_EQ(kernels.size(), 2U);
  std::map<std::string, int64_t> elements;
  for (const Buffer& buffer : kernels[1].nest.buffers) elements[buffer.name] = buffer.elements();
  EXPECT_EQ(elements[kStrassenFirst], 7 * 8 * 24);
  EXPECT_EQ(elements[kStrassenProducts], 7 * 8 * 16);
  EXPECT_EQ(kernels[1].nest.tasks(), 32 / 8);
}

// Channels that fill no block, one and two dimensions before the tile's, weights that are constant and those that are
// not.

}  // namespace
}  // namespace altrt::jit
