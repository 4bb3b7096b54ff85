// Every primitive by the public interface: applied to a Computation of the user's own, run, compared with its
// definition.
#include "tests/transform/operators.h"

namespace altrt {
namespace {

using testing::box_computation;
using testing::expect_says;
using testing::kImage;
using testing::noise;
using testing::refusal;

class Steps : public ::testing::Test {
 protected:
  Steps() : c_(box_computation()), x_(noise(kImage, 1)), bias_(noise({kImage[1]}, 2)) {
    expected_ = std::move(evaluate(c_, inputs()).at("y0"));
    output_ = c_.stages.back().name;
    rows_ = c_.stages.front().name;
  }

  std::map<std::string, TensorView> inputs() const { return {{"x0", x_.view()}, {"x1", bias_.view()}}; }

  /// The decision computes what the definition says, and is seen in the nests.
  void check(const GroupDecision& decision, const std::vector<std::string>& shown = {}) {
    SCOPED_TRACE(to_string(decision));
    const std::string text = nests(c_, decision);
    EXPECT_NE(text, nests(c_));
    expect_says(text, shown);
    testing::expect_near(run(c_, decision, inputs()).at("y0"), expected_);
  }

  Computation c_;
  Tensor x_, bias_, expected_;
  std::string output_, rows_;
};

TEST_F(Steps, naiveIsTheDefinition) {
  EXPECT_EQ(c_.stages.size(), 2u);
  testing::expect_near(run(c_, {}, inputs()).at("y0"), expected_);
  expect_says(nests(c_), {"for kw", "for kh"});
}

TEST_F(Steps, layoutsOfOutputAndInput) {
  for (const char* tensor : {"y0", "x0"}) {
    GroupDecision decision;
    Layout& layout = decision.layouts[tensor];
    layout.split(1, {0, 8});
    check(decision);
    layout.reorder({0, 1, 3, 4, 2});
    check(decision);
    layout.fuse(2, 2);
    check(decision);
  }
}

TEST_F(Steps, paddedAndUnfoldedInput) {
  GroupDecision padded, unfolded;
  padded.layouts["x0"].pad(3, 1, 1, 0.0);
  check(padded);
  padded.layouts["x0"].pad(2, 0, 4, std::nullopt);
  check(padded);
  unfolded.layouts["x0"].pad(3, 1, 1, 0.0).unfold(3, 6, 4);
  check(unfolded);
}

TEST_F(Steps, inversesOfLayoutPrimitives) {
  GroupDecision decision;
  decision.layouts["x0"].unfold(3, 6, 4).fold(3, 6, 4, kImage[3]).pad(2, 2, 2, 0.0).unpad(2, 1, 1);
  check(decision);
  // Round trips: the tensors lie as they did at first.
  const std::vector<Extent> shape(kImage.begin(), kImage.end());
  Layout layout;
  layout.pad(1, 0, 4, 0.0).split(1, {0, 5}).reorder({0, 1, 3, 4, 2}).fuse(2, 2).unfold(2, 24, 18);
  for (const char* tensor : {"x0", "y0"}) {
    GroupDecision there_and_back;
    Layout& both = there_and_back.layouts[tensor];
    both = layout;
    if (std::string(tensor) == "y0") both.steps.pop_back();  // sums are not made twice
    const Layout back = inverse(both, shape);
    both.steps.insert(both.steps.end(), back.steps.begin(), back.steps.end());
    EXPECT_EQ(physical_shape(both, shape), shape);
    testing::expect_near(run(c_, there_and_back, inputs()).at("y0"), expected_);
  }
  // Rows that lie one behind the other may be folded: that is a fusion.
  GroupDecision folded;
  folded.layouts["x0"].pad(3, 0, 2, 0.0).fold(2, 16, 16, 192);
  check(folded);
}

TEST(StoreAt, biasesLieBehindTheirWeights) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {1, 8, 9, 9});
  b.output(b.op("Conv", {"x", b.constant("w", noise({16, 8, 3, 3}, 3)), b.constant("b", noise({16}, 4))}));
  const Computation c = inspect_groups(b.build())[0].computation;
  const Tensor x = noise({1, 8, 9, 9}, 1), w = noise({16, 8, 3, 3}, 3), bias = noise({16}, 4);
  const std::map<std::string, TensorView> inputs{{"x0", x.view()}, {"w0", w.view()}, {"w1", bias.view()}};
  const Tensor expected = std::move(evaluate(c, inputs).at("y0"));
  GroupDecision decision;
  decision.layouts["w0"].fuse(1, 3);
  decision.layouts["w1"].store_at("w0", 1);
  expect_says(nests(c, decision), {"w0: f32[16, 73]", "w0[o, 72]"});
  testing::expect_near(run(c, decision, inputs).at("y0"), expected);
  decision.layouts["w0"] = Layout().split(0, {0, 8}).reorder({0, 2, 3, 4, 1}).fuse(1, 3);
  decision.layouts["w1"] = Layout().split(0, {0, 8}).store_at("w0", 1);
  testing::expect_near(run(c, decision, inputs).at("y0"), expected);
  decision.layouts["w1"].decouple_at("w0", 1);
  testing::expect_near(run(c, decision, inputs).at("y0"), expected);
  decision.layouts["w1"] = Layout().store_at("x0", 1);
  expect_says(refusal([&] { nests(c, decision); }), {"w1", "store_at", "x0"});
  decision.layouts["w1"] = Layout().store_at("w0", 1);  // not the host's shape
  expect_says(refusal([&] { run(c, decision, inputs); }), {"w1", "store_at"});
}

