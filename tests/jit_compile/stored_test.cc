// Biases and scales stored at their weights: which layouts with_bias_at_weights() makes, and that the usual schedules
// of every kind of group give the right result with them.
#include <altrt/error.h>
#include <altrt/model.h>
#include <gtest/gtest.h>

#include "jit/compile/canonical.h"
#include "jit/compile/compile.h"
#include "jit/compile/templates.h"
#include "jit/expr/algorithms.h"
#include "jit/layout/stored.h"
#include "runtime/graph/groups.h"
#include "runtime/graph/layouts.h"
#include "tests/property/harness.h"

namespace altrt::jit {
namespace {

using Ints = std::vector<int64_t>;

Tensor values(const Shape& shape, int64_t first) {
  Tensor tensor(DataType::f32, shape);
  for (int64_t i = 0; i < element_count(shape); ++i) tensor.as<float>()[i] = static_cast<float>((i + first) % 7 - 3);
  return tensor;
}

/// y = max(op(x, weights) + bias, 0) * scale
struct Net {
  std::string name, op;
  Shape input, weights;
  int64_t filters = 1;
  AttributeMap attributes = {};
  bool vectors = true, scaled = false;
};

Model model_of(const Net& net) {
  GraphBuilder b(net.name);
  b.input("x", DataType::f32, net.input);
  std::string y = b.op(net.op, {"x", b.constant("w", values(net.weights, 0))}, net.attributes);
  Shape shape{net.filters};
  if (net.op != "MatMul") shape.insert(shape.end(), net.input.size() - 2, 1);
  if (net.vectors) y = b.op("Add", {y, b.constant("b", values(shape, 1))});
  y = b.op("Relu", {y});
  if (net.scaled) y = b.op("Mul", {y, b.constant("s", values(shape, 2))});
  b.output(b.op("Identity", {y}, {}, "y"));
  return b.build();
}

/// The one group of the net as the compiler sees it (x0 times w0, then w1 and w2), with its default decision.
struct Subject {
  Computation c;
  GroupDecision decision;

