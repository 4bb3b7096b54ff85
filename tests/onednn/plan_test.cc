// Whole networks with groups decided for oneDNN; what happens without the plug-in.
#include <thread>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/plan/build.h"
#include "runtime/plan/runner.h"
#include "runtime/session/stages.h"
#include "tests/onednn/plugin.h"

namespace altrt {
namespace {

// The stages of a session from decisions on.
struct Planned {
  std::shared_ptr<const graph::Graph> graph;
  std::shared_ptr<const plan::Plan> plan;
  int provided = 0;  // groups that the provider computes
};

Planned make_plan(const Model& model, base::Team& team, const std::string& provider) {
  Planned planned;
  planned.graph = std::make_shared<const graph::Graph>(graph::simplify(model.graph(), {}, {}));
  std::vector<graph::Group> groups = graph::form_groups(*planned.graph);
  graph::Decisions decisions = graph::default_decisions(*planned.graph, groups, jit::host_target());
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto candidates = jit::provider_candidates(provider, groups[g].computation, team.threads());
    if (candidates.empty()) continue;
    decisions[g] = candidates[0];
    ++planned.provided;
  }
  session::CompiledGroups compiled = session::compile_groups(groups, decisions, jit::host_target(), team);
  std::vector<plan::GroupCode> code = session::load_groups(compiled, groups);
  const auto weights = plan::weight_store(model.shared_graph(), "");
  planned.plan = std::make_shared<const plan::Plan>(
      plan::build_plan({planned.graph, groups, compiled.decisions, std::move(code)}, *weights, team));
  return planned;
}

// `runs` runs in memory of their own; the outputs of the last.
Tensors run_plan(const Planned& planned, base::Team& team, const Tensors& inputs, int runs) {
  const std::unique_ptr<plan::Runner> runner = plan::make_runner(planned.plan, team.threads());
  Tensors outputs;
  std::vector<plan::Address> from, to;
  for (const int input : planned.graph->inputs) {
    from.push_back({inputs.at(planned.graph->values[static_cast<size_t>(input)].name).view().data});
  }
  for (const int output : planned.graph->outputs) {
    const graph::Value& value = planned.graph->values[static_cast<size_t>(output)];
    to.push_back({(outputs[value.name] = Tensor(value.type, value.shape)).data()});
  }
  runner->bind(from, to);
  for (int i = 0; i < runs; ++i) {
    base::Team::Lease lease(team);
    runner->run(lease);
  }
  return outputs;
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
    base::Team team(threads, 50);
    const Planned planned = make_plan(model, team, "onednn");
    EXPECT_GE(planned.provided, 3);
    expect_close(run_plan(planned, team, inputs, 3), expected);
    for (const KernelInfo& kernel : planned.plan->kernels) {
      const bool is_conv = kernel.op == "Conv" || kernel.op.substr(0, 5) == "Conv+";
      EXPECT_TRUE(!is_conv || kernel.provider == "onednn") << kernel.name;
    }
  }
}

// More callers than the kernels keep memory objects for.
TEST(OneDnnPlan, ManyCallersGetTheSerialBits) {
  NEEDS_PLUGIN();
  const Model model = residual_net();
  base::Team team(2, 50);
  const Planned planned = make_plan(model, team, "onednn");
  constexpr size_t kCallers = 12;
  std::vector<Tensors> inputs, expected;
  for (uint64_t caller = 0; caller < kCallers; ++caller) {
    inputs.push_back(make_inputs(model.inputs(), 60 + caller));
    expected.push_back(run_plan(planned, team, inputs.back(), 1));
  }
  std::vector<int> wrong(kCallers, 0);
  std::vector<std::thread> callers;
  for (size_t caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < 20; ++i) {
        const Tensors got = run_plan(planned, team, inputs[caller], 10);
        wrong[caller] += !same_bits(got.at("y"), expected[caller].at("y"));
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, std::vector<int>(kCallers, 0));
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