TEST_F(Steps, splitWithEveryTail) {
  for (const Tail tail : {Tail::peel, Tail::balance, Tail::mask, Tail::overlap}) {
    GroupDecision decision;
    decision.schedule[output_].split("w", 5, tail);
    check(decision, {"w.0", "w.1"});
  }
  GroupDecision padded;
  padded.layouts["y0"].pad(3, 0, 2, std::nullopt);
  padded.schedule[output_].split("w", 4, Tail::pad);
  check(padded);
}

TEST_F(Steps, loopPrimitivesOneAfterTheOther) {
  GroupDecision decision;
  decision.layouts["y0"].split(1, {0, 8}).reorder({0, 1, 3, 4, 2});
  StageSchedule& y = decision.schedule[output_];
  check(decision);
  y.split("w", 7).reorder({"n", "c.0", "h", "w.0", "kh", "w.1", "c.1"});
  check(decision);
  y.vectorize("c.1");
  check(decision, {"vector"});
  y.unroll("kh");
  check(decision, {"unroll"});
  y.fuse({"n", "c.0"});
  check(decision, {"n*c.0"});
  y.parallel("n*c.0").parallel("h");
  check(decision, {"parallel"});
}

TEST_F(Steps, computeAtAndHoldAt) {
  GroupDecision decision;
  decision.schedule[rows_].compute_at(output_, "c");
  check(decision);
  decision.schedule[rows_] = {};
  decision.schedule[rows_].compute_at(output_, "h").hold_at(output_, "c");
  check(decision);
}

TEST_F(Steps, cacheReadAndSplitReduction) {
  GroupDecision cached, chunks;
  cached.schedule[rows_].cache_read("x0", "rh");
  check(cached);
  chunks.schedule[output_].split_reduction("kh", 3);
  check(chunks);
}

TEST_F(Steps, inlineStage) {
  Computation c = instantiate(testing::square_plus(), {{DataType::f32, {4, 6}, nullptr}});
  c.tensors[1].role = Role::intermediate;
  TensorDecl doubled = c.tensors[1];
  doubled.name = "z";
  doubled.role = Role::output;
  const int z = c.add_tensor(doubled);
  ComputationBuilder builder(c, {1}, {z}, "twice");
  const std::vector<Axis> axes = builder.axes({4, 6}, {"i", "j"});
  builder.map(z, axes, builder.at(1, variables(axes)) * constant(DataType::f32, 2));
  verify(c);
  GroupDecision decision;
  decision.schedule["s0"].inline_stage();
  const Tensor x = noise({4, 6}, 3);
  testing::expect_near(run(c, decision, {{"x0", x.view()}}).at("z"), evaluate(c, {{"x0", x.view()}}).at("z"));
  EXPECT_LT(nests(c, decision).size(), nests(c).size());
}

TEST_F(Steps, threadLoopsArePrintedButNotRunHere) {
  GroupDecision decision;
  decision.schedule[output_].parallel("n").parallel("c").bind("w");
  expect_says(nests(c_, decision), {"thread"});
  EXPECT_THROW(run(c_, decision, inputs()), Error);
}

TEST_F(Steps, inputsThatDoNotFitAreNamed) {
  const Tensor small = noise({2, 2}, 1);
  const auto with = [&](const std::string& name, const TensorView& view) {
    auto views = inputs();
    views[name] = view;
    return views;
  };
  expect_says(refusal([&] { evaluate(c_, {}); }), {"'x0'"});
  expect_says(refusal([&] { run(c_, {}, with("x1", small.view())); }), {"'x1'", "[16]", "[2, 2]"});
  expect_says(refusal([&] { evaluate(c_, with("rows", small.view())); }), {"'rows'"});
  Computation symbolic = c_;
  for (TensorDecl& tensor : symbolic.tensors) {
    if (tensor.shape.size() == 4) tensor.shape[0] = Extent::symbolic(1, 0);
  }
  for (Stage& stage : symbolic.stages) stage.axes[0].extent = Extent::symbolic(1, 0);
  expect_says(refusal([&] { run(symbolic, {}, inputs()); }), {"symbolic"});
}

}  // namespace
}  // namespace altrt
