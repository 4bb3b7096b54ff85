// Whole networks with groups decided for oneDNN; what happens without the plug-in.
#include <utility>

#include "runtime/base/log.h"
#include "runtime/plan/build.h"
#include "runtime/plan/executor.h"
#include "runtime/session/stages.h"
#include "tests/onednn/plugin.h"

namespace altrt {
namespace {

struct PlanRun {
  Tensors outputs;
  int provided = 0;  // groups that the provider computes
  plan::Plan plan;
};

// The stages of a session from decisions on, run on `threads` threads.
PlanRun run_plan(const Model& model, const Tensors& inputs, int threads, const std::string& provider) {
  const auto graph = std::make_shared<const graph::Graph>(graph::simplify(model.graph(), {}, {}));
  std::vector<graph::Group> groups = graph::form_groups(*graph);
  base::Team team(threads, 50);
  graph::Decisions decisions = graph::default_decisions(*graph, groups, jit::host_target());
  PlanRun run;
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto candidates = jit::provider_candidates(provider, groups[g].computation, threads);
    if (candidates.empty()) continue;
    decisions[g] = candidates[0];
    ++run.provided;
  }
  session::CompiledGroups compiled = session::compile_groups(groups, decisions, jit::host_target(), team);
  std::vector<plan::GroupCode> code = session::load_groups(compiled, groups);
  const auto weights = plan::weight_store(model.shared_graph(), "");
  auto plan = std::make_shared<const plan::Plan>(
      plan::build_plan({graph, groups, compiled.decisions, std::move(code)}, *weights, team));
  run.plan = *plan;
  plan::Memory memory(plan, threads);
  std::vector<void*> from, to;
  for (const int input : graph->inputs) {
    from.push_back(const_cast<void*>(inputs.at(graph->values[static_cast<size_t>(input)].name).data()));
  }
  for (const int output : graph->outputs) {
    const graph::Value& value = graph->values[static_cast<size_t>(output)];
    to.push_back((run.outputs[value.name] = Tensor(value.type, value.shape)).data());
  }
  memory.bind(from, to);
  base::Team::Lease lease(team);
  for (int i = 0; i < 3; ++i) memory.run(lease);
  return run;
}

Model residual_net() {
  GraphBuilder b("residual_net");
  b.input("x", DataType::f32, {1, 3, 21, 21});
  const auto conv = [&](const std::string& in, int64_t from, int64_t to, int64_t stride, uint64_t seed) {
    const std::string name = std::to_string(seed);
    const auto w = b.constant("w" + name, random_tensor({to, from, 3, 3}, seed, 0.2f));
    const auto bias = b.constant("b" + name, random_tensor({to}, seed + 100));
    return b.op("Conv", {in, w, bias}, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{stride, stride}}});
  };
  const auto a = b.op("Relu", {conv("x", 3, 32, 2, 1)});
  const auto c = b.op("Relu", {conv(a, 32, 32, 1, 2)});
  const auto d = b.op("Relu", {b.op("Add", {conv(c, 32, 32, 1, 3), a})});
  const auto flat = b.op("Flatten", {b.op("GlobalAveragePool", {d})});
  b.output(b.op("MatMul", {flat, b.constant("w9", random_tensor({32, 10}, 9))}, {}, "y"));
  return b.build();
}

TEST(OneDnnPlan, NetworkAgreesOnOneAndTwoThreads) {
  NEEDS_PLUGIN();
  const Model model = residual_net();
  const Tensors inputs = make_inputs(model.inputs(), 50);
  const Tensors expected = evaluate_reference(model, views(inputs));
  for (const int threads : {1, 2}) {
    const PlanRun run = run_plan(model, inputs, threads, "onednn");
    EXPECT_GE(run.provided, 3);
    expect_close(run.outputs, expected);
    for (const KernelInfo& kernel : run.plan.kernels) {
      const bool is_conv = kernel.op == "Conv" || kernel.op.substr(0, 5) == "Conv+";
      EXPECT_TRUE(!is_conv || kernel.provider == "onednn") << kernel.name;
    }
  }
}

TEST(OneDnnPlan, AbsentProviderIsOneLineAndNoCandidate) {
  std::vector<std::string> lines;
  const base::LogScope scope(
      [&](base::LogLevel level, std::string_view line) {
        if (level == base::LogLevel::info) lines.emplace_back(line);
      },
      base::LogLevel::debug);
  EXPECT_FALSE(session::open_provider("absent"));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("libaltrt_absent.so"), std::string::npos) << lines[0];
  EXPECT_TRUE(session::open_provider("own"));
  EXPECT_TRUE(jit::provider_candidates("absent", groups_of(residual_net())[0].computation, 1).empty());
}

TEST(OneDnnPlan, DecisionForAbsentProviderFallsBackToOwn) {
  const Model model = residual_net();
  const std::vector<graph::Group> groups = groups_of(model);
  graph::Decisions decisions =
      graph::default_decisions(graph::simplify(model.graph(), {}, {}), groups, jit::host_target());
  for (jit::GroupDecision& decision : decisions) {
    if (decision.provider == "own") decision.provider = "absent";
  }
  std::vector<std::string> warnings;
  const base::LogScope scope(
      [&](base::LogLevel level, std::string_view line) {
        if (level == base::LogLevel::warning) warnings.emplace_back(line);
      },
      base::LogLevel::debug);
  base::Team team(1, 50);
  const session::CompiledGroups compiled = session::compile_groups(groups, decisions, jit::host_target(), team);
  EXPECT_EQ(warnings.size(), compiled.compiled.size());
  for (const jit::GroupDecision& decision : compiled.decisions) EXPECT_NE(decision.provider, "absent");
}

}  // namespace
}  // namespace altrt
