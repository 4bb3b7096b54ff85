// Every primitive used where it can't be: refused before any code is made, with the stage or tensor, the step and the
// reason.
#include <functional>
#include <limits>

#include "tests/transform/operators.h"

namespace altrt {
namespace {

using testing::box_computation;
using testing::expect_says;
using testing::refusal;

const char* const kRows = "s0.rows_";  // the stages of a GatedBox, and what the first makes
const char* const kOutput = "s0";
const char* const kSums = "s0.rows";

struct Illegal {
  const char* name;
  std::function<void(GroupDecision&)> change;
  std::vector<std::string> says;
};

Illegal on_layout(const char* name, const char* tensor, const std::function<void(Layout&)>& change, const char* step,
                  const char* reason) {
  return {name,
          [=](GroupDecision& d) { change(d.layouts[tensor]); },
          {"tensor " + std::string(tensor) + ",", step, reason}};
}

Illegal on_loops(const char* name, const char* stage, const std::function<void(StageSchedule&)>& change,
                 const char* step, const char* reason) {
  return {
      name, [=](GroupDecision& d) { change(d.schedule[stage]); }, {"stage " + std::string(stage) + ",", step, reason}};
}

class Refused : public ::testing::TestWithParam<Illegal> {};

TEST_P(Refused, withTheReason) {
  const Computation c = box_computation();
  GroupDecision decision;
  GetParam().change(decision);
  const std::string message = refusal([&] { nests(c, decision); });
  expect_says(message, GetParam().says);
  const Tensor x = testing::noise(testing::kImage, 1), bias = testing::noise({testing::kImage[1]}, 2);
  EXPECT_EQ(refusal([&] { run(c, decision, {{"x0", x.view()}, {"x1", bias.view()}}); }), message);
}

using L = Layout;
using S = StageSchedule;
const double kNaN = std::numeric_limits<double>::quiet_NaN();

const std::vector<Illegal> kLayouts{
    on_layout(
        "splitNothing", "x0", [](L& l) { l.split(1, {}); }, "split(1, )", "no factors"),
    on_layout(
        "splitZero", "x0",
        [](L& l) {
          l.split(1, {2, 0});
        },
        "split(1, 2x0)", "not positive"),
    on_layout(
        "splitRest", "x0",
        [](L& l) {
          l.split(1, {0, 5});
        },
        "split(1, 0x5)", "16 is not a multiple of 5"),
    on_layout(
        "splitProduct", "x0",
        [](L& l) {
          l.split(1, {2, 4});
        },
        "split(1, 2x4)", "8 is not the extent 16"),
    on_layout(
        "splitRank", "x0",
        [](L& l) {
          l.split(4, {0, 2});
        },
        "split(4, 0x2)", "rank 4"),
    on_layout(
        "splitBelow", "x0",
        [](L& l) {
          l.split(-1, {0, 2});
        },
        "split(-1, 0x2)", "rank 4"),
    on_layout(
        "reorderRank", "x0",
        [](L& l) {
          l.reorder({0, 1, 2});
        },
        "reorder(0,1,2)", "not a permutation"),
    on_layout(
        "reorderTwice", "y0",
        [](L& l) {
          l.reorder({0, 1, 1, 2});
        },
        "reorder(0,1,1,2)", "not a permutation"),
    on_layout(
        "fuseRank", "x0", [](L& l) { l.fuse(2, 3); }, "fuse(2, 3)", "rank 4"),
    on_layout(
        "unfoldGaps", "x0", [](L& l) { l.unfold(2, 4, 6); }, "unfold(2, 4, 6)", "would be lost"),
    on_layout(
        "unfoldStride", "x0", [](L& l) { l.unfold(2, 4, 0); }, "unfold(2, 4, 0)", "not positive"),
    on_layout(
        "foldTiles", "x0", [](L& l) { l.fold(2, 4, 2, 99); }, "fold(2, 4, 2, 99)", "tiles"),
    on_layout(
        "padNegative", "x0", [](L& l) { l.pad(2, -1, 2, 0.0); }, "pad(2, -1, 2, 0)", "negative"),
    on_layout(
        "padNaN", "x0", [](L& l) { l.pad(2, 1, 2, kNaN); }, "pad(2, 1, 2, nan)", "not a number"),
    on_layout(
        "unpadTooMuch", "x0", [](L& l) { l.unpad(2, 8, 8); }, "unpad(2, 8, 8)", "no padding of 16"),
    on_layout(
        "unpadUnpadded", "x0", [](L& l) { l.unpad(2, 1, 1); }, "unpad(2, 1, 1)",
        "0 before and 0 behind are known to be padding"),
    on_layout(
        "unpadOutput", "y0", [](L& l) { l.unpad(2, 1, 1); }, "unpad(2, 1, 1)",
        "0 before and 0 behind are known to be padding"),
    on_layout(
        "foldOverlapping", "x0", [](L& l) { l.fold(2, 14, 13, 157); }, "fold(2, 14, 13, 157)", "tiles overlap"),
    on_layout(
        "foldShort", "x0", [](L& l) { l.fold(2, 14, 14, 160); }, "fold(2, 14, 14, 160)", "would drop elements"),
    on_layout(
        "regionSplit", kSums,
        [](L& l) {
          l.split(3, {0, 5});
        },
        "split(3, 0x5)", "14 is not a multiple of 5"),
    {"unknownTensor", [](GroupDecision& d) { d.layouts["z"].fuse(0, 2); }, {"no tensor z", "x0, x1, y0, s0.rows"}},
    {"regionLayout",
     [](GroupDecision& d) {
       d.layouts[kSums].split(3, {0, 5});
       d.schedule[kRows].compute_at(kOutput, "h");
     },
     {"tensor s0.rows", "split(3, 0x5)", "14 is not a multiple of 5"}},
};

const std::vector<Illegal> kLoops{
    on_loops(
        "splitZero", kOutput, [](S& s) { s.split("w", 0); }, "split(w, 0, peel)", "must be positive"),
    on_loops(
        "splitUnknown", kOutput, [](S& s) { s.split("q", 2); }, "split(q, 2, peel)", "loops: n c h w kh"),
    on_loops(
        "splitTwice", kOutput, [](S& s) { s.split("w", 2).split("w", 7); }, "split(w, 7, peel)", "no loop w"),
    on_loops(
        "splitUnrolled", kOutput, [](S& s) { s.unroll("w").split("w", 7); }, "split(w, 7, peel)", "already"),
    on_loops(
        "skipSpatial", kOutput, [](S& s) { s.skip("h"); }, "skip(h)", "no reduction"),
    on_loops(
        "skipLanes", kOutput,
        [](S& s) {
          s.reorder({"w", "kh"}).vectorize("kh").skip("kh");
        },
        "skip(kh)", "run at once"),
    on_loops(
        "splitSkipped", kOutput, [](S& s) { s.skip("kh").split("kh", 2); }, "split(kh, 2, peel)", "already"),
    on_loops(
        "padUnpadded", kOutput, [](S& s) { s.split("w", 4, Tail::pad); }, "split(w, 4, pad)", "padding of 2"),
    on_loops(
        "padReduction", kOutput, [](S& s) { s.split("kh", 2, Tail::pad); }, "split(kh, 2, pad)", "reduction"),
    on_loops(
        "overlapShort", kOutput, [](S& s) { s.split("w", 15, Tail::overlap); }, "split(w, 15, overlap)",
        "below the factor"),
    on_loops(
        "overlapReduction", kOutput, [](S& s) { s.split("kh", 2, Tail::overlap); }, "split(kh, 2, overlap)",
        "repeat work"),
    on_loops(
        "tailOutside", kOutput,
        [](S& s) {
          s.split("w", 5).reorder({"w.1", "w.0"});
        },
        "split(w, 5, peel)", "must stay inside w.0"),
    on_loops(
        "fuseOne", kOutput, [](S& s) { s.fuse({"w"}); }, "fuse(w)", "two loops"),
    on_loops(
        "fuseApart", kOutput,
        [](S& s) {
          s.fuse({"n", "h"});
        },
        "fuse(n, h)", "not adjacent"),
    on_loops(
        "fuseReduction", kOutput,
        [](S& s) {
          s.fuse({"w", "kh"});
        },
        "fuse(w, kh)", "a reduction"),
    on_loops(
        "reorderTwice", kOutput,
        [](S& s) {
          s.reorder({"w", "w"});
        },
        "reorder(w, w)", "named twice"),
    on_loops(
        "reorderUnknown", kOutput,
        [](S& s) {
          s.reorder({"w", "q"});
        },
        "reorder(w, q)", "no loop q"),
    on_loops(
        "vectorizeOuter", kOutput, [](S& s) { s.vectorize("w"); }, "vectorize(w)", "not the innermost"),
    on_loops(
        "unrollVector", kOutput, [](S& s) { s.vectorize("kh").unroll("kh"); }, "unroll(kh)", "already"),
    on_loops(
        "parallelReduction", kOutput, [](S& s) { s.parallel("kh"); }, "parallel(kh)", "is a reduction"),
    on_loops(
        "parallelInner", kOutput, [](S& s) { s.parallel("h"); }, "parallel(h)", "not outermost"),
    on_loops(
        "parallelUnrolled", kOutput, [](S& s) { s.unroll("n").parallel("n"); }, "parallel(n)", "unrolled"),
    on_loops(
        "parallelBlocks", kOutput,
        [](S& s) {
          s.split("w", 5).reorder({"w.0", "w.1", "n"}).parallel("w.0").parallel("w.1");
        },
        "parallel(w.1)", "different sizes"),
    on_loops(
        "parallelInside", kRows, [](S& s) { s.compute_at(kOutput, "c").parallel("rn"); }, "parallel(rn)",
        "computed at another's loop"),
};

const std::vector<Illegal> kPlaces{
    on_loops(
        "atUnknownStage", kRows, [](S& s) { s.compute_at("q", "h"); }, "compute_at(q, h)", "no stage q"),
    on_loops(
        "atUnknownLoop", kRows, [](S& s) { s.compute_at(kOutput, "q"); }, "compute_at", "no loop q"),
    on_loops(
        "atEarlier", kOutput, [](S& s) { s.compute_at(kRows, "rh"); }, "compute_at(s0.rows_, rh)",
        "does not come after"),
    on_loops(
        "atItself", kOutput, [](S& s) { s.compute_at(kOutput, "h"); }, "compute_at(s0, h)", "does not come after"),
    on_loops(
        "holdAlone", kRows, [](S& s) { s.hold_at(kOutput, "c"); }, "hold_at(s0, c)", "needs compute_at"),
    on_loops(
        "holdInside", kRows, [](S& s) { s.compute_at(kOutput, "c").hold_at(kOutput, "h"); }, "hold_at",
        "not outside loop c"),
    on_loops(
        "holdUnknown", kRows, [](S& s) { s.compute_at(kOutput, "h").hold_at(kOutput, "q"); }, "hold_at", "loop q"),
    on_loops(
        "prefetchAlone", kRows, [](S& s) { s.prefetch(); }, "prefetch()", "compute_at"),
    on_loops(
        "inlineReduction", kRows, [](S& s) { s.inline_stage(); }, "inline_stage()", "is a reduction"),
    on_loops(
        "cacheUnknown", kRows, [](S& s) { s.cache_read("q", "rh"); }, "cache_read(q, rh)", "no tensor q"),
    on_loops(
        "cacheUnread", kRows, [](S& s) { s.cache_read("x1", "rh"); }, "cache_read(x1, rh)", "does not read it"),
    on_loops(
        "cacheTwice", kRows, [](S& s) { s.cache_read("x0", "rh").cache_read("x0", "rc"); }, "cache_read(x0, rc)",
        "already"),
    on_loops(
        "cacheUnknownLoop", kRows, [](S& s) { s.cache_read("x0", "q"); }, "cache_read(x0, q)", "no loop q"),
    on_loops(
        "chunksOfSpace", kOutput, [](S& s) { s.split_reduction("w", 2); }, "split_reduction(w, 2)",
        "no reduction axis w"),
    on_loops(
        "oneChunk", kOutput, [](S& s) { s.split_reduction("kh", 1); }, "split_reduction(kh, 1)", "2 to 3"),
    on_loops(
        "emptyChunks", kOutput, [](S& s) { s.split_reduction("kh", 9); }, "split_reduction(kh, 9)", "2 to 3"),
    on_loops(
        "bindTwo", kOutput, [](S& s) { s.bind("w").bind("h"); }, "bind(h)", "w is bound already"),
    on_loops(
        "bindBlocks", kOutput, [](S& s) { s.split("w", 5).bind("w.1"); }, "bind(w.1)", "different sizes"),
    {"inlineOutput",
     [](GroupDecision& d) { d.schedule[kOutput].inline_stage(); },
     {"stage s0,", "inline_stage()", "is a reduction"}},
    {"holdParallel",
     [](GroupDecision& d) {
       d.schedule[kRows].compute_at(kOutput, "h").hold_at(kOutput, "c");
       d.schedule[kOutput].parallel("n").parallel("c").parallel("h");
     },
     {"stage s0.rows_,", "hold_at", "does not roll along loop h"}},
    {"atVector",
     [](GroupDecision& d) {
       d.schedule[kRows].compute_at(kOutput, "w");
       d.schedule[kOutput].reorder({"kh", "w"}).vectorize("w");
     },
     {kRows, "compute_at", "vector loop"}},
    {"unknownStage", [](GroupDecision& d) { d.schedule["q"].unroll("w"); }, {"no stage q", "s0.rows_, s0"}},
    {"unknownAlgorithm", [](GroupDecision& d) { d.algorithm = "winograd2"; }, {"winograd2", "direct"}},
};

std::string name_of(const ::testing::TestParamInfo<Illegal>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Layouts, Refused, ::testing::ValuesIn(kLayouts), name_of);
INSTANTIATE_TEST_SUITE_P(Loops, Refused, ::testing::ValuesIn(kLoops), name_of);
INSTANTIATE_TEST_SUITE_P(Places, Refused, ::testing::ValuesIn(kPlaces), name_of);

}  // namespace
}  // namespace altrt
