// Groups computed by oneDNN against the reference evaluator.
#include <map>
#include <random>

#include "jit/expr/evaluate.h"
#include "jit/layout/permute.h"
#include "runtime/base/buffer.h"
#include "tests/onednn/plugin.h"

namespace altrt {
namespace {

using jit::Role;

Shape shape_of(const jit::TensorDecl& tensor) {
  Shape shape;
  for (const jit::Extent& extent : tensor.shape) shape.push_back(extent.bound);
  return shape;
}

// Runs a decision's only kernel on packed tensors, its tasks in reverse order, and compares.
void check(const jit::Computation& c, const jit::GroupDecision& decision) {
  const jit::CompiledGroup group = jit::compile(c, decision, jit::host_target(), "test");
  ASSERT_EQ(group.kernels.size(), 1u);
  const jit::CompiledKernel& kernel = group.kernels[0];
  const std::shared_ptr<jit::LoadedKernel> loaded = jit::load(group, decision).front();

  std::vector<Tensor> plain;
  std::vector<void*> plain_buffers;
  for (size_t t = 0; t < c.tensors.size(); ++t) plain.push_back(random_tensor(shape_of(c.tensors[t]), 10 + t));
  for (Tensor& tensor : plain) plain_buffers.push_back(tensor.data());
  jit::evaluate(c, plain_buffers);

  const auto layout = [&](int t) {
    const auto found = group.layouts.find(c.tensors[static_cast<size_t>(t)].name);
    return found == group.layouts.end() ? jit::Layout{} : found->second;
  };
  std::vector<base::AlignedBuffer> packed;
  std::vector<const void*> buffers;
  for (size_t a = 0; a < kernel.arguments.size(); ++a) {
    const int t = kernel.arguments[a];
    const jit::Permute permute(DataType::f32, shape_of(c.tensors[static_cast<size_t>(t)]), {}, layout(t));
    packed.emplace_back(static_cast<size_t>(permute.bytes_to()));
    if (!kernel.written[a]) permute.run(plain[static_cast<size_t>(t)].data(), packed.back().data(), 0, permute.tasks());
    buffers.push_back(packed.back().data());
  }
  buffers.push_back(loaded->state());
  base::AlignedBuffer workspace(static_cast<size_t>(kernel.object.workspace_bytes));
  for (int64_t task = kernel.tasks; task-- > 0;) {
    loaded->function()(buffers.data(), nullptr, workspace.data(), task, task + 1);
  }

  const int output = c.with_role(Role::output)[0];
  const Shape shape = shape_of(c.tensors[static_cast<size_t>(output)]);
  Tensor made(DataType::f32, shape);
  const jit::Permute back(DataType::f32, shape, layout(output), {});
  back.run(packed.back().data(), made.data(), 0, back.tasks());
  const auto* expected = plain[static_cast<size_t>(output)].as<float>();
  EXPECT_LE(relative_l2(made.as<float>(), expected, element_count(shape)), 1e-5) << jit::to_string(decision);
}

// Every group of the model must be computed, in one part and cut.
void check_model(const Model& model, int64_t least_tasks_of_two = 2) {
  SCOPED_TRACE(model.name());
  for (const graph::Group& group : groups_of(model)) {
    for (const int parts : {1, 2, 3}) {
      const auto decisions = jit::provider_candidates("onednn", group.computation, parts);
      ASSERT_EQ(decisions.size(), 1u) << "declined: " << jit::to_string(group.computation);
      check(group.computation, decisions[0]);
      if (parts != 2) continue;
      const auto compiled = jit::compile(group.computation, decisions[0], jit::host_target(), "test");
      EXPECT_GE(compiled.kernels[0].tasks, least_tasks_of_two);
    }
  }
}

TEST(OneDnnGroups, Convolutions) {
  NEEDS_PLUGIN();
  const Ints one{1, 1}, two{2, 2}, none{0, 0, 0, 0}, all{1, 1, 1, 1};
  const ConvCase cases[] = {
      {"plain", {1, 32, 9, 11}, {32, 32, 3, 3}, 1, all, one, one, false, false, ""},
      {"residual", {1, 32, 9, 11}, {64, 32, 3, 3}, 1, all, one, one, true, true, "Relu"},
      {"strided", {1, 32, 13, 12}, {32, 32, 3, 3}, 1, all, two, one, true, false, "Clip"},
      {"pointwise", {2, 64, 7, 7}, {32, 64, 1, 1}, 1, none, one, one, true, true, ""},
      {"images", {3, 32, 7, 7}, {48, 32, 3, 3}, 1, {1, 0, 0, 1}, one, one, true, true, "Relu"},
      {"dilated", {1, 32, 15, 15}, {32, 32, 3, 3}, 1, {2, 2, 2, 2}, one, two, true, false, "Relu"},
  };
  for (const ConvCase& c : cases) check_model(conv_model(c));
}

TEST(OneDnnGroups, FirstLayerAndGroups) {
  NEEDS_PLUGIN();
  const Ints one{1, 1}, two{2, 2}, all{1, 1, 1, 1};
  check_model(conv_model({"first", {1, 3, 23, 23}, {32, 3, 7, 7}, 1, {3, 3, 3, 3}, two, one, true, false, "Relu"}));
  check_model(conv_model({"depthwise", {1, 64, 9, 9}, {64, 1, 3, 3}, 64, all, one, one, true, false, "Clip"}));
  check_model(conv_model({"groups", {1, 64, 9, 9}, {64, 16, 3, 3}, 4, all, one, one, true, true, "Relu"}));
}

TEST(OneDnnGroups, OtherDimensions) {
  NEEDS_PLUGIN();
  check_model(conv_model({"line", {1, 32, 40}, {32, 32, 3}, 1, {1, 1}, {1}, {1}, true, true, "Relu"}));
  check_model(conv_model({"volume",
                          {1, 16, 4, 7, 6},
                          {32, 16, 3, 3, 3},
                          1,
                          {1, 1, 1, 1, 1, 1},
                          {1, 2, 1},
                          {1, 1, 1},
                          true,
                          true,
                          "Relu"}));
}

Model product_model(const Shape& a, const Shape& w, bool constant, bool residual, const std::string& last) {
  GraphBuilder b("product" + to_string(a) + to_string(w));
  b.input("a", DataType::f32, a);
  if (!constant) b.input("w", DataType::f32, w);
  std::string y = b.op("MatMul", {"a", constant ? b.constant("w", random_tensor(w, 1, 0.3f)) : std::string("w")});
  if (constant) y = b.op("Add", {y, b.constant("bias", random_tensor({w.back()}, 2))});
  Shape out = a;
  out.back() = w.back();
  if (residual) {
    b.input("r", DataType::f32, out);
    y = b.op("Add", {y, "r"});
  }
  if (!last.empty()) y = b.op(last, {y});
  b.output(y);
  return b.build();
}

TEST(OneDnnGroups, Products) {
  NEEDS_PLUGIN();
  check_model(product_model({37, 48}, {48, 64}, true, false, ""));
  check_model(product_model({2, 20, 48}, {48, 56}, true, true, "Relu"));
  check_model(product_model({40, 33}, {33, 21}, false, false, "Relu"));
  check_model(product_model({4, 19, 32}, {4, 32, 17}, false, false, ""));
  check_model(product_model({2, 3, 19, 32}, {2, 3, 32, 17}, false, true, ""));
  check_model(product_model({1, 48}, {48, 10}, true, false, ""), 1);
}

TEST(OneDnnGroups, DeclinesWhatItDoesNotKnow) {
  NEEDS_PLUGIN();
  const Ints one{1, 1}, all{1, 1, 1, 1};
  const Model models[] = {
      conv_model({"sigmoid", {1, 32, 9, 9}, {32, 32, 3, 3}, 1, all, one, one, true, false, "Sigmoid"}),
      conv_model({"odd channels", {1, 19, 9, 9}, {21, 19, 3, 3}, 1, all, one, one, true, false, ""}),
      product_model({8, 8}, {8, 8}, true, false, "Erf"),
      [] {
        GraphBuilder b("softmax");
        b.input("x", DataType::f32, {4, 9});
        b.output(b.op("Softmax", {"x"}));
        return b.build();
      }(),
  };
  for (const Model& model : models) {
    for (const graph::Group& group : groups_of(model)) {
      if (group.host) continue;
      const bool is_anchor = group.computation.anchor.kind != jit::AnchorKind::none;
      if (!is_anchor && group.computation.stages.size() != 1) continue;
      EXPECT_TRUE(jit::provider_candidates("onednn", group.computation, 2).empty()) << model.name();
      jit::GroupDecision forced;
      forced.provider = "onednn";
      EXPECT_THROW(jit::compile(group.computation, forced, jit::host_target(), "test"), Error) << model.name();
    }
  }
}

TEST(OneDnnGroups, RefusesOtherLayouts) {
  NEEDS_PLUGIN();
  const Ints one{1, 1}, all{1, 1, 1, 1};
  const Model model = conv_model({"conv", {1, 32, 9, 9}, {32, 32, 3, 3}, 1, all, one, one, true, false, ""});
  const jit::Computation c = groups_of(model)[0].computation;
  jit::GroupDecision decision = jit::provider_candidates("onednn", c, 2).at(0);
  EXPECT_EQ(jit::parse_decision(jit::to_string(decision)), decision);
  decision.layouts.erase(c.tensors[static_cast<size_t>(c.anchor.data)].name);
  EXPECT_THROW(jit::compile(c, decision, jit::host_target(), "test"), Error);
}

}  // namespace
}  // namespace altrt