  Subject(const Net& net, const Target& target, const std::string& algorithm = "") {
    const graph::Graph graph = graph::simplify(model_of(net).graph(), {}, {});
    const std::vector<graph::Group> groups = graph::form_groups(graph);
    EXPECT_EQ(groups.size(), 1u) << net.name;
    decision = graph::default_decisions(graph, groups, target)[0];
    if (!algorithm.empty()) decision = with_algorithm(decision, groups[0].computation, algorithm, target);
    c = apply_algorithm(groups[0].computation, decision.algorithm);
  }
  std::string text(const Layouts& layouts, const std::string& tensor) const {
    const auto found = layouts.find(tensor);
    return found == layouts.end() ? "" : to_string(found->second);
  }
};

/// "" or what is wrong. Nests for a GPU are made and verified, not run: their threads run at the same time.
std::string difference(const Subject& subject, const Layouts& layouts, const Schedule& schedule, const Target& target) {
  property::Case made;
  made.seed = 3;
  made.kind = "stored";
  made.computation = subject.c;
  made.layouts = layouts;
  made.schedule = schedule;
  made.kernels = lower(made.computation, layouts, schedule);
  size_t shared = 0;
  for (const LoweredKernel& kernel : made.kernels) {
    for (const Buffer& buffer : kernel.nest.buffers) shared += buffer.name == "w1" || buffer.name == "w2";
  }
  EXPECT_EQ(shared, 0u) << "the vectors have no buffer of their own";
  return target.is_gpu() ? "" : property::check(made, property::run_interpreter);
}

const std::vector<Net>& nets() {
  static const std::vector<Net> all{
      {"conv", "Conv", {1, 16, 7, 9}, {32, 16, 3, 3}, 32, {{"pads", Ints{1, 1, 1, 1}}}},
      {"conv_odd", "Conv", {1, 3, 7, 9}, {20, 3, 3, 3}, 20, {{"strides", Ints{2, 2}}}},
      {"conv_scaled", "Conv", {1, 16, 5, 5}, {24, 16, 1, 1}, 24, {}, true, true},
      {"conv1d", "Conv", {1, 8, 13}, {16, 8, 3}, 16},
      {"depthwise", "Conv", {1, 24, 9, 7}, {24, 1, 3, 3}, 24, {{"group", int64_t{24}}}},
      {"grouped", "Conv", {1, 32, 5, 7}, {32, 16, 3, 3}, 32, {{"group", int64_t{2}}}},
      {"transposed", "ConvTranspose", {1, 8, 5, 4}, {8, 16, 3, 3}, 16, {{"strides", Ints{2, 2}}}},
      {"matmul", "MatMul", {13, 21}, {21, 37}, 37},
      {"matmul_wide", "MatMul", {12, 32}, {32, 90}, 90},
      {"matmul_panel", "MatMul", {5, 9}, {9, 8}, 8},
      {"matmul_scaled", "MatMul", {2, 6, 32}, {32, 48}, 48, {}, true, true}};
  return all;
}

TEST(BiasAtWeights, EveryKindOfGroupGivesTheRightResult) {
  for (const char* name : {"avx2", "avx512", "neon", "sm_90"}) {
    const Target target = named_target(name);
    for (const Net& net : nets()) {
      // On a GPU the default is "gemm", which reads the weights at load only.
      const Subject subject(net, target, net.op == "ConvTranspose" ? "phases" : "direct");
      const auto [layouts, refusal] = with_bias_at_weights(subject.c, subject.decision.layouts);
      if (target.is_gpu() && net.op == "ConvTranspose") {
        EXPECT_EQ(refusal, "the layout of w0 has output channels between its other dimensions");
        continue;
      }
      ASSERT_TRUE(layouts) << net.name << " " << name << ": " << refusal;
      const StoredLayouts stored = resolve_store_at(subject.c, *layouts);
      EXPECT_EQ(stored.sources(subject.c.anchor.weights).size(), net.scaled ? 2u : 1u) << net.name;
      const Schedule schedule = default_schedule(subject.c, *layouts, target);
      EXPECT_EQ(difference(subject, *layouts, schedule, target), "") << net.name << " " << name;
      EXPECT_EQ(difference(subject, *layouts, subject.decision.schedule, target), "") << net.name << " " << name;
    }
  }
}

TEST(BiasAtWeights, TheDefaultScheduleIsTheSame) {
  const Target target = named_target("avx2");
  for (const Net& net : nets()) {
    const Subject subject(net, target);
    const auto layouts = with_bias_at_weights(subject.c, subject.decision.layouts).layouts;
    ASSERT_TRUE(layouts) << net.name;
    EXPECT_EQ(to_string(default_schedule(subject.c, *layouts, target)), to_string(subject.decision.schedule))
        << net.name;
  }
}

TEST(BiasAtWeights, GoldenLayouts) {
  const Target target = named_target("avx2");
  const auto texts = [&](const Net& net) {
    const Subject subject(net, target);
    const auto layouts = with_bias_at_weights(subject.c, subject.decision.layouts).layouts;
    return layouts ? subject.text(*layouts, "w0") + " | " + subject.text(*layouts, "w1") : "none";
  };
  EXPECT_EQ(texts(nets()[0]),
            "split(0, 0x16) reorder(0,3,4,2,1) fuse(1, 3) | fuse(0, 3) split(0, 0x16) store_at(w0, 1)");
  EXPECT_EQ(texts(nets()[1]),
            "pad(0, 0, 4, 0) split(0, 0x8) reorder(0,3,4,2,1) fuse(1, 3) | "
            "fuse(0, 3) pad(0, 0, 4, 0) split(0, 0x8) store_at(w0, 1)");
  EXPECT_EQ(texts(nets()[7]), " | store_at(w0, 0)") << "one panel: ALT's example";
  EXPECT_EQ(texts(nets()[8]),
            "pad(1, 0, 6, 0) split(1, 0x16) reorder(1,0,2) | pad(0, 0, 6, 0) split(0, 0x16) store_at(w0, 1)");
}

TEST(BiasAtWeights, ChangesNothingWhenAppliedAgain) {
  const Target target = named_target("avx2");
  for (const Net& net : nets()) {
    const Subject subject(net, target);
    const auto once = with_bias_at_weights(subject.c, subject.decision.layouts);
    ASSERT_TRUE(once.layouts) << once.refusal;
    EXPECT_EQ(with_bias_at_weights(subject.c, *once.layouts).layouts, once.layouts) << net.name;
  }
}

/// Every algorithm of every net: the right result, or a reason.
TEST(BiasAtWeights, EveryAlgorithm) {
  const Target target = named_target("avx2");
  std::map<std::string, int> stored, refused;
  for (const Net& net : nets()) {
    for (const std::string& algorithm : algorithms(Subject(net, target, "direct").c)) {
      const Subject subject(net, target, algorithm);
      const auto [layouts, refusal] = with_bias_at_weights(subject.c, subject.decision.layouts);
      EXPECT_NE(layouts.has_value(), !refusal.empty()) << net.name << " " << algorithm;
      ++(layouts ? stored : refused)[algorithm];
      if (!layouts) continue;
      const Schedule schedule = default_schedule(subject.c, *layouts, target);
      EXPECT_EQ(difference(subject, *layouts, schedule, target), "") << net.name << " " << algorithm;
    }
  }
  for (const char* algorithm : {"direct", "phases"}) EXPECT_GT(stored[algorithm], 0) << algorithm;
  for (const char* algorithm : {"winograd4", "gemm"}) EXPECT_GT(refused[algorithm], 0) << algorithm;
}

TEST(BiasAtWeights, EveryRefusalSaysWhy) {
  const Target target = named_target("avx2");
  const auto refusal = [](const Computation& c, const Layouts& layouts) {
    const BiasAtWeights result = with_bias_at_weights(c, layouts);
    EXPECT_FALSE(result.layouts);
    return result.refusal;
  };
  Net bare = nets()[7];
  bare.vectors = false;
  const Subject none(bare, target);
  EXPECT_EQ(refusal(none.c, none.decision.layouts), "the group has no constant vector over the output channels");
  const Subject matmul(nets()[7], target);
  const auto with_weights = [&](const std::string& text) {
    Layouts layouts = matmul.decision.layouts;
    layouts["w0"] = parse_layout(text);
    return refusal(matmul.c, layouts);
  };
  EXPECT_EQ(with_weights("split(0, 3x7) pad(2, 0, 3, 0) split(2, 0x8) reorder(0,2,1,3)"),
            "the layout of w0 has output channels between its other dimensions");
  EXPECT_EQ(with_weights("fuse(0, 2)"), "the layout of w0 mixes output channels with other dimensions");
  EXPECT_EQ(with_weights("store_at(w1, 0)"), "the layout of w0 has store_at(w1, 0) in it");
  EXPECT_EQ(with_weights("pad(5, 0, 1)"),
            "w0: layout step 1, pad(5, 0, 1), on [21, 37]: dimension 5 of a tensor of rank 2");
  Computation changed = matmul.c;
  changed.tensors[static_cast<size_t>(changed.anchor.weights)].role = Role::input;
  EXPECT_EQ(refusal(changed, matmul.decision.layouts), "the weights, w0, are no constant");
  EXPECT_EQ(refusal(Computation(), {}), "the group has no weights");
  const Subject winograd(nets()[0], target, "winograd4");
  EXPECT_EQ(refusal(winograd.c, winograd.decision.layouts), "other stages bring w0 into their own form at load");
  // What store_at itself refuses: somebody else has the other dimension.
  const Subject scaled(nets()[2], target);
  Layouts taken = scaled.decision.layouts;
  changed = scaled.c;
  changed.add_tensor({"other", DataType::f32, {1}, Role::constant});
  taken["other"].store_at("w0", 0);
  EXPECT_NE(refusal(changed, taken).find("tensor other, store_at(w0, 0): "), std::string::npos);
}

TEST(StoredDecision, TextAndCanonicalFormKeepTheHost) {
  const Target target = named_target("avx2");
  const Subject subject(nets()[0], target);
  GroupDecision decision = subject.decision;
  decision.layouts = *with_bias_at_weights(subject.c, decision.layouts).layouts;
  EXPECT_EQ(parse_decision(to_string(decision)), decision);
  EXPECT_NE(hash(decision), hash(subject.decision));
  const GroupDecision numbered = canonical(decision, subject.c);
  const std::string host = "t" + std::to_string(subject.c.anchor.weights);
  EXPECT_NE(to_string(numbered).find("store_at(" + host + ", "), std::string::npos) << to_string(numbered);
  EXPECT_EQ(with_names(parse_decision(to_string(numbered)), subject.c), decision);
  // Names change, numbers do not.
  Computation renamed = subject.c;
  for (TensorDecl& tensor : renamed.tensors) tensor.name = "/net/" + tensor.name + ", 1";
  const GroupDecision other = with_names(numbered, renamed);
  EXPECT_EQ(parse_decision(to_string(other)), other);
  EXPECT_EQ(canonical(other, renamed), numbered);
  EXPECT_EQ(lower(renamed, other.layouts, other.schedule)[0].arguments,
            lower(subject.c, decision.layouts, decision.schedule)[0].arguments);
}

TEST(StoredDecision, CompiledKernelsTakeTheHostOnly) {
  const Target target = host_target();
  const Subject subject(nets()[7], target);
  GroupDecision decision = subject.decision;
  decision.layouts = *with_bias_at_weights(subject.c, decision.layouts).layouts;
  const CompiledGroup group = compile(subject.c, decision, target, "altrt_stored");
  EXPECT_EQ(group.layouts, decision.layouts);
  const int bias = subject.c.find_tensor("w1");
  for (const CompiledKernel& kernel : group.kernels) {
    for (const int tensor : kernel.arguments) EXPECT_NE(tensor, bias);
  }
  EXPECT_NE(inspect(subject.c, decision, target, "nests").find("w0: f32["), std::string::npos);
  decision.layouts["x0"].store_at("w0", 0);
  try {
    compile(subject.c, decision, target, "altrt_refused");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("tensor x0, store_at(w0, 0): x0 is an input"), std::string::npos);
  }
}

}  // namespace
}  // namespace altrt::jit
